"""Makes the service that overrides what the target starts from."""

from __future__ import annotations

from pathlib import Path

from firmware.settings import LoadedSettings
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.boot.service import BootService
from firmware.subsystems.boot.store import BootStore
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.msd.service import MsdService

STORE_NAME = "boot.json"


class _SelectedImage:
    """The virtual drive with what is selected for it."""

    def __init__(self, msd: MsdService) -> None:
        self._msd = msd

    @property
    def there(self) -> bool:
        return self._msd.state.value.enabled

    async def make_ready(self) -> None:
        drive = self._msd.state.value.drive
        if drive is not None and drive.image is not None and not drive.connected:
            await self._msd.set_connected(True)


def make_boot(
    loaded: LoadedSettings, *, atx: AtxService, hid: HidService, msd: MsdService, state_dir: Path
) -> BootService:
    """Make the service; what it keeps stands in *state_dir*."""
    return BootService(
        loaded.settings.farhand.boot,
        power=atx.state,
        keyboard=hid,
        medium=_SelectedImage(msd),
        store=BootStore(state_dir / STORE_NAME),
    )
