"""The authentication service: checks passwords and codes, opens and ends sessions.

It must never let somebody in because something failed: an unreadable password file or a broken second factor
locks everybody out and says so in the log. It never logs or shows a password, a code, a hash or a token.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import trio

from firmware.core.errors import ForbiddenError, SetupError
from firmware.subsystems.auth.attempts import Attempts
from firmware.subsystems.auth.caller import Caller
from firmware.subsystems.auth.events import AuthEvent, AuthEventKind, Witness, nobody_listens
from firmware.subsystems.auth.external import ExternalUsers
from firmware.subsystems.auth.grant_keeper import GrantKeeper
from firmware.subsystems.auth.grants import Grant, GrantKind, UnknownGrantError, is_token
from firmware.subsystems.auth.hashing import Hasher, PasswordHasher
from firmware.subsystems.auth.leases import Claim, Leases
from firmware.subsystems.auth.material import AuthOptions, Material, MaterialFiles
from firmware.subsystems.auth.networks import LOCAL, network_of
from firmware.subsystems.auth.password_file import PasswordFile
from firmware.subsystems.auth.rights import EVERYTHING, NOTHING, Capability
from firmware.subsystems.auth.second_factors import Purpose, SecondFactors
from firmware.subsystems.auth.sessions import SessionInfo, SessionStore, effective_lifetime_s
from firmware.subsystems.auth.verifier import PasswordVerifier

logger = logging.getLogger(__name__)

# How often the three small files are looked at, and how soon again after a change: what is open feels it once
# it was seen twice, so within a second.
LOOK_S: Final = 0.5
CONFIRM_S: Final = 0.1
# A card wears out by writing, and a use of a token that a power cut forgets is no loss.
USES_WRITTEN_S: Final = 300.0
STOP_S: Final = 2.0

ANYONE: Final = "-"
"""The user that every token belongs to while authentication is off. No real user can have this name."""


class AuthService:
    """The handle that everybody who authorises uses.

    *fallback* holds the accounts that count while there is no password file (the demo account, see
    `default_password`); None means that then nobody gets in. *witness* is told what happens. *clock* is
    monotonic and in seconds, *wall_clock* is Unix time in seconds.
    """

    def __init__(
        self,
        options: AuthOptions,
        *,
        fallback: PasswordFile | None = None,
        hasher: Hasher | None = None,
        witness: Witness = nobody_listens,
        clock: Callable[[], float] = trio.current_time,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = options
        self._files = MaterialFiles(options, fallback or PasswordFile.empty())
        self._witness = witness
        self._clock = clock
        self.factors = SecondFactors(options.factors_file, wall_clock=wall_clock)
        self.grants = GrantKeeper(options.grants_file, wall_clock)
        self._external = ExternalUsers()
        self._attempts = Attempts(witness, clock)
        self._sessions = SessionStore(clock)
        self._verifier = PasswordVerifier(hasher or PasswordHasher(), self._attempts, clock)
        self._leases = Leases(self.holds)

    @property
    def enabled(self) -> bool:
        """Whether credentials are asked for at all; if not, every check passes."""
        return self._options.enabled

    async def prepare(self) -> None:
        """Read the files once, so that what is wrong with them is known at start.

        Raises SetupError if nobody could ever log in as they are.
        """
        if not self.enabled:
            logger.warning("Authentication is switched off: everybody who reaches this appliance controls it")
            await trio.lowlevel.checkpoint()
            return
        await self.factors.load()
        await self.grants.look()
        material = await self._refresh()
        if material.complaints:
            raise SetupError("; ".join(material.complaints))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Have changes of the files and ends of sessions reach what is open, until cancelled."""
        task_status.started()
        try:
            await self._watch()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_S):
                await self.grants.write_uses()

    async def _watch(self) -> None:
        written_at = self._clock()
        seen, pause_s = self._files.material.generation, LOOK_S
        while self.enabled:
            await trio.sleep(pause_s)
            material = await self._refresh()
            await self._look_at_grants()
            # Twice, since a file that somebody is just writing is empty for a moment, and that must not log
            # everybody out. What is asked for meanwhile is refused.
            if material.generation == seen:
                self._end_sessions_without_account(material)
                if material.members_known:
                    await self.grants.revoke_all_but(material.accounts.accounts)
                self.reconsider()
            if self._clock() >= written_at + USES_WRITTEN_S:
                written_at = self._clock()
                await self.grants.write_uses()
            pause_s = LOOK_S if material.generation == seen else CONFIRM_S
            seen = material.generation
        await trio.sleep_forever()

    def capabilities(self, user: str) -> frozenset[Capability]:
        """Return what *user* may do as of the last look at the files; nothing without an account."""
        if not self.enabled:
            return EVERYTHING
        material = self._files.material
        if (roles := self._external.roles_of(user)) is not None:
            return NOTHING if material.rights is None else material.rights.of_roles(roles)
        if material.rights is None or (material.members_known and user not in material.accounts.accounts):
            return NOTHING
        return material.rights.of(user)

    def may(self, caller: Caller) -> frozenset[Capability]:
        """Return what *caller* may do now: by a token or share link never more than its owner may."""
        allowed = self.capabilities(caller.user)
        if caller.grant is None or not self.enabled:
            return allowed
        grant = self.grants.get(caller.grant)
        return NOTHING if grant is None or grant.user != caller.user else allowed & grant.capabilities

    def holds(self, claim: Claim) -> bool:
        """Return whether *claim* is good: the session lives, and the user still may."""
        if claim.token is not None and self.check_token(claim.token) is None:
            return False
        if claim.grant is not None and self.grants.get(claim.grant) is None:
            return False
        return claim.capabilities <= self.may(Caller(claim.user, claim.grant))

    def lease(self, claim: Claim) -> AbstractContextManager[trio.CancelScope]:
        """Return a context whose scope is cancelled when *claim* is no longer good."""
        return self._leases.held(claim)

    async def login(self, user: str, passwd: str, expire_s: int = 0, *, client: str = LOCAL) -> str | None:
        """Check the credentials and open a session; return its token, or None if authentication is off.

        *expire_s* is the requested lifetime (0 = as long as the configuration allows), *client* the address
        of whoever asks. Raises ForbiddenError, and TooManyAttemptsError as `check_password`.
        """
        if not self.enabled:
            await trio.lowlevel.checkpoint()
            return None
        return (await self.open_session(user, passwd, expire_s, client=client))[1]

    async def open_session(
        self, user: str, passwd: str, expire_s: int = 0, *, client: str = LOCAL
    ) -> tuple[SessionInfo, str]:
        """Check the credentials and open a session; return what may be shown of it, and its token.

        While authentication is off it is anybody's. Raises ForbiddenError, and TooManyAttemptsError as
        `check_password`.
        """
        caller = await self.check_login(user, passwd, client=client, purpose=Purpose.LOGIN)
        if caller is None:
            raise ForbiddenError("expected a valid user, password and code, got a wrong one - at login")
        return self._admit(caller, expire_s, client)

    async def open_shared(self, secret: str, *, client: str = LOCAL, instead_of: str = "") -> str | None:
        """Open a session by the secret of a share link and return its token.

        None if the session *instead_of* it, which the client has, is the user's own and allows as much: then
        it stays. Raises ForbiddenError if there is no such link (any more), and TooManyAttemptsError.
        """
        guest = await self.check_secret(GrantKind.SHARE, secret, client=client)
        if guest is None:
            raise ForbiddenError("expected a share link, got one that has ended or never was")
        present = self.caller_of(instead_of)
        if present is not None and present.grant is None and self.may(guest) <= self.may(present):
            return None
        return self._admit(guest, 0, client)[1]

    def admit(self, user: str, expire_s: int = 0, *, client: str = LOCAL) -> tuple[SessionInfo, str]:
        """Open a session for *user*, who has proved who that is; return as `open_session`."""
        return self._admit(Caller(user), expire_s, client)

    def admit_external(
        self, name: str, subject: str, roles: Iterable[str], expire_s: int, *, client: str
    ) -> str:
        """Open a session for somebody for whom a provider vouches, and return its token.

        It lasts *expire_s* seconds at most. What *roles* allow counts at once for all that the same user has
        open. Raises NameTakenError.
        """
        user = self._external.admit(name, subject, roles)
        self._leases.reconsider()
        return self.admit(user, expire_s, client=client)[1]

    def _admit(self, caller: Caller, expire_s: int, client: str) -> tuple[SessionInfo, str]:
        lifetime_s = effective_lifetime_s(expire_s, self._options.expire_s)
        grant = None if caller.grant is None else self.grants.get(caller.grant)
        if grant is not None and (left_s := self.grants.left_s(grant)) is not None:
            lifetime_s = effective_lifetime_s(left_s, lifetime_s)
        logger.info(
            "User %s logged in%s, for %s",
            caller.user,
            f" by {caller.how}" if caller.how else "",
            f"{lifetime_s} s" if lifetime_s else "an unlimited time",
        )
        if self.enabled:
            self._witness(AuthEvent(AuthEventKind.LOGIN, caller.user, client, caller.how))
        token = self._sessions.open(caller.user, lifetime_s, caller.grant)
        info = self._sessions.info_of(token)
        assert info is not None, "a session outlives its opening"
        return info, token

    async def check_login(
        self, user: str, passwd: str, *, client: str = LOCAL, purpose: Purpose = Purpose.REQUEST
    ) -> Caller | None:
        """Return who calls as *user* with *passwd*, a password (with its code) or an API token of theirs.

        None if it is wrong. Raises TooManyAttemptsError as `check_password` and `check_secret`.
        """
        if self.enabled and is_token(passwd):
            return await self.check_secret(GrantKind.TOKEN, passwd, user=user, client=client)
        right = await self.check_password(user, passwd, client=client, purpose=purpose)
        return Caller(user) if right else None

    async def check_secret(
        self, kind: GrantKind, secret: str, *, user: str | None = None, client: str = LOCAL
    ) -> Caller | None:
        """Return who calls with the *secret* of a grant, of *user* if that is said; None if it is wrong.

        Wrong ones are counted like wrong passwords, those without a user together. Right ones are taken
        while a count is full as well: 256 random bits are not guessed, and neighbours of a program that sends
        wrong passwords are not shut out. Raises TooManyAttemptsError instead of None if the count is full.
        """
        if not self.enabled:
            await trio.lowlevel.checkpoint()
            return Caller(user or ANYONE)
        material = await self._refresh()
        grant = self.grants.find(kind, secret)
        if grant is None:
            # It may have been made a moment ago, by `farhand token`.
            await self._look_at_grants()
            grant = self.grants.find(kind, secret)
        if grant is not None and self._is_good(grant, material) and user in (None, grant.user):
            self._attempts.accepted()
            self.grants.used(grant, client)
            return Caller(grant.user, grant.id, grant.how)
        users, account = material.accounts.accounts, f"({kind})" if user is None else user
        self._attempts.require_patience(users, account, client)
        self._attempts.begin(account, client)
        self._attempts.refused(users, account, client)
        return None

    async def _look_at_grants(self) -> None:
        if await self.grants.look():
            self._witness(AuthEvent(AuthEventKind.GRANTS_CHANGED))

    def _is_good(self, grant: Grant, material: Material) -> bool:
        return not material.complaints and grant.user in material.accounts.accounts

    async def check_password(
        self, user: str, passwd: str, *, client: str = LOCAL, purpose: Purpose = Purpose.REQUEST
    ) -> bool:
        """Return whether *passwd* (with the code appended if there is a second factor) is *user*'s.

        A wrong user, a wrong password and a wrong code take the same time: the same hashes are computed.
        *client* is the address of whoever asks. Raises TooManyAttemptsError, without looking at the
        password, if too many wrong ones came from its network.
        """
        if not self.enabled:
            await trio.lowlevel.checkpoint()
            return True
        material = await self._refresh()
        users, network = material.accounts.accounts, network_of(client)
        self._attempts.require_patience(users, user, client)
        presented = self.factors.present(user, passwd, material.totp, network, purpose)
        # The code comes first (contract subsystems.md 1), and is never taken from memory.
        account = users.get(user) if presented.fits and not material.complaints else None
        accepted = await self._verifier.verify(material, user, account, presented.passwd, client)
        accepted = accepted and await self.factors.spend(user, presented, network, purpose)
        if accepted and presented.recovery is not None:
            logger.warning("User %s came in with a recovery code", user)
            self._witness(AuthEvent(AuthEventKind.RECOVERED, user, client))
        if accepted:
            self._attempts.accepted()
        else:
            self._attempts.refused(users, user, client)
        return accepted

    def check_token(self, token: str) -> str | None:
        """Return whose session *token* is; None if it is unknown or expired."""
        if not self.enabled:
            return ANYONE
        caller = self.caller_of(token)
        return None if caller is None else caller.user

    def bind_origin(self, token: str, origin: str | None) -> None:
        """Note the origin of the page that opened a session, if its browser told."""
        if origin is not None:
            self._sessions.bind_origin(token, origin)

    def origin_of(self, token: str) -> str | None:
        """Return the origin of the page that opened the session of *token*, None if nobody told."""
        return self._sessions.origin_of(token)

    def caller_of(self, token: str) -> Caller | None:
        """Return who calls with the session *token*; None if it is unknown, expired, or its grant ended."""
        if not self.enabled:
            return Caller(ANYONE)
        info = self._sessions.info_of(token)
        if info is None or info.grant is None:
            return None if info is None else Caller(info.user)
        grant = self.grants.get(info.grant)
        return None if grant is None else Caller(info.user, grant.id, grant.how)

    def logout(self, token: str) -> int:
        """End every session of the user whose session *token* is, and return how many those were.

        Sessions of the user's tokens and share links go on, and one of those ends only itself. Raises
        ForbiddenError if the token is unknown or expired.
        """
        if not self.enabled:
            return 0
        own = self._sessions.info_of(token)
        if own is None:
            raise ForbiddenError(
                "expected the token of a live session, got an unknown or expired one - at logout"
            )
        ended = self._sessions.close_where(
            lambda info: info.id == own.id or (info.user == own.user and info.grant is own.grant is None)
        )
        self._leases.reconsider()
        logger.info("User %s logged out, sessions ended: %d", own.user, ended)
        return ended

    @property
    def session_lifetime_s(self) -> int:
        """The longest lifetime of a session in seconds; 0 = unlimited."""
        return self._options.expire_s

    def sessions_shown_to(self, caller: Caller) -> list[SessionInfo]:
        """Return the sessions that *caller* may see and end: the own ones, all of them as an administrator.

        Users see those of their tokens and share links too; by one of these only its own ones are seen.
        """
        infos = self._sessions.infos()
        if Capability.ADMIN in self.may(caller):
            return infos
        own = [info for info in infos if info.user == caller.user]
        return own if caller.grant is None else [info for info in own if info.grant == caller.grant]

    def session_id(self, token: str) -> str | None:
        """Return the id of the session of *token*; None if it is nobody's."""
        info = self._sessions.info_of(token)
        return None if info is None else info.id

    def end_session(self, session_id: str, *, by: Caller) -> bool:
        """End the one session of that id; False if there is none that *by* may see."""
        if not any(info.id == session_id for info in self.sessions_shown_to(by)):
            return False
        ended = self._sessions.close(session_id)
        assert ended is not None, "there was one"
        logger.info("User %s ended a session of user %s", by.user or "(anybody)", ended.user)
        self._leases.reconsider()
        return True

    def grants_shown_to(self, user: str, kind: GrantKind) -> list[Grant]:
        """Return the tokens or share links that *user* may see and revoke: as with sessions."""
        shows_all = Capability.ADMIN in self.capabilities(user)
        return [grant for grant in self.grants.live(kind) if shows_all or grant.user == user]

    async def revoke(self, grant_id: str, kind: GrantKind, *, by: str) -> Grant:
        """Revoke the token or share link of that id, end what is open by it, and return it.

        Raises UnknownGrantError if there is none that the user *by* may see, and GrantsUnavailableError.
        """
        found = next((grant for grant in self.grants_shown_to(by, kind) if grant.id == grant_id), None)
        if found is None:
            raise UnknownGrantError("expected the id of a token or share link, got one of none - at id")
        await self.grants.revoke([found])
        self.reconsider()
        return found

    def reconsider(self) -> None:
        """End whatever is no longer good: sessions of grants that ended, and what is open."""
        live = {grant.id for grant in self.grants.live()}
        self._sessions.close_where(lambda info: info.grant is not None and info.grant not in live)
        self._leases.reconsider()

    async def users(self) -> list[str]:
        """Return everybody who can log in with a password; nobody needs to while authentication is off."""
        if not self.enabled:
            await trio.lowlevel.checkpoint()
            return []
        return list((await self._refresh()).accounts.accounts)

    async def account_mark(self, user: str) -> str | None:
        """Return what changes with the account of *user* and its password; None without an account."""
        if not self.enabled:
            await trio.lowlevel.checkpoint()
            return None
        stored = (await self._refresh()).accounts.accounts.get(user)
        return None if stored is None else hashlib.sha256(f"{user}:{stored.text}".encode()).hexdigest()

    def tell_refused(self, user: str, client: str) -> None:
        """Have a login that failed by other means than a password in the audit trail and the statistics."""
        self._attempts.refused(self._files.material.accounts.accounts, user, client)

    def hold(self, token: str) -> AbstractContextManager[None]:
        """Return a context that keeps *token*'s session from expiring, if `extend` is configured.

        For as long as a WebSocket that was authorised by this cookie is open; when the last one closes, the
        full lifetime restarts (contract subsystems.md 1).
        """
        return self._sessions.hold(token) if self.enabled and self._options.extend else nullcontext()

    def statistics(self) -> dict[str, int]:
        """Return counters since the start, and the present numbers of sessions and remembered credentials."""
        return {
            **self._verifier.statistics(),
            **self._attempts.statistics(),
            "grants": len(self.grants.live()),
            **self._leases.statistics(),
            **self._sessions.statistics(),
        }

    async def _refresh(self) -> Material:
        known = self._files.material.generation
        material = await self._files.refresh()
        if material.generation != known and known:
            self._witness(AuthEvent(AuthEventKind.CHANGED))
        return material

    def _end_sessions_without_account(self, material: Material) -> None:
        """End the sessions of users who were removed, so that no later user of that name has them."""
        if material.members_known:
            users = {info.user for info in self._sessions.infos()}
            self._external.keep(users)
            for user in users - material.accounts.accounts.keys() - self._external.users():
                logger.info("User %s has no account any more, sessions ended", user)
                self._sessions.close_all_of(user)
