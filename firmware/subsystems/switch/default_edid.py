"""The EDID of ports that have no other: from the configured file, else our own; the file may change (9.3)."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Final

import trio

from drivers.errors import DriverError
from drivers.system.blocking import BlockingCalls
from drivers.wire.edid import BLOCK_BYTES, build_edid, header_valid, read_edid_file
from firmware.core.cell import Cell
from firmware.core.files import Observed, observe

logger = logging.getLogger(__name__)

LOOK_INTERVAL_S: Final = 2.0
"""Whoever replaced the file waits for the picture to change; a look costs one stat(2)."""

FILE_DEADLINE_S: Final = 5.0
"""Reading a small file from an SD card."""


class DefaultEdid:
    """The EDID in *path* (hex text or binary). `edid` is our own if there is no such file.

    While the file is wrong the EDID stays what it was: nobody's screen goes dark for a slip of the pen.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = build_edid()
        self._seen = Observed()
        # One: a file that hangs keeps one thread, however often it is looked at.
        self._files = BlockingCalls(threads=1, deadline_s=FILE_DEADLINE_S)
        self._looked = trio.Event()
        self.edid = Cell(self._own)

    async def wait_looked(self) -> None:
        """Wait until `edid` is what the file says, if it says anything."""
        await self._looked.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the file until cancelled; started after the first look."""
        while True:
            await self.look()
            self._looked.set()
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await trio.sleep(LOOK_INTERVAL_S)

    async def look(self) -> None:
        """Take over what is in the file if it changed; what is wrong with it is logged once."""
        try:
            seen = await self._files.run(
                f"the EDID file {self._path}", partial(observe, self._path, self._seen)
            )
        except DriverError as exc:
            seen = Observed(error=str(exc))
        if seen.same_as(self._seen):
            self._seen = seen
            return
        self._seen = seen
        if seen.data is None and seen.error is None:
            logger.info("the switch's default EDID is our own, since there is no %s", self._path)
            self.edid.publish(self._own)
            return
        try:
            self.edid.publish(_checked(seen))
            logger.info("the switch's default EDID is that of %s", self._path)
        except ValueError as exc:
            logger.warning("the switch's default EDID stays what it was: %s - at %s", exc, self._path)


def _checked(seen: Observed) -> bytes:
    """Return the EDID of a file. Raises ValueError."""
    if seen.data is None:
        raise ValueError(seen.error)
    data = read_edid_file(seen.data)
    if len(data) not in (BLOCK_BYTES, 2 * BLOCK_BYTES) or not header_valid(data):
        raise ValueError(
            f"expected an EDID of {BLOCK_BYTES} or {2 * BLOCK_BYTES} bytes, got {len(data)} bytes"
        )
    return data
