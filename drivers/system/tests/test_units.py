"""Status of services, through a program that answers as systemctl does."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.system.units import SystemdUnits, UnitStatus, parse_show

# Writes its arguments into a file, then prints what the test wrote into another one.
_FAKE = """#!/bin/sh
here="$(dirname "$0")"
printf '%s\\n' "$@" >"$here/arguments"
cat "$here/answer"
"""


@pytest.fixture
def systemctl(tmp_path: Path) -> Path:
    path = tmp_path / "systemctl"
    path.write_text(_FAKE)
    path.chmod(0o755)
    return path


async def test_one_question_for_all_services(systemctl: Path) -> None:
    (systemctl.parent / "answer").write_text(
        "UnitFileState=enabled\nActiveState=active\n\n"
        "UnitFileState=disabled\nActiveState=inactive\n\n"
        "ActiveState=failed\nUnitFileState=enabled-runtime\n\n"
        "UnitFileState=\nActiveState=inactive\n"
    )
    units = SystemdUnits(systemctl=[str(systemctl)])
    assert await units.statuses(["kvmd-vnc", "kvmd-ipmi.service", "kvmd@x", "missing"]) == {
        "kvmd-vnc": UnitStatus(enabled=True, started=True),
        "kvmd-ipmi.service": UnitStatus(enabled=False, started=False),
        "kvmd@x": UnitStatus(enabled=True, started=False),
        "missing": UnitStatus(enabled=False, started=False),
    }
    assert (systemctl.parent / "arguments").read_text().split() == [
        "show", "--property=UnitFileState,ActiveState", "--",
        "kvmd-vnc.service", "kvmd-ipmi.service", "kvmd@x.service", "missing.service",
    ]  # fmt: skip


async def test_what_is_no_name_is_never_asked(systemctl: Path) -> None:
    names = ["--root=/", "-H", "*", "a b", "", "a/b", "a\n"]
    units = SystemdUnits(systemctl=[str(systemctl)])
    assert await units.statuses(names) == dict.fromkeys(names, UnitStatus())
    assert not (systemctl.parent / "arguments").exists()


async def test_without_systemd_nothing_is_enabled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    units = SystemdUnits(systemctl=[str(tmp_path / "systemctl")])
    for _ in range(2):
        assert await units.statuses(["kvmd-vnc"]) == {"kvmd-vnc": UnitStatus()}
    assert len(caplog.records) == 1


async def test_an_answer_that_does_not_fit_the_question_is_not_used(systemctl: Path) -> None:
    units = SystemdUnits(systemctl=[str(systemctl)])
    (systemctl.parent / "answer").write_text("UnitFileState=enabled\nActiveState=active\n")
    assert await units.statuses(["one", "two"]) == dict.fromkeys(["one", "two"], UnitStatus())


def test_show_blocks() -> None:
    assert parse_show("") == []
    assert parse_show("A=1\nB=2=3\nnoise\n\nA=\n\n") == [{"A": "1", "B": "2=3"}, {"A": ""}]
