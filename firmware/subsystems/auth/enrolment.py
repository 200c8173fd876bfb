"""Getting and giving up a second factor of one's own.

It counts only after a right code was given, so that nobody locks themselves out with a secret that no device
has. Whoever changes it shows the password (and the present code) once more: a stolen session is not enough.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import segno

from firmware.core.errors import ForbiddenError, OperationError
from firmware.subsystems.auth import recovery_codes
from firmware.subsystems.auth.second_factors import OwnFactor, Purpose, SecondFactors
from firmware.subsystems.auth.totp import TotpSecret, draw_secret

logger = logging.getLogger(__name__)

ISSUER: Final = "Farhand"
PENDING_S: Final = 600.0
"""How long an enrolment waits for its code."""
MAX_PENDING: Final = 64
_QR_SCALE: Final = 5


class WrongCodeError(OperationError):
    """The code is not one of the new secret."""


class NotEnrollingError(OperationError):
    """There is no enrolment to confirm (any more)."""


class NoOwnFactorError(OperationError):
    """The user has no second factor of their own."""


class AuthenticationOffError(OperationError):
    """Nobody is asked for credentials, so there is nothing to have a factor for."""


class PasswordChecks(Protocol):
    """What is needed of the authentication service."""

    @property
    def enabled(self) -> bool:
        """Whether credentials are asked for at all."""
        ...

    async def check_password(self, user: str, passwd: str, *, client: str, purpose: Purpose) -> bool:
        """Return whether these credentials are right. Raises TooManyAttemptsError."""
        ...


async def require_password(auth: PasswordChecks, user: str, passwd: str, client: str) -> None:
    """Have *user* show once more who it is. Raises ForbiddenError, TooManyAttemptsError."""
    if not auth.enabled:
        raise AuthenticationOffError("expected an appliance that asks for passwords, got one that does not")
    if not await auth.check_password(user, passwd, client=client, purpose=Purpose.CONFIRMATION):
        raise ForbiddenError(
            "expected your password (with the code, if you have a second factor), got another - at passwd"
        )


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret that does not count yet."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr: str = field(repr=False)
    """The URI as a QR code: a `data:` URL of an SVG picture."""


@dataclass(frozen=True, slots=True)
class _Pending:
    secret: str = field(repr=False)
    until_s: float


class Enrolments:
    """What users do about their factors. *clock* is monotonic, *wall_clock* Unix time, both in seconds."""

    def __init__(
        self,
        auth: PasswordChecks,
        factors: SecondFactors,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._auth = auth
        self._factors = factors
        self._clock = clock
        self._wall_clock = wall_clock
        self._pending: OrderedDict[str, _Pending] = OrderedDict()

    def recovery_codes_left(self, user: str) -> int | None:
        """Return how many recovery codes *user* has; None without a factor of their own."""
        own = self._factors.of(user)
        return None if own is None else len(own.recovery)

    def users(self) -> list[str]:
        """Return who has a factor of their own."""
        return self._factors.users()

    async def begin(self, user: str, passwd: str, *, client: str, host: str) -> Enrolment:
        """Draw a secret for *user*; apps show it under the name of the appliance's *host*.

        Raises ForbiddenError, TooManyAttemptsError, AuthenticationOffError.
        """
        await require_password(self._auth, user, passwd, client)
        secret = draw_secret()
        self._pending[user] = _Pending(secret, self._clock() + PENDING_S)
        self._pending.move_to_end(user)
        while len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)
        uri = TotpSecret(secret).uri(f"{user}@{host}", ISSUER)
        return Enrolment(secret, uri, segno.make_qr(uri).svg_data_uri(scale=_QR_SCALE, light="#fff"))

    async def confirm(self, user: str, code: str) -> list[str]:
        """Have the secret count from now on, since *code* is one of it; return the recovery codes.

        Raises NotEnrollingError, WrongCodeError, NotKeptError.
        """
        pending = self._pending.get(user)
        if pending is None or pending.until_s <= self._clock():
            raise NotEnrollingError(
                "expected an enrolment begun within ten minutes, got none; begin once more"
            )
        if not TotpSecret(pending.secret).accepts(code, self._wall_clock()):
            raise WrongCodeError(
                "expected the six digits that the app shows now, got others - at code; "
                "if they are the app's, the clock of one of the two devices is wrong"
            )
        codes = await self._give(user, pending.secret)
        self._pending.pop(user, None)
        logger.info("User %s has a second factor of their own now", user)
        return codes

    async def renew_recovery_codes(self, user: str, passwd: str, *, client: str) -> list[str]:
        """Replace the recovery codes and return the new ones.

        Raises ForbiddenError, TooManyAttemptsError, NoOwnFactorError, NotKeptError.
        """
        await require_password(self._auth, user, passwd, client)
        own = self._factors.of(user)
        if own is None:
            raise _none_of(user)
        return await self._give(user, own.secret)

    async def disable(self, user: str, passwd: str, *, client: str) -> None:
        """Give up the own factor.

        Raises ForbiddenError, TooManyAttemptsError, NoOwnFactorError, NotKeptError.
        """
        await require_password(self._auth, user, passwd, client)
        await self.reset(user)

    async def reset(self, user: str) -> None:
        """Take the own factor from *user*, without being asked for any code. Raises NoOwnFactorError."""
        if not await self._factors.take(user):
            raise _none_of(user)
        logger.info("User %s has no second factor of their own any more", user)

    async def _give(self, user: str, secret: str) -> list[str]:
        codes = recovery_codes.draw()
        await self._factors.give(user, OwnFactor(secret, tuple(map(recovery_codes.digest, codes))))
        return codes


def _none_of(user: str) -> NoOwnFactorError:
    return NoOwnFactorError(f"expected a user with a second factor of their own, got {user}, who has none")
