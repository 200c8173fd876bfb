"""What is fuzzed of logins: answers of authenticators, and all that a login provider says."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Final

from joserfc.jwk import ECKey, KeySet

from firmware.core.errors import OperationError
from firmware.subsystems.auth import oidc_wire, webauthn
from firmware.subsystems.auth.tests.software_authenticator import SoftwareAuthenticator

PROVIDER_SEEDS: Final = (
    (
        b'{"issuer":"https://a","authorization_endpoint":"https://a","token_endpoint":"https://a",'
        b'"jwks_uri":"https://a"}'
    ),
    b'{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"oct","k":"AA"}]}',
    b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA",
    b'{"sub":"a","preferred_username":"a","groups":["b"]}',
)


def passkey(data: bytes) -> None:
    """Read an answer of an authenticator, for both ceremonies."""
    ceremonies, party, credential = _passkeys_of_fuzzer()
    with suppress(OperationError):
        ceremonies.presented(data)
    with suppress(OperationError):
        ceremonies.finish_registration(party, "admin", data, 0)
    with suppress(OperationError):
        ceremonies.finish_login(party, data, credential, 0, 0)
    with suppress(OperationError):
        webauthn.RelyingParty.of(data.decode("latin-1")).is_at(data.decode("latin-1"))


@cache
def _passkeys_of_fuzzer() -> tuple[webauthn.Ceremonies, webauthn.RelyingParty, bytes]:
    """Return ceremonies, a host and a passkey made there."""
    ceremonies, party = webauthn.Ceremonies(), webauthn.RelyingParty.of("kvm.example.org")
    options = ceremonies.begin_registration(party, "admin", b"handle", [], 0)
    made = SoftwareAuthenticator("https://kvm.example.org").make(options)
    return ceremonies, party, ceremonies.finish_registration(party, "admin", made, 0).credential


def passkey_answers() -> list[bytes]:
    """Return answers of an authenticator to both ceremonies."""
    ceremonies, party, _credential = _passkeys_of_fuzzer()
    device = SoftwareAuthenticator("https://kvm.example.org")
    options = ceremonies.begin_registration(party, "admin", b"handle", [], 0)
    return [device.make(options), device.sign(ceremonies.begin_login(party, 0))]


def provider(data: bytes) -> None:
    """Read whatever a login provider answers."""
    with suppress(OperationError):
        oidc_wire.read_provider(data, "https://a")
    with suppress(OperationError):
        oidc_wire.read_tokens(data)
    with suppress(OperationError, oidc_wire.UnknownKeyError):
        keys = oidc_wire.read_keys(data)
        oidc_wire.claims_of(
            "eyJhbGciOiJFUzI1NiJ9.e30.AAAA", keys, issuer="https://a", client_id="a", nonce="a", now_s=0
        )
    with suppress(OperationError, oidc_wire.UnknownKeyError):
        oidc_wire.claims_of(
            data.decode("latin-1"),
            _provider_keys(),
            issuer="https://a",
            client_id="a",
            nonce="a",
            now_s=0,
        )
    with suppress(OperationError):
        claims = oidc_wire.read_user_info(data, "a")
        oidc_wire.user_of(claims, user_claim="preferred_username", groups_claim="groups")


@cache
def _provider_keys() -> KeySet:
    return KeySet([ECKey.generate_key("P-256", {"kid": "1"})])
