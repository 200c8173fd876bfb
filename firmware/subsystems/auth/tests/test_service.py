"""The authentication service as a whole: switched off, and what it says of itself."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from firmware.core.errors import ForbiddenError
from firmware.subsystems.auth.service import ANYONE
from firmware.subsystems.auth.tests.real_appliance import (
    ADMIN,
    CODE,
    GUEST,
    SECRET,
    Appliance,
)

# ----- switched off


async def test_switched_off_everything_passes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    appliance = Appliance(tmp_path, enabled=False, extend=True)
    service = appliance.service
    await service.prepare()
    assert "everybody who reaches this appliance controls it" in caplog.text
    assert not service.enabled
    assert await service.login("admin", "wrong") is None
    assert await service.check_password("nobody", "")
    assert service.check_token("0" * 64) == ANYONE
    assert service.logout("0" * 64) == 0
    with service.hold("0" * 64):
        pass
    assert appliance.hasher.spent() == []


# ----- what is said, and what is not


async def test_what_is_wrong_with_the_file_is_said_once(
    appliance: Appliance, caplog: pytest.LogCaptureFixture
) -> None:
    bcrypt = "$2y$05$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
    text = f"admin:{ADMIN}\nold:{bcrypt}\nhunter2\n"
    appliance.path.write_text(text)
    await appliance.service.prepare()
    for _ in range(3):
        assert not await appliance.service.check_password("old", "U*U")
    assert caplog.text.count("user old") == 1
    assert caplog.text.count("line 3") == 1
    appliance.path.write_text(text + f"guest:{GUEST}\n")
    assert await appliance.service.check_password("guest", "guest pass")
    assert caplog.text.count("user old") == 1
    assert "hunter2" not in caplog.text


async def test_no_secret_is_logged_or_shown(appliance: Appliance, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = appliance.service
    appliance.secret_path.write_text(SECRET)
    token = await service.login("admin", "correct horse" + CODE)
    assert token is not None
    with pytest.raises(ForbiddenError) as caught:
        await service.login("admin", "hunter2" + CODE)
    assert not await service.check_password("hunter2", "in the wrong field")
    service.logout(token)
    shown = caplog.text + repr(vars(service)) + str(caught.value) + repr(service.statistics())
    for secret in ("correct horse", "hunter2", "wrong field", CODE, token, SECRET, ADMIN.rpartition("$")[2]):
        assert secret not in shown
    assert "Refused the credentials of admin" in caplog.text
    assert "Refused the credentials of an unknown user" in caplog.text


async def test_statistics_add_up(appliance: Appliance) -> None:
    service = appliance.service
    await service.login("admin", "correct horse")
    await service.check_password("admin", "correct horse")
    await service.check_password("admin", "wrong")
    statistics = service.statistics()
    assert (statistics["accepted"], statistics["refused"], statistics["verifications"]) == (2, 1, 2)
    assert (statistics["sessions"], statistics["opened"], statistics["cache_remembered"]) == (1, 1, 1)
    assert statistics["verifications_waiting"] == 0
