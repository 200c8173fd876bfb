"""The authentication service and those who act for a user by a token or a share link."""

from __future__ import annotations

import logging
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from firmware.core.errors import ForbiddenError, TooManyAttemptsError
from firmware.core.files import exclusive
from firmware.subsystems.auth import service as service_module
from firmware.subsystems.auth.caller import Caller
from firmware.subsystems.auth.events import AuthEvent
from firmware.subsystems.auth.grant_files import change, read_uses, uses_file
from firmware.subsystems.auth.grant_keeper import GrantsUnavailableError
from firmware.subsystems.auth.grants import GrantKind, UnknownGrantError, make_grant
from firmware.subsystems.auth.hashing import Hasher, PasswordHasher, StoredHash
from firmware.subsystems.auth.leases import Claim
from firmware.subsystems.auth.material import AuthOptions
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.auth.rights import NOTHING, Capability
from firmware.subsystems.auth.service import AuthService

SECRET_BASE32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
STORED = PasswordHasher().hash("long enough")
VIEW, POWER = Capability.VIEW, Capability.POWER
CLIENT = "192.0.2.1"


class NoHasher(Hasher):
    """Fails when a hash is asked for: a token costs none."""

    def hash(self, password: str) -> str:
        raise AssertionError("expected no hash to be made")

    def verify(self, stored: StoredHash, password: str) -> bool:
        raise AssertionError("expected no hash to be computed")


class Site:
    """A service, its files and its time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now_s = 1_700_000_000.0
        self.events: list[AuthEvent] = []
        self.accounts("alice", "bob")
        self.rights('users.alice = "operator"')
        self.grants = directory / "grants.json"
        self.service = self.start()

    def accounts(self, *names: str) -> None:
        passwords = PasswordFile.empty()
        for name in names:
            passwords = passwords.with_account(name, STORED)
        save(self.directory / "htpasswd", passwords)

    def rights(self, text: str) -> None:
        (self.directory / "rights.toml").write_text(text)

    def start(self, hasher: Hasher | None = None) -> AuthService:
        options = AuthOptions(
            password_file=self.directory / "htpasswd",
            totp_secret_file=self.directory / "totp.secret",
            rights_file=self.directory / "rights.toml",
            grants_file=self.directory / "grants.json",
        )
        return AuthService(
            options,
            hasher=hasher or NoHasher(),
            witness=self.events.append,
            wall_clock=lambda: self.now_s,
        )

    async def token(
        self,
        *capabilities: Capability,
        name: str = "backup",
        lifetime_s: int | None = 60,
        kind: GrantKind = GrantKind.TOKEN,
    ) -> tuple[str, Caller]:
        """Make a token of alice's; return its secret and whom it makes a caller."""
        grant, secret = await self.service.grants.make(
            kind, "alice", name, capabilities or (VIEW,), lifetime_s
        )
        return secret, Caller("alice", grant.id, grant.how)

    def told(self) -> list[tuple[str, str, str]]:
        events, self.events[:] = self.events[:], []
        return [(event.kind.value, event.user, event.how) for event in events]


@pytest.fixture
async def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    await site.service.prepare()
    return site


# ----- who is let in


async def test_a_token_stands_for_a_password_and_needs_no_code(site: Site) -> None:
    secret, backup = await site.token(VIEW, POWER)
    (site.directory / "totp.secret").write_text(SECRET_BASE32)
    assert await site.service.check_secret(GrantKind.TOKEN, secret, client=CLIENT) == backup
    assert await site.service.check_login("alice", secret, client=CLIENT) == backup
    assert site.service.may(backup) == {VIEW, POWER}
    assert backup.how == "api token backup"
    info, session = await site.service.open_session("alice", secret, client=CLIENT)
    assert site.service.caller_of(session) == backup
    assert info.left_s is not None
    assert 0 < info.left_s <= 60
    assert site.told()[-1] == ("login", "alice", "api token backup")


