"""Room on file systems: this machine's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from drivers.errors import DeviceGoneError
from drivers.system.disk import DiskSpace, LinuxDisks


async def test_the_room_of_a_directory(tmp_path: Path) -> None:
    space = await LinuxDisks().space(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    assert space.total_bytes == usage.total
    assert 0 < space.free_bytes <= usage.total
    assert not space.is_read_only
    assert space.used_percent is not None
    assert 0 <= space.used_percent <= 100


async def test_a_file_system_without_a_size() -> None:
    space = await LinuxDisks().space(Path("/proc"))
    assert (space.total_bytes, space.used_percent) == (0, None)


async def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError, match=r"the file system of .*gone"):
        await LinuxDisks().space(tmp_path / "gone")


def test_percent() -> None:
    assert DiskSpace(1000, 333, is_read_only=False).used_percent == 66.7
