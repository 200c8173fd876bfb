"""The plan and the medium, on the drive of an emulated PC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from drivers.emulated.pc import EmulatedPc
from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DriverError,
    ImageMissingError,
    ImagePermissionError,
    MediumLockedError,
)
from firmware.subsystems.msd.drive import VirtualDrive
from firmware.subsystems.msd.errors import (
    MsdConnectedError,
    MsdDisconnectedError,
    MsdError,
    MsdImageNotSelected,
    MsdLockedError,
    MsdOfflineError,
    MsdPermissionsError,
    MsdUnknownImageError,
    msd_error,
)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.img"
    path.write_bytes(bytes(1 << 20))
    return path


@asynccontextmanager
async def running(pc: EmulatedPc) -> AsyncIterator[VirtualDrive]:
    drive = VirtualDrive(pc.media)
    async with trio.open_nursery() as nursery:
        await nursery.start(pc.run)
        await nursery.start(drive.run)
        yield drive
        nursery.cancel_scope.cancel()


async def test_an_image_is_planned_connected_and_taken_out(image: Path) -> None:
    async with running(EmulatedPc()) as drive:
        with pytest.raises(MsdImageNotSelected):
            await drive.connect()
        drive.set_params(image=image, writable=True, cdrom=False, rw=True)
        await drive.connect()
        state = drive.state.value
        assert (state.connected, state.image, state.cdrom, state.rw) == (True, image, False, True)
        with pytest.raises(MsdConnectedError):
            await drive.connect()
        with pytest.raises(MsdConnectedError):
            drive.set_params(cdrom=True)
        await drive.disconnect()
        state = drive.state.value
        assert (state.connected, state.image, state.rw) == (False, image, True), "the plan stays"
        with pytest.raises(MsdDisconnectedError):
            await drive.disconnect()


async def test_rw_goes_with_cdrom_and_read_only_images_and_stays_away(image: Path) -> None:
    async with running(EmulatedPc()) as drive:
        drive.set_params(image=image, writable=True, cdrom=False, rw=True)
        drive.set_params(cdrom=True)
        assert not drive.state.value.rw
        drive.set_params(cdrom=False, writable=True)
        assert not drive.state.value.rw
        drive.set_params(rw=True, writable=True)
        assert drive.state.value.rw
        drive.set_params(image=image, writable=False)
        assert not drive.state.value.rw


async def test_what_the_host_ejects_is_disconnected(image: Path) -> None:
    pc = EmulatedPc()
    async with running(pc) as drive:
        drive.set_params(image=image)
        await drive.connect()
        assert pc.media.host_eject()
        with trio.fail_after(5):
            while drive.state.value.connected:
                await trio.sleep(0.01)
        await drive.connect()
        await drive.reset()
        assert not drive.state.value.connected


async def test_without_a_drive(image: Path) -> None:
    drive = VirtualDrive(EmulatedPc().media)
    with pytest.raises(MsdOfflineError):
        drive.set_params(image=image)


async def test_an_image_that_is_gone(tmp_path: Path) -> None:
    async with running(EmulatedPc()) as drive:
        drive.set_params(image=tmp_path / "gone.iso")
        with pytest.raises(MsdUnknownImageError, match=r"gone\.iso"):
            await drive.connect()
        assert not drive.state.value.connected


@pytest.mark.parametrize(
    ("of_driver", "of_contract"),
    [
        (MediumLockedError("x"), MsdLockedError),
        (ImageMissingError("x"), MsdUnknownImageError),
        (ImagePermissionError("x"), MsdPermissionsError),
        (DeviceGoneError("x"), MsdOfflineError),
        (DeviceBusyError("x"), MsdOfflineError),
    ],
)
def test_what_drives_say_in_the_contracts_words(of_driver: DriverError, of_contract: type[MsdError]) -> None:
    error = msd_error(of_driver)
    assert type(error) is of_contract
    assert error.contract_name == of_contract.__name__


async def test_a_drive_that_never_answers(
    image: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    pc = EmulatedPc()

    async def hang(_medium: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(pc.media, "insert", hang)
    async with running(pc) as drive:
        drive.set_params(image=image)
        with pytest.raises(MsdOfflineError, match="answer within"):
            await drive.connect()
        assert not drive.state.value.connected
