"""Makes the service that overrides what the target starts from."""

from __future__ import annotations

from pathlib import Path

from firmware.settings import LoadedSettings
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.boot.service import BootService
from firmware.subsystems.boot.store import BootStore
from firmware.subsystems.hid.service import HidService

STORE_NAME = "boot.json"


class _NoDrive:
    """A drive that is not there."""

    there = False

    async def make_ready(self) -> None:
        """Have nothing in it."""


def make_boot(loaded: LoadedSettings, *, atx: AtxService, hid: HidService, state_dir: Path) -> BootService:
    """Make the service; what it keeps stands in *state_dir*."""
    return BootService(
        loaded.settings.farhand.boot,
        power=atx.state,
        keyboard=hid,
        medium=_NoDrive(),
        store=BootStore(state_dir / STORE_NAME),
    )
