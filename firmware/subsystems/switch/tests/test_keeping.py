"""When settings are saved, and where the default EDID comes from."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import DriverError
from drivers.wire.edid import build_edid
from firmware.core.files import SETTLE_NS
from firmware.subsystems.switch.default_edid import LOOK_INTERVAL_S, DefaultEdid
from firmware.subsystems.switch.keeper import SAVE_AFTER_S, SettingsKeeper
from firmware.subsystems.switch.settings import SwitchSettings
from firmware.subsystems.switch.store import SwitchStore

OTHER = build_edid(name="Other")


@pytest.fixture(autouse=True)
def _files_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """File calls without a thread: a clock that jumps does not wait for one."""

    async def at_once[T](call: Callable[[], T], **_options: object) -> T:
        return call()

    monkeypatch.setattr("drivers.system.blocking.trio.to_thread.run_sync", at_once)


def named(name: str) -> SwitchSettings:
    return SwitchSettings(names={1: name})


def stored(directory: Path) -> object:
    file = directory / "port_names.json"
    return json.loads(file.read_text()) if file.exists() else None


async def test_settings_are_saved_some_time_after_the_last_change(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    keeper = SettingsKeeper(SwitchStore(tmp_path))
    await nursery.start(keeper.run)
    for number in range(4):
        keeper.change(named(str(number)))
        await trio.sleep(SAVE_AFTER_S - 1)
        assert stored(tmp_path) is None
    await trio.sleep(2)
    assert stored(tmp_path) == {"1": "3"}
    inode = (tmp_path / "port_names.json").stat().st_ino
    keeper.change(named("4"))
    keeper.change(named("3"))
    await trio.sleep(SAVE_AFTER_S + 1)
    assert (tmp_path / "port_names.json").stat().st_ino == inode


async def test_the_last_change_is_saved_at_the_stop(tmp_path: Path, autojump_clock: MockClock) -> None:
    keeper = SettingsKeeper(SwitchStore(tmp_path))
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper.run)
        keeper.change(named("late"))
        nursery.cancel_scope.cancel()
    assert stored(tmp_path) == {"1": "late"}


async def test_a_failing_disk_is_a_fault_that_loses_nothing(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    keeper = SettingsKeeper(SwitchStore(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        keeper.change(named("early"))
        with pytest.RaisesGroup(pytest.RaisesExc(DriverError, match="No space left")):
            async with trio.open_nursery() as inner:
                await inner.start(keeper.run)
                keeper.change(named("mine"))
    # The supervisor starts it again; what is in memory is not overwritten by what is on the disk.
    await nursery.start(keeper.run)
    await keeper.wait_loaded()
    assert keeper.settings.value == named("mine")
    await trio.sleep(SAVE_AFTER_S + 1)
    assert stored(tmp_path) == {"1": "mine"}


async def test_a_save_that_fails_at_the_stop_is_said(
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    keeper = SettingsKeeper(SwitchStore(tmp_path))
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper.run)
        keeper.change(named("lost"))
        nursery.cancel_scope.cancel()
    assert "the switch's last settings are lost" in caplog.text


async def test_what_was_damaged_is_written_anew_without_a_change(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    (tmp_path / "port_names.json").write_text('{"1": "good", "99": "bad"}')
    keeper = SettingsKeeper(SwitchStore(tmp_path))
    await nursery.start(keeper.run)
    assert stored(tmp_path) is None
    await trio.sleep(SAVE_AFTER_S + 1)
    assert stored(tmp_path) == {"1": "good"}


# -- the default EDID ---------------------------------------------------------------------------------------


def settled(path: Path, content: bytes) -> None:
    """Write a file as if it had been there for long."""
    path.write_bytes(content)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 2 * SETTLE_NS))


@pytest.mark.parametrize(
    "content", [OTHER, OTHER.hex().encode(), OTHER[:128]], ids=["binary", "hex", "short"]
)
async def test_the_default_edid_is_that_of_the_file(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery, content: bytes
) -> None:
    file = tmp_path / "real"
    settled(file, content)
    link = tmp_path / "edid.hex"
    link.symlink_to(file)
    default = DefaultEdid(link)
    await nursery.start(default.run)
    assert default.edid.value == (OTHER if len(content) != 128 else OTHER[:128])


async def test_the_file_may_come_change_and_go(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "edid.hex"
    default = DefaultEdid(path)
    await nursery.start(default.run)
    own = default.edid.value
    assert own == build_edid()
    path.write_bytes(OTHER)
    await trio.sleep(LOOK_INTERVAL_S + 0.1)
    assert default.edid.value == OTHER
    # While it is wrong nothing changes, and it is said once.
    for wrong in (b"nonsense", bytes(128), OTHER + OTHER, OTHER[:127]):
        caplog.clear()
        path.write_bytes(wrong)
        await trio.sleep(3 * LOOK_INTERVAL_S)
        assert default.edid.value == OTHER
        assert caplog.text.count("stays what it was: expected") == 1
    path.unlink()
    path.mkdir()
    await trio.sleep(LOOK_INTERVAL_S + 0.1)
    assert default.edid.value == OTHER
    path.rmdir()
    await trio.sleep(LOOK_INTERVAL_S + 0.1)
    assert default.edid.value == own


async def test_a_file_that_hangs_is_a_wrong_file(
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    default = DefaultEdid(tmp_path / "edid.hex")

    async def too_slow(what: str, call: object) -> None:
        raise DriverError(f"expected {what} to answer")

    monkeypatch.setattr(default._files, "run", too_slow)
    await default.look()
    assert default.edid.value == build_edid()
    assert "to answer" in caplog.text
