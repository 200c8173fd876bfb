"""The second factor that all accounts share (contract subsystems.md 1)."""

from __future__ import annotations

import logging

import pyotp
import pytest

from firmware.core.errors import SetupError
from firmware.subsystems.auth.material import AuthOptions
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.auth.service import AuthService
from firmware.subsystems.auth.tests.real_appliance import (
    ADMIN,
    CODE,
    SECRET,
    Appliance,
)


async def test_with_a_secret_the_code_is_needed_in_the_last_six_characters(appliance: Appliance) -> None:
    appliance.secret_path.write_text(SECRET + "\n")
    check = appliance.service.check_password
    assert await check("admin", "correct horse" + CODE)
    assert not await check("admin", "correct horse")
    assert not await check("admin", CODE + "correct horse")
    assert not await check("admin", "wrong" + CODE)
    assert not await check("admin", "correct horse" + "000000")
    assert not await check("admin", CODE)
    assert not await check("admin", "")
    assert await check("admin", "correct horse" + CODE), "codes may be used again (contract)"


@pytest.mark.parametrize("content", ["", " \n\t"])
async def test_an_empty_secret_means_no_second_factor(appliance: Appliance, content: str) -> None:
    appliance.secret_path.write_text(content)
    assert await appliance.service.check_password("admin", "correct horse")


async def test_no_secret_file_configured_means_no_second_factor(appliance: Appliance) -> None:
    appliance.secret_path.write_text(SECRET)
    service = AuthService(AuthOptions(password_file=appliance.path), hasher=appliance.hasher)
    assert await service.check_password("admin", "correct horse")


async def test_the_code_is_checked_every_time_although_the_password_is_remembered(
    appliance: Appliance,
) -> None:
    appliance.secret_path.write_text(SECRET)
    assert await appliance.service.check_password("admin", "correct horse" + CODE)
    appliance.now_s += 60
    assert not await appliance.service.check_password("admin", "correct horse" + CODE)
    appliance.hasher.spent()
    fresh = pyotp.TOTP(SECRET).at(int(appliance.now_s))
    assert await appliance.service.check_password("admin", "correct horse" + fresh)
    assert appliance.hasher.spent() == [], "only the password was remembered, and it was"


async def test_a_wrong_code_costs_the_same_as_a_wrong_password(appliance: Appliance) -> None:
    appliance.secret_path.write_text(SECRET)
    assert await appliance.service.check_password("admin", "correct horse" + CODE)
    appliance.hasher.spent()
    spent = []
    for user, passwd in [
        ("admin", "correct horse000000"),
        ("admin", "wrong" + CODE),
        ("admin", "wrong000000"),
        ("nobody", "wrong" + CODE),
        ("nobody", "wrong000000"),
    ]:
        assert not await appliance.service.check_password(user, passwd)
        spent.append(appliance.hasher.spent())
    assert all(each == spent[0] for each in spent)
    assert len(spent[0]) == 1


async def test_switching_the_second_factor_on_and_off_counts_at_once(appliance: Appliance) -> None:
    check = appliance.service.check_password
    assert await check("admin", "correct horse")
    appliance.secret_path.write_text(SECRET)
    assert not await check("admin", "correct horse")
    appliance.hasher.spent()
    assert await check("admin", "correct horse" + CODE)
    assert len(appliance.hasher.spent()) == 1, "what was verified before the change is not trusted"
    appliance.secret_path.unlink()
    assert await check("admin", "correct horse")
    assert not await check("admin", "correct horse" + CODE)


@pytest.mark.parametrize("content", [b"not base32!", b"\xff"])
async def test_a_broken_secret_locks_everybody_out_and_says_why(
    appliance: Appliance, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    appliance.secret_path.write_bytes(content)
    for passwd in ("correct horse", "correct horse" + CODE):
        assert not await appliance.service.check_password("admin", passwd)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1, "once, not at each check"
    assert str(appliance.secret_path) in told[0].getMessage()
    with pytest.raises(SetupError, match="base32"):
        await appliance.service.prepare()


async def test_an_unreadable_file_locks_everybody_out_and_says_why(
    appliance: Appliance, caplog: pytest.LogCaptureFixture
) -> None:
    assert await appliance.service.check_password("admin", "correct horse")
    appliance.path.unlink()
    appliance.path.mkdir()
    assert not await appliance.service.check_password("admin", "correct horse")
    assert "cannot read the password file" in caplog.text
    with pytest.raises(SetupError, match="cannot read the password file"):
        await appliance.service.prepare()
    appliance.path.rmdir()
    appliance.secret_path.mkdir()
    save(appliance.path, PasswordFile.empty().with_account("admin", ADMIN))
    assert not await appliance.service.check_password("admin", "correct horse")
    appliance.secret_path.rmdir()
    assert await appliance.service.check_password("admin", "correct horse")
