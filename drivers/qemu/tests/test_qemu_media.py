"""The virtual drive on a real QEMU; what a guest sees is proven by booting from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio

from drivers.errors import DeviceBusyError, DriverError
from drivers.ports import Medium

pytestmark = pytest.mark.qemu

type RunMachine = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """An image of an empty stick."""
    path = tmp_path / "stick.img"
    path.write_bytes(bytes(1 << 20))
    return path


async def drives(console: Any) -> list[dict[str, Any]]:
    """What QEMU says of our drive."""
    answer = await console.machine.qmp().execute("query-block")
    return [drive for drive in answer if "farhand-media" in drive.get("qdev", "")]


@pytest.mark.parametrize("cdrom", [True, False])
async def test_the_machine_boots_from_the_medium_until_it_is_taken_out(
    run_machine: RunMachine, demo_iso: Path, guest: ModuleType, cdrom: bool
) -> None:
    async with run_machine("-nic", "none") as console, console.machine.media.media() as media:
        machine = console.machine
        assert await media.receive() is None
        medium = Medium(demo_iso, cdrom=cdrom, rw=False)
        await machine.media.insert(medium)
        assert await media.receive() == medium
        await machine.power_switch.pulse(0.1)
        await console.wait_for_text(guest.MENU_TITLE)
        await machine.media.eject()
        assert await media.receive() is None
        await machine.reset_switch.pulse(0.1)
        await console.wait_for_text("No bootable device")


@pytest.mark.parametrize(
    ("cdrom", "rw", "writable"), [(True, True, False), (False, True, True), (False, False, False)]
)
async def test_media_come_and_go_while_the_guest_runs(
    run_machine: RunMachine, stick: Path, cdrom: bool, rw: bool, writable: bool
) -> None:
    async with run_machine("-nic", "none") as console:
        machine = console.machine
        await machine.power_switch.pulse(0.1)
        await console.wait_for_text("No bootable device")
        for force in (False, True):
            await machine.media.insert(Medium(stick, cdrom=cdrom, rw=rw))
            (drive,) = await drives(console)
            assert drive["removable"] is True
            assert drive["inserted"]["image"]["filename"] == str(stick)
            assert drive["inserted"]["ro"] is not writable
            await machine.media.eject(force=force)
            assert await drives(console) == []
            # No effect on an empty drive.
            await machine.media.eject(force=force)


async def test_a_second_medium_is_refused_and_the_first_stays(
    run_machine: RunMachine, stick: Path, demo_iso: Path
) -> None:
    async with run_machine() as console:
        media = console.machine.media
        await media.insert(Medium(stick, cdrom=False, rw=True))
        with pytest.raises(DeviceBusyError, match=f"got {stick} in it"):
            await media.insert(Medium(demo_iso, cdrom=True, rw=False))
        assert len(await drives(console)) == 1


async def test_an_image_that_cannot_be_offered_is_named_and_leaves_the_drive_usable(
    run_machine: RunMachine, stick: Path, tmp_path: Path
) -> None:
    async with run_machine("-drive", f"file={stick},format=raw,if=ide") as console:
        media = console.machine.media
        with pytest.raises(DriverError, match=r"missing\.iso"):
            await media.insert(Medium(tmp_path / "missing.iso", cdrom=True, rw=False))
        with pytest.raises(DriverError, match=f"cannot offer {tmp_path}"):
            await media.insert(Medium(tmp_path, cdrom=False, rw=False))
        with pytest.raises(DeviceBusyError, match=f'cannot offer {stick}: .*"write" lock'):
            await media.insert(Medium(stick, cdrom=False, rw=True))
        other = tmp_path / "other.img"
        other.write_bytes(bytes(1 << 20))
        await media.insert(Medium(other, cdrom=False, rw=True))
        assert len(await drives(console)) == 1


async def test_the_drive_is_empty_after_the_medium_was_ejected_behind_our_back(
    run_machine: RunMachine, demo_iso: Path
) -> None:
    async with run_machine() as console, console.machine.media.media() as media:
        machine = console.machine
        medium = Medium(demo_iso, cdrom=True, rw=False)
        await machine.media.insert(medium)
        # QEMU's own eject opens the tray as the guest's does.
        await machine.qmp().execute("eject", {"id": "farhand-media-cd", "force": True})
        with trio.fail_after(60):
            while await media.receive() is not None:
                pass
        assert await drives(console) == []
        await machine.media.insert(medium)
        assert len(await drives(console)) == 1


async def test_the_drive_is_empty_after_qemu_ended(run_machine: RunMachine, stick: Path) -> None:
    async with run_machine() as console:
        machine = console.machine
        await machine.media.insert(Medium(stick, cdrom=False, rw=True))
    async with machine.media.media() as media:
        assert await media.receive() is None
