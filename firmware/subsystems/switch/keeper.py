"""The settings as they are now: loaded at the start, on the disk before anybody is told of a change (9.3).

The reference saves 5 s after the last change, so that a power cut takes what was acknowledged with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from drivers.system.blocking import BlockingCalls
from firmware.core.cell import Cell
from firmware.subsystems.switch.settings import SwitchSettings
from firmware.subsystems.switch.store import SwitchStore

FILE_DEADLINE_S: Final = 10.0
"""Eight small files with fsync, on a worn SD card."""


class SettingsKeeper:
    """Owns the settings: `settings` is their cell, which only `change` publishes to."""

    def __init__(self, store: SwitchStore) -> None:
        self._store = store
        # One: a save that was given up ends before the next one begins, so that older settings never win.
        self._files = BlockingCalls(threads=1, deadline_s=FILE_DEADLINE_S)
        self._changing = trio.Lock()
        self.settings: Cell[SwitchSettings] = Cell(SwitchSettings())
        self._loaded = trio.Event()

    async def wait_loaded(self) -> None:
        """Wait until the settings are those of the last run."""
        await self._loaded.wait()

    async def change(self, changed: Callable[[SwitchSettings], SwitchSettings]) -> None:
        """Change the settings, once they are loaded; they are on the disk when this returns.

        Raises DriverError if they cannot be kept, and what *changed* does; then all is as it was.
        """
        async with self._changing:
            settings = changed(self.settings.value)
            # Shielded, so that memory and disk do not differ if the client leaves; bounded by the deadline.
            with trio.CancelScope(shield=True):
                await self._save(settings)
            self.settings.publish(settings)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load, and write anew what was damaged. Raises DriverError, and does it again when it is restarted.

        Settings that can be read but not written are of use all the same.
        """
        if not self._loaded.is_set():
            settings = await self._files.run("the switch's settings", self._store.load)
            self.settings.publish(settings, even_if_equal=True)
            self._loaded.set()
        async with self._changing:
            await self._save(self.settings.value)
        task_status.started()
        await trio.sleep_forever()

    async def _save(self, settings: SwitchSettings) -> None:
        await self._files.run("the switch's settings", partial(self._store.save, settings))
