"""Who may do what: every route and every kind of message says what it takes, and a viewer touches nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import WebSocketConnection

from api.routing import Access, Route
from api.tests.open_for_long import all_open, closed, ended, socket_that_ends
from api.ws.rights import NEEDS, allowed
from api.ws.wire import input_events
from api.ws.wire.media import MediaWish
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile, load, save
from firmware.subsystems.auth.rights import Capability

PASSWORD = "long enough"
STORED = PasswordHasher().hash(PASSWORD)
RIGHTS = """
users.viewer = "viewer"
users.typist = ["view", "type"]
users.mute = ["power"]
"""

# What any user may do, whatever the rights are: log out, see and end the own sessions, read about the API.
FOR_EVERY_USER = {
    "POST /api/auth/logout",
    "GET /api/auth/check",
    "GET /api/auth/rights",
    "GET /api/auth/sessions",
    "POST /api/auth/sessions/end",
    "GET /api/auth/totp",
    "POST /api/auth/totp/enroll",
    "POST /api/auth/totp/confirm",
    "POST /api/auth/totp/recovery_codes",
    "POST /api/auth/totp/disable",
    "GET /api/auth/passkeys",
    "POST /api/auth/passkeys/register",
    "POST /api/auth/passkeys/register/finish",
    "POST /api/auth/passkeys/rename",
    "POST /api/auth/passkeys/remove",
    "GET /api/auth/tokens",
    "POST /api/auth/tokens",
    "POST /api/auth/tokens/revoke",
    "GET /api/auth/shares",
    "POST /api/auth/shares",
    "POST /api/auth/shares/revoke",
    "GET /api/openapi.json",
    "GET /api/docs",
    "GET /",
    "GET /kvm",
    "GET /kvm/",
    "GET /redfish/v1/SessionService/Sessions",
    "GET /redfish/v1/SessionService/Sessions/<id>",
    "DELETE /redfish/v1/SessionService/Sessions/<id>",
}


def headers(user: str) -> dict[str, str]:
    return {"X-KVMD-User": user, "X-KVMD-Passwd": PASSWORD}


def accounts(*names: str) -> PasswordFile:
    passwords = PasswordFile.empty()
    for name in names:
        passwords = passwords.with_account(name, STORED)
    return passwords


class Site:
    """An appliance with users of several kinds, and its files."""

    def __init__(self, live: Any, config: Path) -> None:
        self.live = live
        self.passwords = config / "htpasswd"
        self.rights = config / "rights.toml"

    def client(self, user: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.live.url, headers=headers(user), timeout=30, verify=False)

    @asynccontextmanager
    async def logged_in(self, user: str) -> AsyncIterator[httpx.AsyncClient]:
        async with self.live.anonymous() as client:
            form = {"user": user, "passwd": PASSWORD}
            assert (await client.post("/api/auth/login", data=form)).status_code == 200
            yield client


@pytest.fixture
async def site(
    tmp_path: Path, live_with: Callable[[str], AbstractAsyncContextManager[Any]]
) -> AsyncIterator[Site]:
    config = tmp_path / "config"
    config.mkdir()
    save(config / "htpasswd", accounts("root", "viewer", "typist", "mute"))
    (config / "rights.toml").write_text(RIGHTS)
    async with live_with("") as live:
        yield Site(live, config)


def name_of(route: Route) -> str:
    return f"{route.method} {route.path.removeprefix('/api') if '/redfish' in route.path else route.path}"


async def answer_to(client: httpx.AsyncClient, route: Route) -> int:
    """Call *route* and return the status, without waiting for an answer that lasts."""
    path = route.path.replace("<id>", "0")
    async with client.stream(route.method, path) as answer:
        return answer.status_code


# ----- everything declares what it takes


async def test_every_route_says_what_it_takes(site: Site) -> None:
    undeclared = {
        name_of(route)
        for route in site.live.appliance.routes
        if route.access is not Access.PUBLIC and route.needs is None
    }
    assert undeclared == FOR_EVERY_USER
    for route in site.live.appliance.routes:
        # What everybody may call can ask for no rights; what changes something asks for more than looking.
        assert route.access is not Access.PUBLIC or route.needs is None
        changes = route.method not in ("GET", "HEAD", "OPTIONS")
        assert not (changes and route.needs is Capability.VIEW), name_of(route)


def test_every_kind_of_message_says_what_it_takes() -> None:
    kinds = {*input_events.Input.__value__.__args__, *MediaWish.__value__.__args__}
    assert set(NEEDS) == kinds
    touching = {kind for kind, needed in NEEDS.items() if needed is not Capability.VIEW}
    assert touching == set(input_events.Input.__value__.__args__) - {input_events.Ping}
    assert not allowed(object(), lambda _: True)


# ----- a viewer


async def test_a_viewer_sees_everything_and_touches_nothing(site: Site) -> None:
    async with site.client("viewer") as client:
        for route in site.live.appliance.routes:
            if route.access is Access.PUBLIC or name_of(route) in FOR_EVERY_USER:
                continue
            if route.needs is Capability.VIEW:
                assert await answer_to(client, route) not in (401, 403), name_of(route)
            else:
                assert await answer_to(client, route) == 403, name_of(route)
        await site.live.refused(await client.post("/api/atx/click?button=power"), 403, "ForbiddenError")


async def test_what_each_user_may_is_told(site: Site) -> None:
    for user, may in (("viewer", ["view"]), ("mute", ["power"]), ("root", sorted(Capability))):
        async with site.client(user) as client:
            result = await site.live.result_of(await client.get("/api/auth/rights"))
            assert result == {"user": user, "capabilities": may, "grant": None}
            assert await site.live.result_of(await client.get("/api/auth/check")) == {}


async def test_who_may_only_press_buttons_sees_nothing(site: Site) -> None:
    async with site.client("mute") as client:
        assert (await client.get("/api/atx")).status_code == 403
        assert (await client.post("/api/atx/click?button=power")).status_code == 200
        answer = await client.get("/streamer/snapshot")
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith("text/html")
    for path in ("/api/ws", "/api/media/ws"):
        async with site.client("mute") as client:
            upgrade = {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "a2V5a2V5a2V5a2V5a2V5aw==",
            }
            assert (await client.get(path, headers=upgrade)).status_code == 403


async def exchange(socket: WebSocketConnection) -> None:
    """Wait until everything sent so far was read: a ping comes back."""
    await socket.send_message(b"\x00")
    while await socket.get_message() != b"\xff":
        pass


async def input_of(site: Site, user: str) -> dict[str, int]:
    """Wait for the end of *user*'s session and return what the audit trail counted in it."""
    with trio.fail_after(30):
        async with site.client("root") as client:
            while True:
                for line in (await client.get("/api/audit")).text.splitlines():
                    record = json.loads(line)
                    if (record["what"], record.get("who")) == ("session closed", user):
                        counts: dict[str, int] = record["input"]
                        return counts
                await trio.sleep(0.05)


