"""Memory that two processes see: slots for pictures, written by one and read by the other.

Anonymous (memfd), so that no name can be taken or left behind, and sealed against changes of its size, so
that neither end can take pages from under the other. Pages that were never written cost nothing: the slots
are as large as the largest picture.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import Final

from drivers.errors import os_errors
from drivers.video.h264.slots import COUNT
from drivers.video.i420 import size_bytes

SLOT_BYTES: Final = size_bytes(4096, 2304)
"""Room for the largest picture of H.264's level 5.1."""
TOTAL_BYTES: Final = SLOT_BYTES * COUNT


def create() -> tuple[int, mmap.mmap]:
    """Return new memory: a descriptor to pass on, which the caller closes, and the memory itself.

    Raises DriverError if the kernel has none.
    """
    with os_errors("the memory for pictures"):
        descriptor = os.memfd_create("farhand-h264", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, TOTAL_BYTES)
            fcntl.fcntl(
                descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
            )
            return descriptor, mmap.mmap(descriptor, TOTAL_BYTES)
        except BaseException:
            os.close(descriptor)
            raise


def attach(descriptor: int) -> mmap.mmap:
    """Return the memory behind *descriptor*, to read only. Raises OSError."""
    return mmap.mmap(descriptor, TOTAL_BYTES, access=mmap.ACCESS_READ)


def slot(memory: mmap.mmap, number: int, length: int) -> memoryview:
    """Return the first *length* bytes of a slot."""
    begin = SLOT_BYTES * number
    return memoryview(memory)[begin : begin + length]
