"""The storage on file systems of its own: read-only at rest, full in the middle, one below the other."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from drivers.emulated.pc import EmulatedPc
from firmware.core.supervise import Supervisor
from firmware.subsystems.msd.config import MsdConfig
from firmware.subsystems.msd.errors import MsdNoSpaceError
from firmware.subsystems.msd.location import StorageLocation
from firmware.subsystems.msd.service import MsdService

DEADLINE_S = 60
MIB = 1 << 20
SIZE_MIB = 16


def sh(*command: str) -> None:
    subprocess.run(command, check=True)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory, read-only at rest."""
    sh("mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,ro", "images", str(tmp_path))
    try:
        yield tmp_path
    finally:
        sh("umount", "-R", str(tmp_path))


@asynccontextmanager
async def running(root: Path) -> AsyncIterator[MsdService]:
    pc = EmulatedPc()
    command = ("/bin/mount", "-o", "remount,{mode}", str(root))
    msd = MsdService(
        MsdConfig(remount_cmd=command),
        slot=pc.media,
        location=StorageLocation(root, read_only=True),
        supervisor=Supervisor(),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(pc.run)
        await nursery.start(msd.run)
        with trio.fail_after(DEADLINE_S):
            while not msd.state.value.online:
                await msd.state.wait_newer(msd.state.version)
        yield msd
        nursery.cancel_scope.cancel()


def is_read_only(root: Path) -> bool:
    try:
        (root / "probe").touch()
    except OSError:
        return True
    (root / "probe").unlink()
    return False


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


async def fill_up(msd: MsdService, root: Path) -> None:
    """Upload what fits, while somebody else takes the room for it."""
    async with msd.writing("a.img", 12 * MIB) as image:
        (root / "other").write_bytes(bytes(8 * MIB))
        for _ in range(12):
            await image.write(bytes(MIB))


async def test_it_is_writable_only_while_it_is_written(root: Path) -> None:
    async with running(root) as msd:
        async with msd.writing("a.img", 5) as image:
            await image.write(b"image")
            assert not is_read_only(root)
        assert is_read_only(root)
        await msd.set_params(image="a.img", cdrom=False, rw=True)
        await msd.set_connected(True)
        assert not is_read_only(root)
        await msd.set_connected(False)
        assert is_read_only(root)
        await msd.remove("a.img")
        assert is_read_only(root)
        assert names(root) == []


@pytest.mark.fault("images' disk", "ENOSPC")
async def test_a_disk_that_fills_up_in_the_middle_gives_the_space_back(root: Path) -> None:
    async with running(root) as msd:
        with pytest.raises(MsdNoSpaceError, match="free space"):
            async with msd.writing("big.img", (SIZE_MIB + 1) * MIB):
                pytest.fail("it cannot fit")
        with pytest.raises(MsdNoSpaceError, match="No space left"):
            await fill_up(msd, root)
        assert names(root) == ["other"]
        state = msd.state.value.storage
        assert state is not None
        assert set(state.images) == {"other"}


async def test_a_file_system_below_is_a_part_of_its_own(root: Path) -> None:
    sh("mount", "-o", "remount,rw", str(root))
    (root / "usb").mkdir()
    sh("mount", "-t", "tmpfs", "-o", "size=4m", "usb", str(root / "usb"))
    (root / "usb/b.img").write_bytes(b"b")
    async with running(root) as msd:
        state = msd.state.value.storage
        assert state is not None
        assert set(state.parts) == {"", "usb"}
        assert state.parts["usb"].size == 4 * MIB
        assert set(state.images) == {"usb/b.img"}
        with pytest.raises(MsdNoSpaceError):
            async with msd.writing("usb/c.img", 5 * MIB):
                pytest.fail("it fits only on the root")
