"""Keeps the configured EDID in the capture: chips forget theirs with their power, and start without one.

A target without an EDID to read shows no picture at all, so this is looked at for as long as the board runs,
and a file that is wrong never leaves the capture without any. Must never write the same one again and again:
the target sees a monitor being unplugged and plugged each time.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Final

import trio

from drivers.errors import DriverError
from drivers.ports import EdidPort
from drivers.system.blocking import BlockingCalls
from drivers.wire.edid import edid_problem, read_edid_file

logger = logging.getLogger(__name__)

LOOK_INTERVAL_S: Final = 10.0
"""A capture that was replugged or reset is rare, and the target waits for a person anyhow."""

FILE_DEADLINE_S: Final = 5.0
"""Reading a small file from an SD card."""

MAX_FILE_BYTES: Final = 64 * 1024
"""The longest EDID, 256 blocks, has 64 KiB of hex digits; any that a chip takes is far shorter."""


class EdidKeeper:
    """Writes the EDID of *file* (hex text or binary) into *port* whenever another one is in it.

    Without a file, or when it is not there, *own* is written. The file may change at any time.
    """

    def __init__(self, port: EdidPort, file: Path | None, *, own: bytes) -> None:
        self._port = port
        self._file = file
        self._own = own
        # One: a file that hangs (a pipe, a network drive) keeps one thread, however often it is tried.
        self._files = BlockingCalls(threads=1, deadline_s=FILE_DEADLINE_S)
        # What was written last and how the capture shows it: some chips put in an address of their own.
        self._written: tuple[bytes, bytes] | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look after it until cancelled; started once it is right.

        Raises DriverError of the capture, or one that names what is wrong with the file. The capture keeps
        the EDID that it has then, and gets our own if it has none.
        """
        while True:
            try:
                wanted = await self._wanted()
            except DriverError:
                if not await self._port.read():
                    await self._write(self._own)
                raise
            if not self._is_shown(await self._port.read(), wanted):
                await self._write(wanted)
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await trio.sleep(LOOK_INTERVAL_S)

    def _is_shown(self, found: bytes, wanted: bytes) -> bool:
        return found == wanted or self._written == (wanted, found)

    async def _write(self, edid: bytes) -> None:
        await self._port.write(edid)
        found = await self._port.read()
        if not found:
            raise DriverError("expected the capture to keep the EDID that was written, it has none")
        if found != edid:
            logger.warning("the capture shows the EDID with changes of its own")
        self._written = edid, found
        logger.info("the EDID was written to the capture")

    async def _wanted(self) -> bytes:
        if self._file is None:
            return self._own
        data = await self._files.run(f"the EDID file {self._file}", partial(_read, self._file))
        if data is None:
            return self._own
        if len(data) > MAX_FILE_BYTES:
            raise DriverError(
                f"expected an EDID of at most {MAX_FILE_BYTES} bytes, got more - at {self._file}"
            )
        try:
            edid = read_edid_file(data)
        except ValueError as exc:
            raise DriverError(f"{self._file}: {exc}") from exc
        # An empty file is what a power cut leaves; without an EDID the target would stay dark.
        problem = edid_problem(edid) if edid else "expected an EDID, got an empty file"
        if problem is not None:
            raise DriverError(f"{problem} - at {self._file}")
        return edid


def _read(path: Path) -> bytes | None:
    """Return the content, one byte more than allowed if it is too long; None without a file. Blocking."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