async def test_a_viewers_messages_press_nothing(site: Site) -> None:
    move = {"event_type": "mouse_move", "event": {"to": {"x": 1, "y": 1}}}
    async with site.live.websocket(headers=headers("viewer")) as socket:
        for event in (
            {"event_type": "key", "event": {"key": "KeyA", "state": True}},
            {"event_type": "mouse_button", "event": {"button": "left", "state": True}},
            move,
            {"event_type": "mouse_relative", "event": {"delta": {"x": 1, "y": 1}}},
            {"event_type": "mouse_wheel", "event": {"delta": {"x": 0, "y": 1}}},
        ):
            await socket.send_message(json.dumps(event))
        await socket.send_message(b"\x01\x01KeyA")
        await exchange(socket)
        assert not site.live.pc.observer.held_keys
    assert await input_of(site, "viewer") == {}
    async with site.live.websocket(headers=headers("typist")) as socket:
        await socket.send_message(json.dumps(move))
        await socket.send_message(b"\x01\x01KeyA")
        await exchange(socket)
        with trio.fail_after(30):
            while site.live.pc.observer.held_keys != {"KeyA"}:
                await trio.sleep(0.02)
    assert await input_of(site, "typist") == {"keys": 1}


# ----- changes reach what is open


async def test_a_logout_ends_sockets_and_streams(site: Site) -> None:
    async with site.logged_in("viewer") as client, all_open(site.live, client) as waits:
        assert (await client.post("/api/auth/logout")).status_code == 200
        await ended(waits)


