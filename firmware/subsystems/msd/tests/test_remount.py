"""A storage that rests read-only, with a real helper; how it is mounted is what the helper was told last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from firmware.subsystems.msd import remount
from firmware.subsystems.msd.errors import MsdOfflineError, MsdRemountError
from firmware.subsystems.msd.remount import Remounter


class Mount:
    """A mount whose state a helper changes; `log` is what it was asked for."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = directory / "mode"
        self.log_file = directory / "log"
        self.state.write_text("ro")
        self.log_file.write_text("")
        self.helper = directory / "helper"
        self.write_helper('printf %s "$1" > {state}')
        statvfs = os.statvfs

        def as_mounted(path: Path) -> object:
            facts = statvfs(path)
            flags = facts.f_flag & ~os.ST_RDONLY
            values = list(facts)
            values[8] = flags | os.ST_RDONLY if self.state.read_text() == "ro" else flags
            return os.statvfs_result(values)

        monkeypatch.setattr(os, "statvfs", as_mounted)

    def write_helper(self, script: str) -> None:
        commands = script.format(state=self.state)
        self.helper.write_text(f'#!/bin/sh\necho "$1" >> {self.log_file}\n{commands}\n')
        self.helper.chmod(0o755)

    @property
    def log(self) -> list[str]:
        return self.log_file.read_text().split()


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mount:
    return Mount(tmp_path, monkeypatch)


def remounter(mount: Mount, *, rests_read_only: bool = True) -> Remounter:
    command = (str(mount.helper), "{mode}")
    return Remounter(mount.state.parent, command, rests_read_only=rests_read_only)


async def test_it_is_writable_only_for_the_body(mount: Mount) -> None:
    async with remounter(mount).writable():
        assert mount.log == ["rw"]
    assert mount.log == ["rw", "ro"]


async def test_what_is_found_read_only_is_left_so(mount: Mount) -> None:
    async with remounter(mount, rests_read_only=False).writable():
        pass
    assert mount.log == ["rw", "ro"]


async def test_what_is_writable_is_left_alone(mount: Mount) -> None:
    mount.state.write_text("rw")
    async with remounter(mount, rests_read_only=False).writable():
        pass
    assert mount.log == []


async def test_what_a_crash_left_writable_rests_again(mount: Mount) -> None:
    mount.state.write_text("rw")
    async with remounter(mount).writable():
        assert mount.log == []
    assert mount.log == ["ro"]


async def test_a_body_that_is_cancelled_leaves_it_at_rest(mount: Mount) -> None:
    with trio.CancelScope() as scope:
        async with remounter(mount).writable():
            scope.cancel()
            await trio.sleep_forever()
    assert mount.log == ["rw", "ro"]


@pytest.mark.parametrize(
    ("script", "message"), [("exit 3", "exit status 0 of .*helper, got 3"), ("true", "read-only although")]
)
async def test_a_helper_that_fails_is_said(mount: Mount, script: str, message: str) -> None:
    mount.write_helper(script)
    with pytest.raises(MsdRemountError, match=message):
        async with remounter(mount).writable():
            pytest.fail("the body must not run")


async def test_a_helper_that_is_missing_is_said(mount: Mount) -> None:
    mount.helper.unlink()
    with pytest.raises(MsdRemountError, match="helper"):
        await remounter(mount).make_writable()


async def test_a_helper_that_hangs_is_given_up(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remount, "REMOUNT_DEADLINE_S", 0.2)
    mount.write_helper("exec sleep 600")
    with pytest.raises(MsdRemountError, match="within"):
        await remounter(mount).make_writable()


async def test_that_it_does_not_rest_is_no_error_of_the_body(
    mount: Mount, caplog: pytest.LogCaptureFixture
) -> None:
    async with remounter(mount).writable():
        mount.write_helper("exit 1")
    assert "stays writable" in caplog.text


async def test_a_storage_that_is_gone(mount: Mount, tmp_path: Path) -> None:
    gone = Remounter(tmp_path / "gone", (str(mount.helper), "{mode}"), rests_read_only=True)
    with pytest.raises(MsdOfflineError):
        await gone.make_writable()
    await gone.rest()
    assert mount.log == []
