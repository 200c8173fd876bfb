"""Requests to a provider of logins: to any address that it names, one connection for each, nothing kept.

Deadline, bounds and errors are those of `drivers.channels.http_device`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx

from drivers.channels.http_device import HttpDevice
from drivers.errors import BadReplyError

TIMEOUT_S: Final = 10.0
_FORM: Final = "application/x-www-form-urlencoded"


class HttpProvider:
    """See `firmware.subsystems.auth.oidc.ProviderHttp`."""

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the body at *url*. Raises DriverError."""
        return await _request("GET", url, b"", headers or {})

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        """Send *form* and return the answer's body. Raises DriverError."""
        return await _request("POST", url, urlencode(form).encode(), headers)


async def _request(method: str, url: str, content: bytes, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    # To the last slash as the provider wrote it, since some answer to nothing else.
    target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    device = HttpDevice(
        "the login provider",
        f"{parts.scheme}://{parts.netloc}",
        verify=True,
        timeout_s=TIMEOUT_S,
        headers={"Accept": "application/json", "User-Agent": "farhand", **headers},
    )
    async with device.opened():
        try:
            return await device.request(method, target, content, media_type=_FORM)
        except (httpx.InvalidURL, ValueError):
            raise BadReplyError(f"expected a URL of {device.name}, got something malformed") from None