@pytest.mark.parametrize("user", ["bob", "nobody"])
async def test_a_token_of_somebody_else_or_no_token_is_refused_without_a_hash(site: Site, user: str) -> None:
    secret, _ = await site.token()
    for wrong in (secret, "fht_", "fht_" + "0" * 64, secret[:-1], secret + "0", "fht_\ud800"):
        assert await site.service.check_login(user, wrong, client=CLIENT) is None
    assert await site.service.check_secret(GrantKind.SHARE, secret, client=CLIENT) is None
    assert {kind for kind, _, _ in site.told()} == {"login refused"}


async def test_wrong_tokens_are_limited_and_right_ones_are_not(site: Site, mock_clock: MockClock) -> None:
    secret, backup = await site.token()
    for user in (None, "alice"):
        for _ in range(10):
            await site.service.check_secret(GrantKind.TOKEN, "fht_guess", user=user, client=CLIENT)
        with pytest.raises(TooManyAttemptsError) as caught:
            await site.service.check_secret(GrantKind.TOKEN, "fht_guess", user=user, client=CLIENT)
        assert caught.value.retry_after_s
    refusals = [kind for kind, _, _ in site.told()]
    assert refusals == ["login refused"] * 10 + ["login limited"] + ["login refused"] * 10 + ["login limited"]
    # Passwords of that account and network are refused too; the right token is not, nor is another network.
    with pytest.raises(TooManyAttemptsError):
        await site.service.check_login("alice", "long enough", client=CLIENT)
    assert await site.service.check_secret(GrantKind.TOKEN, secret, client=CLIENT) == backup
    assert await site.service.check_secret(GrantKind.TOKEN, "fht_guess", client="198.51.100.1") is None


async def test_a_broken_file_of_passwords_or_codes_lets_no_token_in(site: Site) -> None:
    secret, _ = await site.token()
    (site.directory / "totp.secret").write_text("not base32!")
    assert await site.service.check_secret(GrantKind.TOKEN, secret, client=CLIENT) is None


async def test_no_secret_is_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret, backup = await site.token()
    link, _ = await site.token(kind=GrantKind.SHARE)
    await site.service.open_session("alice", secret, client=CLIENT)
    await site.service.open_shared(link, client=CLIENT)
    await site.service.check_login("bob", secret, client=CLIENT)
    assert backup.grant is not None
    await site.service.revoke(backup.grant, GrantKind.TOKEN, by="alice")
    for kept in (secret, link):
        assert kept.partition("_")[2] not in caplog.text
    assert "alice made the api token backup" in caplog.text


# ----- what they may do

SOME = st.frozensets(st.sampled_from(Capability))


@given(granted=SOME, owned=SOME)
def test_nobody_may_more_than_both_the_grant_and_its_owner(
    tmp_path_factory: pytest.TempPathFactory, granted: frozenset[Capability], owned: frozenset[Capability]
) -> None:
    async def check() -> None:
        site = Site(tmp_path_factory.mktemp("site"))
        await site.service.prepare()
        _, caller = await site.token(*granted)
        site.rights(f"users.alice = [{', '.join(repr(str(right)) for right in sorted(owned))}]")
        await site.service.users()
        assert site.service.may(caller) == ((granted or {VIEW}) & owned)
        assert site.service.may(Caller("bob", caller.grant)) == NOTHING
        assert site.service.may(Caller("alice", "of nobody")) == NOTHING
        assert site.service.may(Caller("alice")) == owned

    trio.run(check)


# ----- ends reach what is open


