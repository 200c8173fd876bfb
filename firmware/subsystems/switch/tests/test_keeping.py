"""When settings are saved, and where the default EDID comes from."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import DriverError
from drivers.wire.edid import build_edid
from firmware.core.files import SETTLE_NS
from firmware.subsystems.switch.default_edid import LOOK_INTERVAL_S, DefaultEdid
from firmware.subsystems.switch.keeper import SettingsKeeper
from firmware.subsystems.switch.settings import SwitchSettings
from firmware.subsystems.switch.store import SwitchStore

OTHER = build_edid(name="Other")


@pytest.fixture(autouse=True)
def _files_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """File calls without a thread: a clock that jumps does not wait for one."""

    async def at_once[T](call: Callable[[], T], **_options: object) -> T:
        return call()

    monkeypatch.setattr("drivers.system.blocking.trio.to_thread.run_sync", at_once)


def named(name: str) -> Callable[[SwitchSettings], SwitchSettings]:
    return lambda settings: settings.with_port(1, name=name)


def stored(directory: Path) -> object:
    file = directory / "port_names.json"
    return json.loads(file.read_text()) if file.exists() else None


async def test_a_change_is_on_the_disk_when_it_is_made(tmp_path: Path, nursery: trio.Nursery) -> None:
    keeper = SettingsKeeper(SwitchStore(tmp_path))
    await nursery.start(keeper.run)
    assert stored(tmp_path) is None
    await keeper.change(named("rack"))
    assert stored(tmp_path) == {"1": "rack"}
    assert keeper.settings.value.names == {1: "rack"}
    inode = (tmp_path / "port_names.json").stat().st_ino
    await keeper.change(named("rack"))
    assert (tmp_path / "port_names.json").stat().st_ino == inode


async def test_changes_at_the_same_time_are_all_made(tmp_path: Path, nursery: trio.Nursery) -> None:
    keeper = SettingsKeeper(SwitchStore(tmp_path))
    await nursery.start(keeper.run)
    async with trio.open_nursery() as clients:
        for port in range(1, 9):
            clients.start_soon(
                keeper.change, lambda settings, port=port: settings.with_port(port, name=f"server {port}")
            )
    assert keeper.settings.value.names == {port: f"server {port}" for port in range(1, 9)}
    assert stored(tmp_path) == {str(port): f"server {port}" for port in range(1, 9)}


async def test_a_change_that_cannot_be_kept_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    keeper = SettingsKeeper(SwitchStore(tmp_path))
    await nursery.start(keeper.run)
    await keeper.change(named("before"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(DriverError, match="No space left"):
            await keeper.change(named("after"))
    assert keeper.settings.value.names == {1: "before"}
    assert stored(tmp_path) == {"1": "before"}
    await keeper.change(named("after"))
    assert stored(tmp_path) == {"1": "after"}


async def test_a_change_is_made_although_its_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    monkeypatch.undo()  # in a thread, as always
    begun, go_on, fsync = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        begun.set()
        go_on.wait(60)
        fsync(descriptor)

    keeper = SettingsKeeper(SwitchStore(tmp_path))
    await nursery.start(keeper.run)
    monkeypatch.setattr(os, "fsync", slow)
    async with trio.open_nursery() as clients:
        clients.start_soon(keeper.change, named("late"))
        await trio.to_thread.run_sync(begun.wait)
        clients.cancel_scope.cancel()
        go_on.set()
    assert stored(tmp_path) == {"1": "late"}
    assert keeper.settings.value.names == {1: "late"}


async def test_what_was_damaged_is_written_anew_without_a_change(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    (tmp_path / "port_names.json").write_text('{"1": "good", "99": "bad"}')
    keeper = SettingsKeeper(SwitchStore(tmp_path))
    await nursery.start(keeper.run)
    assert stored(tmp_path) == {"1": "good"}


async def test_settings_of_a_disk_that_cannot_be_written_are_of_use_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "port_names.json").write_text('{"1": "good", "99": "bad"}')
    keeper = SettingsKeeper(SwitchStore(tmp_path))

    def fail(descriptor: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DriverError, match="Read-only"):
        await keeper.run()
    await keeper.wait_loaded()
    assert keeper.settings.value.names == {1: "good"}


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
