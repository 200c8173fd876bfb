"""The audit trail of a whole appliance: who did what from where, and never what was typed or a secret."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio

from api.audit import shown
from api.routing import Access, Traced, traced
from firmware.audit_command import command_verify
from firmware.core.errors import SetupError
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile, save

SECRET = "correct-horse-battery"


async def records(live: Any, after: int = 0) -> list[dict[str, Any]]:
    answer = await live.http.get(f"/api/audit?after={after}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


async def records_until(live: Any, what: str) -> list[dict[str, Any]]:
    """Wait for a record and return all of them."""
    with trio.fail_after(30):
        while True:
            found = await records(live)
            if what in [record["what"] for record in found]:
                return found
            await trio.sleep(0.05)


def one(found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    (record,) = (record for record in found if record["what"] == what)
    return record


async def test_logins_and_refusals_are_recorded(live: Any) -> None:
    async with live.anonymous() as client:
        form = {"user": "admin", "passwd": "admin"}
        assert (await client.post("/api/auth/login", data=form)).status_code == 200
        await client.post("/api/auth/login", data={"user": "admin", "passwd": SECRET})
        # A password in the field of the user.
        await client.post("/api/auth/login", data={"user": SECRET, "passwd": ""})
        await client.post("/api/auth/logout")
    found = await records(live)
    login = one(found, "login")
    assert (login["who"], login["from"]) == ("admin", "127.0.0.1")
    refused = [record for record in found if record["what"] == "login refused"]
    assert [record.get("who") for record in refused] == ["admin", None]
    logout = one(found, "POST /api/auth/logout")
    assert (logout["who"], logout["how"], logout["status"]) == ("admin", "token", 200)
    assert SECRET not in json.dumps(found)


async def test_acts_are_recorded_with_what_came_of_them(live: Any) -> None:
    await live.http.post("/api/atx/click?button=reset&wait=1")
    await live.http.post("/api/atx/click?button=nonsense")
    await live.http.post("/api/hid/set_params?jiggler=1")
    await live.http.post("/api/gpio/switch?channel=nothing&state=1")
    url = f"https://someone:{SECRET}@127.0.0.1:1/os.iso?token={SECRET}"
    await live.http.post("/api/msd/write_remote", params={"url": url})
    await live.http.get("/api/atx")
    reset = "/redfish/v1/Systems/0/Actions/ComputerSystem.Reset"
    await live.http.post(reset, json={"ResetType": "ForceOff"})
    found = await records(live)
    clicks = [record for record in found if record["what"] == "POST /api/atx/click"]
    assert [(click["status"], click["with"]) for click in clicks] == [
        (200, {"button": "reset", "wait": "1"}),
        (400, {"button": "nonsense"}),
    ]
    assert one(found, "POST /api/hid/set_params")["with"] == {"jiggler": "1"}
    assert one(found, "POST /api/gpio/switch")["status"] == 400
    assert one(found, "POST /api/msd/write_remote")["with"]["url"] == "https://127.0.0.1:1/os.iso"
    assert one(found, f"POST {reset}")["with"] == {"ResetType": "ForceOff"}
    assert not [record for record in found if record["what"].startswith("GET")]
    assert SECRET not in json.dumps(found)


async def test_input_is_counted_and_never_kept(live: Any) -> None:
    async with live.websocket() as socket:
        for key in ("KeyS", "KeyE", "KeyC"):
            for state in (b"\x01", b"\x00"):
                await socket.send_message(b"\x01" + state + key.encode())
        await socket.send_message(b"\x03\x00\x00\x00\x00")
        await socket.send_message(b"\x00")
        while await socket.get_message() != b"\xff":
            pass
    found = await records_until(live, "session closed")
    assert one(found, "session opened")["from"] == "127.0.0.1"
    assert one(found, "session closed")["input"] == {"keys": 6, "moves": 1}

    await live.http.post("/api/hid/print", content=SECRET)
    await live.http.post("/api/hid/events/send_key?key=KeyZ")
    await live.http.post("/api/hid/events/send_shortcut?keys=ControlLeft,KeyZ")
    # Counts are told once a minute, and at the end.
    live.appliance.audit._add_counts()
    found = await records(live)
    counted = one(found, "input")
    assert (counted["print"], counted["send_key"], counted["send_shortcut"]) == (1, 1, 1)
    assert counted["characters"] == len(SECRET)
    text = json.dumps(found)
    assert not any(word in text for word in (SECRET, "KeyS", "KeyZ", "ControlLeft"))


async def test_who_may_not_is_recorded_and_may_not_read_it(
    tmp_path: Path, live_with: Callable[[str], AbstractAsyncContextManager[Any]]
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    stored = PasswordHasher().hash("pass")
    save(config / "htpasswd", PasswordFile.empty().with_account("bob", stored).with_account("root", stored))
    (config / "rights.toml").write_text('users.bob = "viewer"')
    async with live_with("") as live:
        bob = {"X-KVMD-User": "bob", "X-KVMD-Passwd": "pass"}
        async with live.anonymous() as client:
            assert (await client.post("/api/atx/click?button=power", headers=bob)).status_code == 403
            assert (await client.get("/api/audit", headers=bob)).status_code == 403
            answer = await client.get("/api/audit", headers=bob | {"X-KVMD-User": "root"})
        found = [json.loads(line) for line in answer.text.splitlines()]
        tried = one(found, "POST /api/atx/click")
        assert (tried["who"], tried["how"], tried["status"]) == ("bob", "xhdr", 403)


async def test_what_a_client_did_that_did_not_wait_is_recorded(live: Any) -> None:
    stream = await live.raw_get("/api/atx/click?button=power_long&wait=1", method="POST")
    with trio.fail_after(30):
        while not (await live.http.get("/api/atx")).json()["result"]["busy"]:
            await trio.sleep(0.02)
    await stream.aclose()
    found = await records_until(live, "POST /api/atx/click")
    assert one(found, "POST /api/atx/click")["with"] == {"button": "power_long", "wait": "1"}


async def test_every_route_that_changes_something_is_traced(live: Any) -> None:
    untraced = {
        f"{route.method} {route.path}"
        for route in live.appliance.routes
        if traced(route) is Traced.NOTHING and route.method not in ("GET", "HEAD", "OPTIONS")
    }
    # Logins are told of by whoever checks them; a part of an upload says less than its beginning.
    logins = {f"POST {prefix}/redfish/v1/SessionService/Sessions" for prefix in ("", "/api")}
    assert untraced == {
        "POST /api/auth/login",
        "POST /api/auth/passkeys/login",
        "POST /api/auth/passkeys/login/finish",
        "POST /api/hid/print/check",
        "PATCH /api/msd/uploads/<id>",
        *logins,
    }
    for route in live.appliance.routes:
        if traced(route) is Traced.INPUT:
            assert route.access is Access.USER
            assert route.path.startswith(("/api/hid/events/", "/api/hid/print"))


async def test_an_export_is_verified_by_the_command(live: Any, tmp_path: Path) -> None:
    await live.http.post("/api/hid/reset")
    export = tmp_path / "export.jsonl"
    export.write_text((await live.http.get("/api/audit")).text)

    def command(*files: Path, expected: str | None = None) -> tuple[int, str]:
        said = io.StringIO()
        status = command_verify(files, tmp_path, tmp_path / "state", expected, said)
        return status, said.getvalue()

    status, said = command(export)
    assert (status, said.split(";")[0]) == (0, "whole: 2 lines, 1 to 2")
    last_hash = said.split()[-1]
    # The appliance's own files, while it runs.
    assert command(expected=last_hash)[0] == 0
    export.write_text(export.read_text().replace("/api/hid/reset", "/api/hid/other"))
    status, said = command(export)
    assert status == 1
    assert "export.jsonl, line 2: the line was changed" in said
    export.write_text(export.read_text().splitlines(keepends=True)[0])
    assert command(export, expected=last_hash)[0] == 1
    with pytest.raises(SetupError, match="cannot read"):
        command(tmp_path / "nothing.jsonl")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("power", "power"),
        ("x" * 200, "x" * 120 + "..."),
        ("http://user:pass@host/a?key=1#f", "http://host/a"),
        (" https://host/a ", "https://host/a"),
        ("http://[broken/", "(no URL)"),
    ],
)
def test_a_parameter_is_shown_without_secrets(text: str, expected: str) -> None:
    assert shown(text) == expected
