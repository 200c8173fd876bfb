"""Passwords: who is let in, at what cost, and what is remembered of it."""

from __future__ import annotations

import base64
import hashlib

import pytest
import trio
from trio.testing import MockClock

from firmware.subsystems.auth.hashing import Scheme
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.auth.tests.real_appliance import (
    ADMIN,
    GUEST,
    Appliance,
)


def stored_sha(password: str) -> str:
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


# ----- passwords


@pytest.mark.parametrize(
    ("user", "passwd", "accepted"),
    [
        ("admin", "correct horse", True),
        ("guest", "guest pass", True),
        ("admin", "guest pass", False),
        ("admin", "correct horse ", False),
        ("admin", "", False),
        ("nobody", "correct horse", False),
        ("", "", False),
        ("admin\n", "correct horse", False),
        ("admin", "\ud800", False),
        ("\ud800", "correct horse", False),
    ],
)
async def test_only_the_right_password_is_accepted(
    appliance: Appliance, user: str, passwd: str, accepted: bool
) -> None:
    assert await appliance.service.check_password(user, passwd) is accepted
    assert await appliance.service.check_password(user, passwd) is accepted


async def test_an_unknown_user_costs_the_same_as_a_known_one(appliance: Appliance) -> None:
    await appliance.service.check_password("admin", "wrong")
    known = appliance.hasher.spent()
    await appliance.service.check_password("nobody", "wrong")
    unknown = appliance.hasher.spent()
    assert known == unknown
    assert [cost.scheme for cost in known] == [Scheme.ARGON2ID]


async def test_every_user_costs_the_same_in_a_file_of_many_schemes(appliance: Appliance) -> None:
    passwords = PasswordFile.empty()
    passwords = passwords.with_account("old", stored_sha("old pass")).with_account("admin", ADMIN)
    passwords = passwords.with_account("apr", "$apr1$saltsalt$EGVZDNN6gOqijy.tv9axG/")
    save(appliance.path, passwords)
    spent = []
    for user in ("old", "admin", "apr", "nobody"):
        assert not await appliance.service.check_password(user, "wrong")
        spent.append(appliance.hasher.spent())
    assert spent[0] == spent[1] == spent[2] == spent[3]
    assert {cost.scheme for cost in spent[0]} == {Scheme.SHA, Scheme.ARGON2ID, Scheme.APR1}
    assert await appliance.service.check_password("old", "old pass")
    assert await appliance.service.check_password("apr", "correct horse")
    assert not await appliance.service.check_password("old", "correct horse")


async def test_without_a_password_file_nobody_gets_in_and_it_costs_the_same(appliance: Appliance) -> None:
    appliance.path.unlink()
    assert not await appliance.service.check_password("admin", "correct horse")
    assert [cost.scheme for cost in appliance.hasher.spent()] == [Scheme.ARGON2ID]


async def test_the_demo_account_counts_only_while_there_is_no_password_file(appliance: Appliance) -> None:
    demo = PasswordFile.empty().with_account("admin", appliance.hasher.hash("admin"))
    service = appliance.start(fallback=demo)
    assert not await service.check_password("admin", "admin")
    appliance.path.unlink()
    assert await service.check_password("admin", "admin")
    save(appliance.path, PasswordFile.empty().with_account("admin", ADMIN))
    assert not await service.check_password("admin", "admin")
    assert await service.check_password("admin", "correct horse")


async def test_hashes_are_computed_one_at_a_time(appliance: Appliance) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(appliance.service.check_password, "admin", f"wrong {number}")
    assert appliance.hasher.most_at_once == 1
    assert len(appliance.hasher.spent()) == 6


async def test_a_client_that_goes_away_is_not_waited_for(appliance: Appliance) -> None:
    appliance.hasher.hold.clear()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(appliance.service.check_password, "admin", "wrong")
        assert await trio.to_thread.run_sync(appliance.hasher.started.wait, 30)
        nursery.cancel_scope.cancel()
    assert appliance.hasher.most_at_once == 1
    assert not appliance.hasher.hold.is_set(), "the nursery ended although the hash did not"
    # The hash that was left behind still counts: the next one starts when it is done.
    async with trio.open_nursery() as nursery:
        nursery.start_soon(appliance.service.check_password, "admin", "correct horse")
        await trio.testing.wait_all_tasks_blocked()
        assert len(appliance.hasher.verified) == 1
        appliance.hasher.hold.set()
    assert appliance.hasher.most_at_once == 1
    assert appliance.service.statistics()["accepted"] == 1


# ----- the memory of verified credentials


async def test_a_polling_client_pays_for_one_hash(appliance: Appliance) -> None:
    for _ in range(20):
        assert await appliance.service.check_password("admin", "correct horse")
    assert len(appliance.hasher.spent()) == 1
    assert appliance.service.statistics()["cache_hits"] == 19


async def test_clients_that_come_together_pay_for_one_hash(appliance: Appliance) -> None:
    results: list[bool] = []

    async def poll() -> None:
        results.append(await appliance.service.check_password("admin", "correct horse"))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(poll)
    assert results == [True] * 8
    assert len(appliance.hasher.spent()) == 1


async def test_a_wrong_password_is_hashed_each_time_and_does_not_disturb_the_memory(
    appliance: Appliance,
) -> None:
    assert await appliance.service.check_password("admin", "correct horse")
    for _ in range(3):
        assert not await appliance.service.check_password("admin", "wrong")
    assert len(appliance.hasher.spent()) == 4
    assert await appliance.service.check_password("admin", "correct horse")
    assert appliance.hasher.spent() == []


async def test_the_memory_fades(appliance: Appliance, mock_clock: MockClock) -> None:
    assert await appliance.service.check_password("admin", "correct horse")
    mock_clock.jump(299)
    assert await appliance.service.check_password("admin", "correct horse")
    assert len(appliance.hasher.spent()) == 1
    mock_clock.jump(1)
    assert await appliance.service.check_password("admin", "correct horse")
    assert len(appliance.hasher.spent()) == 1


async def test_a_changed_password_counts_at_once(appliance: Appliance) -> None:
    assert await appliance.service.check_password("admin", "correct horse")
    save(appliance.path, PasswordFile.parse(appliance.path.read_bytes()).with_account("admin", GUEST))
    assert not await appliance.service.check_password("admin", "correct horse")
    assert await appliance.service.check_password("admin", "guest pass")


async def test_a_removed_user_is_out_at_once(appliance: Appliance) -> None:
    assert await appliance.service.check_password("admin", "correct horse")
    save(appliance.path, PasswordFile.parse(appliance.path.read_bytes()).without("admin"))
    assert not await appliance.service.check_password("admin", "correct horse")


async def test_a_file_that_was_touched_is_not_trusted_to_be_the_same(appliance: Appliance) -> None:
    assert await appliance.service.check_password("admin", "correct horse")
    appliance.path.write_bytes(appliance.path.read_bytes())
    assert await appliance.service.check_password("admin", "correct horse")
    assert len(appliance.hasher.spent()) == 2


async def test_an_edit_in_place_of_the_same_size_counts_at_once(appliance: Appliance) -> None:
    appliance.path.write_text(f"admin:{stored_sha('one')}\n")
    assert await appliance.service.check_password("admin", "one")
    appliance.path.write_text(f"admin:{stored_sha('two')}\n")
    assert not await appliance.service.check_password("admin", "one")
    assert await appliance.service.check_password("admin", "two")
