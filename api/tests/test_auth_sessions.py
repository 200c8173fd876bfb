"""Who is logged in, and ending one of them; beyond the contract."""

from __future__ import annotations

from typing import Any

import httpx

URL = "/api/auth/sessions"
LOGIN = {"user": "admin", "passwd": "admin"}


async def test_sessions_are_listed_without_their_tokens_and_ended_one_by_one(live: Any) -> None:
    async def who(client: httpx.AsyncClient) -> list[dict[str, Any]]:
        answer = await client.get(URL)
        for other in (first, second):
            assert other.cookies["auth_token"] not in answer.text
        return list((await live.result_of(answer))["sessions"])

    async with live.anonymous() as first, live.anonymous() as second:
        for client in (first, second):
            assert (await client.post("/api/auth/login", data=LOGIN)).status_code == 200
        listed = await who(first)
        assert [session["own"] for session in listed].count(True) == 1
        assert {session["user"] for session in listed} == {"admin"}
        assert all(session["age_s"] >= 0 and session["left_s"] is None for session in listed)
        (other,) = [session["id"] for session in listed if not session["own"]]

        assert await live.result_of(await first.post(f"{URL}/end?id={other}")) == {}
        assert (await second.get("/api/auth/check")).status_code in {401, 403}
        assert (await first.get("/api/auth/check")).status_code == 200
        await live.refused(await first.post(f"{URL}/end?id={other}"), 400, "UnknownSessionError")
        await live.refused(await first.post(f"{URL}/end?id=../x"), 400, "ValidatorError")
        await live.refused(await first.post(f"{URL}/end"), 400, "ValidatorError")
        # Who comes with a password has no session of its own.
        (only,) = (await live.result_of(await live.http.get(URL)))["sessions"]
        assert only["own"] is False


async def test_strangers_learn_nothing_of_sessions(live: Any) -> None:
    async with live.anonymous() as stranger:
        assert (await stranger.get(URL)).status_code == 401
        assert (await stranger.post(f"{URL}/end?id=0011223344556677")).status_code == 401
