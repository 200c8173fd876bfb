"""OpenID Connect Core 1.0 and Discovery 1.0 without I/O.

What a provider says of itself, where a browser is sent, what an ID token proves, and who that is.
Whatever comes from outside is checked here and refused with a plain reason; tokens are never quoted.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from firmware.core.errors import ForbiddenError, OperationError
from firmware.core.json_documents import read_json

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signatures by a key that only the provider has; never `none`, never one that the client's secret makes."""
LEEWAY_S: Final = 60
"""How far the clocks of the provider and of the appliance may be apart."""
USER_MAX_CHARS: Final = 100


class ProviderTroubleError(OperationError):
    """The provider cannot be reached, or does not do as OpenID Connect says."""

    status = 503


class LoginFailedError(ForbiddenError):
    """The provider, or our rules for its users, let this one not in."""


class UnknownKeyError(Exception):
    """The token was signed by a key that is not known here: the provider may have changed it."""


class Provider(msgspec.Struct, frozen=True):
    """What is used of a provider's metadata (Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True):
    """The token endpoint's answer (Core 1.0, section 3.1.3.3)."""

    id_token: str
    access_token: str = ""

    def __repr__(self) -> str:
        return "Tokens()"


@dataclass(frozen=True, slots=True)
class ProvenUser:
    """Who logged in at the provider."""

    subject: str
    name: str
    groups: tuple[str, ...]


def metadata_url(issuer: str) -> str:
    """Return where the metadata of *issuer* is (Discovery 1.0, section 4)."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def read_provider(document: bytes, issuer: str) -> Provider:
    """Read the metadata of *issuer*. Raises ProviderTroubleError."""
    try:
        provider = read_json(document, Provider)
    except ValueError as exc:
        raise ProviderTroubleError(f"expected the metadata of {issuer}, got something else: {exc}") from None
    if provider.issuer != issuer:
        raise ProviderTroubleError(
            f"expected the metadata of {issuer}, got that of {provider.issuer[:200]!a}; "
            "farhand/oidc/issuer has to be what the provider calls itself, to the last slash"
        )
    scheme = urlsplit(issuer).scheme
    for url in (
        provider.authorization_endpoint,
        provider.token_endpoint,
        provider.jwks_uri,
        provider.userinfo_endpoint,
    ):
        if url and not _is_url(url, ("https", scheme)):
            raise ProviderTroubleError(f"expected https at every address of {issuer}, got {url[:200]!a}")
    return provider


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    return (
        parts.scheme in schemes and bool(host) and text.isascii() and text.isprintable() and " " not in text
    )


def authorization_url(
    provider: Provider,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: tuple[str, ...],
    state: str,
    nonce: str,
    verifier: str,
) -> str:
    """Return where the browser is sent (Core 1.0, section 3.1.2.1; PKCE: RFC 7636)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    query = urlencode(
        {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
    )
    endpoint = provider.authorization_endpoint
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"


def token_request(
    provider: Provider, *, client_id: str, secret: str, redirect_uri: str, code: str, verifier: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return form and headers of the request for tokens; *secret* is shown as the provider likes."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    if not secret:
        return form | {"client_id": client_id}, {}
    methods = provider.token_endpoint_auth_methods_supported
    if "client_secret_basic" not in methods and "client_secret_post" in methods:
        return form | {"client_id": client_id, "client_secret": secret}, {}
    # RFC 6749 section 2.3.1: each part is form-encoded first.
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return form, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def read_tokens(document: bytes) -> Tokens:
    """Read the token endpoint's answer. Raises ProviderTroubleError, without quoting it."""
    try:
        return read_json(document, Tokens)
    except ValueError:
        raise ProviderTroubleError(
            "expected an ID token of the provider, got an answer without one"
        ) from None


def read_keys(document: bytes) -> KeySet:
    """Read the provider's keys (RFC 7517); those of kinds that are not known are left out.

    Raises ProviderTroubleError.
    """
    try:
        listed = read_json(document, dict[str, list[dict[str, Any]]])["keys"]
    except (ValueError, KeyError):
        raise ProviderTroubleError("expected the keys of the provider, got something else") from None
    keys = []
    for one in listed:
        try:
            keys += KeySet.import_key_set({"keys": [one]}).keys
        except (JoseError, ValueError, KeyError, TypeError):
            continue
    if not keys:
        raise ProviderTroubleError("expected a key of the provider that is known here, got none")
    return KeySet(keys)


def claims_of(
    token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, now_s: float
) -> dict[str, Any]:
    """Return what the ID *token* says, if it is good (Core 1.0, section 3.1.3.7).

    Raises LoginFailedError, and UnknownKeyError if it may be good by a key that is not among *keys*.
    """
    try:
        decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
    except JoseError as exc:
        raise _unverified(exc, token, keys) from None
    except (ValueError, KeyError, TypeError) as exc:
        raise LoginFailedError(f"expected an ID token, got something else ({type(exc).__name__})") from None
    claims = decoded.claims
    registry = jwt.JWTClaimsRegistry(
        now=int(now_s),
        leeway=LEEWAY_S,
        iss={"essential": True, "value": issuer},
        sub={"essential": True},
        aud={"essential": True, "value": client_id},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        registry.validate(claims)
    except JoseError as exc:
        raise LoginFailedError(
            f"expected an ID token that is good for this login now, got another one ({exc}); "
            "if it is about times, the clock of one of the two is wrong"
        ) from None
    audience = claims["aud"]
    party = claims.get("azp", client_id)
    if party != client_id or (isinstance(audience, list) and len(audience) > 1 and "azp" not in claims):
        raise LoginFailedError("expected an ID token for this appliance, got one for another client")
    return claims


def _unverified(exc: JoseError, token: str, keys: KeySet) -> Exception:
    """Tell a token by an unknown key, or one that names none, from one that is wrong."""
    known = {key.kid for key in keys.keys}
    try:
        head = token.partition(".")[0]
        header = msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        kid = header.get("kid")
    except (ValueError, AttributeError, RecursionError):
        kid = None
    if kid not in known:
        return UnknownKeyError()
    return LoginFailedError(f"expected an ID token signed by the provider, got another one ({exc.error})")


def user_of(claims: Mapping[str, Any], *, user_claim: str, groups_claim: str) -> ProvenUser:
    """Return who *claims* are of. Raises LoginFailedError."""
    name = claims.get(user_claim)
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > USER_MAX_CHARS:
        raise LoginFailedError(
            f"expected a user's name of the provider, got none that can be used - at the claim {user_claim}"
        )
    groups = claims.get(groups_claim, ())
    listed = [groups] if isinstance(groups, str) else groups
    if not isinstance(listed, list | tuple):
        raise LoginFailedError(f"expected a list of groups, got something else - at the claim {groups_claim}")
    return ProvenUser(str(claims["sub"]), name.strip(), tuple(one for one in listed if isinstance(one, str)))


def read_user_info(document: bytes, subject: str) -> dict[str, Any]:
    """Read the userinfo endpoint's answer about *subject* (Core 1.0, section 5.3.2)."""
    try:
        claims = read_json(document, dict[str, Any])
    except ValueError:
        raise ProviderTroubleError("expected what the provider knows of the user, got no JSON") from None
    if claims.get("sub") != subject:
        raise LoginFailedError("expected what the provider knows of this user, got that of another one")
    return claims
