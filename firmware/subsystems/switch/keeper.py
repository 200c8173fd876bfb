"""The settings as they are now, loaded at the start and saved when they have changed for a while (9.3)."""

from __future__ import annotations

import logging
from typing import Final

import trio

from drivers.errors import DriverError
from drivers.system.blocking import BlockingCalls
from firmware.core.cell import Cell
from firmware.subsystems.switch.settings import SwitchSettings
from firmware.subsystems.switch.store import SwitchStore

logger = logging.getLogger(__name__)

SAVE_AFTER_S: Final = 5.0
"""After the last change (contract 9.3): whoever drags a slider writes a card once."""

FILE_DEADLINE_S: Final = 10.0
"""Eight small files with fsync, on a worn SD card."""

STOP_DEADLINE_S: Final = 3.0
"""The last save has so much of the appliance's time to stop, and usually takes milliseconds of it."""


class SettingsKeeper:
    """Owns the settings: `settings` is their cell, which only `change` publishes to."""

    def __init__(self, store: SwitchStore) -> None:
        self._store = store
        # One: a save that was given up ends before the next one begins, so that older settings never win.
        self._files = BlockingCalls(threads=1, deadline_s=FILE_DEADLINE_S)
        self.settings: Cell[SwitchSettings] = Cell(SwitchSettings())
        self._saved_version = self.settings.version
        self._loaded = trio.Event()

    async def wait_loaded(self) -> None:
        """Wait until the settings are those of the last run."""
        await self._loaded.wait()

    def change(self, settings: SwitchSettings) -> None:
        """Take other settings."""
        self.settings.publish(settings)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load, then save until cancelled, and once more then. Raises DriverError and loses nothing."""
        if not self._loaded.is_set():
            self.settings.publish(
                await self._files.run("the switch's settings", self._store.load), even_if_equal=True
            )
            self._loaded.set()
        task_status.started()
        try:
            while True:
                await self._wait_settled()
                await self._save()
        except trio.Cancelled:
            # Shielded, or the last change would be lost; bounded by its deadline.
            with trio.move_on_after(STOP_DEADLINE_S, shield=True):
                try:
                    await self._save()
                except DriverError as exc:
                    logger.warning("the switch's last settings are lost: %s", exc)
            raise

    async def _wait_settled(self) -> None:
        version = await self.settings.wait_newer(self._saved_version)
        while True:
            with trio.move_on_after(SAVE_AFTER_S) as scope:
                version = await self.settings.wait_newer(version)
            if scope.cancelled_caught:
                return

    async def _save(self) -> None:
        version, settings = self.settings.version, self.settings.value
        if version > self._saved_version:
            await self._files.run("the switch's settings", lambda: self._store.save(settings))
            self._saved_version = version
