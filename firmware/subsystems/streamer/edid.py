"""The EDID that somebody chose by the API: checked, shown at once, and kept over restarts.

Responsible for saying what is wrong with an EDID before the capture gets it, and for the file that keeps the
choice. Who keeps it in the capture, whatever happens to that, is the board's keeper.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import trio

from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    NotSupportedError,
)
from drivers.wire.edid import edid_problem, parse_edid, preferred_size, read_edid_file
from firmware.core.errors import OperationError, ValidatorError
from firmware.core.files import observe, replace
from firmware.state.edid import MonitorSize, StreamerEdid

logger = logging.getLogger(__name__)

FILE_NAME: Final = "edid.bin"
"""In the directory of the state; empty, or not there: nothing was chosen."""

_LATER: Final = (DeviceGoneError, DeviceBusyError, DeviceTimeoutError)
"""What passes: the keeper tries again."""


class EdidNotSupportedError(OperationError):
    """The capture has no EDID that could be set."""


class EdidRefusedError(OperationError):
    """The capture does not take this EDID; it shows the one that it had."""


class EdidNotKeptError(OperationError):
    """The choice cannot be written to the disk, and so was taken back."""

    status = 503


class EdidKeeping(Protocol):
    """What keeps an EDID in the capture (`firmware.boards.edid_keeper`)."""

    @property
    def chosen(self) -> bytes | None:
        """The one that was chosen; None for the configured one."""
        ...

    @property
    def shown(self) -> bytes:
        """The capture's, as last seen; empty if it has none, or is not there."""
        ...

    @property
    def applied(self) -> bool:
        """Whether that is the one that it should be."""
        ...

    def choose(self, edid: bytes | None) -> None:
        """Choose another one, without a look at the capture yet."""
        ...

    async def show(self, edid: bytes | None) -> None:
        """Choose another one and show it at once. Raises DriverError.

        After DeviceGoneError, DeviceBusyError and DeviceTimeoutError the choice holds, and is shown when that
        is possible; after any other one it is what it was.
        """
        ...


def edid_of(content: bytes) -> bytes:
    """Return the EDID in *content*, binary or hexadecimal digits; empty stays empty.

    Raises ValidatorError that says what is wrong with it.
    """
    try:
        edid = read_edid_file(content)
    except ValueError as exc:
        raise ValidatorError(str(exc)) from exc
    problem = edid_problem(edid)
    if problem is not None:
        raise ValidatorError(problem)
    return edid


class EdidService:
    """The choice of an EDID, in the file *path*; *keeper* is None where the capture has none."""

    def __init__(self, keeper: EdidKeeping | None, path: Path) -> None:
        self._keeper = keeper
        self._path = path
        self._lock = trio.Lock()

    async def restore(self) -> None:
        """Choose again what was chosen before the restart; call it before the board's tasks run.

        A damaged file is logged and counts as none: with the configured EDID the target has a picture.
        """
        if self._keeper is None:
            return
        seen = await trio.to_thread.run_sync(observe, self._path)
        try:
            if seen.error is not None:
                raise ValidatorError(seen.error)
            chosen = edid_of(seen.data or b"")
        except ValidatorError as exc:
            logger.warning("the EDID that was chosen is damaged: %s - at %s", exc, self._path)
            return
        if chosen:
            self._keeper.choose(chosen)

    @property
    def state(self) -> StreamerEdid | None:
        """What the target sees, or is to see; None if the capture has no EDID."""
        keeper = self._keeper
        if keeper is None:
            return None
        edid = keeper.shown if keeper.chosen is None else keeper.chosen
        size = preferred_size(edid)
        return StreamerEdid(
            data=edid.hex().upper(),
            source="config" if keeper.chosen is None else "api",
            applied=keeper.applied,
            parsed=parse_edid(edid),
            preferred=MonitorSize(*size) if size is not None else None,
        )

    async def change(self, edid: bytes) -> None:
        """Show and keep *edid*, which is right (`edid_of`); empty: the configured one again.

        A capture that is not there, or busy, gets it as soon as it can: `state.applied` tells. Raises
        EdidNotSupportedError, EdidRefusedError, EdidNotKeptError.
        """
        keeper = self._keeper
        if keeper is None:
            raise EdidNotSupportedError("expected a capture with an EDID, got one that has none")
        async with self._lock:
            before = keeper.chosen
            try:
                await keeper.show(edid or None)
            except _LATER as exc:
                logger.warning("the EDID is shown later: %s", exc)
            except NotSupportedError as exc:
                raise EdidNotSupportedError(str(exc)) from exc
            except DriverError as exc:
                raise EdidRefusedError(str(exc)) from exc
            # Shielded: what is shown is what is kept, also if nobody waits for the answer any more.
            with trio.CancelScope(shield=True):
                try:
                    await trio.to_thread.run_sync(partial(replace, self._path, edid))
                except OSError as exc:
                    with suppress(DriverError):
                        await keeper.show(before)
                    raise EdidNotKeptError(
                        f"the EDID cannot be kept: {exc.strerror or exc} - at {self._path}"
                    ) from exc
