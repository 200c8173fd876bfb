"""Keeps the configured or a chosen EDID in the capture: chips forget it with their power.

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

from drivers.errors import DeviceBusyError, DeviceGoneError, DeviceTimeoutError, DriverError
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
    """Writes into *port* the EDID that was chosen, or that of *file*, whenever another one is in it.

    *file* has hex text or binary. Without one, or when it is not there, *own* is written. The file may change
    at any time.
    """

    def __init__(self, port: EdidPort, file: Path | None, *, own: bytes) -> None:
        self._port = port
        self._file = file
        self._own = own
        # One: a file that hangs (a pipe, a network drive) keeps one thread, however often it is tried.
        self._files = BlockingCalls(threads=1, deadline_s=FILE_DEADLINE_S)
        # What was written last and how the capture shows it: some chips put in an address of their own.
        self._written: tuple[bytes, bytes] | None = None
        self._chosen: bytes | None = None
        self._shown = b""
        self._applied = False
        self._lock = trio.Lock()

    @property
    def chosen(self) -> bytes | None:
        """The EDID that was chosen instead of the configured one."""
        return self._chosen

    @property
    def shown(self) -> bytes:
        """What the capture had when it was last looked at; empty if it has none, or is not there."""
        return self._shown

    @property
    def applied(self) -> bool:
        """Whether that is the one that it should be."""
        return self._applied

    def choose(self, edid: bytes | None) -> None:
        """Choose *edid*, which must be right, or None for the configured one; the next look shows it."""
        self._chosen = edid
        self._applied = False

    async def show(self, edid: bytes | None) -> None:
        """Choose *edid* as `choose` does, and write it at once.

        Raises DriverError. After DeviceGoneError, DeviceBusyError and DeviceTimeoutError the choice holds,
        and is shown as soon as that is possible; after any other one it is what it was.
        """
        async with self._lock:
            chosen, shown, applied = self._chosen, self._shown, self._applied
            self.choose(edid)
            try:
                await self._keep()
            except (DeviceGoneError, DeviceBusyError, DeviceTimeoutError):
                raise
            except BaseException:
                self.choose(chosen)
                self._applied = applied and self._shown == shown
                raise

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look after it until cancelled; started once it is right.

        Raises DriverError of the capture, or one that names what is wrong with the file. The capture keeps
        the EDID that it has then, and gets our own if it has none.
        """
        while True:
            async with self._lock:
                await self._keep()
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await trio.sleep(LOOK_INTERVAL_S)

    async def _keep(self) -> None:
        self._applied = False
        try:
            wanted = await self._configured() if self._chosen is None else self._chosen
            if not self._is_shown(await self._read(), wanted):
                await self._write(wanted)
        except DriverError:
            if not await self._read():
                await self._write(self._own)
            raise
        self._applied = True

    def _is_shown(self, found: bytes, wanted: bytes) -> bool:
        return found == wanted or self._written == (wanted, found)

    async def _read(self) -> bytes:
        self._shown = b""
        self._shown = await self._port.read()
        return self._shown

    async def _write(self, edid: bytes) -> None:
        await self._port.write(edid)
        found = await self._read()
        if not found:
            raise DriverError("expected the capture to keep the EDID that was written, it has none")
        if found != edid:
            logger.warning("the capture shows the EDID with changes of its own")
        self._written = edid, found
        logger.info("the EDID was written to the capture")

    async def _configured(self) -> bytes:
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
