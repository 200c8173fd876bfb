"""The USB drive: what the PC sees of real images, who may take a medium out, and what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from drivers.emulated.pc import EmulatedPc
from drivers.errors import DeviceBusyError, DeviceGoneError, DriverError, MediumLockedError
from drivers.ports import MediaSlot, Medium

# Booting takes seconds; reading an image in a thread has 10 s on this clock, which must stay long enough.
FASTER = 10


def check_protocol(pc: EmulatedPc) -> MediaSlot:
    return pc.media


def tool(name: str) -> str:
    path = shutil.which(name)
    assert path is not None, f"{name} is a dependency of the tests: install Debian's xorriso and mtools"
    return path


@pytest.fixture
def disc(tmp_path: Path) -> Medium:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "read me.txt").write_text("First line\nSecond line\n")
    image = tmp_path / "disc.iso"
    subprocess.run(
        [
            tool("xorriso"),
            "-as",
            "mkisofs",
            "-quiet",
            "-V",
            "FARHAND_DISC",
            "-R",
            "-o",
            str(image),
            str(tree),
        ],
        check=True,
        capture_output=True,
    )
    return Medium(image, cdrom=True, rw=False)


@pytest.fixture
def stick(tmp_path: Path) -> Medium:
    image = tmp_path / "stick.img"
    command = [tool("mformat"), "-C", "-i", str(image), "-f", "1440", "-v", "FARHAND_KEY", "::"]
    subprocess.run(command, check=True, capture_output=True)
    return Medium(image, cdrom=False, rw=True)


async def screen(pc: EmulatedPc, wanted: str) -> list[str]:
    await pc.observer.wait_until(lambda: wanted in "\n".join(pc.observer.screen_text[:-1]))
    return pc.observer.screen_text


async def test_the_pc_sees_a_disc_and_reads_it(
    real_time_pc: EmulatedPc, hands: Any, disc: Medium, see: Any
) -> None:
    pc = real_time_pc
    await pc.media.insert(disc)
    assert pc.observer.medium == disc
    told = "usb-drive: CD-ROM, ISO 9660, label 'FARHAND_DISC', read-only"
    rows = await see(pc)
    assert told in rows
    assert told in rows[-1]  # the status line, too
    assert await hands(pc).run("label") == [told]
    assert await hands(pc).run("ls") == ["          23  read me.txt"]
    assert await hands(pc).run("cat read me.txt") == ["First line", "Second line"]
    assert await hands(pc).run("cat other") == ["cat: no file other on usb-drive"]
    disc.path.unlink()
    assert (await hands(pc).run("cat read me.txt"))[0].endswith("No such file or directory")


async def test_a_writable_stick(real_time_pc: EmulatedPc, hands: Any, stick: Medium) -> None:
    await real_time_pc.media.insert(stick)
    expected = "usb-drive: disk, FAT12, label 'FARHAND_KEY', read-write"
    assert await hands(real_time_pc).run("mount") == [expected]
    assert await hands(real_time_pc).run("ls") == []


async def test_an_image_without_a_file_system_is_a_medium_too(
    real_time_pc: EmulatedPc, hands: Any, tmp_path: Path
) -> None:
    image = tmp_path / "noise.img"
    image.write_bytes(bytes(range(256)) * 100)
    await real_time_pc.media.insert(Medium(image, cdrom=False, rw=False))
    assert await hands(real_time_pc).run("mount") == [
        "usb-drive: disk, no file system that we know, read-only"
    ]
    assert await hands(real_time_pc).run("ls") == []


async def test_the_channel_tells_what_is_in_the_drive(
    real_time_pc: EmulatedPc, hands: Any, disc: Medium, stick: Medium
) -> None:
    pc = real_time_pc
    async with pc.media.media() as media:
        assert await media.receive() is None
        await pc.media.insert(disc)
        assert await media.receive() == disc
        assert await hands(pc).run("eject") == ["usb-drive: medium removed"]
        assert await media.receive() is None
        await pc.media.insert(stick)
        await pc.media.eject()
        assert await media.receive() is None  # only the newest is kept
    await pc.media.eject()  # no effect on an empty drive
    assert await hands(pc).run("mount") == ["mount: no medium in usb-drive"]


async def test_a_locked_medium_stays_in(real_time_pc: EmulatedPc, hands: Any, disc: Medium) -> None:
    pc = real_time_pc
    await pc.media.insert(disc)
    assert await hands(pc).run("lock") == []
    assert pc.observer.medium_locked
    with pytest.raises(MediumLockedError, match=r"locked .*disc\.iso"):
        await pc.media.eject()
    assert await hands(pc).run("eject") == ["eject: the medium is locked; unlock it first"]
    assert pc.observer.medium == disc
    await pc.media.eject(force=True)
    assert pc.observer.medium is None
    await pc.media.insert(disc)
    assert not pc.observer.medium_locked
    await hands(pc).run("lock")
    await hands(pc).run("unlock")
    await pc.media.eject()
    assert pc.observer.medium is None


async def test_a_reset_takes_the_lock_away_but_not_the_medium(
    mock_clock: MockClock, real_time_pc: EmulatedPc, hands: Any, disc: Medium
) -> None:
    mock_clock.rate = FASTER
    await real_time_pc.media.insert(disc)
    await hands(real_time_pc).run("lock")
    await real_time_pc.reset_switch.pulse(0.01)
    assert not real_time_pc.observer.medium_locked
    assert real_time_pc.observer.medium == disc
    rows = await screen(real_time_pc, "label 'FARHAND_DISC'")
    assert rows[0] == "Farhand Emulated PC"


async def test_a_full_drive_is_busy(real_time_pc: EmulatedPc, disc: Medium, stick: Medium) -> None:
    await real_time_pc.media.insert(disc)
    with pytest.raises(DeviceBusyError, match=r"got .*disc\.iso in it: eject that first"):
        await real_time_pc.media.insert(stick)
    assert real_time_pc.observer.medium == disc


async def test_images_that_cannot_be_offered_are_named(real_time_pc: EmulatedPc, tmp_path: Path) -> None:
    empty, folder, pipe = tmp_path / "empty.iso", tmp_path / "folder", tmp_path / "pipe"
    empty.touch()
    folder.mkdir()
    os.mkfifo(pipe)
    for path, reason in (
        (tmp_path / "missing.iso", "No such file"),
        (empty, "got an empty file"),
        (folder, "expected a file or a block device"),
        (pipe, "expected a file or a block device"),
    ):
        with pytest.raises(DriverError, match=reason) as caught:
            await real_time_pc.media.insert(Medium(path, cdrom=True, rw=False))
        assert str(path) in str(caught.value)
        # A missing image is no missing drive.
        assert not isinstance(caught.value, DeviceGoneError)
    assert real_time_pc.observer.medium is None


async def test_a_medium_can_be_changed_while_the_pc_is_off(
    mock_clock: MockClock, real_time_pc: EmulatedPc, hands: Any, disc: Medium
) -> None:
    mock_clock.rate = FASTER
    await real_time_pc.power_switch.set(True)
    await real_time_pc.observer.wait_until(lambda: not real_time_pc.observer.powered)
    await real_time_pc.power_switch.set(False)
    await real_time_pc.media.insert(disc)
    await real_time_pc.power_switch.pulse(0.01)
    await screen(real_time_pc, "label 'FARHAND_DISC'")


async def test_the_pc_boots_from_a_medium_that_is_chosen_in_its_menu(
    mock_clock: MockClock, real_time_pc: EmulatedPc, hands: Any, disc: Medium
) -> None:
    mock_clock.rate = FASTER
    pc = real_time_pc
    await pc.media.insert(disc)
    await pc.reset_switch.pulse(0.01)
    await pc.observer.wait_until(lambda: pc.observer.phase == "post")
    await hands(pc).press("F12")
    await pc.observer.wait_until(lambda: pc.observer.phase == "boot-menu")
    assert "2  usb-drive: CD-ROM, ISO 9660, label 'FARHAND_DISC'" in "\n".join(pc.observer.screen_text)
    await hands(pc).press("Digit2")
    await screen(pc, "Starting the system from usb ...")
    assert pc.observer.boot_source == "usb"
