"""The two ceremonies of WebAuthn Level 3 around python-fido2: making a passkey, and logging in with one.

Says for which host a passkey counts, checks that the browser was at that host, that its user was verified,
and that the sign counter goes up. Pure: JSON texts and times in, values out.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from firmware.core.errors import ForbiddenError, OperationError
from firmware.subsystems.auth.challenges import Challenges

NAME: Final = "Farhand"
LOCALHOST: Final = "localhost"
MAX_CREDENTIAL_ID_BYTES: Final = 1023
"""WebAuthn Level 3, section 4, "Credential ID"."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# What parsing and verifying of any bytes is known to raise; `tests/test_webauthn.py` looks for others.
_REFUSALS: Final = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RecursionError,
    AssertionError,
    struct.error,
    UnsupportedAlgorithm,
    msgspec.DecodeError,
)


class NoHostNameError(OperationError):
    """The console was not opened by a name that passkeys can count for."""


class WrongPasskeyError(ForbiddenError):
    """What the browser sent proves nothing. Clients see it as they see a wrong password."""

    @property
    def contract_name(self) -> str:
        """As that of a wrong password."""
        return ForbiddenError.__name__


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The host that the browser is at; passkeys count for its name (the RP ID), on any port.

    The whole name and none of its parents: whoever has another host below the same domain gets nothing by it.
    """

    id: str
    port: int | None

    @classmethod
    def of(cls, host: str) -> Self:
        """Read the header Host. Raises NoHostNameError for an address, for which there are no passkeys."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            name, port = "", None
        if not name or _is_address(name):
            raise NoHostNameError(
                "expected the console opened by a name, such as https://kvm.example.org, got an address; "
                "browsers make passkeys for names alone"
            )
        return cls(name, port)

    def is_at(self, origin: str) -> bool:
        """Whether a browser that says *origin* is at this host, over TLS or on its own machine."""
        try:
            parts = urlsplit(origin)
            name, port = parts.hostname, parts.port
        except ValueError:
            return False
        local = self.id == LOCALHOST or self.id.endswith(f".{LOCALHOST}")
        if name != self.id or not (parts.scheme == "https" or (local and parts.scheme == "http")):
            return False
        default = _DEFAULT_PORTS[parts.scheme]
        # A proxy that speaks TLS may tell the host without its port.
        return (port or default) == (self.port or default) or {port, self.port} <= {
            None,
            *_DEFAULT_PORTS.values(),
        }


@dataclass(frozen=True, slots=True)
class MadePasskey:
    """What came of a registration."""

    credential: bytes
    """`AttestedCredentialData`: id and public key."""
    counter: int


@dataclass(frozen=True, slots=True)
class PresentedPasskey:
    """Which passkey a response says that it is by; nothing is proved yet."""

    credential_id: bytes
    user_handle: bytes | None


