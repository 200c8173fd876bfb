"""The authentication service on real files and real hashes; the hashes are counted, never timed."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
import trio
from trio.testing import MockClock

from firmware.core.errors import ForbiddenError, SetupError
from firmware.subsystems.auth.caller import Caller
from firmware.subsystems.auth.hashing import CostClass, PasswordHasher, Scheme, StoredHash
from firmware.subsystems.auth.leases import Claim
from firmware.subsystems.auth.material import AuthOptions
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.auth.rights import EVERYTHING, NOTHING, Capability
from firmware.subsystems.auth.service import ANYONE, LOOK_S, AuthService

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
NOW_S = 1_234_567_890.0
CODE = pyotp.TOTP(SECRET).at(int(NOW_S))
ADMIN = PasswordHasher().hash("correct horse")
GUEST = PasswordHasher().hash("guest pass")


class CountingHasher:
    """The real hasher, counting what it computes and at how many places at once."""

    def __init__(self) -> None:
        self._real = PasswordHasher()
        self._lock = threading.Lock()
        self._running = 0
        self.most_at_once = 0
        self.verified: list[CostClass] = []
        self.started = threading.Event()
        self.hold = threading.Event()
        self.hold.set()

    def hash(self, password: str) -> str:
        return self._real.hash(password)

    def verify(self, stored: StoredHash, password: str) -> bool:
        with self._lock:
            self.verified.append(stored.cost)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        self.started.set()
        try:
            self.hold.wait(timeout=30)
            return self._real.verify(stored, password)
        finally:
            with self._lock:
                self._running -= 1

    def spent(self) -> list[CostClass]:
        """Return what was computed since the last call."""
        verified, self.verified = self.verified, []
        return verified


class Appliance:
    """An authentication service and the files behind it."""

    def __init__(
        self, directory: Path, *, extend: bool = False, enabled: bool = True, expire_s: int = 0
    ) -> None:
        self.path = directory / "htpasswd"
        self.secret_path = directory / "totp.secret"
        self.rights_path = directory / "rights.toml"
        self.hasher = CountingHasher()
        self.now_s = NOW_S
        save(self.path, PasswordFile.empty().with_account("admin", ADMIN).with_account("guest", GUEST))
        self.options = AuthOptions(
            password_file=self.path,
            totp_secret_file=self.secret_path,
            rights_file=self.rights_path,
            enabled=enabled,
            extend=extend,
            expire_s=expire_s,
        )
        self.service = self.start()

    def start(self, fallback: PasswordFile | None = None) -> AuthService:
        return AuthService(self.options, fallback=fallback, hasher=self.hasher, wall_clock=lambda: self.now_s)


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    made = Appliance(tmp_path)
    yield made
    made.hasher.hold.set()


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


# ----- the second factor


async def test_with_a_secret_the_code_is_needed_in_the_last_six_characters(appliance: Appliance) -> None:
    appliance.secret_path.write_text(SECRET + "\n")
    check = appliance.service.check_password
    assert await check("admin", "correct horse" + CODE)
    assert not await check("admin", "correct horse")
    assert not await check("admin", CODE + "correct horse")
    assert not await check("admin", "wrong" + CODE)
    assert not await check("admin", "correct horse" + "000000")
    assert not await check("admin", CODE)
    assert not await check("admin", "")
    assert await check("admin", "correct horse" + CODE), "codes may be used again (contract)"


@pytest.mark.parametrize("content", ["", " \n\t"])
async def test_an_empty_secret_means_no_second_factor(appliance: Appliance, content: str) -> None:
    appliance.secret_path.write_text(content)
    assert await appliance.service.check_password("admin", "correct horse")


async def test_no_secret_file_configured_means_no_second_factor(appliance: Appliance) -> None:
    appliance.secret_path.write_text(SECRET)
    service = AuthService(AuthOptions(password_file=appliance.path), hasher=appliance.hasher)
    assert await service.check_password("admin", "correct horse")


async def test_the_code_is_checked_every_time_although_the_password_is_remembered(
    appliance: Appliance,
) -> None:
    appliance.secret_path.write_text(SECRET)
    assert await appliance.service.check_password("admin", "correct horse" + CODE)
    appliance.now_s += 60
    assert not await appliance.service.check_password("admin", "correct horse" + CODE)
    appliance.hasher.spent()
    fresh = pyotp.TOTP(SECRET).at(int(appliance.now_s))
    assert await appliance.service.check_password("admin", "correct horse" + fresh)
    assert appliance.hasher.spent() == [], "only the password was remembered, and it was"


async def test_a_wrong_code_costs_the_same_as_a_wrong_password(appliance: Appliance) -> None:
    appliance.secret_path.write_text(SECRET)
    assert await appliance.service.check_password("admin", "correct horse" + CODE)
    appliance.hasher.spent()
    spent = []
    for user, passwd in [
        ("admin", "correct horse000000"),
        ("admin", "wrong" + CODE),
        ("admin", "wrong000000"),
        ("nobody", "wrong" + CODE),
        ("nobody", "wrong000000"),
    ]:
        assert not await appliance.service.check_password(user, passwd)
        spent.append(appliance.hasher.spent())
    assert all(each == spent[0] for each in spent)
    assert len(spent[0]) == 1


async def test_switching_the_second_factor_on_and_off_counts_at_once(appliance: Appliance) -> None:
    check = appliance.service.check_password
    assert await check("admin", "correct horse")
    appliance.secret_path.write_text(SECRET)
    assert not await check("admin", "correct horse")
    appliance.hasher.spent()
    assert await check("admin", "correct horse" + CODE)
    assert len(appliance.hasher.spent()) == 1, "what was verified before the change is not trusted"
    appliance.secret_path.unlink()
    assert await check("admin", "correct horse")
    assert not await check("admin", "correct horse" + CODE)


@pytest.mark.parametrize("content", [b"not base32!", b"\xff"])
async def test_a_broken_secret_locks_everybody_out_and_says_why(
    appliance: Appliance, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    appliance.secret_path.write_bytes(content)
    for passwd in ("correct horse", "correct horse" + CODE):
        assert not await appliance.service.check_password("admin", passwd)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1, "once, not at each check"
    assert str(appliance.secret_path) in told[0].getMessage()
    with pytest.raises(SetupError, match="base32"):
        await appliance.service.prepare()


async def test_an_unreadable_file_locks_everybody_out_and_says_why(
    appliance: Appliance, caplog: pytest.LogCaptureFixture
) -> None:
    assert await appliance.service.check_password("admin", "correct horse")
    appliance.path.unlink()
    appliance.path.mkdir()
    assert not await appliance.service.check_password("admin", "correct horse")
    assert "cannot read the password file" in caplog.text
    with pytest.raises(SetupError, match="cannot read the password file"):
        await appliance.service.prepare()
    appliance.path.rmdir()
    appliance.secret_path.mkdir()
    save(appliance.path, PasswordFile.empty().with_account("admin", ADMIN))
    assert not await appliance.service.check_password("admin", "correct horse")
    appliance.secret_path.rmdir()
    assert await appliance.service.check_password("admin", "correct horse")


# ----- logins and sessions


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


# ----- rights


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


# ----- switched off


async def test_switched_off_everything_passes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    appliance = Appliance(tmp_path, enabled=False, extend=True)
    service = appliance.service
    await service.prepare()
    assert "everybody who reaches this appliance controls it" in caplog.text
    assert not service.enabled
    assert await service.login("admin", "wrong") is None
    assert await service.check_password("nobody", "")
    assert service.check_token("0" * 64) == ANYONE
    assert service.logout("0" * 64) == 0
    with service.hold("0" * 64):
        pass
    assert appliance.hasher.spent() == []


# ----- what is said, and what is not


async def test_what_is_wrong_with_the_file_is_said_once(
    appliance: Appliance, caplog: pytest.LogCaptureFixture
) -> None:
    bcrypt = "$2y$05$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
    text = f"admin:{ADMIN}\nold:{bcrypt}\nhunter2\n"
    appliance.path.write_text(text)
    await appliance.service.prepare()
    for _ in range(3):
        assert not await appliance.service.check_password("old", "U*U")
    assert caplog.text.count("user old") == 1
    assert caplog.text.count("line 3") == 1
    appliance.path.write_text(text + f"guest:{GUEST}\n")
    assert await appliance.service.check_password("guest", "guest pass")
    assert caplog.text.count("user old") == 1
    assert "hunter2" not in caplog.text


async def test_no_secret_is_logged_or_shown(appliance: Appliance, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = appliance.service
    appliance.secret_path.write_text(SECRET)
    token = await service.login("admin", "correct horse" + CODE)
    assert token is not None
    with pytest.raises(ForbiddenError) as caught:
        await service.login("admin", "hunter2" + CODE)
    assert not await service.check_password("hunter2", "in the wrong field")
    service.logout(token)
    shown = caplog.text + repr(vars(service)) + str(caught.value) + repr(service.statistics())
    for secret in ("correct horse", "hunter2", "wrong field", CODE, token, SECRET, ADMIN.rpartition("$")[2]):
        assert secret not in shown
    assert "Refused the credentials of admin" in caplog.text
    assert "Refused the credentials of an unknown user" in caplog.text


async def test_statistics_add_up(appliance: Appliance) -> None:
    service = appliance.service
    await service.login("admin", "correct horse")
    await service.check_password("admin", "correct horse")
    await service.check_password("admin", "wrong")
    statistics = service.statistics()
    assert (statistics["accepted"], statistics["refused"], statistics["verifications"]) == (2, 1, 2)
    assert (statistics["sessions"], statistics["opened"], statistics["cache_remembered"]) == (1, 1, 1)
    assert statistics["verifications_waiting"] == 0
