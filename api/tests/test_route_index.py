"""The route index of the contract (http.md 7): each row is served, by its method, to its callers."""

from __future__ import annotations

from typing import Any

import pytest

from api.routing import Access

USER, PUBLIC, PROXIED = Access.USER, Access.PUBLIC, Access.PROXIED


def rows(access: Access, method: str, prefix: str, names: str) -> list[tuple[str, str, Access]]:
    return [(method, prefix + name, access) for name in names.split()]


INDEX = [
    *rows(PUBLIC, "POST", "/api/auth/", "login"),
    *rows(USER, "POST", "/api/auth/", "logout"),
    *rows(USER, "GET", "/api/", "auth/check info log export/prometheus/metrics"),
    *rows(USER, "GET", "/api/", "hid hid/inactivity hid/keymaps"),
    *rows(USER, "POST", "/api/hid/", "set_params set_connected reset print"),
    *rows(USER, "POST", "/api/hid/events/", "send_shortcut send_key send_mouse_button send_mouse_move"),
    *rows(USER, "POST", "/api/hid/events/", "send_mouse_relative send_mouse_wheel"),
    *rows(USER, "GET", "/api/", "atx"),
    *rows(USER, "POST", "/api/atx/", "power click"),
    *rows(USER, "GET", "/api/", "gpio"),
    *rows(USER, "POST", "/api/gpio/", "switch pulse"),
    *rows(USER, "GET", "/api/streamer/", "snapshot ocr"),
    *rows(USER, "GET", "/api/", "streamer"),
    *rows(USER, "DELETE", "/api/streamer/", "snapshot"),
    *rows(USER, "POST", "/api/streamer/", "set_params reset"),
    *rows(USER, "GET", "/api/", "msd msd/read"),
    *rows(USER, "POST", "/api/msd/", "set_params set_connected write write_remote remove reset"),
    *rows(USER, "GET", "/api/", "switch"),
    *rows(USER, "POST", "/api/switch/", "set_active_prev set_active_next set_active set_beacon"),
    *rows(USER, "POST", "/api/switch/", "set_port_params set_colors reset"),
    *rows(USER, "POST", "/api/switch/", "edids/create edids/change edids/remove atx/power atx/click"),
    *rows(USER, "GET", "/api/", "media"),
    *rows(PROXIED, "GET", "/streamer", "/state /snapshot /stream"),
    *rows(PROXIED, "GET", "/", "streamer"),
]
REDFISH = [
    ("GET", "/redfish/v1", 200),
    ("GET", "/redfish/v1/Systems", 401),
    ("GET", "/redfish/v1/Systems/0", 401),
    ("PATCH", "/redfish/v1/Systems/0", 401),
    ("POST", "/redfish/v1/Systems/0/Actions/ComputerSystem.Reset", 401),
    ("GET", "/redfish/v1/Managers", 401),
    ("GET", "/redfish/v1/Managers/BMC", 401),
    ("GET", "/redfish/v1/Managers/BMC/VirtualMedia", 401),
    ("GET", "/redfish/v1/Managers/BMC/VirtualMedia/MSD", 401),
    ("POST", "/redfish/v1/Managers/BMC/VirtualMedia/MSD/Actions/VirtualMedia.InsertMedia", 401),
    ("POST", "/redfish/v1/Managers/BMC/VirtualMedia/MSD/Actions/VirtualMedia.EjectMedia", 401),
]
SOCKETS = ("/api/ws", "/api/media/ws")


async def test_every_row_is_served_and_asks_who_calls(live: Any) -> None:
    served = {(route.method, route.path): route.access for route in live.appliance.routes}
    missing = [row for row in INDEX if served.get(row[:2]) not in (row[2], PROXIED)]
    assert missing == []
    async with live.anonymous() as client:
        for method, path, access in INDEX:
            status = (await client.request(method, path)).status_code
            assert status == (400 if access is PUBLIC else 401), (method, path)
            assert (await live.http.request(method, path)).status_code not in (401, 403, 404, 405), path


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_redfish_is_there_below_both_prefixes(live: Any, prefix: str) -> None:
    async with live.anonymous() as client:
        for method, path, status in REDFISH:
            assert (await client.request(method, prefix + path)).status_code == status, (method, path)
            assert (await live.http.request(method, prefix + path)).status_code not in (401, 403, 404, 405), (
                path
            )


@pytest.mark.parametrize("path", SOCKETS)
async def test_sockets_want_credentials_and_an_upgrade(live: Any, path: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with live.anonymous() as client:
        assert (await client.get(path, headers=upgrade)).status_code == 401
    assert (await live.http.get(path)).status_code == 400
