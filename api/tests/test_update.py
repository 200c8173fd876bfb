"""Updates through the API: receiving, refusing, progress, restarting; on the emulated board's slots."""

from __future__ import annotations

import errno
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from firmware.subsystems.update.staging import Staging

SLOTS = "farhand: {emulated: {slots: true}}"
GOOD = b"farhand-emulated 9.0.0\n" + bytes(200_000)

type LiveWith = Callable[[str], AbstractAsyncContextManager[Any]]


def last_line(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


async def state_of(live: Any) -> dict[str, Any]:
    found: dict[str, Any] = await live.result_of(await live.http.get("/api/update"))
    return found


def staged(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "state" / "update"
    return list(folder.iterdir()) if folder.exists() else []


async def test_a_machine_without_slots_says_so_plainly(live: Any) -> None:
    state = await state_of(live)
    assert state["supported"] is False
    assert "not started from a Farhand image" in state["reason"]
    for path, body in (("install", GOOD), ("restart", b"")):
        answer = await live.http.post(f"/api/update/{path}", content=body)
        await live.refused(answer, 400, "UpdateUnsupportedError")


async def test_an_update_is_installed_and_started(live_with: LiveWith, tmp_path: Path) -> None:
    async with live_with(SLOTS) as live:
        before = await state_of(live)
        assert (before["running"], before["slots"][1]["condition"]) == ("A", "standby")
        answer = await live.http.post("/api/update/install", content=GOOD)
        assert answer.status_code == 200
        outcome = last_line(answer.text)
        assert outcome["ok"] is True
        assert outcome["result"]["phase"] == "done"
        state = await state_of(live)
        assert state["restart_needed"] is True
        assert state["slots"][1] == state["slots"][1] | {"condition": "waiting", "version": "9.0.0"}
        assert staged(tmp_path) == []
        await live.result_of(await live.http.post("/api/update/restart"))
        state = await state_of(live)
        assert (state["running"], state["version"], state["restart_needed"]) == ("B", "9.0.0", False)
        assert state["slots"][0]["condition"] == "standby"


async def test_a_version_that_does_not_work_is_told_with_its_reason(live_with: LiveWith) -> None:
    async with live_with(SLOTS) as live:
        await live.http.post("/api/update/install", content=b"farhand-emulated 9.0.0 broken\n")
        await live.http.post("/api/update/restart")
        state = await state_of(live)
        assert state["running"] == "A"
        assert state["slots"][1]["condition"] == "given_up"
        assert state["given_up"] == state["given_up"] | {
            "slot": "B",
            "version": "9.0.0",
            "reason": "its service does not start",
        }


async def test_a_refusal_is_an_ordinary_one_and_leaves_nothing(live_with: LiveWith, tmp_path: Path) -> None:
    async with live_with(SLOTS) as live:
        answer = await live.http.post("/api/update/install", content=b"no bundle")
        await live.refused(answer, 400, "UpdateRefusedError")
        assert "no update bundle" in answer.text
        assert staged(tmp_path) == []
        assert (await state_of(live))["installation"]["phase"] == "failed"
        # And the next one works.
        answer = await live.http.post("/api/update/install", content=GOOD)
        assert last_line(answer.text)["ok"] is True


async def test_room_is_checked_before_anything_comes(
    live_with: LiveWith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware.subsystems.update.staging.RESERVE_BYTES", 1 << 60)
    async with live_with(SLOTS) as live:
        answer = await live.http.post("/api/update/install", content=GOOD)
        await live.refused(answer, 400, "UpdateNoSpaceError")
        assert staged(tmp_path) == []


@pytest.mark.fault("updates: RAUC", "ENOSPC")
async def test_a_disk_that_fills_meanwhile_is_told(
    live_with: LiveWith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_staging: Staging, _piece: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Staging, "write", full)
    async with live_with(SLOTS) as live:
        answer = await live.http.post("/api/update/install", content=GOOD)
        await live.refused(answer, 400, "UpdateNoSpaceError")
        assert staged(tmp_path) == []


async def test_a_client_that_leaves_leaves_nothing_behind(live_with: LiveWith, tmp_path: Path) -> None:
    async with live_with(SLOTS) as live:
        stream = await live.raw_get("/api/update/install", "Content-Length: 1000000\r\n", method="POST")
        await stream.send_all(b"farhand-emulated 9.0.0\n" + bytes(100_000))
        with trio.fail_after(30):
            while not staged(tmp_path):
                await trio.sleep(0.02)
            # One at a time.
            answer = await live.http.post("/api/update/install", content=GOOD)
            await live.refused(answer, 409, "UpdateBusyError")
            await stream.aclose()
            while staged(tmp_path) or (await state_of(live))["installation"]["phase"] != "failed":
                await trio.sleep(0.02)
        assert (await state_of(live))["restart_needed"] is False


async def test_without_a_bundle_or_with_a_url_of_http_nothing_happens(live_with: LiveWith) -> None:
    async with live_with(SLOTS) as live:
        await live.refused(await live.http.post("/api/update/install"), 400, "ValidatorError")
        answer = await live.http.post("/api/update/install?url=http://127.0.0.1/x.raucb")
        await live.refused(answer, 400, "ValidatorError")
        assert "https" in answer.text


@pytest.fixture
async def bundle_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A server of one bundle whose certificate the appliance trusts."""
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.receive_some()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(GOOD)}\r\nConnection: close\r\n\r\n"
        await stream.send_all(head.encode() + GOOD)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1"))
        port = listeners[0].transport_listener.socket.getsockname()[1]
        yield f"https://localhost:{port}"
        nursery.cancel_scope.cancel()


async def test_a_bundle_is_fetched_from_a_server(
    live_with: LiveWith, bundle_server: str, tmp_path: Path
) -> None:
    async with live_with(SLOTS) as live:
        url = f"{bundle_server}/new.raucb?key=hidden"
        answer = await live.http.post("/api/update/install", params={"url": url})
        assert last_line(answer.text)["ok"] is True, answer.text
        state = await state_of(live)
        assert state["installation"]["source"] == f"{bundle_server}/new.raucb"
        assert state["next"] == "B"
        assert staged(tmp_path) == []
        trail = await live.http.get("/api/audit")
        assert "POST /api/update/install" in trail.text
        assert "hidden" not in trail.text


async def test_a_server_that_does_not_answer_is_a_refusal(live_with: LiveWith) -> None:
    async with live_with(SLOTS) as live:
        answer = await live.http.post("/api/update/install?url=https://127.0.0.1:1/x.raucb")
        await live.refused(answer, 400, "UpdateSourceError")


async def events_of(live: Any, query: str, until: str) -> list[dict[str, Any]]:
    """Return the events up to one of the type *until*."""
    found: list[dict[str, Any]] = []
    async with live.websocket(query) as socket:
        with trio.fail_after(30):
            while not found or found[-1]["event_type"] != until:
                found.append(json.loads(await socket.get_message()))
    return found


async def test_only_who_asks_is_told_by_event(live_with: LiveWith) -> None:
    async with live_with(SLOTS) as live:
        await state_of(live)
        told = await events_of(live, "?farhand=1", "update")
        assert told[-1]["event"]["supported"] is True
        # The number of clients is told last of all.
        others = await events_of(live, "", "clients")
        assert "update" not in {event["event_type"] for event in others}


async def test_metrics_tell_of_the_slots(live_with: LiveWith) -> None:
    async with live_with(SLOTS) as live:
        await state_of(live)
        text = (await live.http.get("/api/export/prometheus/metrics")).text
    version = live.appliance.update.state.value.version
    assert f'farhand_slot_info{{condition="confirmed",slot="A",version="{version}"}} 1.0' in text
