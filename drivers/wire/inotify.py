"""Events of inotify(7): the records that the kernel gives out, and the bits of their masks.

Sans-I/O; whoever reads the kernel's queue hands over what one read returned, which is whole records.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

IN_ATTRIB: Final = 0x4
IN_CLOSE_WRITE: Final = 0x8
IN_MOVED_FROM: Final = 0x40
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
IN_DELETE_SELF: Final = 0x400
IN_MOVE_SELF: Final = 0x800
IN_UNMOUNT: Final = 0x2000
IN_Q_OVERFLOW: Final = 0x4000
IN_IGNORED: Final = 0x8000
IN_ONLYDIR: Final = 0x1000000
IN_DONT_FOLLOW: Final = 0x2000000

# struct inotify_event: wd, mask, cookie, len, and then len bytes of a name padded with NUL.
_HEAD: Final = struct.Struct("=iIII")


@dataclass(frozen=True, slots=True)
class InotifyEvent:
    """Something happened to a watched directory, or to *name* in it; *watch* is -1 for an overflow."""

    watch: int
    mask: int
    name: bytes = b""


def parse_events(data: bytes) -> Iterator[InotifyEvent]:
    """Yield the events of one read. Raises ValueError for what is no sequence of whole records."""
    offset = 0
    while offset < len(data):
        try:
            watch, mask, _cookie, length = _HEAD.unpack_from(data, offset)
        except struct.error:
            raise ValueError(f"expected an event of {_HEAD.size} bytes or more - at byte {offset}") from None
        offset += _HEAD.size
        name = data[offset : offset + length]
        if len(name) != length:
            raise ValueError(f"expected a name of {length} bytes, got {len(name)} - at byte {offset}")
        offset += length
        yield InotifyEvent(watch, mask, name.rstrip(b"\0"))
