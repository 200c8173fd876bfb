"""Guessing passwords over real sockets: each way in is counted, and nobody else pays for it.

Clients of other networks are other addresses of the loopback network.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio

from firmware.subsystems.auth.guessing import PAIR

OWNER = "127.0.0.1"
STRANGER = "127.0.0.2"
WRONG = "hunter2"


def at(live: Any, address: str) -> httpx.AsyncClient:
    """A client without credentials that calls from *address*."""
    transport = httpx.AsyncHTTPTransport(local_address=address, verify=False)
    return httpx.AsyncClient(base_url=live.url, timeout=60, transport=transport)


def xhdr(passwd: str, user: str = "admin") -> dict[str, str]:
    return {"X-KVMD-User": user, "X-KVMD-Passwd": passwd}


def basic(passwd: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"admin:{passwd}".encode()).decode()}


async def upgrade(live: Any, path: str, passwd: str, address: str) -> tuple[int, dict[str, str]]:
    """Ask for a WebSocket; return the status and the headers of the answer."""
    host, port = live.url.removeprefix("http://").rstrip("/").split(":")
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + b64encode(b"k" * 16).decode()]
    lines += [f"{name}: {value}" for name, value in xhdr(passwd).items()]
    async with await trio.open_tcp_stream(host, int(port), local_address=address) as stream:
        await stream.send_all("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = await stream.receive_some()
            assert piece
            head += piece
    status, *fields = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    pairs = (field.split(": ", 1) for field in fields)
    return int(status.split()[1]), {name.lower(): value for name, value in pairs}


type Attempt = Callable[[Any, str, str], Awaitable[tuple[int, Any]]]


def plain(send: Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]) -> Attempt:
    async def attempt(live: Any, address: str, passwd: str) -> tuple[int, Any]:
        async with at(live, address) as client:
            answer = await send(client, passwd)
            return answer.status_code, answer.headers

    return attempt


def socket(path: str) -> Attempt:
    return lambda live, address, passwd: upgrade(live, path, passwd, address)


SESSIONS = "/redfish/v1/SessionService/Sessions"
# The way in, the status of a right password and of a wrong one as the contract has them.
WAYS = {
    "login": (
        plain(lambda c, p: c.post("/api/auth/login", data={"user": "admin", "passwd": p})),
        200,
        403,
    ),
    "headers": (plain(lambda c, p: c.get("/api/auth/check", headers=xhdr(p))), 200, 403),
    "basic": (plain(lambda c, p: c.get("/api/atx", headers=basic(p))), 200, 403),
    "proxied": (plain(lambda c, p: c.get("/api/media", headers=basic(p))), 200, 403),
    "control socket": (socket("/api/ws"), 101, 403),
    "media socket": (socket("/api/media/ws"), 101, 403),
    "redfish": (plain(lambda c, p: c.get("/redfish/v1/Systems", headers=basic(p))), 200, 403),
    "redfish login": (
        plain(lambda c, p: c.post(SESSIONS, json={"UserName": "admin", "Password": p})),
        201,
        401,
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_in_has_its_end_and_keeps_its_statuses_before(live: Any, way: str) -> None:
    attempt, right, wrong = WAYS[way]
    assert (await attempt(live, STRANGER, "admin"))[0] == right
    for _ in range(PAIR.at_once):
        status, headers = await attempt(live, STRANGER, WRONG)
        assert status == wrong
        assert "retry-after" not in headers
    # Now the right one is not looked at either: its status would tell.
    for passwd in (WRONG, "admin"):
        status, headers = await attempt(live, STRANGER, passwd)
        assert status == 429
        assert 1 <= int(headers["retry-after"]) <= 60
    # The owner calls from elsewhere and notices nothing.
    assert (await attempt(live, OWNER, "admin"))[0] == right
    assert (await attempt(live, OWNER, WRONG))[0] == wrong


async def test_all_ways_in_are_one_count(live: Any) -> None:
    for number in range(PAIR.at_once):
        attempt, _, wrong = list(WAYS.values())[number % len(WAYS)]
        assert (await attempt(live, STRANGER, WRONG))[0] == wrong
    for attempt, _, _ in WAYS.values():
        assert (await attempt(live, STRANGER, WRONG))[0] == 429


async def test_guesses_at_once_are_no_more_than_guesses_in_a_row(live: Any) -> None:
    statuses: list[int] = []

    async def guess(number: int) -> None:
        async with at(live, STRANGER) as client:
            headers = xhdr(f"{WRONG}{number}")
            statuses.append((await client.get("/api/auth/check", headers=headers)).status_code)

    async with trio.open_nursery() as nursery:
        for number in range(3 * PAIR.at_once):
            nursery.start_soon(guess, number)
    assert sorted(statuses) == [403] * PAIR.at_once + [429] * 2 * PAIR.at_once


async def test_a_limited_network_may_use_the_session_that_it_has(live: Any) -> None:
    async with at(live, STRANGER) as client:
        form = {"user": "admin", "passwd": "admin"}
        assert (await client.post("/api/auth/login", data=form)).status_code == 200
        for _ in range(PAIR.at_once):
            await client.get("/api/auth/check", headers=xhdr(WRONG))
        answer = await client.get("/api/auth/check", headers=xhdr(WRONG))
        await live.refused(answer, 429, "TooManyAttemptsError")
        assert await live.result_of(await client.get("/api/auth/check")) == {}


async def test_headers_do_not_make_another_client_of_one(live: Any) -> None:
    async with at(live, STRANGER) as client:
        for number in range(PAIR.at_once + 1):
            elsewhere = f"192.0.2.{number}"
            names = ("Remote-Addr", "X-Real-IP", "X-Forwarded-For", "Forwarded")
            headers = {**xhdr(WRONG), **dict.fromkeys(names, elsewhere)}
            answer = await client.get("/api/auth/check", headers=headers)
            assert answer.status_code == (403 if number < PAIR.at_once else 429)


async def test_an_unknown_user_is_limited_like_a_known_one(live: Any) -> None:
    answers = []
    for user in ("admin", "nobody"):
        async with at(live, STRANGER) as client:
            statuses = [
                (await client.get("/api/auth/check", headers=xhdr(WRONG, user))).status_code
                for _ in range(PAIR.at_once + 2)
            ]
            answers.append(statuses)
    assert answers[0] == answers[1]


async def test_a_page_says_how_long_to_wait(live: Any) -> None:
    async with at(live, STRANGER) as client:
        for _ in range(PAIR.at_once):
            await client.get("/kvm/", headers=xhdr(WRONG))
        answer = await client.get("/kvm/", headers=xhdr(WRONG))
        assert answer.status_code == 429
        assert answer.headers["content-type"].startswith("text/html")
        assert "try again in" in answer.text
