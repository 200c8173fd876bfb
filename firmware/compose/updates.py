"""Makes the update service: on a real board with RAUC, on a demo board with slots of its own or none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from drivers.emulated.slots import EmulatedSlots
from drivers.errors import NotSupportedError
from drivers.system.rauc import Rauc, RaucStatus
from drivers.system.restart import restart_machine
from firmware.boards.board import Board
from firmware.core.version import farhand_version
from firmware.privileged.client import helper_if_needed
from firmware.settings import LoadedSettings
from firmware.subsystems.update.service import Installer, UpdatePlaces, UpdateService

DIRECTORY: Final = "update"
NOWHERE: Final = Path("/nonexistent")


class NoSlots:
    """The installer of a demo, which must not find the one of the machine that it happens to run on."""

    async def status(self) -> RaucStatus:
        """Say that there is none."""
        raise NotSupportedError("a demo has nothing to update")

    async def install(self, _bundle: Path, _told: object) -> None:
        """Say that there is none."""
        raise NotSupportedError("a demo has nothing to update")


def make_update(loaded: LoadedSettings, board: Board, state_dir: Path) -> UpdateService:
    """Make the update service; bundles are received into the state directory."""
    version = farhand_version()
    staging = state_dir / DIRECTORY
    if not board.demo:
        places = UpdatePlaces(staging=staging)
        helper = helper_if_needed()
        restart = restart_machine if helper is None else helper.restart_machine
        return UpdateService(Rauc(), places, version=version, restart_machine=restart)
    emulated = loaded.settings.farhand.emulated.slots
    slots = EmulatedSlots(state_dir / "slots", version=version)
    installer: Installer = slots if emulated else NoSlots()
    places = UpdatePlaces(
        staging=staging,
        confirmed=slots.confirmed if emulated else NOWHERE,
        setback=slots.setback if emulated else NOWHERE,
        version=slots.version_file if emulated else NOWHERE,
    )
    return UpdateService(installer, places, version=version, restart_machine=slots.restart)
