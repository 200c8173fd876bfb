"""Logins through a provider, which is played here key by key: what lets in, and everything that does not."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from drivers.errors import DeviceGoneError
from firmware.core.config.errors import ConfigurationError
from firmware.core.errors import ForbiddenError
from firmware.settings import load
from firmware.subsystems.auth.challenges import LIFETIME_S
from firmware.subsystems.auth.events import AuthEvent, AuthEventKind
from firmware.subsystems.auth.external import NameTakenError
from firmware.subsystems.auth.material import AuthOptions
from firmware.subsystems.auth.oidc import KEYS_AGAIN_S, Oidc
from firmware.subsystems.auth.oidc_config import OidcConfig
from firmware.subsystems.auth.oidc_wire import LEEWAY_S, LoginFailedError, ProviderTroubleError
from firmware.subsystems.auth.rights import EVERYTHING, NOTHING, PREDEFINED, Capability
from firmware.subsystems.auth.service import AuthService

ISSUER = "https://id.example.org/realm"
CLIENT_ID, SECRET = "kvm", "client-secret-of-the-appliance"
REDIRECT = "https://kvm.example.org/api/auth/oidc/callback"
BROWSER = "b" * 64
CLIENT = "192.0.2.1"
NOW_S = 1_700_000_000.0


class PlayedProvider:
    """A provider without a network: it remembers what was asked for, and answers as it is told."""

    def __init__(self) -> None:
        self.key: RSAKey | ECKey = ECKey.generate_key("P-256", {"kid": "1"})
        self.published: list[RSAKey | ECKey] = [self.key]
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize?tenant=1",
            "token_endpoint": f"{ISSUER}/token/",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
        }
        self.user_info: dict[str, Any] = {}
        self.claims: dict[str, Any] = {"sub": "1", "preferred_username": "alice", "groups": ["staff"]}
        self.algorithm = "ES256"
        self.token: str | None = None
        self.asked: list[str] = []
        self.form: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.query: dict[str, str] = {}
        self.down = False
        self.names_keys = True

    def visited(self, url: str) -> str:
        """Take the browser that comes with *url*, and return the state for the way back."""
        assert url.startswith(f"{ISSUER}/authorize?tenant=1&")
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        return self.query["state"]

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        self.asked.append(url)
        if self.down:
            raise DeviceGoneError("the login provider cannot be reached")
        if url == f"{ISSUER}/.well-known/openid-configuration":
            return json.dumps(self.metadata).encode()
        if url == f"{ISSUER}/keys":
            return json.dumps(KeySet(list(self.published)).as_dict(private=False)).encode()
        assert url == f"{ISSUER}/userinfo"
        assert headers == {"Authorization": "Bearer access"}
        return json.dumps(self.user_info).encode()

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        assert url == f"{ISSUER}/token/"
        self.form, self.headers = dict(form), dict(headers)
        return json.dumps({"access_token": "access", "id_token": self.token or self.signed()}).encode()

    def signed(self, **changed: Any) -> str:
        """Return an ID token for the present login."""
        claims = {
            "iss": ISSUER,
            "aud": CLIENT_ID,
            "iat": NOW_S,
            "exp": NOW_S + 60,
            "nonce": self.query["nonce"],
            **self.claims,
            **changed,
        }
        header = {"alg": self.algorithm} | ({"kid": self.key.kid} if self.names_keys else {})
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(header, present, self.key, algorithms=[self.algorithm])


class Appliance:
    def __init__(self, directory: Path, **config: Any) -> None:
        (directory / "htpasswd").write_text("")
        self.rights = directory / "rights.toml"
        self.events: list[AuthEvent] = []
        self.clock_s = 100.0
        self.provider = PlayedProvider()
        self.auth = AuthService(
            AuthOptions(password_file=directory / "htpasswd", rights_file=self.rights),
            witness=self.events.append,
            clock=lambda: self.clock_s,
        )
        settings = {
            "issuer": ISSUER,
            "client_id": CLIENT_ID,
            "roles": {"staff": "viewer", "night": "night-shift", "wheel": "admin"},
            **config,
        }
        self.oidc = Oidc(
            OidcConfig(**settings),
            SECRET,
            self.provider,
            self.auth,
            clock=lambda: self.clock_s,
            wall_clock=lambda: NOW_S,
        )

    async def begin(self) -> str:
        return self.provider.visited(await self.oidc.begin(BROWSER, REDIRECT))

    async def finish(self, state: str, *, browser: str = BROWSER, redirect: str = REDIRECT) -> str:
        return await self.oidc.finish(browser, redirect, state=state, code="the code", client=CLIENT)

    async def log_in(self) -> str:
        return await self.finish(await self.begin())


@pytest.fixture
async def appliance(tmp_path: Path) -> Appliance:
    made = Appliance(tmp_path)
    await made.auth.users()
    return made


async def test_who_logs_in_there_is_in_here_with_the_role_of_the_group(appliance: Appliance) -> None:
    token = await appliance.log_in()
    assert appliance.auth.check_token(token) == "oidc:alice"
    assert appliance.auth.capabilities("oidc:alice") == PREDEFINED["viewer"]
    assert AuthEvent(AuthEventKind.LOGIN, "oidc:alice", CLIENT) in appliance.events
    assert appliance.auth.capabilities("alice") == NOTHING
    appliance.auth.logout(token)
    assert appliance.auth.check_token(token) is None


async def test_the_request_is_as_it_has_to_be(appliance: Appliance) -> None:
    await appliance.log_in()
    query, form = appliance.provider.query, appliance.provider.form
    assert query["response_type"] == "code"
    assert query["scope"] == "openid profile"
    assert query["redirect_uri"] == form["redirect_uri"] == REDIRECT
    assert query["code_challenge_method"] == "S256"
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert query["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert 43 <= len(form["code_verifier"]) <= 128
    assert form["code"] == "the code"
    basic = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
    assert appliance.provider.headers == {"Authorization": f"Basic {basic}"}
    assert "client_secret" not in form
    first = dict(query)
    await appliance.begin()
    for name in ("state", "nonce", "code_challenge"):
        assert appliance.provider.query[name] != first[name]


async def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(appliance: Appliance) -> None:
    appliance.provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await appliance.log_in()
    assert appliance.provider.form["client_secret"] == SECRET
    assert appliance.provider.headers == {}


async def test_what_several_groups_allow_adds_up(appliance: Appliance) -> None:
    appliance.rights.write_text('roles.night-shift = ["power"]')
    appliance.provider.claims["groups"] = ["other", "staff", "night"]
    await appliance.auth.users()
    await appliance.log_in()
    assert appliance.auth.capabilities("oidc:alice") == {Capability.VIEW, Capability.POWER}
    appliance.rights.write_text("broken")
    await appliance.auth.users()
    assert appliance.auth.capabilities("oidc:alice") == NOTHING


async def test_a_new_login_has_the_groups_of_now(appliance: Appliance) -> None:
    appliance.provider.claims["groups"] = "wheel"
    first = await appliance.log_in()
    assert appliance.auth.capabilities("oidc:alice") == EVERYTHING
    appliance.provider.claims["groups"] = ["staff"]
    await appliance.log_in()
    assert appliance.auth.check_token(first) == "oidc:alice"
    assert appliance.auth.capabilities("oidc:alice") == PREDEFINED["viewer"]


@pytest.mark.parametrize("groups", [[], ["other"], "other", 5, {"staff": 1}, None, [5, None]])
async def test_who_is_in_no_group_with_a_role_is_not_let_in(appliance: Appliance, groups: Any) -> None:
    appliance.provider.claims["groups"] = groups
    appliance.provider.user_info = {"sub": "1"}
    with pytest.raises(LoginFailedError, match="group"):
        await appliance.log_in()
    assert appliance.events[-1] == AuthEvent(AuthEventKind.REFUSED, "", CLIENT)


async def test_groups_are_asked_for_where_the_token_has_none(appliance: Appliance) -> None:
    appliance.provider.claims.pop("groups")
    appliance.provider.user_info = {"sub": "1", "groups": ["staff"]}
    assert await appliance.log_in()
    appliance.provider.user_info = {"sub": "2", "groups": ["wheel"]}
    with pytest.raises(LoginFailedError, match="another"):
        await appliance.log_in()


async def test_two_users_of_one_name_do_not_share_their_rights(appliance: Appliance) -> None:
    await appliance.log_in()
    appliance.provider.claims |= {"sub": "2", "groups": ["wheel"]}
    with pytest.raises(NameTakenError):
        await appliance.log_in()
    assert appliance.auth.capabilities("oidc:alice") == PREDEFINED["viewer"]


@pytest.mark.parametrize("name", [None, "", "  ", 5, "x" * 101, "a\nb", "a\x00"])
async def test_a_name_that_cannot_be_one_is_refused(appliance: Appliance, name: Any) -> None:
    appliance.provider.claims["preferred_username"] = name
    with pytest.raises(LoginFailedError, match="preferred_username"):
        await appliance.log_in()


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example.org"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": NOW_S - LEEWAY_S - 1},
        {"exp": None},
        {"exp": "soon"},
        {"iat": NOW_S + LEEWAY_S + 1},
        {"iat": None},
        {"nbf": NOW_S + LEEWAY_S + 1},
        {"sub": None},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_this_login_is_refused(
    appliance: Appliance, changed: dict[str, Any]
) -> None:
    state = await appliance.begin()
    appliance.provider.token = appliance.provider.signed(**changed)
    with pytest.raises(LoginFailedError):
        await appliance.finish(state)


@pytest.mark.parametrize(
    "changed",
    [{"exp": NOW_S - LEEWAY_S + 1}, {"iat": NOW_S + LEEWAY_S}, {"aud": [CLIENT_ID, "x"], "azp": CLIENT_ID}],
    ids=str,
)
async def test_clocks_may_be_a_minute_apart(appliance: Appliance, changed: dict[str, Any]) -> None:
    state = await appliance.begin()
    appliance.provider.token = appliance.provider.signed(**changed)
    assert await appliance.finish(state)


def unsigned(token: str) -> str:
    """Return *token* as one that nobody signed."""
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return f"{head}.{token.split('.')[1]}."


async def test_a_token_that_the_provider_did_not_sign_is_refused(appliance: Appliance) -> None:
    state = await appliance.begin()
    provider = appliance.provider
    good = provider.signed()
    provider.key = ECKey.generate_key("P-256", {"kid": "1"})
    forged = provider.signed()
    body = jwt.decode(good, KeySet(list(provider.published)), algorithms=["ES256"]).claims
    by_secret = jwt.encode(
        {"alg": "HS256", "kid": "1"}, body, OctKey.import_key(SECRET), algorithms=["HS256"]
    )
    parts = good.split(".")
    for token in (forged, by_secret, unsigned(good), f"{parts[0]}.{parts[1]}.", "", "a.b.c", "é.é.é", "..."):
        provider.token = token
        with pytest.raises((LoginFailedError, ProviderTroubleError)):
            await appliance.finish(await appliance.begin())
    provider.token = good
    assert await appliance.finish(state)


@pytest.mark.parametrize("names_keys", [True, False])
async def test_a_provider_may_change_its_key(appliance: Appliance, names_keys: bool) -> None:
    provider = appliance.provider
    provider.names_keys = names_keys
    await appliance.log_in()
    provider.key = RSAKey.generate_key(2048, {"kid": "2"})
    provider.algorithm = "RS256"
    provider.published = [provider.key]
    # Not asked for at once again, or strangers could have it asked for all the time.
    with pytest.raises(LoginFailedError, match="key"):
        await appliance.log_in()
    appliance.clock_s += KEYS_AGAIN_S
    assert await appliance.log_in()
    asked = len(provider.asked)
    assert await appliance.log_in()
    assert len(provider.asked) == asked, "metadata and keys are kept for a while"


async def test_a_login_is_finished_once_by_the_browser_that_began_it(appliance: Appliance) -> None:
    state = await appliance.begin()
    for wrong in (
        {"state": state, "browser": "c" * 64},
        {"state": state, "browser": ""},
        {"state": state, "redirect": "https://evil.example.org/api/auth/oidc/callback"},
        {"state": ""},
        {"state": ("A" if state[0] != "A" else "B") + state[1:]},
        {"state": "é"},
    ):
        with pytest.raises(LoginFailedError, match="this browser began"):
            await appliance.finish(**wrong)
    assert not appliance.provider.form, "nobody asked the provider"
    assert await appliance.finish(state)
    with pytest.raises(LoginFailedError, match="this browser began"):
        await appliance.finish(state)
    late = await appliance.begin()
    appliance.clock_s += LIFETIME_S
    with pytest.raises(LoginFailedError, match="this browser began"):
        await appliance.finish(late)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": f"{ISSUER}/"},
        {"token_endpoint": "http://id.example.org/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://["},
        {"token_endpoint": "https://a:99999/"},
        {"userinfo_endpoint": "https://a /"},
        {"token_endpoint": "https:"},
        {"authorization_endpoint": 5},
        {"jwks_uri": None},
    ],
    ids=str,
)
@pytest.mark.fault("login providers", "garbage")
async def test_a_provider_that_is_not_what_it_should_be_is_told_plainly(
    appliance: Appliance, metadata: dict[str, Any]
) -> None:
    appliance.provider.metadata |= metadata
    with pytest.raises(ProviderTroubleError, match=r"id\.example\.org"):
        await appliance.begin()


@pytest.mark.fault("login providers", "missing", "vanishes", "returns")
async def test_a_provider_that_is_gone_and_comes_back(appliance: Appliance) -> None:
    appliance.provider.down = True
    with pytest.raises(ProviderTroubleError, match="cannot be reached"):
        await appliance.begin()
    appliance.provider.down = False
    assert await appliance.log_in()


async def test_a_session_ends_in_time(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, expire=60)
    await appliance.auth.users()
    token = await appliance.log_in()
    appliance.clock_s += 59
    assert appliance.auth.check_token(token) == "oidc:alice"
    appliance.clock_s += 1
    assert appliance.auth.check_token(token) is None


async def test_no_secret_is_in_the_log(appliance: Appliance, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = await appliance.log_in()
    appliance.provider.claims["groups"] = []
    with pytest.raises(ForbiddenError):
        await appliance.log_in()
    for secret in (token, SECRET, "the code", "access", appliance.provider.signed()):
        assert secret not in caplog.text.replace("accessed", "")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("issuer: http://id.example.org", "issuer: expected https"),
        ("issuer: https://id.example.org, roles: {a: admin}", "client_id"),
        ("issuer: https://id.example.org, client_id: kvm", "roles: expected roles for groups"),
        ("issuer: https://id.example.org, client_id: kvm, roles: admin", "roles: expected a section"),
        ("issuer: https://id.example.org, client_id: kvm, roles: {a: }", "the name of a role"),
        ("issuer: https://id.example.org, client_id: kvm, roles: {a: b}, scopes: [profile]", "openid"),
    ],
)
def test_mistakes_in_the_configuration_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "override.yaml").write_text(f"farhand: {{oidc: {{{text}}}}}")
    with pytest.raises(ConfigurationError, match=complaint):
        load(tmp_path)


def test_a_configuration_is_read_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").write_text(
        "farhand: {oidc: {issuer: 'http://127.0.0.1:9400', client_id: kvm, roles: {staff: viewer}}}"
    )
    oidc = load(tmp_path).settings.farhand.oidc
    assert oidc.issuer == "http://127.0.0.1:9400"
    assert dict(oidc.roles) == {"staff": "viewer"}
