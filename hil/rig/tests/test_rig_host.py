"""What the rig finds on the machine that it runs on: KVM, a mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rig import accel, mirror
from rig.errors import RigError
from rig.recipe import AMD64

GOOD = accel.Facts(machine="x86_64", device_usable=True, hardware=True, pvm=False)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "kvm"),
        ({"device_usable": False}, "tcg"),
        ({"hardware": False}, "tcg"),
        ({"pvm": True}, "tcg"),
        ({"machine": "aarch64"}, "tcg"),
        ({"override": "tcg"}, "tcg"),
        ({"pvm": True, "override": "kvm"}, "kvm"),
    ],
)
def test_kvm_is_used_only_where_it_is_known_to_work(change: dict[str, Any], expected: str) -> None:
    facts = accel.Facts(**{**GOOD.__dict__, **change})
    assert accel.choose(facts, AMD64).name == expected


def test_another_accelerator_is_refused() -> None:
    with pytest.raises(RigError, match="expected kvm or tcg, got 'xen' - at FARHAND_RIG_ACCEL"):
        accel.choose(accel.Facts(**{**GOOD.__dict__, "override": "xen"}), AMD64)


@pytest.mark.parametrize(("flags", "hardware"), [("fpu vmx", True), ("svm", True), ("fpu vmxx", False)])
def test_facts_are_read_from_the_kernel(tmp_path: Path, flags: str, hardware: bool) -> None:
    for name in ("proc", "dev", "sys/module/kvm_pvm"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").write_text(f"flags\t: {flags}\n")
    (tmp_path / "dev/kvm").touch()
    facts = accel.Facts.gather(tmp_path)
    assert facts.pvm
    assert facts.device_usable
    assert facts.hardware == (hardware or facts.machine == "aarch64")


def test_the_mirror_of_a_one_line_source(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb http://commented.example/debian bookworm main\n"
        "deb-src http://source.example/debian bookworm main\n"
        "deb http://security.example/debian-security bookworm-security main\n"
        "deb [arch=amd64 signed-by=/a.gpg] http://mirror.example/debian/ bookworm main # ours\n"
    )
    assert mirror.find_mirror({}, tmp_path) == "http://mirror.example/debian"


def test_the_mirror_of_a_deb822_source(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/a.list.disabled").write_text(
        "deb http://disabled.example/debian bookworm main\n"
    )
    (tmp_path / "sources.list.d/debian.sources").write_text(
        "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n\n"
        "# a remark\nTypes: deb deb-src\nURIs: http://other.example/tools\n http://mirror.example/debian\n"
        "# another\nSuites: trixie\n trixie-updates\nComponents: main\n"
    )
    assert mirror.find_mirror({}, tmp_path) == "http://mirror.example/debian"


def test_the_mirror_of_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
    assert mirror.find_mirror({mirror.ENVIRONMENT: "http://near.example/debian/"}, tmp_path) == (
        "http://near.example/debian"
    )


def test_without_any_source_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(RigError, match=mirror.ENVIRONMENT):
        mirror.find_mirror({}, tmp_path)
