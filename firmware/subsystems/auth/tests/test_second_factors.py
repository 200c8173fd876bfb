"""Second factors of users' own, on real files and with real codes."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyotp
import pytest
import trio

from firmware.core.errors import ForbiddenError, SetupError, TooManyAttemptsError
from firmware.subsystems.auth.enrolment import (
    AuthenticationOffError,
    Enrolments,
    NoOwnFactorError,
    NotEnrollingError,
    WrongCodeError,
)
from firmware.subsystems.auth.events import AuthEvent, AuthEventKind
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.kept import NotKeptError
from firmware.subsystems.auth.material import AuthOptions
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.auth.second_factors import Purpose
from firmware.subsystems.auth.service import AuthService
from firmware.subsystems.auth.totp import STEP_S

NOW_S = 1_234_567_890.0
PASSWORD = "correct horse"
STORED = PasswordHasher().hash(PASSWORD)
SHARED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"


class Appliance:
    def __init__(self, directory: Path, *, enabled: bool = True) -> None:
        self.file = directory / "state" / "second_factors.json"
        self.shared_file = directory / "totp.secret"
        self.now_s = NOW_S
        self.events: list[AuthEvent] = []
        passwords = directory / "htpasswd"
        save(passwords, PasswordFile.empty().with_account("admin", STORED).with_account("guest", STORED))
        self.options = AuthOptions(
            password_file=passwords,
            totp_secret_file=self.shared_file,
            factors_file=self.file,
            enabled=enabled,
        )
        self.restart()

    def restart(self) -> None:
        self.auth = AuthService(
            self.options, witness=self.events.append, wall_clock=lambda: self.now_s, clock=lambda: self.now_s
        )
        self.enrolments = Enrolments(
            self.auth, self.auth.factors, clock=lambda: self.now_s, wall_clock=lambda: self.now_s
        )

    async def enrol(self, user: str = "admin") -> tuple[pyotp.TOTP, list[str]]:
        made = await self.enrolments.begin(user, PASSWORD, client=HERE, host="kvm")
        totp = pyotp.TOTP(made.secret)
        return totp, await self.enrolments.confirm(user, totp.at(int(self.now_s)))

    def code(self, totp: pyotp.TOTP, steps: int = 0) -> str:
        return totp.at(int(self.now_s) + steps * STEP_S)

    async def logs_in(self, passwd: str, user: str = "admin", client: str = HERE) -> bool:
        try:
            await self.auth.login(user, passwd, client=client)
        except ForbiddenError:
            return False
        return True


@pytest.fixture
def appliance(tmp_path: Path) -> Appliance:
    return Appliance(tmp_path)


async def test_a_secret_counts_once_a_code_of_it_was_given(appliance: Appliance) -> None:
    made = await appliance.enrolments.begin("admin", PASSWORD, client=HERE, host="kvm")
    assert await appliance.logs_in(PASSWORD), "nothing counts yet"
    uri = pyotp.parse_uri(made.uri)
    assert isinstance(uri, pyotp.TOTP)
    assert (uri.name, uri.issuer, uri.secret) == ("admin@kvm", "Farhand", made.secret)
    assert unquote(made.qr).startswith("data:image/svg+xml")
    totp = pyotp.TOTP(made.secret)
    with pytest.raises(WrongCodeError):
        await appliance.enrolments.confirm("admin", appliance.code(totp, 2))
    with pytest.raises(NotEnrollingError):
        await appliance.enrolments.confirm("guest", appliance.code(totp))
    codes = await appliance.enrolments.confirm("admin", appliance.code(totp))
    assert len(set(codes)) == 8
    assert not await appliance.logs_in(PASSWORD)
    assert not await appliance.logs_in(PASSWORD + "000000")
    assert await appliance.logs_in(PASSWORD + appliance.code(totp))
    assert await appliance.logs_in(PASSWORD, "guest"), "who has none is asked for none"


async def test_an_enrolment_does_not_wait_for_ever(appliance: Appliance) -> None:
    made = await appliance.enrolments.begin("admin", PASSWORD, client=HERE, host="kvm")
    appliance.now_s += 600
    with pytest.raises(NotEnrollingError):
        await appliance.enrolments.confirm("admin", appliance.code(pyotp.TOTP(made.secret)))


async def test_the_own_secret_stands_in_place_of_the_shared_one(appliance: Appliance) -> None:
    own, _codes = await appliance.enrol()
    appliance.shared_file.write_text(SHARED)
    shared = pyotp.TOTP(SHARED)
    assert not await appliance.logs_in(PASSWORD + appliance.code(shared))
    assert await appliance.logs_in(PASSWORD + appliance.code(own))
    assert await appliance.logs_in(PASSWORD + appliance.code(shared), "guest")
    assert not await appliance.logs_in(PASSWORD, "guest")


async def test_one_step_of_clock_skew_is_allowed(appliance: Appliance) -> None:
    own, _codes = await appliance.enrol()
    for steps, accepted in ((-2, False), (-1, True), (1, True), (2, False)):
        passwd = PASSWORD + appliance.code(own, steps)
        assert await appliance.auth.check_password("admin", passwd) is accepted


async def test_a_code_opens_one_session_and_no_other(appliance: Appliance) -> None:
    own, _codes = await appliance.enrol()
    passwd = PASSWORD + appliance.code(own)
    assert await appliance.logs_in(passwd)
    assert not await appliance.logs_in(passwd)
    assert not await appliance.logs_in(passwd, client=ELSEWHERE)
    assert not await appliance.logs_in(PASSWORD + appliance.code(own, -1)), "an older one neither"
    assert not await appliance.auth.check_password("admin", passwd, client=ELSEWHERE)
    appliance.now_s += STEP_S
    assert await appliance.logs_in(PASSWORD + appliance.code(own))


async def test_of_logins_at_once_with_one_code_one_gets_in(appliance: Appliance) -> None:
    own, codes = await appliance.enrol()
    for passwd in (PASSWORD + appliance.code(own), PASSWORD + codes[0]):
        outcomes: list[bool] = []

        async def try_it(passwd: str, outcomes: list[bool]) -> None:
            outcomes.append(await appliance.logs_in(passwd))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(try_it, passwd, outcomes)
        assert sorted(outcomes) == [False, False, False, True]


async def test_requests_with_credentials_repeat_their_code(appliance: Appliance) -> None:
    own, _codes = await appliance.enrol()
    passwd = PASSWORD + appliance.code(own)
    for client in (HERE, ELSEWHERE, HERE):
        assert await appliance.auth.check_password("admin", passwd, client=client)
    assert await appliance.logs_in(passwd), "a request uses up nothing"
    assert await appliance.auth.check_password("admin", passwd, client=HERE)


async def test_a_recovery_code_opens_one_session_and_is_gone(appliance: Appliance) -> None:
    _own, codes = await appliance.enrol()
    assert not await appliance.auth.check_password("admin", PASSWORD + codes[0]), "not with each request"
    assert not await appliance.logs_in("wrong" + codes[0])
    assert await appliance.logs_in(PASSWORD + codes[0])
    assert AuthEvent(AuthEventKind.RECOVERED, "admin", HERE) in appliance.events
    assert not await appliance.logs_in(PASSWORD + codes[0])
    assert not await appliance.logs_in(PASSWORD + codes[1], "guest")
    assert appliance.enrolments.recovery_codes_left("admin") == 7
    appliance.restart()
    await appliance.auth.prepare()
    assert not await appliance.logs_in(PASSWORD + codes[0])
    assert await appliance.logs_in(PASSWORD + codes[1])


async def test_new_recovery_codes_replace_the_old_ones(appliance: Appliance) -> None:
    own, old = await appliance.enrol()
    passwd = PASSWORD + appliance.code(own)
    new = await appliance.enrolments.renew_recovery_codes("admin", passwd, client=HERE)
    assert not set(new) & set(old)
    assert not await appliance.logs_in(PASSWORD + old[0])
    assert await appliance.logs_in(PASSWORD + new[0])
    with pytest.raises(NoOwnFactorError):
        await appliance.enrolments.renew_recovery_codes("guest", PASSWORD, client=HERE)


async def test_giving_up_a_factor_takes_the_password_and_a_code(appliance: Appliance) -> None:
    own, codes = await appliance.enrol()
    for passwd in (PASSWORD, "wrong" + appliance.code(own), PASSWORD + "000000"):
        with pytest.raises(ForbiddenError):
            await appliance.enrolments.disable("admin", passwd, client=HERE)
    assert await appliance.logs_in(PASSWORD + appliance.code(own))
    # The code that one logged in with is good for that, too.
    await appliance.enrolments.disable("admin", PASSWORD + appliance.code(own), client=HERE)
    assert await appliance.logs_in(PASSWORD)
    with pytest.raises(NoOwnFactorError):
        await appliance.enrolments.disable("admin", PASSWORD, client=HERE)
    _own, codes = await appliance.enrol()
    await appliance.enrolments.disable("admin", PASSWORD + codes[0], client=HERE)
    assert await appliance.logs_in(PASSWORD)


async def test_an_administrator_takes_the_factor_of_somebody_who_lost_it(appliance: Appliance) -> None:
    await appliance.enrol("guest")
    assert appliance.enrolments.users() == ["guest"]
    await appliance.enrolments.reset("guest")
    assert await appliance.logs_in(PASSWORD, "guest")
    with pytest.raises(NoOwnFactorError):
        await appliance.enrolments.reset("guest")


async def test_wrong_codes_are_counted_as_wrong_passwords_are(appliance: Appliance) -> None:
    own, _codes = await appliance.enrol()
    for _ in range(10):
        assert not await appliance.logs_in(PASSWORD + appliance.code(own, 5))
    with pytest.raises(TooManyAttemptsError):
        await appliance.auth.login("admin", PASSWORD + appliance.code(own), client=HERE)
    with pytest.raises(TooManyAttemptsError):
        await appliance.enrolments.disable("admin", PASSWORD + appliance.code(own), client=HERE)
    assert await appliance.logs_in(PASSWORD + appliance.code(own), client=ELSEWHERE)


async def test_it_is_kept_over_a_restart_for_its_owner_only(appliance: Appliance) -> None:
    own, codes = await appliance.enrol()
    assert appliance.file.stat().st_mode & 0o777 == 0o600
    assert appliance.file.parent.stat().st_mode & 0o777 == 0o700
    assert not any(code in appliance.file.read_text() for code in codes), "only their hashes"
    appliance.restart()
    await appliance.auth.prepare()
    assert not await appliance.logs_in(PASSWORD)
    assert await appliance.logs_in(PASSWORD + appliance.code(own))


async def test_a_code_that_opened_a_session_opens_none_after_a_restart(appliance: Appliance) -> None:
    own, _codes = await appliance.enrol()
    passwd = PASSWORD + appliance.code(own)
    assert await appliance.logs_in(passwd)
    appliance.restart()
    await appliance.auth.prepare()
    assert not await appliance.logs_in(passwd)
    assert not await appliance.auth.check_password("admin", passwd, client=ELSEWHERE)
    assert await appliance.auth.check_password("admin", passwd, client=HERE), "its own requests may go on"
    appliance.now_s += STEP_S
    assert await appliance.logs_in(PASSWORD + appliance.code(own))


async def test_used_codes_that_cannot_be_kept_or_read_keep_nobody_out(
    appliance: Appliance, caplog: pytest.LogCaptureFixture
) -> None:
    own, _codes = await appliance.enrol()
    used = appliance.file.with_name("second_factors-used.json")
    used.mkdir()
    assert await appliance.logs_in(PASSWORD + appliance.code(own))
    assert "not remembered over a restart" in caplog.text
    used.rmdir()
    used.write_text("{")
    used.chmod(0o600)
    appliance.restart()
    await appliance.auth.prepare()
    assert "second_factors-used.json" in caplog.text
    appliance.now_s += STEP_S
    assert await appliance.logs_in(PASSWORD + appliance.code(own))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"users": {"admin": {"secret": 1}}}'])
async def test_a_broken_file_stops_the_start_and_is_not_quoted(appliance: Appliance, content: str) -> None:
    appliance.file.parent.mkdir(parents=True)
    appliance.file.write_text(content)
    appliance.file.chmod(0o600)
    with pytest.raises(SetupError, match=r"second_factors\.json"):
        await appliance.auth.prepare()


async def test_a_file_that_others_may_read_stops_the_start(appliance: Appliance) -> None:
    await appliance.enrol()
    appliance.file.chmod(0o640)
    appliance.restart()
    with pytest.raises(SetupError, match="chmod 600"):
        await appliance.auth.prepare()


async def test_what_cannot_be_written_is_not_done(appliance: Appliance, monkeypatch: Any) -> None:
    made = await appliance.enrolments.begin("admin", PASSWORD, client=HERE, host="kvm")
    totp = pyotp.TOTP(made.secret)
    appliance.file.parent.write_text("in the way")
    with pytest.raises(NotKeptError):
        await appliance.enrolments.confirm("admin", appliance.code(totp))
    assert await appliance.logs_in(PASSWORD)
    appliance.file.parent.unlink()
    codes = await appliance.enrolments.confirm("admin", appliance.code(totp))
    assert json.loads(appliance.file.read_text())["users"].keys() == {"admin"}
    appliance.file.unlink()
    appliance.file.parent.rmdir()
    appliance.file.parent.write_text("in the way")
    with pytest.raises(NotKeptError):
        await appliance.auth.login("admin", PASSWORD + codes[0], client=HERE)
    assert appliance.enrolments.recovery_codes_left("admin") == 8


async def test_without_authentication_there_is_nothing_to_enrol_for(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, enabled=False)
    with pytest.raises(AuthenticationOffError):
        await appliance.enrolments.begin("", "", client=HERE, host="kvm")


async def test_no_secret_and_no_code_is_in_the_log(
    appliance: Appliance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    own, codes = await appliance.enrol()
    await appliance.logs_in(PASSWORD + codes[0])
    await appliance.logs_in(PASSWORD + appliance.code(own))
    await appliance.logs_in(PASSWORD + "123456")
    factor = appliance.auth.factors.of("admin")
    network = "192.0.2.1"
    presented = appliance.auth.factors.present("admin", PASSWORD + codes[1], None, network, Purpose.LOGIN)
    said = caplog.text + repr(factor) + repr(presented)
    for secret in (own.secret, *codes, appliance.code(own), PASSWORD, "123456"):
        assert secret not in said
