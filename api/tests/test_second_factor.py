"""A second factor of one's own, through the API: enrolled, used by every way in, given up, taken away."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pyotp

URL = "/api/auth/totp"
PASSWORD = "admin"


def code(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * steps)


async def enrol(live: Any, client: httpx.AsyncClient) -> tuple[str, list[str]]:
    made = await live.result_of(await client.post(f"{URL}/enroll", data={"passwd": PASSWORD}))
    assert set(made) == {"secret", "uri", "qr"}
    assert made["qr"].startswith("data:image/svg+xml")
    confirmed = await client.post(f"{URL}/confirm", data={"code": code(made["secret"])})
    return made["secret"], (await live.result_of(confirmed))["recovery_codes"]


async def test_every_way_in_takes_the_own_code_behind_the_password(live: Any) -> None:
    assert await live.result_of(await live.http.get(URL)) == {"enabled": False, "recovery_codes_left": 0}
    secret, _codes = await enrol(live, live.http)
    assert (await live.http.get("/api/auth/check")).status_code == 403, "without a code"

    # Of the next step, so that the test may take its time.
    passwd = PASSWORD + code(secret, 1)
    headers = {"X-KVMD-User": "admin", "X-KVMD-Passwd": passwd}
    async with live.anonymous() as client:
        for _ in range(3):
            answer = await client.get(URL, headers=headers)
            assert await live.result_of(answer) == {"enabled": True, "recovery_codes_left": 8}
        assert (await client.get("/api/auth/check", auth=("admin", passwd))).status_code == 200
        async with live.websocket(headers=headers):
            pass
        login = {"user": "admin", "passwd": passwd}
        assert (await client.post("/api/auth/login", data=login)).status_code == 200
        assert (await client.get("/api/auth/check")).status_code == 200
        await live.refused(await client.post("/api/auth/login", data=login), 403, "ForbiddenError")
        session = {"UserName": "admin", "Password": passwd}
        answer = await client.post("/redfish/v1/SessionService/Sessions", json=session)
        assert answer.status_code == 401, "that opens a session, too"


async def test_recovery_codes_and_giving_it_up(live: Any) -> None:
    secret, codes = await enrol(live, live.http)
    async with live.anonymous() as client:
        login = {"user": "admin", "passwd": PASSWORD + codes[0]}
        assert (await client.post("/api/auth/login", data=login)).status_code == 200
        await live.refused(
            await client.post(f"{URL}/disable", data={"passwd": PASSWORD}), 403, "ForbiddenError"
        )
        answer = await client.post(f"{URL}/recovery_codes", data={"passwd": PASSWORD + codes[1]})
        new = (await live.result_of(answer))["recovery_codes"]
        answer = await client.post(f"{URL}/recovery_codes", data={"passwd": PASSWORD + codes[2]})
        await live.refused(answer, 403, "ForbiddenError")
        await live.result_of(await client.post(f"{URL}/disable", data={"passwd": PASSWORD + new[0]}))
    assert (await live.http.get("/api/auth/check")).status_code == 200
    trail = (await live.http.get("/api/audit")).text
    assert "POST /api/auth/totp/disable" in trail
    assert "recovery code used" in trail
    for hidden in (secret, *codes, *new):
        assert hidden not in trail


async def test_an_administrator_resets_it(live: Any) -> None:
    await enrol(live, live.http)
    assert (await live.http.get(URL)).status_code == 403
    async with live.anonymous() as stranger:
        assert (await stranger.post(f"{URL}/reset?user=admin")).status_code == 401
    # The last administrator who lost everything asks the machine itself: docs/security.md.
    auth = live.appliance.auth
    _info, token = auth.admit("admin")
    async with live.anonymous() as client:
        client.cookies.set("auth_token", token)
        assert await live.result_of(await client.get(f"{URL}/users")) == {"users": ["admin"]}
        await live.result_of(await client.post(f"{URL}/reset?user=admin"))
        await live.refused(await client.post(f"{URL}/reset?user=admin"), 400, "NoOwnFactorError")
    assert (await live.http.get("/api/auth/check")).status_code == 200


async def test_mistakes_are_named(live: Any) -> None:
    await live.refused(await live.http.post(f"{URL}/enroll", data={"passwd": "wrong"}), 403, "ForbiddenError")
    await live.refused(
        await live.http.post(f"{URL}/confirm", data={"code": "123456"}), 400, "NotEnrollingError"
    )
    await live.result_of(await live.http.post(f"{URL}/enroll", data={"passwd": PASSWORD}))
    await live.refused(await live.http.post(f"{URL}/confirm", data={"code": "x"}), 400, "WrongCodeError")
    await live.refused(
        await live.http.post(f"{URL}/disable", data={"passwd": PASSWORD}), 400, "NoOwnFactorError"
    )
