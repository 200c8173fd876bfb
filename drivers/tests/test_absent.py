from __future__ import annotations

from pathlib import Path

import pytest

from drivers.absent import AbsentDrive, AbsentLine
from drivers.errors import NotSupportedError
from drivers.ports import Medium


async def test_a_line_that_is_not_there_says_so() -> None:
    line = AbsentLine("not wired")
    with pytest.raises(NotSupportedError, match="not wired"):
        await line.read()
    with pytest.raises(NotSupportedError, match="not wired"):
        line.edges()
    with pytest.raises(NotSupportedError, match="not wired"):
        await line.set(True)
    with pytest.raises(NotSupportedError, match="not wired"):
        await line.pulse(0.1)


async def test_a_drive_that_is_not_there_says_so() -> None:
    drive = AbsentDrive("no drive")
    with pytest.raises(NotSupportedError, match="no drive"):
        await drive.insert(Medium(Path("/a.iso"), cdrom=True, rw=False))
    with pytest.raises(NotSupportedError, match="no drive"):
        await drive.eject(force=True)
    with pytest.raises(NotSupportedError, match="no drive"):
        drive.media()
