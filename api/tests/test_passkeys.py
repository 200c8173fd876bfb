"""Passkeys through the API, with an authenticator in software."""

from __future__ import annotations

from typing import Any

import httpx

from firmware.subsystems.auth.tests.software_authenticator import SoftwareAuthenticator

URL = "/api/auth/passkeys"


async def at_localhost(live: Any, client: httpx.AsyncClient) -> str:
    """Have *client* call the appliance by a name, as a browser at localhost does; return the origin."""
    host = live.url.removeprefix("http://127.0.0.1").rstrip("/")
    client.headers["Host"] = f"localhost{host}"
    return f"http://localhost{host}"


async def make(live: Any, device: SoftwareAuthenticator) -> str:
    begun = await live.result_of(await live.http.post(f"{URL}/register", data={"passwd": "admin"}))
    answer = await live.http.post(
        f"{URL}/register/finish?name=My phone", content=device.make(begun["options"])
    )
    return str((await live.result_of(answer))["id"])


async def test_a_passkey_from_its_making_to_its_end(live: Any) -> None:
    device = SoftwareAuthenticator(await at_localhost(live, live.http))
    passkey_id = await make(live, device)
    (listed,) = (await live.result_of(await live.http.get(URL)))["passkeys"]
    assert listed.pop("made_s") > 0
    assert listed == {"id": passkey_id, "name": "My phone", "host": "localhost", "counts": True}

    async with live.anonymous() as browser:
        await at_localhost(live, browser)
        begun = await live.result_of(await browser.post(f"{URL}/login"))
        answer = await browser.post(f"{URL}/login/finish", content=device.sign(begun["options"]))
        assert await live.result_of(answer) == {"user": "admin"}
        assert "HttpOnly" in answer.headers["Set-Cookie"]
        assert "SameSite=Strict" in answer.headers["Set-Cookie"]
        assert (await live.result_of(await browser.get("/api/auth/rights")))["user"] == "admin"
        await live.result_of(await browser.post(f"{URL}/rename?id={passkey_id}&name=Tablet"))
        await live.result_of(await browser.post(f"{URL}/remove?id={passkey_id}"))
        await live.refused(await browser.post(f"{URL}/remove?id={passkey_id}"), 400, "UnknownPasskeyError")

    async with live.anonymous() as browser:
        await at_localhost(live, browser)
        begun = await live.result_of(await browser.post(f"{URL}/login"))
        refused = await browser.post(f"{URL}/login/finish", content=device.sign(begun["options"]))
        await live.refused(refused, 403, "ForbiddenError")
        assert "Set-Cookie" not in refused.headers
    trail = (await live.http.get("/api/audit")).text
    for what in ("register/finish", '"login"', "passkeys/remove", "login refused"):
        assert what in trail


async def test_at_an_address_one_is_told_to_use_a_name(live: Any) -> None:
    await live.refused(await live.http.post(f"{URL}/login"), 400, "NoHostNameError")
    answer = await live.http.post(f"{URL}/register", data={"passwd": "admin"})
    await live.refused(answer, 400, "NoHostNameError")


async def test_mistakes_are_named_and_nothing_is_made(live: Any) -> None:
    await at_localhost(live, live.http)
    wrong = await live.http.post(f"{URL}/register", data={"passwd": "wrong"})
    await live.refused(wrong, 403, "ForbiddenError")
    for body in (b"", b"{}", b"[]", b'{"id": 1}', b"\xff"):
        await live.refused(
            await live.http.post(f"{URL}/register/finish?name=x", content=body), 403, "ForbiddenError"
        )
        await live.refused(await live.http.post(f"{URL}/login/finish", content=body), 403, "ForbiddenError")
    for query in ("", "?name=", "?name=%0a", "?name=" + "x" * 65):
        await live.refused(
            await live.http.post(f"{URL}/register/finish{query}", content=b"{}"), 400, "ValidatorError"
        )
    await live.refused(await live.http.post(f"{URL}/remove?id=../x"), 400, "ValidatorError")
    assert await live.result_of(await live.http.get(URL)) == {"passkeys": []}
