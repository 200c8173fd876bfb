"""The last words of a start that went wrong: one sector of the disk, outside all partitions.

Whoever gives up writes it: the initramfs, which has no file system yet; the emergency mode, which may have
none any more; and the end of a version's probation (`image/overlay/usr/lib/farhand/last-words`). The next
start that works reads and clears it. One sector, because disks write a sector whole or not at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DISK: Final = Path("/dev/farhand/disk")
OFFSET: Final = 128 * 512
"""Behind the boot loader's variables (sectors 64 to 95), before the first partition (sector 8192)."""
SECTOR_BYTES: Final = 512
MARK: Final = b"farhand-last-words\n"


@dataclass(frozen=True)
class LastWords:
    """Which slot it was, its version if that was known by then, and why it gave up."""

    slot: str
    version: str
    reason: str


def parse(sector: bytes) -> LastWords | None:
    """Return what *sector* says, None if nothing.

    Behind the mark comes a line each for slot, version and reason.
    """
    if not sector.startswith(MARK):
        return None
    text = sector.removeprefix(MARK).rstrip(b"\0").decode("utf-8", "replace")
    slot, _, rest = text.partition("\n")
    version, _, reason = rest.partition("\n")
    one_line = "".join(sign if sign.isprintable() else " " for sign in reason)
    return LastWords(slot.strip(), version.strip(), " ".join(one_line.split()))


def read(disk: Path = DISK) -> LastWords | None:
    """Return the words on *disk*. Raises OSError."""
    with disk.open("rb") as stream:
        stream.seek(OFFSET)
        return parse(stream.read(SECTOR_BYTES))


def clear(disk: Path = DISK) -> None:
    """Forget the words on *disk*. Raises OSError."""
    with disk.open("r+b") as stream:
        stream.seek(OFFSET)
        stream.write(bytes(SECTOR_BYTES))
        stream.flush()
        os.fsync(stream.fileno())
