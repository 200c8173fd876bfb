"""The authentication service: checks passwords and codes, opens and ends sessions.

It must never let somebody in because something failed: an unreadable password file or a broken second factor
locks everybody out and says so in the log. It never logs or shows a password, a code, a hash or a token.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import trio

from firmware.core.errors import ForbiddenError, SetupError, TooManyAttemptsError
from firmware.core.files import Observed, observe
from firmware.subsystems.auth.guessing import GuessingLimits
from firmware.subsystems.auth.hashing import Hasher, PasswordHasher, StoredHash, decoy
from firmware.subsystems.auth.networks import LOCAL, network_of
from firmware.subsystems.auth.password_file import PasswordFile
from firmware.subsystems.auth.sessions import SessionInfo, SessionStore, effective_lifetime_s
from firmware.subsystems.auth.totp import TotpSecret, split_code
from firmware.subsystems.auth.verified_cache import VerifiedCache

logger = logging.getLogger(__name__)

# One hash at a time: each takes 19 MiB and a whole core of a board that also encodes video. Who polls is
# served from the memory of verified credentials and does not queue here.
HASHES_AT_ONCE: Final = 1
# Looking at two small files takes microseconds; more threads than this would only wait for the same disk.
FILE_READS_AT_ONCE: Final = 2

ANYONE: Final = "-"
"""The user that every token belongs to while authentication is off. No real user can have this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """What the configuration says (contract config.md, `kvmd/auth`)."""

    password_file: Path
    totp_secret_file: Path | None = None
    """None if the configuration names no file: then there is no second factor."""
    enabled: bool = True
    expire_s: int = 0
    """The longest lifetime of a session in seconds; 0 = unlimited."""
    extend: bool = False
    """Whether an open WebSocket keeps its session from expiring."""


class _Files(NamedTuple):
    passwords: Observed = Observed()
    totp_secret: Observed = Observed()

    def same_as(self, other: _Files) -> bool:
        return self.passwords.same_as(other.passwords) and self.totp_secret.same_as(other.totp_secret)


@dataclass(frozen=True, slots=True)
class _Material:
    """What credentials are checked against: one reading of both files."""

    generation: int
    accounts: PasswordFile
    totp: TotpSecret | None
    complaints: tuple[str, ...] = ()
    """Why nobody gets in, if so."""
    warnings: tuple[str, ...] = ()


