"""Logging in through an OpenID Connect provider: authorization code flow with PKCE, state and nonce.

The steps between which the browser is at the provider keep nothing here: state, nonce and PKCE's verifier are
derived from one challenge, which is bound to the browser by a cookie, is good once and for minutes.
Whoever is in no group with a role is not let in.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import trio
from joserfc.jwk import KeySet

from drivers.errors import DriverError
from firmware.core.errors import ForbiddenError
from firmware.subsystems.auth import oidc_wire as wire
from firmware.subsystems.auth.challenges import Challenges
from firmware.subsystems.auth.oidc_config import OidcConfig
from firmware.subsystems.auth.oidc_wire import LoginFailedError, Provider, ProviderTroubleError

logger = logging.getLogger(__name__)

FRESH_S: Final = 3600.0
"""How long what a provider says of itself, and its keys, are taken from memory."""
KEYS_AGAIN_S: Final = 10.0
"""How soon its keys are asked for again when a token is signed by an unknown one."""


class ProviderHttp(Protocol):
    """How the provider is asked. Both raise DriverError, and have deadlines and bounds of their own."""

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the body at *url*."""
        ...

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        """Send *form* and return the answer's body."""
        ...


class Sessions(Protocol):
    """What is needed of the authentication service."""

    def admit_external(
        self, name: str, subject: str, roles: Iterable[str], expire_s: int, *, client: str
    ) -> str:
        """Open a session for somebody without an account, and return its token. Raises NameTakenError."""
        ...

    def tell_refused(self, user: str, client: str) -> None:
        """Have a login that failed in the audit trail."""
        ...


class Oidc:
    """One provider. *secret* is the client's, empty for none.

    *clock* is monotonic, *wall_clock* Unix time, both in seconds.
    """

    def __init__(
        self,
        config: OidcConfig,
        secret: str,
        http: ProviderHttp,
        sessions: Sessions,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.name = config.name
        self.url = config.url
        self._config = config
        self._secret = secret
        self._http = http
        self._sessions = sessions
        self._clock = clock
        self._wall_clock = wall_clock
        self._challenges = Challenges()
        self._provider: tuple[float, Provider] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._asking = trio.Lock()

    async def begin(self, browser: str, redirect_uri: str) -> str:
        """Return where the browser is sent, which has the secret *browser* in a cookie.

        Raises ProviderTroubleError.
        """
        provider = await self._metadata()
        challenge = self._challenges.draw(_purpose(browser, redirect_uri), int(self._clock()))
        return wire.authorization_url(
            provider,
            client_id=self._config.client_id,
            redirect_uri=redirect_uri,
            scopes=self._config.scopes,
            state=_text(challenge),
            nonce=self._derived(challenge, "nonce"),
            verifier=self._derived(challenge, "verifier"),
        )

    async def finish(self, browser: str, redirect_uri: str, *, state: str, code: str, client: str) -> str:
        """Open a session for whom the provider's *code* proves, and return its token.

        Raises LoginFailedError, NameTakenError, ProviderTroubleError.
        """
        try:
            challenge = self._require_begun(browser, redirect_uri, state)
            user = await self._proven(challenge, redirect_uri, code)
            roles = [self._config.roles[group] for group in user.groups if group in self._config.roles]
            if not roles:
                raise LoginFailedError(
                    f"expected a user in a group that may use this appliance, got {user.name}"
                )
            return self._sessions.admit_external(
                user.name, user.subject, roles, self._config.expire, client=client
            )
        except (ForbiddenError, ProviderTroubleError) as exc:
            logger.warning("A login through %s failed: %s", self._config.issuer, exc)
            self._sessions.tell_refused("", client)
            raise

    def refused(self, error: str, *, client: str) -> LoginFailedError:
        """Tell of a login that the provider refused with its code *error*, and return what to raise."""
        logger.warning("%s refused a login: %a", self._config.issuer, error[:100])
        self._sessions.tell_refused("", client)
        return LoginFailedError("expected a login at the provider, got its refusal; the log has its reason")

    def _require_begun(self, browser: str, redirect_uri: str, state: str) -> bytes:
        try:
            challenge = base64.urlsafe_b64decode(state + "=" * (-len(state) % 4))
        except ValueError:
            challenge = b""
        now_s = int(self._clock())
        if not self._challenges.is_good(challenge, _purpose(browser, redirect_uri), now_s):
            raise LoginFailedError(
                "expected a login that this browser began some minutes ago, got an older one or another's; "
                "begin once more"
            )
        # Before the provider is asked: each code is tried once.
        self._challenges.use_up(challenge, now_s)
        return challenge

    async def _proven(self, challenge: bytes, redirect_uri: str, code: str) -> wire.ProvenUser:
        provider = await self._metadata()
        form, headers = wire.token_request(
            provider,
            client_id=self._config.client_id,
            secret=self._secret,
            redirect_uri=redirect_uri,
            code=code,
            verifier=self._derived(challenge, "verifier"),
        )
        try:
            answer = await self._http.post(provider.token_endpoint, form, headers)
        except DriverError as exc:
            raise ProviderTroubleError(f"expected tokens for the login, got none: {exc}") from None
        tokens = wire.read_tokens(answer)
        claims = await self._claims(provider, tokens.id_token, self._derived(challenge, "nonce"))
        if self._config.groups not in claims and provider.userinfo_endpoint and tokens.access_token:
            claims = await self._user_info(provider, tokens.access_token, claims) | claims
        return wire.user_of(claims, user_claim=self._config.user, groups_claim=self._config.groups)

    async def _claims(self, provider: Provider, token: str, nonce: str) -> dict[str, Any]:
        for again in (False, True):
            keys = await self._signing_keys(provider, again=again)
            try:
                return wire.claims_of(
                    token,
                    keys,
                    issuer=self._config.issuer,
                    client_id=self._config.client_id,
                    nonce=nonce,
                    now_s=self._wall_clock(),
                )
            except wire.UnknownKeyError:
                continue
        raise LoginFailedError("expected an ID token signed by a key of the provider, got another one")

    async def _user_info(
        self, provider: Provider, access_token: str, claims: Mapping[str, Any]
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = await self._ask(provider.userinfo_endpoint, headers)
        return wire.read_user_info(answer, str(claims["sub"]))

    async def _metadata(self) -> Provider:
        async with self._asking:
            known = self._provider
            if known is None or known[0] + FRESH_S <= self._clock():
                document = await self._ask(wire.metadata_url(self._config.issuer))
                known = self._clock(), wire.read_provider(document, self._config.issuer)
                self._provider = known
            return known[1]

    async def _signing_keys(self, provider: Provider, *, again: bool) -> KeySet:
        async with self._asking:
            known = self._keys
            fresh_s = KEYS_AGAIN_S if again else FRESH_S
            if known is None or known[0] + fresh_s <= self._clock():
                known = self._clock(), wire.read_keys(await self._ask(provider.jwks_uri))
                self._keys = known
            return known[1]

    async def _ask(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        try:
            return await self._http.get(url, headers)
        except DriverError as exc:
            raise ProviderTroubleError(f"expected an answer of the provider, got none: {exc}") from None

    def _derived(self, challenge: bytes, label: str) -> str:
        return _text(self._challenges.derive(challenge, label))


def _purpose(browser: str, redirect_uri: str) -> str:
    return f"oidc {browser} {redirect_uri}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