@pytest.fixture
async def running(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """Run the service, which looks at its files more often than it otherwise does."""
    monkeypatch.setattr(service_module, "LOOK_S", 0.02)
    monkeypatch.setattr(service_module, "CONFIRM_S", 0.01)
    async with trio.open_nursery() as nursery:
        await nursery.start(site.service.run)
        yield site
        nursery.cancel_scope.cancel()


def revoke_all(site: Site) -> None:
    """Do what `farhand token revoke` does."""
    change(site.grants, lambda book: book.without(lambda _: True))


async def by_api(site: Site, grant_id: str) -> None:
    await site.service.revoke(grant_id, GrantKind.TOKEN, by="alice")


async def by_command(site: Site, _: str) -> None:
    await trio.to_thread.run_sync(lambda: revoke_all(site))


async def by_time(site: Site, _: str) -> None:
    site.now_s += 60


async def by_rights(site: Site, _: str) -> None:
    site.rights('users.alice = ["power"]')


async def by_removal(site: Site, _: str) -> None:
    site.accounts("bob")


@pytest.mark.parametrize("end", [by_api, by_command, by_time, by_rights, by_removal])
async def test_what_is_open_ends_with_its_grounds(
    running: Site, end: Callable[[Site, str], Awaitable[None]]
) -> None:
    service = running.service
    secret, backup = await running.token()
    _, session = await service.open_session("alice", secret, client=CLIENT)
    grant_id = backup.grant
    assert grant_id is not None
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for token in (None, session):
                claim = Claim("alice", frozenset({VIEW}), token, grant_id)
                nursery.start_soon(open_while_good, service, claim)
            await trio.sleep(0.1)
            assert service.statistics()["leases"] == 2
            await end(running, grant_id)
    if end is not by_rights:
        assert service.caller_of(session) is None
        assert service.sessions_shown_to(Caller("bob")) == []


async def open_while_good(service: AuthService, claim: Claim) -> None:
    with service.lease(claim):
        await trio.sleep_forever()


async def test_a_token_made_by_the_command_is_good_at_once_and_told(
    running: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    grant, secret = make_grant(GrantKind.TOKEN, "bob", "cli", [VIEW], lifetime_s=None, now=running.now_s)
    await trio.to_thread.run_sync(
        lambda: change(running.grants, lambda book: book.with_grant(grant, running.now_s))
    )
    assert await running.service.check_login("bob", secret, client=CLIENT) is not None
    changed = ("tokens or share links changed", "", "")
    assert running.told().count(changed) == 1
    assert "From outside: of user bob the api token cli is made" in caplog.text
    revoke_all(running)
    with trio.fail_after(60):
        while changed not in running.told():
            await trio.sleep(0.02)
    assert await running.service.check_login("bob", secret, client=CLIENT) is None


async def test_a_user_of_the_same_name_later_has_none_of_the_tokens(running: Site) -> None:
    secret, backup = await running.token()
    running.accounts()
    await trio.sleep(0.3)
    assert running.service.grants.get(backup.grant or "") is not None  # nobody at all: something is wrong
    running.accounts("bob")
    with trio.fail_after(60):
        while running.service.grants.live():
            await trio.sleep(0.02)
    running.accounts("alice", "bob")
    await trio.sleep(0.3)
    assert await running.service.check_login("alice", secret, client=CLIENT) is None


async def test_a_logout_ends_ones_own_sessions_and_a_guests_only_itself(site: Site) -> None:
    service = site.start(PasswordHasher())
    await service.prepare()
    site.service = service
    link, guest = await site.token(kind=GrantKind.SHARE)
    own = (await service.open_session("alice", "long enough", client=CLIENT))[1]
    first, second = [await service.open_shared(link, client=CLIENT) for _ in range(2)]
    assert first is not None
    assert second is not None
    assert len(service.sessions_shown_to(Caller("alice"))) == 3
    assert len(service.sessions_shown_to(guest)) == 2
    assert service.logout(first) == 1
    assert service.logout(own) == 1
    assert [service.caller_of(token) for token in (own, first, second)] == [None, None, guest]


async def test_a_link_takes_nothing_from_whoever_is_logged_in(site: Site) -> None:
    service = site.start(PasswordHasher())
    await service.prepare()
    site.service = service
    link, _ = await site.token(kind=GrantKind.SHARE)
    own = (await service.open_session("alice", "long enough", client=CLIENT))[1]
    assert await service.open_shared(link, client=CLIENT, instead_of=own) is None
    guest = await service.open_shared(link, client=CLIENT, instead_of="0" * 64)
    assert guest is not None
    # Not so another guest's: it may end sooner.
    assert await service.open_shared(link, client=CLIENT, instead_of=guest) is not None
    with pytest.raises(ForbiddenError, match="ended or never was"):
        await service.open_shared("fhs_" + "0" * 64, client=CLIENT, instead_of=own)


async def test_guests_push_out_no_session_of_their_host(site: Site) -> None:
    service = site.start(PasswordHasher())
    await service.prepare()
    site.service = service
    own = (await service.open_session("alice", "long enough", client=CLIENT))[1]
    for name in range(32):
        link, _ = await site.token(kind=GrantKind.SHARE, name=str(name))
        for _ in range(17):
            await service.open_shared(link, client=CLIENT)
    assert service.check_token(own) == "alice"
    assert service.statistics()["sessions"] == 512


# ----- who sees and revokes


async def test_tokens_of_others_are_an_administrators(site: Site) -> None:
    _, backup = await site.token()
    grant_id = backup.grant or ""
    site.rights('users.alice = "operator"\nusers.bob = "viewer"\nothers = "admin"')
    site.accounts("alice", "bob", "root")
    await site.service.users()
    shown = site.service.grants_shown_to
    assert [len(shown(user, GrantKind.TOKEN)) for user in ("alice", "bob", "root")] == [1, 0, 1]
    for user, kind in (("bob", GrantKind.TOKEN), ("root", GrantKind.SHARE)):
        with pytest.raises(UnknownGrantError):
            await site.service.revoke(grant_id, kind, by=user)
    await site.service.revoke(grant_id, GrantKind.TOKEN, by="root")
    assert shown("alice", GrantKind.TOKEN) == []


# ----- the files


async def test_grants_outlive_a_restart_and_only_their_owner_reads_the_file(site: Site) -> None:
    secret, backup = await site.token()
    assert stat.S_IMODE(site.grants.stat().st_mode) == 0o600
    again = site.start()
    await again.prepare()
    assert await again.check_login("alice", secret, client=CLIENT) == backup


@pytest.mark.parametrize("written", ["now and then", "at the end"])
async def test_when_a_token_was_used_last_outlives_a_restart(
    site: Site, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "USES_WRITTEN_S", 0.1 if written == "now and then" else 1e9)
    secret, backup = await site.token()
    grant_id = backup.grant or ""
    assert site.service.grants.last_use(grant_id) is None
    async with trio.open_nursery() as nursery:
        await nursery.start(site.service.run)
        await site.service.check_login("alice", secret, client=CLIENT)
        with trio.fail_after(60):
            while written == "now and then" and not read_uses(site.grants):
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    again = site.start()
    await again.prepare()
    use = again.grants.last_use(grant_id)
    assert use is not None
    assert (use.at, use.client) == (int(site.now_s), CLIENT)
    assert stat.S_IMODE(uses_file(site.grants).stat().st_mode) == 0o600


async def test_a_damaged_file_of_uses_is_forgotten(site: Site) -> None:
    uses_file(site.grants).write_text("{")
    await site.start().prepare()


@pytest.mark.parametrize("damage", ["{", '{"grants": [{"id": "x"}]}', '{"tokens": []}'])
async def test_a_damaged_file_makes_no_token_good_and_is_not_overwritten(
    site: Site, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret, _ = await site.token()
    site.grants.write_text(damage)
    assert await site.service.grants.look()
    assert await site.service.check_login("alice", secret, client=CLIENT) is None
    assert "No token or share link is good: expected a file of tokens" in caplog.text
    with pytest.raises(GrantsUnavailableError, match="mend or remove it"):
        await site.token(name="another")
    assert site.grants.read_text() == damage


async def test_a_file_that_somebody_else_keeps_locked_is_waited_for_and_then_said(
    site: Site, mock_clock: MockClock
) -> None:
    mock_clock.rate = 100
    with exclusive(site.grants), pytest.raises(GrantsUnavailableError, match="somebody else is changing"):
        await site.token()
    assert not site.grants.exists()
