"""Making a storage writable that rests mounted read-only, by the helper that is configured for it."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, Literal

import trio

from drivers.errors import DriverError
from drivers.system.blocking import BlockingCalls
from drivers.system.command import run_command
from firmware.subsystems.msd.errors import MsdOfflineError, MsdRemountError

logger = logging.getLogger(__name__)

REMOUNT_DEADLINE_S: Final = 30.0
"""Back to read-only the kernel writes out all that the file system has not yet, on a slow card for
seconds."""

LOOK_DEADLINE_S: Final = 10.0
"""For asking the file system how it is mounted; a disk that has to spin up takes so long."""

REST_S: Final = 10.0
"""How long the end of an operation may take for it, also when the appliance stops: all was written out
before."""


class Remounter:
    """Remounts the storage at *root*, if it is mounted read-only, by *command* (with `{mode}`).

    *rests_read_only*: it is to be read-only whenever nobody writes.
    """

    def __init__(self, root: Path, command: Sequence[str], *, rests_read_only: bool) -> None:
        self._root = root
        self._command = command
        self._rests_read_only = rests_read_only
        self._calls = BlockingCalls(threads=1, deadline_s=LOOK_DEADLINE_S)

    async def make_writable(self) -> None:
        """Remount read-write unless it is so. Raises MsdRemountError, MsdOfflineError."""
        if await self._is_read_only():
            # It was found so, so it is to be so again.
            self._rests_read_only = True
            await self._remount("rw")

    async def rest(self) -> None:
        """Remount read-only again, if that is how it rests; a failure is logged only."""
        if not self._rests_read_only:
            await trio.lowlevel.checkpoint()
            return
        # Shielded, so that a client that leaves does not keep the file system from its rest.
        with trio.CancelScope(shield=True, deadline=trio.current_time() + REST_S):
            try:
                if not await self._is_read_only():
                    await self._remount("ro")
            except (MsdRemountError, MsdOfflineError) as exc:
                logger.warning("the image storage stays writable: %s", exc)

    @asynccontextmanager
    async def writable(self) -> AsyncIterator[None]:
        """Keep it writable for the body."""
        try:
            await self.make_writable()
            yield
        finally:
            await self.rest()

    async def _is_read_only(self) -> bool:
        try:
            facts = await self._calls.run(f"the storage {self._root}", partial(os.statvfs, self._root))
        except DriverError as exc:
            raise MsdOfflineError(str(exc)) from exc
        return bool(facts.f_flag & os.ST_RDONLY)

    async def _remount(self, mode: Literal["rw", "ro"]) -> None:
        argv = [item.replace("{mode}", mode) for item in self._command]
        try:
            result = await run_command(argv, deadline_s=REMOUNT_DEADLINE_S)
        except DriverError as exc:
            raise MsdRemountError(f"the storage cannot be remounted {mode}: {exc}") from exc
        if result.exit_status != 0:
            raise MsdRemountError(
                f"the storage cannot be remounted {mode}: expected exit status 0 of {argv[0]}, got"
                f" {result.exit_status} - see kvmd/msd/remount_cmd"
            )
        if mode == "rw" and await self._is_read_only():
            raise MsdRemountError(
                f"the storage {self._root} is read-only although {argv[0]} says that it was remounted"
                " - see kvmd/msd/remount_cmd"
            )
