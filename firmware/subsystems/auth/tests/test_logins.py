"""Logins, the sessions that they open, and what ends with them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from firmware.core.errors import ForbiddenError
from firmware.subsystems.auth.caller import Caller
from firmware.subsystems.auth.leases import Claim
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.auth.rights import EVERYTHING
from firmware.subsystems.auth.tests.real_appliance import (
    GUEST,
    Appliance,
)


async def test_login_gives_a_session_and_logout_ends_all_of_that_user(appliance: Appliance) -> None:
    service = appliance.service
    first = await service.login("admin", "correct horse")
    second = await service.login("admin", "correct horse", 3600)
    guest = await service.login("guest", "guest pass")
    assert first is not None
    assert second is not None
    assert guest is not None
    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert [service.check_token(token) for token in (first, second, guest)] == ["admin", "admin", "guest"]
    assert service.logout(second) == 2
    assert [service.check_token(token) for token in (first, second, guest)] == [None, None, "guest"]
    with pytest.raises(ForbiddenError):
        service.logout(second)


@pytest.mark.parametrize(("user", "passwd"), [("admin", "wrong"), ("nobody", "correct horse"), ("admin", "")])
async def test_a_wrong_login_is_forbidden(appliance: Appliance, user: str, passwd: str) -> None:
    with pytest.raises(ForbiddenError) as caught:
        await appliance.service.login(user, passwd)
    assert (caught.value.status, caught.value.contract_name) == (403, "ForbiddenError")
    assert appliance.service.statistics()["sessions"] == 0


async def test_a_changed_password_leaves_sessions_alone(appliance: Appliance) -> None:
    token = await appliance.service.login("admin", "correct horse")
    assert token is not None
    save(appliance.path, PasswordFile.empty().with_account("admin", GUEST))
    assert not await appliance.service.check_password("admin", "correct horse")
    assert appliance.service.check_token(token) == "admin"


@pytest.mark.parametrize(("requested_s", "effective_s"), [(0, 300), (60, 60), (600, 300)])
async def test_sessions_end_by_the_shorter_lifetime(
    tmp_path: Path, mock_clock: MockClock, requested_s: int, effective_s: int
) -> None:
    service = Appliance(tmp_path, expire_s=300).service
    token = await service.login("admin", "correct horse", requested_s)
    assert token is not None
    mock_clock.jump(effective_s - 0.5)
    assert service.check_token(token) == "admin"
    mock_clock.jump(0.5)
    assert service.check_token(token) is None
    with pytest.raises(ForbiddenError):
        service.logout(token)


@pytest.mark.parametrize("extend", [True, False])
async def test_an_open_socket_keeps_its_session_only_if_so_configured(
    tmp_path: Path, mock_clock: MockClock, extend: bool
) -> None:
    service = Appliance(tmp_path, expire_s=300, extend=extend).service
    token = await service.login("admin", "correct horse")
    assert token is not None
    with service.hold(token):
        mock_clock.jump(1000)
        assert service.check_token(token) == ("admin" if extend else None)
    mock_clock.jump(299)
    assert service.check_token(token) == ("admin" if extend else None)
    mock_clock.jump(1)
    assert service.check_token(token) is None


async def test_what_is_open_ends_with_the_session_it_was_opened_in(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    mock_clock.autojump_threshold = 0
    service = Appliance(tmp_path, expire_s=300, extend=True).service

    async def logged_in() -> Claim:
        token = await service.login("admin", "correct horse")
        assert token is not None
        return Claim("admin", EVERYTHING, token)

    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        opened = await logged_in()
        # From here: while hashes are computed in a thread, this clock runs on.
        started = trio.current_time()
        with service.lease(opened):
            await trio.sleep_forever()
        assert 299.9 < trio.current_time() - started < 301

        for end in ("logout", "by id", "held, then left"):
            claim = await logged_in()
            assert claim.token is not None
            with service.lease(claim) as lease:
                with service.hold(claim.token):
                    await trio.sleep(1000)
                assert not lease.cancel_called
                if end == "logout":
                    service.logout(claim.token)
                elif end == "by id":
                    assert service.end_session(
                        service.sessions_shown_to(Caller("admin"))[-1].id, by=Caller("admin")
                    )
                await trio.sleep_forever()
        with service.lease(Claim("admin", EVERYTHING, "nobody's")):
            await trio.sleep_forever()
        nursery.cancel_scope.cancel()