class Ceremonies:
    """Begins and finishes them. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._challenges = Challenges()

    def begin_registration(
        self, party: RelyingParty, user: str, handle: bytes, known: Iterable[bytes], now_s: float
    ) -> dict[str, Any]:
        """Return `PublicKeyCredentialCreationOptionsJSON`; *known* are ids of passkeys that there are."""
        challenge = self._challenges.draw(_purpose("make", party, user), int(now_s))
        options, _state = _server(party).register_begin(
            PublicKeyCredentialUserEntity(name=user, id=handle, display_name=user),
            [PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=one) for one in known],
            resident_key_requirement=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
            challenge=challenge,
        )
        return dict(options.public_key)

    def finish_registration(
        self, party: RelyingParty, user: str, response: bytes, now_s: float
    ) -> MadePasskey:
        """Read `RegistrationResponseJSON`. Raises WrongPasskeyError."""
        try:
            registration = RegistrationResponse.from_dict(msgspec.json.decode(response, type=dict[str, Any]))
            challenge = registration.response.client_data.challenge
            self._require_good(challenge, _purpose("make", party, user), now_s)
            made = _server(party).register_complete(_state(challenge), registration)
            credential = made.credential_data
            if credential is None or len(credential.credential_id) > MAX_CREDENTIAL_ID_BYTES:
                raise ValueError("expected a passkey")
        except _REFUSALS as exc:
            raise _wrong(exc) from None
        self._challenges.use_up(challenge, int(now_s))
        return MadePasskey(bytes(credential), made.counter)

    def begin_login(self, party: RelyingParty, now_s: float) -> dict[str, Any]:
        """Return `PublicKeyCredentialRequestOptionsJSON`: any passkey that the browser has for this host."""
        challenge = self._challenges.draw(_purpose("login", party, ""), int(now_s))
        options, _state = _server(party).authenticate_begin(
            user_verification=UserVerificationRequirement.REQUIRED, challenge=challenge
        )
        return dict(options.public_key)

    def presented(self, response: bytes) -> PresentedPasskey:
        """Return which passkey `AuthenticationResponseJSON` is by. Raises WrongPasskeyError."""
        try:
            answer = _authentication(response)
            return PresentedPasskey(answer.raw_id, answer.response.user_handle)
        except _REFUSALS as exc:
            raise _wrong(exc) from None

    def finish_login(
        self, party: RelyingParty, response: bytes, credential: bytes, counter: int, now_s: float
    ) -> int:
        """Check that *response* was signed by *credential*, whose sign counter was *counter*.

        Return the counter as it is now, which is 0 of authenticators without one. Raises WrongPasskeyError.
        """
        try:
            answer = _authentication(response)
            challenge = answer.response.client_data.challenge
            self._require_good(challenge, _purpose("login", party, ""), now_s)
            _server(party).authenticate_complete(
                _state(challenge), [AttestedCredentialData(credential)], answer
            )
            seen: AuthenticatorData = answer.response.authenticator_data
            if (seen.counter or counter) and seen.counter <= counter:
                raise ValueError("the sign counter did not go up, so there may be a copy of this passkey")
        except _REFUSALS as exc:
            raise _wrong(exc) from None
        self._challenges.use_up(challenge, int(now_s))
        return seen.counter

    def _require_good(self, challenge: bytes, purpose: str, now_s: float) -> None:
        if not self._challenges.is_good(challenge, purpose, int(now_s)):
            raise ValueError("the challenge was used, is too old, or is none of ours")


def id_of(credential: bytes) -> bytes:
    """Return the id in a credential that was kept. Raises ValueError if that is none."""
    try:
        return AttestedCredentialData(credential).credential_id
    except _REFUSALS as exc:
        raise ValueError(f"expected a passkey, got something else ({type(exc).__name__})") from None


def to_text(data: bytes) -> str:
    """Return *data* in base64url without padding, as everything of WebAuthn is in JSON."""
    return websafe_encode(data)


def from_text(text: str) -> bytes:
    """Return what `to_text` made *text* of. Raises ValueError."""
    return websafe_decode(text)


def _server(party: RelyingParty) -> Fido2Server:
    return Fido2Server(
        PublicKeyCredentialRpEntity(name=NAME, id=party.id),
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=party.is_at,
    )


def _state(challenge: bytes) -> dict[str, object]:
    """Return what the library has as the state of a ceremony; the challenge was checked already."""
    return {
        "challenge": websafe_encode(challenge),
        "user_verification": UserVerificationRequirement.REQUIRED,
    }


def _authentication(response: bytes) -> AuthenticationResponse:
    return AuthenticationResponse.from_dict(msgspec.json.decode(response, type=dict[str, Any]))


def _purpose(what: str, party: RelyingParty, user: str) -> str:
    return f"{what} {party.id} {user}"


def _wrong(reason: Exception) -> WrongPasskeyError:
    # The library's words name no secret; a client gets them as they help whoever sets a proxy up.
    told = str(reason) if isinstance(reason, ValueError) else type(reason).__name__
    return WrongPasskeyError(
        f"expected the answer of a passkey to this appliance, got another one ({told[:100]})"
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
