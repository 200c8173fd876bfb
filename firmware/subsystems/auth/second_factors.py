"""Second factors that users have of their own, beside the shared one of the contract.

It says which part of what a client sent is the password, and whether the rest is a code of that user: one of
the own secret if the user has one (then the shared one counts for nothing), else one of the shared secret if
there is one, else nothing. It decides about the password nothing at all.

A code that opened a session opens no other one, and is worth nothing from other networks. Requests that carry
their credentials (`X-KVMD-*`, Basic) repeat a code for as long as it lasts: the contract's clients do.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from firmware.core.errors import SetupError
from firmware.subsystems.auth import recovery_codes
from firmware.subsystems.auth.kept import KeptDocument, NotKeptError, decode
from firmware.subsystems.auth.totp import SKEW_STEPS, STEP_S, TotpSecret, draw_secret, split_code

logger = logging.getLogger(__name__)


class Purpose(enum.Enum):
    """What credentials are sent for."""

    REQUEST = "request"
    """They come with a request, and with the next one again."""
    LOGIN = "login"
    """A session is opened with them."""
    CONFIRMATION = "confirmation"
    """Somebody who is in already shows once more who that is."""


class OwnFactor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of one user."""

    secret: str
    """Base32."""
    recovery: tuple[str, ...]
    """Digests of the codes that are left."""

    def __post_init__(self) -> None:
        if TotpSecret.parse(self.secret.encode()) is None:
            raise ValueError("expected a secret, got none")

    def __repr__(self) -> str:
        return f"OwnFactor({len(self.recovery)} recovery codes)"


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    users: dict[str, OwnFactor] = {}
    version: Literal[1] = 1


def check_file(data: bytes) -> None:
    """Look whether *data* is a file of second factors. Raises ValueError."""
    decode(data, _Document)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a client sent, in parts."""

    passwd: str = field(repr=False)
    fits: bool
    """Whether the code is right, or none is wanted."""
    step: int | None = None
    """The time step of an own code."""
    recovery: str | None = field(default=None, repr=False)
    """The digest of a recovery code."""


class _Opened(msgspec.Struct, frozen=True):
    """The newest code that opened a session."""

    step: int
    network: str


class _Used(msgspec.Struct, frozen=True):
    """By user; kept in a file of its own, since it changes with each login and nobody misses it much."""

    users: dict[str, _Opened] = {}


class SecondFactors:
    """All of them, kept in the file at *path*; without a path nobody can have one.

    *wall_clock* is Unix time in seconds.
    """

    def __init__(self, path: Path | None, *, wall_clock: Callable[[], float] = time.time) -> None:
        self._kept = KeptDocument(path, _Document())
        self._wall_clock = wall_clock
        self._opened: dict[str, _Opened] = {}
        self._kept_opened = KeptDocument(path and path.with_name(f"{path.stem}-used.json"), _Used())
        self._decoy = TotpSecret(draw_secret())

    async def load(self) -> None:
        """Read the file. Raises SetupError if it is there and cannot be used."""
        await self._kept.load()
        try:
            await self._kept_opened.load()
        except SetupError as exc:
            logger.warning("One-time codes that have opened a session may do so once more: %s", exc)
        self._opened = dict(self._kept_opened.value.users)

    def of(self, user: str) -> OwnFactor | None:
        """Return what *user* has, None if that is nothing."""
        return self._kept.value.users.get(user)

    def users(self) -> list[str]:
        """Return who has one."""
        return sorted(self._kept.value.users)

    def present(
        self, user: str, passwd: str, shared: TotpSecret | None, network: str, purpose: Purpose
    ) -> Presented:
        """Take apart what *user* sent from *network*; *shared* is the factor of those without their own."""
        own = self.of(user)
        now_s = self._wall_clock()
        if own is None:
            if shared is None:
                # The same work as for others, so that the time does not tell who has a factor.
                self._decoy.accepts("", now_s)
                return Presented(passwd, fits=True)
            proper, code = split_code(passwd)
            return Presented(proper, shared.accepts(code, now_s))
        parts = recovery_codes.split(passwd) if purpose is not Purpose.REQUEST else None
        if parts is not None:
            found = recovery_codes.find(parts[1], own.recovery)
            return Presented(parts[0], found is not None, recovery=found)
        proper, code = split_code(passwd)
        step = TotpSecret(own.secret).step_of(code, now_s)
        return Presented(proper, step is not None and self._is_fresh(user, step, network, purpose), step=step)

    async def spend(self, user: str, presented: Presented, network: str, purpose: Purpose) -> bool:
        """Use up what can be used once, after the password was right; False if somebody else just did.

        Raises NotKeptError.
        """
        if presented.recovery is not None:
            return await self._spend_recovery_code(user, presented.recovery)
        if presented.step is not None and purpose is Purpose.LOGIN:
            if not self._is_fresh(user, presented.step, network, purpose):
                return False
            self._opened[user] = _Opened(presented.step, network)
            await self._keep_opened()
        return True

    async def _keep_opened(self) -> None:
        """Keep used codes over a restart, as long as they could be used once more."""
        oldest = int(self._wall_clock()) // STEP_S - SKEW_STEPS
        self._opened = {user: opened for user, opened in self._opened.items() if opened.step >= oldest}
        try:
            await self._kept_opened.change(lambda _: _Used(dict(self._opened)))
        except NotKeptError as exc:
            # A full disk must not keep the owner out.
            logger.warning(
                "A one-time code that has opened a session is not remembered over a restart: %s", exc
            )

    async def give(self, user: str, factor: OwnFactor) -> None:
        """Have *user* use *factor* from now on. Raises NotKeptError."""
        await self._kept.change(
            lambda document: msgspec.structs.replace(document, users=document.users | {user: factor})
        )
        self._opened.pop(user, None)

    async def take(self, user: str) -> bool:
        """Have *user* no factor; False if there was none. Raises NotKeptError."""
        had = False

        def without(document: _Document) -> _Document:
            nonlocal had
            had = user in document.users
            users = {name: factor for name, factor in document.users.items() if name != user}
            return msgspec.structs.replace(document, users=users)

        await self._kept.change(without)
        self._opened.pop(user, None)
        return had

    def _is_fresh(self, user: str, step: int, network: str, purpose: Purpose) -> bool:
        opened = self._opened.get(user)
        if opened is None or step > opened.step:
            return True
        return purpose is not Purpose.LOGIN and network == opened.network

    async def _spend_recovery_code(self, user: str, spent: str) -> bool:
        had = False

        def without(document: _Document) -> _Document:
            nonlocal had
            own = document.users.get(user)
            had = own is not None and spent in own.recovery
            if own is None:
                return document
            left = tuple(one for one in own.recovery if one != spent)
            return msgspec.structs.replace(
                document, users=document.users | {user: msgspec.structs.replace(own, recovery=left)}
            )

        await self._kept.change(without)
        return had