async def test_rights_that_are_taken_end_sockets_and_streams(site: Site) -> None:
    async with site.client("viewer") as client, all_open(site.live, client) as waits:
        site.rights.write_text('users.viewer = "nobody"')
        await ended(waits)
        assert (await client.get("/api/atx")).status_code == 403


async def test_an_account_that_is_removed_ends_sockets_and_streams(site: Site) -> None:
    async with site.logged_in("viewer") as client, all_open(site.live, client) as waits:
        save(site.passwords, accounts("root"))
        await ended(waits)
        assert (await client.get("/api/auth/check")).status_code == 403
    assert load(site.passwords) is not None


async def test_a_lesser_role_releases_what_is_pressed(site: Site) -> None:
    async with socket_that_ends(site.live, headers("typist")) as socket:
        await socket.send_message(b"\x01\x01KeyA")
        await exchange(socket)
        with trio.fail_after(30):
            while not site.live.pc.observer.held_keys:
                await trio.sleep(0.02)
        site.rights.write_text('users.typist = "viewer"')
        with trio.fail_after(30):
            await closed(socket)
            while site.live.pc.observer.held_keys:
                await trio.sleep(0.02)


async def test_a_new_right_needs_no_new_login(site: Site) -> None:
    async with site.logged_in("viewer") as client:
        assert (await client.post("/api/atx/click?button=power")).status_code == 403
        site.rights.write_text('users.viewer = ["view", "power"]')
        with trio.fail_after(30):
            while (await client.post("/api/atx/click?button=power")).status_code != 200:
                await trio.sleep(0.1)


async def test_sessions_of_others_are_an_administrators(site: Site) -> None:
    async with site.logged_in("viewer") as viewer, site.logged_in("root") as root:
        shown = (await site.live.result_of(await viewer.get("/api/auth/sessions")))["sessions"]
        assert [session["user"] for session in shown] == ["viewer"]
        everything = (await site.live.result_of(await root.get("/api/auth/sessions")))["sessions"]
        (others,) = (session["id"] for session in everything if session["user"] == "root")
        answer = await viewer.post(f"/api/auth/sessions/end?id={others}")
        await site.live.refused(answer, 400, "UnknownSessionError")
        answer = await viewer.get("/redfish/v1/SessionService/Sessions")
        assert answer.json()["Members@odata.count"] == 1
        answer = await viewer.delete(f"/redfish/v1/SessionService/Sessions/{others}")
        assert answer.status_code == 404
        assert (await root.get("/api/auth/check")).status_code == 200
        assert (await viewer.post(f"/api/auth/sessions/end?id={shown[0]['id']}")).status_code == 200
        assert (await viewer.get("/api/auth/check")).status_code == 403


async def test_redfish_tells_the_nearest_role(site: Site) -> None:
    async with site.client("root") as client:
        for user, role in (("root", "Administrator"), ("typist", "Operator"), ("viewer", "ReadOnly")):
            account = (await client.get(f"/redfish/v1/AccountService/Accounts/{user}")).json()
            assert account["RoleId"] == role
            assert (await client.get(account["Links"]["Role"]["@odata.id"])).status_code == 200
        assert (await client.get("/redfish/v1/AccountService/Roles/Emperor")).status_code == 404
    async with site.client("typist") as client:
        answer = await client.post(
            "/redfish/v1/Systems/0/Actions/ComputerSystem.Reset", json={"ResetType": "On"}
        )
        assert answer.status_code == 403
        assert "InsufficientPrivilege" in answer.json()["error"]["code"]
