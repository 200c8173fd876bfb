"""The authentication service: checks passwords and codes, opens and ends sessions.

It must never let somebody in because something failed: an unreadable password file or a broken second factor
locks everybody out and says so in the log. It never logs or shows a password, a code, a hash or a token.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import trio

from firmware.core.errors import ForbiddenError, SetupError, TooManyAttemptsError
from firmware.subsystems.auth.events import AuthEvent, AuthEventKind, Witness, nobody_listens
from firmware.subsystems.auth.guessing import GuessingLimits
from firmware.subsystems.auth.hashing import Hasher, PasswordHasher, StoredHash, decoy
from firmware.subsystems.auth.leases import Claim, Leases
from firmware.subsystems.auth.material import AuthOptions, Material, MaterialFiles
from firmware.subsystems.auth.networks import LOCAL, network_of
from firmware.subsystems.auth.password_file import PasswordFile
from firmware.subsystems.auth.rights import EVERYTHING, NOTHING, Capability
from firmware.subsystems.auth.second_factors import Purpose, SecondFactors
from firmware.subsystems.auth.sessions import SessionInfo, SessionStore, effective_lifetime_s
from firmware.subsystems.auth.verified_cache import VerifiedCache

logger = logging.getLogger(__name__)

# One hash at a time: each takes 19 MiB and a whole core of a board that also encodes video. Who polls is
# served from the memory of verified credentials and does not queue here.
HASHES_AT_ONCE: Final = 1
# How often the three small files are looked at, and how soon again after a change: what is open feels it once
# it was seen twice, so within a second.
LOOK_S: Final = 0.5
CONFIRM_S: Final = 0.1

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
        self._hasher = hasher or PasswordHasher()
        self._witness = witness
        self._clock = clock
        self.factors = SecondFactors(options.factors_file, wall_clock=wall_clock)
        self._guessing = GuessingLimits()
        self._sessions = SessionStore(clock)
        self._verified = VerifiedCache(clock)
        self._decoy = decoy()
        self._leases = Leases(self.holds)
        # The queue is not bounded here: there is one waiter for each request at most, and the server bounds
        # those. The gate is apart from the limiter, since an abandoned thread must still count as running.
        self._hash_gate = trio.CapacityLimiter(HASHES_AT_ONCE)
        self._hash_threads = trio.CapacityLimiter(HASHES_AT_ONCE)
        self._accepted = 0
        self._refused = 0
        self._verifications = 0

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
        material = await self._refresh()
        if material.complaints:
            raise SetupError("; ".join(material.complaints))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Have changes of the files and ends of sessions reach what is open, until cancelled."""
        task_status.started()
        seen, pause_s = self._files.material.generation, LOOK_S
        while self.enabled:
            await trio.sleep(pause_s)
            material = await self._refresh()
            # Twice, since a file that somebody is just writing is empty for a moment, and that must not log
            # everybody out. What is asked for meanwhile is refused.
            if material.generation == seen:
                self._end_sessions_without_account(material)
                self._leases.reconsider()
            pause_s = LOOK_S if material.generation == seen else CONFIRM_S
            seen = material.generation
        await trio.sleep_forever()

    def capabilities(self, user: str) -> frozenset[Capability]:
        """Return what *user* may do as of the last look at the files; nothing without an account."""
        if not self.enabled:
            return EVERYTHING
        material = self._files.material
        if material.rights is None or (material.members_known and user not in material.accounts.accounts):
            return NOTHING
        return material.rights.of(user)

    def holds(self, claim: Claim) -> bool:
        """Return whether *claim* is good: the session lives, and the user still may."""
        if claim.token is not None and self.check_token(claim.token) is None:
            return False
        return claim.capabilities <= self.capabilities(claim.user)

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
        if not await self.check_password(user, passwd, client=client, purpose=Purpose.LOGIN):
            raise ForbiddenError("expected a valid user, password and code, got a wrong one - at login")
        return self.admit(user, expire_s, client=client)

    def admit(self, user: str, expire_s: int = 0, *, client: str = LOCAL) -> tuple[SessionInfo, str]:
        """Open a session for *user*, who has proved who that is; return as `open_session`."""
        lifetime_s = effective_lifetime_s(expire_s, self._options.expire_s)
        logger.info(
            "User %s logged in, for %s", user, f"{lifetime_s} s" if lifetime_s else "an unlimited time"
        )
        if self.enabled:
            self._witness(AuthEvent(AuthEventKind.LOGIN, user, client))
        token = self._sessions.open(user, lifetime_s)
        info = self._sessions.info_of(token)
        assert info is not None, "a session outlives its opening"
        return info, token

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
        self._require_patience(material, user, client)
        network = network_of(client)
        presented = self.factors.present(user, passwd, material.totp, network, purpose)
        # The code comes first (contract subsystems.md 1), and is never taken from memory.
        account = material.accounts.accounts.get(user) if presented.fits and not material.complaints else None
        if account is not None and self._verified.contains(material.generation, user, presented.passwd):
            accepted = True
        else:
            accepted = await self._verify(material, user, account, presented.passwd, client)
        accepted = accepted and await self.factors.spend(user, presented, network, purpose)
        if accepted and presented.recovery is not None:
            logger.warning("User %s came in with a recovery code", user)
            self._witness(AuthEvent(AuthEventKind.RECOVERED, user, client))
        self._count(material, user, client, accepted=accepted)
        return accepted

    def check_token(self, token: str) -> str | None:
        """Return whose session *token* is; None if it is unknown or expired."""
        if not self.enabled:
            return ANYONE
        return self._sessions.user_of(token)

    def logout(self, token: str) -> int:
        """End every session of the user whose session *token* is, and return how many those were.

        Raises ForbiddenError if the token is unknown or expired.
        """
        if not self.enabled:
            return 0
        user = self._sessions.user_of(token)
        if user is None:
            raise ForbiddenError(
                "expected the token of a live session, got an unknown or expired one - at logout"
            )
        ended = self._sessions.close_all_of(user)
        self._leases.reconsider()
        logger.info("User %s logged out, sessions ended: %d", user, ended)
        return ended

    @property
    def session_lifetime_s(self) -> int:
        """The longest lifetime of a session in seconds; 0 = unlimited."""
        return self._options.expire_s

    def sessions_shown_to(self, user: str) -> list[SessionInfo]:
        """Return the sessions that *user* may see and end: the own ones, all of them as an administrator."""
        shows_all = Capability.ADMIN in self.capabilities(user)
        return [info for info in self._sessions.infos() if shows_all or info.user == user]

    def session_id(self, token: str) -> str | None:
        """Return the id of the session of *token*; None if it is nobody's."""
        info = self._sessions.info_of(token)
        return None if info is None else info.id

    def end_session(self, session_id: str, *, by: str) -> bool:
        """End the one session of that id; False if there is none that the user *by* may see."""
        if not any(info.id == session_id for info in self.sessions_shown_to(by)):
            return False
        ended = self._sessions.close(session_id)
        assert ended is not None, "there was one"
        logger.info("User %s ended a session of user %s", by or "(anybody)", ended.user)
        self._leases.reconsider()
        return True

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
        self._count(self._files.material, user, client, accepted=False)

    def hold(self, token: str) -> AbstractContextManager[None]:
        """Return a context that keeps *token*'s session from expiring, if `extend` is configured.

        For as long as a WebSocket that was authorised by this cookie is open; when the last one closes, the
        full lifetime restarts (contract subsystems.md 1).
        """
        return self._sessions.hold(token) if self.enabled and self._options.extend else nullcontext()

    def statistics(self) -> dict[str, int]:
        """Return counters since the start, and the present numbers of sessions and remembered credentials."""
        return {
            "accepted": self._accepted,
            "refused": self._refused,
            "verifications": self._verifications,
            "verifications_waiting": self._hash_gate.statistics().tasks_waiting,
            **{f"cache_{name}": value for name, value in self._verified.statistics().items()},
            **self._guessing.statistics(),
            **self._leases.statistics(),
            **self._sessions.statistics(),
        }

    def _require_patience(self, material: Material, user: str, client: str) -> None:
        network = network_of(client)
        wait_s = self._guessing.wait_s(user, network, self._clock())
        if wait_s > 0:
            self._guessing.refused()
            self._witness(AuthEvent(AuthEventKind.LIMITED, _known(material, user), client))
            raise TooManyAttemptsError(
                f"expected fewer wrong passwords from {network}, got too many; try again in {wait_s} s",
                wait_s,
            )

    def _count(self, material: Material, user: str, client: str, *, accepted: bool) -> None:
        if accepted:
            self._accepted += 1
            return
        self._refused += 1
        name = _known(material, user)
        logger.warning("Refused the credentials of %s", name or "an unknown user")
        self._witness(AuthEvent(AuthEventKind.REFUSED, name, client))

    async def _verify(
        self, material: Material, user: str, account: StoredHash | None, password: str, client: str
    ) -> bool:
        network = network_of(client)
        async with self._hash_gate:
            # Whoever was ahead in the queue may have used up what was left, so a burst of guesses gets no
            # more of them verified than a row of them does.
            self._require_patience(material, user, client)
            # Or may have brought the same credentials.
            if account is not None and self._verified.contains(material.generation, user, password):
                return True
            rehearsed = tuple(material.accounts.cost_classes().values()) or (self._decoy,)
            self._verifications += 1
            # Before the outcome: who leaves in the meantime has had the work done all the same.
            attempt = self._guessing.begin(user, network, self._clock())
            accepted = await trio.to_thread.run_sync(
                _verify_at_constant_cost,
                self._hasher,
                rehearsed,
                account,
                password,
                # It changes nothing but its own memory, so it may be left behind.
                abandon_on_cancel=True,
                limiter=self._hash_threads,
            )
            if accepted:
                self._guessing.succeeded(attempt, self._clock())
                self._verified.remember(material.generation, user, password)
        return accepted

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
            for user in users - material.accounts.accounts.keys():
                logger.info("User %s has no account any more, sessions ended", user)
                self._sessions.close_all_of(user)


def _known(material: Material, user: str) -> str:
    """Return *user* if somebody has that name, else nothing: it may be a password in the wrong field."""
    return user if user in material.accounts.accounts else ""


def _verify_at_constant_cost(
    hasher: Hasher, rehearsed: Collection[StoredHash], account: StoredHash | None, password: str
) -> bool:
    """Verify *password* against *account* in a thread; the work is the same for every user and for nobody.

    For each cost class of the file one hash is computed: the account's own in its class, somebody else's,
    whose outcome is dropped, in the others.
    """
    accepted = False
    for stand_in in rehearsed:
        if account is not None and account.cost == stand_in.cost:
            accepted = hasher.verify(account, password)
        else:
            hasher.verify(stand_in, password)
    return accepted
