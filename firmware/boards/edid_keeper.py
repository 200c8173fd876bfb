"""Keeps the configured EDID in the capture: chips forget theirs with their power, and start without one.

A target without an EDID to read shows no picture at all, so this is looked at for as long as the board runs.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import trio

from drivers.errors import DriverError
from drivers.ports import EdidPort
from drivers.wire.edid import edid_problem, read_edid_file

logger = logging.getLogger(__name__)

LOOK_INTERVAL_S: Final = 10.0
"""A capture that was replugged or reset is rare, and the target waits for a person anyhow."""

FILE_DEADLINE_S: Final = 5.0
"""Reading a small file from an SD card."""

MAX_FILE_BYTES: Final = 64 * 1024
"""Far above 256 bytes in any notation."""


class EdidKeeper:
    """Writes the EDID of *file* (hex text or binary) into *port* whenever another one is in it.

    Without a file, or when it is not there, *own* is written.
    """

    def __init__(self, port: EdidPort, file: Path | None, *, own: bytes) -> None:
        self._port = port
        self._file = file
        self._own = own

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look after it until cancelled; started once it is right. Raises DriverError of the capture."""
        edid = await self._wanted()
        while True:
            if await self._port.read() != edid:
                await self._port.write(edid)
                logger.info("the EDID was written to the capture")
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await trio.sleep(LOOK_INTERVAL_S)

    async def _wanted(self) -> bytes:
        if self._file is None:
            return self._own
        file = self._file
        try:
            with trio.fail_after(FILE_DEADLINE_S):
                # Abandoning is safe: it only reads.
                data = await trio.to_thread.run_sync(lambda: _read(file), abandon_on_cancel=True)
        except FileNotFoundError:
            return self._own
        except (OSError, trio.TooSlowError) as exc:
            raise DriverError(f"the EDID file {file} cannot be read: {exc}") from exc
        try:
            edid = read_edid_file(data)
        except ValueError as exc:
            raise DriverError(f"{exc} - at the EDID file {file}") from exc
        if (problem := edid_problem(edid)) is not None:
            raise DriverError(f"{problem} - at the EDID file {file}")
        return edid


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES)
