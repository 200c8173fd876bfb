"""Providers of logins that do not answer as they should, as real servers."""

from __future__ import annotations

from typing import Literal

import pytest
from peers.http_device import Answer, Request, WebDevice, web_device

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.network import provider_http
from drivers.network.provider_http import HttpProvider


class Provider(WebDevice):
    """Tells its metadata."""

    def answer(self, request: Request) -> Answer:
        return Answer(200, request.target.encode(), "application/json")


@pytest.mark.fault("login providers", "stalls", "garbage", "returns")
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("hang", DeviceTimeoutError),
        ("garbage", BadReplyError),
        ("cut", BadReplyError),
        ("flood", BadReplyError),
    ],
)
async def test_a_provider_that_misbehaves_is_told_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
    fault: Literal["hang", "garbage", "cut", "flood"],
    error: type[DriverError],
) -> None:
    async with web_device(Provider()) as provider:
        provider.fault = fault
        if fault == "hang":
            monkeypatch.setattr(provider_http, "TIMEOUT_S", 0.3)
        with pytest.raises(error, match=r"the login provider.*127\.0\.0\.1"):
            await HttpProvider().get(f"{provider.url}/metadata")
        monkeypatch.undo()
        provider.fault = ""
        assert await HttpProvider().get(f"{provider.url}/metadata") == b"/metadata"


@pytest.mark.fault("login providers", "missing", "vanishes")
async def test_a_provider_that_does_not_listen_is_told() -> None:
    async with web_device(Provider()) as provider:
        url = f"{provider.url}/metadata"
        assert await HttpProvider().get(url) == b"/metadata"
    with pytest.raises(DeviceGoneError, match="the login provider"):
        await HttpProvider().get(url)
