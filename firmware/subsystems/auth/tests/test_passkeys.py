"""Passkeys, with an authenticator in software: what lets in, and everything that does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.errors import ForbiddenError, SetupError
from firmware.subsystems.auth.challenges import LIFETIME_S, Challenges
from firmware.subsystems.auth.events import AuthEvent, AuthEventKind
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.material import AuthOptions
from firmware.subsystems.auth.passkeys import (
    MAX_PER_USER,
    Passkeys,
    TooManyPasskeysError,
    UnknownPasskeyError,
)
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.auth.service import AuthService
from firmware.subsystems.auth.tests.software_authenticator import SoftwareAuthenticator
from firmware.subsystems.auth.webauthn import Ceremonies, NoHostNameError, RelyingParty, WrongPasskeyError

PASSWORD = "correct horse"
STORED = PasswordHasher().hash(PASSWORD)
HOST = "kvm.example.org"
ORIGIN = f"https://{HOST}"
CLIENT = "192.0.2.1"


class Appliance:
    def __init__(self, directory: Path) -> None:
        self.passwords = directory / "htpasswd"
        self.file = directory / "passkeys.json"
        self.now_s = 1000.0
        self.events: list[AuthEvent] = []
        save(self.passwords, PasswordFile.empty().with_account("admin", STORED).with_account("guest", STORED))
        self.options = AuthOptions(password_file=self.passwords, factors_file=directory / "factors.json")
        self.restart()

    def restart(self) -> None:
        self.auth = AuthService(self.options, witness=self.events.append, clock=lambda: self.now_s)
        self.passkeys = Passkeys(
            self.auth, self.file, clock=lambda: self.now_s, wall_clock=lambda: 1_700_000_000
        )

    async def make(
        self, device: SoftwareAuthenticator, user: str = "admin", name: str = "phone", host: str = HOST
    ) -> str:
        options = await self.passkeys.begin_registration(user, PASSWORD, client=CLIENT, host=host)
        return await self.passkeys.finish_registration(user, name, device.make(options), host=host)

    async def log_in(self, device: SoftwareAuthenticator, host: str = HOST) -> str:
        answer = device.sign(self.passkeys.begin_login(host))
        user, token = await self.passkeys.finish_login(answer, client=CLIENT, host=host)
        assert self.auth.check_token(token) == user
        return user


@pytest.fixture
def appliance(tmp_path: Path) -> Appliance:
    return Appliance(tmp_path)


async def test_a_passkey_logs_its_user_in_without_a_password(appliance: Appliance) -> None:
    mine, theirs = SoftwareAuthenticator(ORIGIN), SoftwareAuthenticator(ORIGIN)
    await appliance.make(mine)
    await appliance.make(theirs, "guest")
    assert await appliance.log_in(mine) == "admin"
    assert await appliance.log_in(theirs) == "guest"
    assert AuthEvent(AuthEventKind.LOGIN, "guest", CLIENT) in appliance.events
    appliance.restart()
    await appliance.passkeys.load()
    assert await appliance.log_in(mine) == "admin"
    assert appliance.file.stat().st_mode & 0o777 == 0o600


async def test_making_one_takes_the_password(appliance: Appliance) -> None:
    with pytest.raises(ForbiddenError):
        await appliance.passkeys.begin_registration("admin", "wrong", client=CLIENT, host=HOST)


async def test_they_are_listed_named_and_removed(appliance: Appliance) -> None:
    mine, theirs = SoftwareAuthenticator(ORIGIN), SoftwareAuthenticator(ORIGIN)
    passkey_id = await appliance.make(mine)
    await appliance.make(theirs, "guest")
    with pytest.raises(UnknownPasskeyError):
        await appliance.passkeys.rename("guest", passkey_id, "taken")
    with pytest.raises(UnknownPasskeyError):
        await appliance.passkeys.remove("guest", passkey_id)
    await appliance.passkeys.rename("admin", passkey_id, "tablet")
    (shown,) = await appliance.passkeys.of("admin")
    assert (shown.passkey.id, shown.passkey.name, shown.passkey.host) == (passkey_id, "tablet", HOST)
    assert shown.counts
    await appliance.passkeys.remove("admin", passkey_id)
    assert await appliance.passkeys.of("admin") == []
    with pytest.raises(WrongPasskeyError):
        await appliance.log_in(mine)
    assert await appliance.log_in(theirs) == "guest"


async def test_a_response_is_good_once_and_for_some_minutes(appliance: Appliance) -> None:
    device = SoftwareAuthenticator(ORIGIN)
    await appliance.make(device)
    options = appliance.passkeys.begin_login(HOST)
    answer = device.sign(options)
    await appliance.passkeys.finish_login(answer, client=CLIENT, host=HOST)
    with pytest.raises(WrongPasskeyError):
        await appliance.passkeys.finish_login(answer, client=CLIENT, host=HOST)
    with pytest.raises(WrongPasskeyError, match="used"):
        await appliance.passkeys.finish_login(device.sign(options), client=CLIENT, host=HOST)
    late = device.sign(appliance.passkeys.begin_login(HOST))
    appliance.now_s += LIFETIME_S
    with pytest.raises(WrongPasskeyError, match="too old"):
        await appliance.passkeys.finish_login(late, client=CLIENT, host=HOST)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example.org"},
        {"origin": "https://kvm.example.org.evil.org"},
        {"origin": f"http://{HOST}"},
        {"origin": f"{ORIGIN}:8443"},
        {"rp_id": "example.org"},
        {"verifies_users": False},
        {"counter": 0},
        {"credential_id": b"another"},
        {"handle": b"another"},
        {"key": SoftwareAuthenticator("").key},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_what_is_not_right_in_every_part_lets_nobody_in(
    appliance: Appliance, wrong: dict[str, Any]
) -> None:
    device = SoftwareAuthenticator(ORIGIN)
    await appliance.make(device)
    await appliance.log_in(device)
    with pytest.raises(WrongPasskeyError):
        await appliance.log_in(replace(device, **wrong))
    assert appliance.events[-1].kind is AuthEventKind.REFUSED
    assert await appliance.log_in(device) == "admin"


async def test_a_registration_is_checked_as_well(appliance: Appliance) -> None:
    begin = appliance.passkeys.begin_registration
    for wrong in (
        SoftwareAuthenticator("https://evil.example.org"),
        SoftwareAuthenticator(ORIGIN, verifies_users=False),
        SoftwareAuthenticator(ORIGIN, rp_id="example.org"),
    ):
        options = await begin("admin", PASSWORD, client=CLIENT, host=HOST)
        with pytest.raises(WrongPasskeyError):
            await appliance.passkeys.finish_registration("admin", "x", wrong.make(options), host=HOST)
    device = SoftwareAuthenticator(ORIGIN)
    options = await begin("admin", PASSWORD, client=CLIENT, host=HOST)
    # What one user began is not finished by another, and a login's challenge makes no passkey.
    with pytest.raises(WrongPasskeyError):
        await appliance.passkeys.finish_registration("guest", "x", device.make(options), host=HOST)
    login = appliance.passkeys.begin_login(HOST)
    with pytest.raises(WrongPasskeyError):
        await appliance.passkeys.finish_registration(
            "admin", "x", device.make(options | {"challenge": login["challenge"]}), host=HOST
        )
    await appliance.passkeys.finish_registration("admin", "x", device.make(options), host=HOST)
    again = await begin("admin", PASSWORD, client=CLIENT, host=HOST)
    assert [one["id"] for one in again["excludeCredentials"]] == [
        (await appliance.passkeys.of("admin"))[0].passkey.id
    ]
    with pytest.raises(WrongPasskeyError):
        await appliance.passkeys.finish_registration("guest", "x", device.make(options), host=HOST)


async def test_a_passkey_ends_with_the_password_it_was_made_under(appliance: Appliance) -> None:
    device = SoftwareAuthenticator(ORIGIN)
    await appliance.make(device)
    other = PasswordHasher().hash(PASSWORD)
    save(appliance.passwords, PasswordFile.empty().with_account("admin", other))
    with pytest.raises(WrongPasskeyError, match="present password"):
        await appliance.log_in(device)
    (shown,) = await appliance.passkeys.of("admin")
    assert not shown.counts
    save(appliance.passwords, PasswordFile.empty().with_account("guest", STORED))
    with pytest.raises(WrongPasskeyError):
        await appliance.log_in(device)


async def test_authenticators_without_a_counter_are_fine(appliance: Appliance) -> None:
    device = SoftwareAuthenticator(ORIGIN, step=0)
    await appliance.make(device)
    for _ in range(2):
        assert await appliance.log_in(device) == "admin"


async def test_a_passkey_needs_no_code_besides(appliance: Appliance) -> None:
    device = SoftwareAuthenticator(ORIGIN)
    await appliance.make(device)
    from firmware.subsystems.auth.second_factors import OwnFactor

    await appliance.auth.factors.give("admin", OwnFactor("GEZDGNBVGY3TQOJQ", ()))
    assert await appliance.log_in(device) == "admin"


async def test_there_is_an_end_to_how_many(appliance: Appliance) -> None:
    for _ in range(MAX_PER_USER):
        await appliance.make(SoftwareAuthenticator(ORIGIN))
    with pytest.raises(TooManyPasskeysError):
        await appliance.make(SoftwareAuthenticator(ORIGIN))


async def test_a_broken_file_stops_the_start(appliance: Appliance) -> None:
    appliance.file.write_text("{}}")
    appliance.file.chmod(0o600)
    with pytest.raises(SetupError, match=r"passkeys\.json"):
        await appliance.passkeys.load()


@pytest.mark.parametrize("host", ["192.0.2.7", "192.0.2.7:8443", "[2001:db8::1]:443", "", "[", "x:99999"])
def test_there_are_no_passkeys_for_addresses(host: str) -> None:
    with pytest.raises(NoHostNameError, match="opened by a name"):
        RelyingParty.of(host)


@pytest.mark.parametrize(
    ("host", "origin", "fits"),
    [
        ("kvm.local", "https://kvm.local", True),
        ("KVM.local:443", "https://kvm.local", True),
        ("kvm.local:8443", "https://kvm.local:8443", True),
        ("kvm.local:80", "https://kvm.local", True),
        ("kvm.local:8443", "https://kvm.local", False),
        ("kvm.local", "https://kvm.local:8443", False),
        ("kvm.local", "http://kvm.local", False),
        ("kvm.local", "https://local", False),
        ("kvm.local", "https://x.kvm.local", False),
        ("kvm.local", "null", False),
        ("kvm.local", "https://[", False),
        ("localhost:8080", "http://localhost:8080", True),
        ("kvm.localhost:8080", "http://kvm.localhost:8080", True),
        ("localhost:8080", "http://localhost:8081", False),
    ],
)
def test_an_origin_is_the_host_that_was_called(host: str, origin: str, fits: bool) -> None:
    assert RelyingParty.of(host).is_at(origin) is fits


def test_challenges_that_were_used_are_forgotten_when_they_are_too_old() -> None:
    challenges = Challenges()
    used = []
    for now_s in range(0, 3 * LIFETIME_S, 10):
        challenge = challenges.draw("login", now_s)
        assert challenges.is_good(challenge, "login", now_s)
        assert not challenges.is_good(challenge, "make", now_s)
        challenges.use_up(challenge, now_s)
        used.append(challenge)
        assert not any(challenges.is_good(one, "login", now_s) for one in used)
    assert len(challenges._used) <= 2 * LIFETIME_S / 10 + 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(data=st.data())
def test_no_response_fails_in_another_way(data: st.DataObject) -> None:
    """What is wrong is refused, whatever it is: bytes, or a right answer with some of it replaced."""
    party = RelyingParty.of(HOST)
    ceremonies, device = Ceremonies(), SoftwareAuthenticator(ORIGIN, handle=b"handle")
    options = ceremonies.begin_registration(party, "admin", b"handle", [], 0)
    good = device.make(options) if data.draw(st.booleans()) else device.sign(ceremonies.begin_login(party, 0))
    document = json.loads(good)
    spoilt = data.draw(st.sampled_from(("bytes", "top", "response", "binary")))
    response = document["response"]
    if spoilt == "top":
        document[data.draw(st.sampled_from(sorted(document)))] = data.draw(_JSON)
    elif spoilt == "response":
        response[data.draw(st.sampled_from(sorted(response)))] = data.draw(_JSON)
    elif spoilt == "binary":
        # At the places where the binary formats have their lengths and types.
        key = data.draw(st.sampled_from(sorted(response)))
        # What is drawn may not depend on signatures, which are of a different length each time.
        at = data.draw(st.integers(0, 4096)) % len(response[key])
        response[key] = response[key][:at] + data.draw(st.sampled_from("AZaz09-_")) + response[key][at + 1 :]
    sent = data.draw(st.binary(max_size=60)) if spoilt == "bytes" else json.dumps(document).encode()
    for attempt in (
        lambda: ceremonies.presented(sent),
        lambda: ceremonies.finish_registration(party, "admin", sent, 0),
        lambda: ceremonies.finish_login(party, sent, _CREDENTIAL, 0, 0),
    ):
        try:
            attempt()
        except WrongPasskeyError as exc:
            assert len(str(exc)) < 200


_CEREMONIES = Ceremonies()
_PARTY = RelyingParty.of(HOST)
_CREDENTIAL = _CEREMONIES.finish_registration(
    _PARTY,
    "admin",
    SoftwareAuthenticator(ORIGIN).make(_CEREMONIES.begin_registration(_PARTY, "admin", b"handle", [], 0)),
    0,
).credential
