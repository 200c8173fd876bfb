"""The log over a real socket (contract http.md 4.1)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import trio

LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d farhand\.service\] --- (.*)")
logger = logging.getLogger("tests.log")


async def test_the_log_is_text_with_a_record_a_line(live: Any) -> None:
    for number in range(1500):
        logger.warning("record %d", number)
    answer = await live.http.get("/api/log?seek=3600")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain"
    assert answer.text.endswith("\r\n")
    lines = answer.text.removesuffix("\r\n").split("\r\n")
    assert all(LINE.fullmatch(line) for line in lines)
    assert [line.rpartition(" --- ")[2] for line in lines[-2:]] == ["record 1498", "record 1499"]
    assert lines[-1].endswith("tests.log                      WARNING --- record 1499")


async def read_until(stream: trio.SocketStream, end: bytes) -> None:
    """Read until *end* has come, which is followed by nothing but the end of its chunk."""
    received = b""
    with trio.fail_after(30):
        while not received.endswith(end + b"\r\n"):
            received += await stream.receive_some(65536)


async def test_following_gives_each_record_at_once_and_ends_with_the_client(live: Any) -> None:
    logger.warning("before")
    stream = await live.raw_get("/api/log?follow=1")
    async with stream:
        await read_until(stream, b"before\r\n")
        for number in range(3):
            logger.warning("during %d", number)
            await read_until(stream, b"during %d\r\n" % number)
        assert live.appliance.log.statistics()["readers"] == 1
    with trio.fail_after(30):
        while live.appliance.log.statistics()["readers"]:
            await trio.sleep(0.05)


@pytest.mark.parametrize("query", ["seek=-1", "seek=x", "seek=", "follow=maybe"])
async def test_refusals(live: Any, query: str) -> None:
    await live.refused(await live.http.get(f"/api/log?{query}"), 400, "ValidatorError")


async def test_it_can_be_disabled(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {log_reader: {enabled: false}}") as live:
        await live.refused(await live.http.get("/api/log?follow=1"), 400, "LogReaderDisabledError")


async def test_it_needs_credentials(live: Any) -> None:
    async with live.anonymous() as client:
        await live.refused(await client.get("/api/log"), 401, "UnauthorizedError")
