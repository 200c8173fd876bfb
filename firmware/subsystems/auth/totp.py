"""The second factor: time-based codes of RFC 6238 (SHA-1, six digits, 30 s), appended to the password.

The secret file holds base32; an empty file or no file means that the second factor is off, a broken one
that nobody gets in. Never logs a secret or a code.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from typing import Final, Self

import pyotp

CODE_LENGTH: Final = 6
STEP_S: Final = 30
# One step of clock skew in both directions (contract subsystems.md section 1).
SKEW_STEPS: Final = 1


# Sixteen base32 characters, as authenticators have long used and PiKVM accepts; anything shorter is a slip.
SHORTEST_SECRET_BYTES: Final = 10
SECRET_BYTES: Final = 20


class _Totp(pyotp.TOTP):
    """Codes of secrets that are shorter than the 112 bits that pyotp insists on."""

    def byte_secret(self) -> bytes:
        return _decode(self.secret)


def _decode(compact_base32: str) -> bytes:
    return base64.b32decode(compact_base32 + "=" * (-len(compact_base32) % 8))


class TotpSecret:
    """A shared secret. Its representation shows nothing of it."""

    def __init__(self, secret_base32: str) -> None:
        self._totp = _Totp(secret_base32, digits=CODE_LENGTH, interval=STEP_S)

    @classmethod
    def parse(cls, data: bytes) -> Self | None:
        """Read the content of a secret file; None if there is nothing but whitespace.

        Base32 in either case, with or without padding and blanks between groups. Raises ValueError, without
        quoting the content, if it is something else.
        """
        try:
            compact = "".join(data.decode("ascii").split()).upper().rstrip("=")
            if not compact:
                return None
            decoded = _decode(compact)
        except (UnicodeDecodeError, binascii.Error, ValueError):
            raise ValueError("expected a base32 secret (A-Z, 2-7), got something else") from None
        if len(decoded) < SHORTEST_SECRET_BYTES:
            raise ValueError("expected a base32 secret of at least 16 characters, got a shorter one")
        return cls(compact)

    def accepts(self, code: str, wall_time_s: float) -> bool:
        """Return whether *code* belongs to the time step of *wall_time_s* or one of its neighbours."""
        return self.step_of(code, wall_time_s) is not None

    def step_of(self, code: str, wall_time_s: float) -> int | None:
        """Return the time step that *code* belongs to, if it is that of *wall_time_s* or a neighbour.

        All steps are compared, each in constant time, so that the answer's time says nothing.
        """
        well_formed = len(code) == CODE_LENGTH and code.isascii() and code.isdigit()
        presented = code.encode() if well_formed else b""
        now = int(wall_time_s) // STEP_S
        found = None
        for counter in range(max(0, now - SKEW_STEPS), now + SKEW_STEPS + 1):
            if hmac.compare_digest(self._totp.generate_otp(counter).encode(), presented):
                found = counter
        return found

    def uri(self, account: str, issuer: str) -> str:
        """Return the otpauth URI that authenticator apps read from a QR code; it holds the secret."""
        return self._totp.provisioning_uri(name=account, issuer_name=issuer)


def draw_secret() -> str:
    """Return a new secret of 160 bits in base32, as RFC 4226 recommends."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def split_code(passwd: str) -> tuple[str, str]:
    """Split what a client sends into the password proper and the code, the last six characters."""
    return passwd[:-CODE_LENGTH], passwd[-CODE_LENGTH:]
