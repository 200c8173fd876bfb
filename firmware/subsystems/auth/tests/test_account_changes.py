"""What changes of accounts and rights do to who is in already."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from firmware.core.errors import SetupError
from firmware.subsystems.auth.caller import Caller
from firmware.subsystems.auth.leases import Claim
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.auth.rights import EVERYTHING, NOTHING, Capability
from firmware.subsystems.auth.service import LOOK_S
from firmware.subsystems.auth.tests.real_appliance import (
    ADMIN,
    GUEST,
    Appliance,
)


async def test_rights_follow_their_file(tmp_path: Path, mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0
    appliance = Appliance(tmp_path)
    service = appliance.service
    await service.prepare()
    assert service.capabilities("guest") == EVERYTHING
    assert service.capabilities("nobody") == NOTHING

    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        with service.lease(Claim("guest", EVERYTHING)) as everything:
            appliance.rights_path.write_text('users.guest = "viewer"')
            await trio.sleep_forever()
        assert everything.cancelled_caught
        assert service.capabilities("guest") == {Capability.VIEW}
        assert service.capabilities("admin") == EVERYTHING

        with service.lease(Claim("guest", frozenset({Capability.VIEW}))) as viewing:
            appliance.rights_path.write_text('users.guest = "operator"')
            await service.users()
            assert not viewing.cancel_called
            assert Capability.POWER in service.capabilities("guest")
            appliance.rights_path.write_text("users.guest = 7")
            await trio.sleep_forever()
        assert viewing.cancelled_caught
        # A slip, an editor that is not done, a file that is gone: nobody is everything meanwhile.
        for broken in ("users.guest = 7", "", None):
            if broken is None:
                appliance.rights_path.unlink()
            else:
                appliance.rights_path.write_text(broken)
            assert not await service.check_password("admin", "correct horse")
            assert service.capabilities("admin") == NOTHING
        appliance.rights_path.write_text('others = "viewer"')
        assert await service.check_password("admin", "correct horse")
        assert service.capabilities("admin") == {Capability.VIEW}
        nursery.cancel_scope.cancel()


async def test_rights_that_cannot_be_read_are_no_start(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path)
    appliance.rights_path.write_text('users.guest = "owner"')
    with pytest.raises(SetupError, match=r"one of the roles admin, .* got 'owner' - at users\.guest"):
        await appliance.service.prepare()


async def test_who_has_no_account_any_more_has_no_sessions(tmp_path: Path, mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0
    appliance = Appliance(tmp_path)
    service = appliance.service
    token = await service.login("guest", "guest pass")
    assert token is not None
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        with (
            service.lease(Claim("guest", EVERYTHING)) as by_password,
            service.lease(Claim("guest", EVERYTHING, token)) as by_token,
        ):
            save(appliance.path, PasswordFile.empty().with_account("admin", ADMIN))
            await trio.sleep_forever()
        assert by_password.cancel_called
        assert by_token.cancel_called
        save(appliance.path, PasswordFile.empty().with_account("guest", GUEST))
        await service.users()
        assert service.check_token(token) is None
        # Accounts that cannot be read are no reason to end what is open (contract subsystems.md 1).
        guest = await service.login("guest", "guest pass")
        assert guest is not None
        appliance.path.unlink()
        appliance.path.mkdir()
        await service.users()
        assert service.check_token(guest) == "guest"
        assert service.capabilities("guest") == EVERYTHING
        nursery.cancel_scope.cancel()


async def test_a_password_file_that_is_just_being_written_logs_nobody_out(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    appliance = Appliance(tmp_path)
    service = appliance.service
    await service.prepare()
    token = await service.login("guest", "guest pass")
    assert token is not None
    whole = appliance.path.read_bytes()
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        with service.lease(Claim("guest", EVERYTHING, token)) as lease:
            for content in (b"", whole, whole[:20], whole):
                appliance.path.write_bytes(content)
                await service.users()
                assert service.holds(Claim("guest", EVERYTHING)) is (content == whole)
                mock_clock.jump(LOOK_S)
                await trio.testing.wait_all_tasks_blocked(0.05)
        assert not lease.cancel_called
        assert service.check_token(token) == "guest"
        nursery.cancel_scope.cancel()


async def test_sessions_are_shown_to_their_users_and_to_administrators(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path)
    appliance.rights_path.write_text('users.guest = "operator"')
    service = appliance.service
    await service.login("admin", "correct horse")
    await service.login("guest", "guest pass")
    assert [info.user for info in service.sessions_shown_to(Caller("admin"))] == ["admin", "guest"]
    assert [info.user for info in service.sessions_shown_to(Caller("guest"))] == ["guest"]
    (admins, guests) = (info.id for info in service.sessions_shown_to(Caller("admin")))
    assert not service.end_session(admins, by=Caller("guest"))
    assert service.end_session(guests, by=Caller("guest"))
    assert service.end_session(admins, by=Caller("admin"))


async def test_setting_the_date_ends_no_session(appliance: Appliance) -> None:
    token = await appliance.service.login("admin", "correct horse", 60)
    assert token is not None
    appliance.now_s += 10**9
    assert appliance.service.check_token(token) == "admin"
