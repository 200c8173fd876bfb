"""A machine whose RAUC is there for somebody else's system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.system.rauc import Progress, RaucStatus, Slot
from firmware.subsystems.update.errors import UpdateUnsupportedError
from firmware.subsystems.update.service import UpdatePlaces, UpdateService


class Foreign:
    """RAUC of another product."""

    async def status(self) -> RaucStatus:
        slots = (Slot("A", booted=True), Slot("B"))
        return RaucStatus("other-product", slots, "A", installing=False, progress=Progress(), last_error="")

    async def install(self, bundle: Path, told: Callable[[Progress], None]) -> None:
        raise AssertionError("nobody may install anything")


async def no_restart() -> None:
    raise AssertionError("nobody may restart it")


async def test_somebody_elses_system_is_neither_updated_nor_restarted(tmp_path: Path) -> None:
    update = UpdateService(
        Foreign(), UpdatePlaces(staging=tmp_path), version="1.0.0", restart_machine=no_restart
    )
    state = await update.look()
    assert (state.supported, state.slots) == (False, ())
    with pytest.raises(UpdateUnsupportedError):
        await update.restart()