class AuthService:
    """The handle that everybody who authorises uses.

    *fallback* holds the accounts that count while there is no password file (the demo account, see
    `default_password`); None means that then nobody gets in. *clock* is monotonic and in seconds,
    *wall_clock* is Unix time in seconds.
    """

    def __init__(
        self,
        options: AuthOptions,
        *,
        fallback: PasswordFile | None = None,
        hasher: Hasher | None = None,
        clock: Callable[[], float] = trio.current_time,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = options
        self._fallback = fallback or PasswordFile.empty()
        self._hasher = hasher or PasswordHasher()
        self._clock = clock
        self._wall_clock = wall_clock
        self._guessing = GuessingLimits()
        self._sessions = SessionStore(clock)
        self._verified = VerifiedCache(clock)
        self._decoy = decoy()
        self._files: _Files | None = None
        self._material = _Material(0, PasswordFile.empty(), None)
        self._told: frozenset[str] = frozenset()
        self._file_threads = trio.CapacityLimiter(FILE_READS_AT_ONCE)
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
        material = await self._refresh()
        if material.complaints:
            raise SetupError("; ".join(material.complaints))

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
        if not await self.check_password(user, passwd, client=client):
            raise ForbiddenError("expected a valid user, password and code, got a wrong one - at login")
        lifetime_s = effective_lifetime_s(expire_s, self._options.expire_s)
        logger.info(
            "User %s logged in, for %s", user, f"{lifetime_s} s" if lifetime_s else "an unlimited time"
        )
        token = self._sessions.open(user, lifetime_s)
        info = self._sessions.info_of(token)
        assert info is not None, "a session outlives its opening"
        return info, token

    async def check_password(self, user: str, passwd: str, *, client: str = LOCAL) -> bool:
        """Return whether *passwd* (with the code appended if the second factor is on) is *user*'s.

        A wrong user, a wrong password and a wrong code take the same time: the same hashes are computed.
        *client* is the address of whoever asks. Raises TooManyAttemptsError, without looking at the
        password, if too many wrong ones came from its network.
        """
        if not self.enabled:
            await trio.lowlevel.checkpoint()
            return True
        material = await self._refresh()
        network = network_of(client)
        self._require_patience(user, network)
        code_fits = True
        if material.totp is not None:
            passwd, code = split_code(passwd)
            code_fits = material.totp.accepts(code, self._wall_clock())
        # The code comes first (contract subsystems.md 1), and is never taken from memory.
        account = material.accounts.accounts.get(user) if code_fits and not material.complaints else None
        if account is not None and self._verified.contains(material.generation, user, passwd):
            accepted = True
        else:
            accepted = await self._verify(material, user, account, passwd, network)
        self._count(material, user, accepted=accepted)
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
        logger.info("User %s logged out, sessions ended: %d", user, ended)
        return ended

    @property
    def session_lifetime_s(self) -> int:
        """The longest lifetime of a session in seconds; 0 = unlimited."""
        return self._options.expire_s

    def sessions(self) -> list[SessionInfo]:
        """Return all open sessions, the least recently used first."""
        return self._sessions.infos()

    def session_id(self, token: str) -> str | None:
        """Return the id of the session of *token*; None if it is nobody's."""
        info = self._sessions.info_of(token)
        return None if info is None else info.id

    def end_session(self, session_id: str) -> bool:
        """End the one session of that id; False if there is none."""
        ended = self._sessions.close(session_id)
        if ended is not None:
            logger.info("A session of user %s was ended", ended.user)
        return ended is not None

    async def users(self) -> list[str]:
        """Return everybody who can log in with a password; nobody needs to while authentication is off."""
        if not self.enabled:
            await trio.lowlevel.checkpoint()
            return []
        return list((await self._refresh()).accounts.accounts)

    def hold(self, token: str) -> AbstractContextManager[None]:
        """Return a context that keeps *token*'s session from expiring, if `extend` is configured.

        For as long as a WebSocket that was authorised by this cookie is open; when the last one closes, the
        full lifetime restarts (contract subsystems.md 1).
        """
        return self._sessions.hold(token) if self.enabled and self._options.extend else nullcontext()

    async def wait_ended(self, token: str) -> None:
        """Return when *token* is nobody's any more: logged out, ended by somebody, or expired."""
        if not self.enabled:
            await trio.sleep_forever()
        while (end := self._sessions.end_of(token)) is not None:
            left_s, changed = end
            # Looked at again afterwards: it may be held by now, and so live longer.
            with trio.move_on_after(left_s):
                await changed.wait()
        await trio.lowlevel.checkpoint()

    def statistics(self) -> dict[str, int]:
        """Return counters since the start, and the present numbers of sessions and remembered credentials."""
        return {
            "accepted": self._accepted,
            "refused": self._refused,
            "verifications": self._verifications,
            "verifications_waiting": self._hash_gate.statistics().tasks_waiting,
            **{f"cache_{name}": value for name, value in self._verified.statistics().items()},
            **self._guessing.statistics(),
            **self._sessions.statistics(),
        }

    def _require_patience(self, user: str, network: str) -> None:
        wait_s = self._guessing.wait_s(user, network, self._clock())
        if wait_s > 0:
            self._guessing.refused()
            raise TooManyAttemptsError(
                f"expected fewer wrong passwords from {network}, got too many; try again in {wait_s} s",
                wait_s,
            )

    def _count(self, material: _Material, user: str, *, accepted: bool) -> None:
        if accepted:
            self._accepted += 1
            return
        self._refused += 1
        # A name that is nobody's is not logged: it may be a password that was typed into the wrong field.
        name = user if user in material.accounts.accounts else "an unknown user"
        logger.warning("Refused the credentials of %s", name)

    async def _verify(
        self, material: _Material, user: str, account: StoredHash | None, password: str, network: str
    ) -> bool:
        async with self._hash_gate:
            # Whoever was ahead in the queue may have used up what was left, so a burst of guesses gets no
            # more of them verified than a row of them does.
            self._require_patience(user, network)
            # Or may have brought the same credentials.
            if account is not None and self._verified.contains(material.generation, user, password):
                return True
            rehearsed = tuple(material.accounts.cost_classes().values()) or (self._decoy,)
            self._verifications += 1
            # Before the outcome: who leaves in the meantime has had the work done all the same.
            self._guessing.begin(user, network, self._clock())
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
                self._guessing.succeeded(user, network, self._clock())
                self._verified.remember(material.generation, user, password)
        return accepted

    async def _refresh(self) -> _Material:
        """Look whether the files changed and return what credentials are now checked against.

        No deadline here: whoever waits for a dead disk is ended by the deadline of its request.
        """
        files = await trio.to_thread.run_sync(
            self._observe, self._files, abandon_on_cancel=True, limiter=self._file_threads
        )
        if self._files is None or not files.same_as(self._files):
            self._material = self._build(files, self._material.generation + 1)
            self._tell({*self._material.complaints, *self._material.warnings})
        self._files = files
        return self._material

    def _observe(self, known: _Files | None) -> _Files:
        """Look at both files, in a thread."""
        secret_file = self._options.totp_secret_file
        return _Files(
            observe(self._options.password_file, known and known.passwords),
            observe(secret_file, known and known.totp_secret) if secret_file else Observed(),
        )

    def _build(self, files: _Files, generation: int) -> _Material:
        complaints = []
        if files.passwords.error is not None:
            complaints.append(
                f"cannot read the password file: {files.passwords.error} - at {self._options.password_file}"
            )
        accounts = self._fallback
        if files.passwords.data is not None:
            accounts = PasswordFile.parse(files.passwords.data)
        totp: TotpSecret | None = None
        if files.totp_secret.error is not None:
            complaints.append(
                f"cannot read the secret of the second factor: {files.totp_secret.error} "
                f"- at {self._options.totp_secret_file}"
            )
        elif files.totp_secret.data is not None:
            try:
                totp = TotpSecret.parse(files.totp_secret.data)
            except ValueError as exc:
                complaints.append(f"{exc} - at {self._options.totp_secret_file}")
        warnings = (f"{problem.message} - at {self._options.password_file}" for problem in accounts.problems)
        return _Material(generation, accounts, totp, tuple(complaints), tuple(warnings))

    def _tell(self, messages: Collection[str]) -> None:
        """Log what has not been said of the previous reading already."""
        for message in sorted(set(messages) - self._told):
            if message in self._material.complaints:
                logger.error("Nobody can log in: %s", message)
            else:
                logger.warning("Password file: %s", message)
        self._told = frozenset(messages)


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
