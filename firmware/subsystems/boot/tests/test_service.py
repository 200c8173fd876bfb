"""The boot override on a clock that jumps, with a real file; the firmware is a list of the keys it got."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from firmware.core.cell import Cell
from firmware.core.errors import OperationError
from firmware.state.atx import AtxActs, AtxLeds, AtxState
from firmware.state.boot import BootMode, BootOverride, BootTarget
from firmware.subsystems.boot.config import BootConfig, BootKeysConfig
from firmware.subsystems.boot.errors import BootOverrideError, BootStoreError
from firmware.subsystems.boot.service import BootService
from firmware.subsystems.boot.store import BootStore

KEYS = BootKeysConfig(pxe=("F12", "ArrowDown", "Enter"), bios_setup=("Delete",), cd=("F12", "Enter"))
CONFIG = BootConfig(window=2.0, interval=0.5, menu_delay=3.0, keys=KEYS, modes=("uefi",))
OFF = AtxState()
ON = AtxState(leds=AtxLeds(power=True))
RESETTING = AtxState(leds=AtxLeds(power=True), acts=AtxActs(reset=True), busy=True)
OFFLINE = AtxState(online=False)


@dataclass
class Medium:
    there: bool = True
    ready: int = 0
    error: OperationError | None = None
    hangs: bool = False

    async def make_ready(self) -> None:
        if self.hangs:
            await trio.sleep_forever()
        if self.error is not None:
            raise self.error
        self.ready += 1


@dataclass
class Rig:
    """A target as the service sees it."""

    path: Path
    power: Cell[AtxState] = field(default_factory=lambda: Cell(OFF))
    medium: Medium = field(default_factory=Medium)
    pressed: list[tuple[float, str]] = field(default_factory=list)

    async def send_shortcut(self, names: list[str]) -> None:
        await trio.lowlevel.checkpoint()
        self.pressed += [(trio.current_time(), name) for name in names]

    @property
    def keys(self) -> list[str]:
        return [name for _, name in self.pressed]

    def start(self) -> None:
        self.power.publish(ON)

    def service(self, config: BootConfig = CONFIG) -> BootService:
        return BootService(
            config, power=self.power, keyboard=self, medium=self.medium, store=BootStore(self.path)
        )

    @asynccontextmanager
    async def running(self, config: BootConfig = CONFIG) -> AsyncIterator[BootService]:
        service = self.service(config)
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            yield service
            nursery.cancel_scope.cancel()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "boot.json")


async def ended(service: BootService) -> None:
    """Let everything happen that a start leads to."""
    await wait_all_tasks_blocked()
    while service.state.value.busy:
        await trio.sleep(1)


async def test_the_keys_are_pressed_at_the_next_start_and_no_more(
    rig: Rig, autojump_clock: MockClock
) -> None:
    async with rig.running() as boot:
        await boot.set_override(target=BootTarget.PXE)
        assert boot.state.value.override == BootOverride(BootTarget.PXE)
        await trio.sleep(60)
        assert rig.pressed == []
        began = trio.current_time()
        rig.start()
        await ended(boot)
        assert rig.keys == ["F12"] * 4 + ["ArrowDown", "Enter"]
        first, *_, last, down, _enter = (time - began for time, _ in rig.pressed)
        assert first < 0.1
        assert last < CONFIG.window
        assert down == pytest.approx(CONFIG.window + CONFIG.menu_delay)
        assert boot.state.value.override is None
        assert boot.statistics() == {"honoured": 1}
        rig.power.publish(OFF)
        await trio.sleep(1)
        rig.start()
        await ended(boot)
        assert len(rig.pressed) == 6
    async with rig.running() as boot:
        assert boot.state.value.override is None


async def test_a_continuous_override_lasts_until_it_is_cleared(rig: Rig, autojump_clock: MockClock) -> None:
    async with rig.running() as boot:
        await boot.set_override(target=BootTarget.BIOS_SETUP, continuous=True, mode=BootMode.UEFI)
        for count in (4, 8):
            rig.power.publish(OFF)
            await trio.sleep(1)
            rig.start()
            await ended(boot)
            assert rig.keys == ["Delete"] * count
        rig.power.publish(RESETTING)
        await ended(boot)
        assert rig.keys == ["Delete"] * 12
        rig.power.publish(ON)
        await boot.set_override(target=BootTarget.PXE)
        assert boot.state.value.override == BootOverride(BootTarget.PXE, continuous=True)
        await boot.clear()
        rig.power.publish(RESETTING)
        await ended(boot)
        assert rig.keys == ["Delete"] * 12
        assert boot.state.value.mode is BootMode.UEFI


async def test_an_override_survives_a_restart_of_the_appliance(rig: Rig, autojump_clock: MockClock) -> None:
    async with rig.running() as boot:
        await boot.set_override(target=BootTarget.PXE, continuous=False, mode=BootMode.UEFI)
    async with rig.running() as boot:
        assert boot.state.value.override == BootOverride(BootTarget.PXE)
        assert boot.state.value.mode is BootMode.UEFI
        # The LED that is read for the first time is no start: the target has been on all along.
        rig.power.publish(OFFLINE)
        await wait_all_tasks_blocked()
        rig.power.publish(ON)
        await ended(boot)
        assert rig.pressed == []
    async with rig.running(BootConfig(keys=BootKeysConfig())) as boot:
        assert boot.state.value.override is None
        assert boot.state.value.targets == (BootTarget.CD, BootTarget.USB)


@pytest.mark.parametrize("data", [b"", b"{", b'{"override": {"target": "floppy"}}', b"\xff\xff"])
async def test_a_damaged_file_overrides_nothing(
    rig: Rig, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    rig.path.write_bytes(data)
    async with rig.running() as boot:
        assert boot.state.value.override is None
        assert str(rig.path) in caplog.text
        await boot.set_override(target=BootTarget.USB)
    async with rig.running() as boot:
        assert boot.state.value.override == BootOverride(BootTarget.USB)


async def test_the_medium_is_in_the_drive_before_the_target_starts(
    rig: Rig, autojump_clock: MockClock
) -> None:
    async with rig.running() as boot:
        await boot.make_ready()
        await boot.set_override(target=BootTarget.PXE)
        await boot.make_ready()
        assert rig.medium.ready == 0
        await boot.set_override(target=BootTarget.CD)
        await boot.make_ready()
        assert rig.medium.ready == 1
        # Without a word from whoever starts it, it is at least there as soon as the start is seen.
        rig.start()
        await ended(boot)
        assert rig.medium.ready == 2
        assert rig.keys == ["F12"] * 4 + ["Enter"]
        # A firmware that looks into the drive by itself needs no keys.
        await boot.set_override(target=BootTarget.USB)
        rig.power.publish(RESETTING)
        await ended(boot)
        assert rig.medium.ready == 3
        assert len(rig.keys) == 5
        assert boot.state.value.override is None


async def test_a_drive_that_fails_or_hangs_keeps_nobody_waiting(
    rig: Rig, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with rig.running() as boot:
        await boot.set_override(target=BootTarget.CD)
        rig.medium.error = OperationError("the drive is on fire")
        await boot.make_ready()
        assert "the drive is on fire" in caplog.text
        rig.medium.hangs = True
        rig.start()
        await ended(boot)
        assert "not in the drive in time" in caplog.text
        assert "Enter" in rig.keys


async def test_a_target_that_goes_off_or_starts_anew_meanwhile(rig: Rig, autojump_clock: MockClock) -> None:
    async with rig.running() as boot:
        await boot.set_override(target=BootTarget.PXE)
        rig.start()
        await trio.sleep(0.75)
        rig.power.publish(OFF)
        await trio.sleep(60)
        assert rig.keys == ["F12", "F12"]
        assert boot.state.value.busy is False
        assert boot.state.value.override == BootOverride(BootTarget.PXE)  # it has not been honoured
        rig.start()
        await trio.sleep(0.75)
        rig.power.publish(RESETTING)
        await wait_all_tasks_blocked()
        assert boot.state.value.busy is True
        await ended(boot)
        assert rig.keys == ["F12"] * 8 + ["ArrowDown", "Enter"]
        assert boot.state.value.override is None


async def test_an_override_that_is_changed_meanwhile_is_for_the_next_start(
    rig: Rig, autojump_clock: MockClock
) -> None:
    async with rig.running() as boot:
        await boot.set_override(target=BootTarget.PXE)
        rig.start()
        await trio.sleep(1)
        await boot.set_override(target=BootTarget.BIOS_SETUP)
        await ended(boot)
        assert boot.state.value.override == BootOverride(BootTarget.BIOS_SETUP)


async def test_what_cannot_be_honoured_is_refused(rig: Rig) -> None:
    rig.medium.there = False
    async with rig.running() as boot:
        assert boot.state.value.targets == (BootTarget.PXE, BootTarget.CD, BootTarget.BIOS_SETUP)
        assert boot.state.value.modes == (BootMode.UEFI,)
        with pytest.raises(BootOverrideError, match="farhand/boot/keys/usb"):
            await boot.set_override(target=BootTarget.USB)
        with pytest.raises(BootOverrideError, match="got legacy - at the boot mode"):
            await boot.set_override(target=BootTarget.PXE, mode=BootMode.LEGACY)
        with pytest.raises(BootOverrideError, match="expected a boot target"):
            await boot.set_override(target=None, continuous=True)
        await boot.set_override(target=None, mode=BootMode.UEFI)
        assert boot.state.value.override is None
        assert boot.state.value.mode is BootMode.UEFI
        await boot.set_override(target=BootTarget.CD)
        await boot.make_ready()
        assert rig.medium.ready == 0
    without_keys = rig.service(BootConfig())
    with pytest.raises(BootOverrideError, match="expected none"):
        await without_keys.set_override(target=BootTarget.PXE)


async def test_an_override_that_cannot_be_kept_is_as_before(
    rig: Rig, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with rig.running() as boot:
        await boot.set_override(target=BootTarget.PXE)
        rig.path.unlink()
        rig.path.mkdir()
        (rig.path / "in the way").touch()
        with pytest.raises(BootStoreError, match="cannot be kept"):
            await boot.clear()
        assert boot.state.value.override == BootOverride(BootTarget.PXE)
        rig.start()
        await ended(boot)
        assert boot.state.value.override is None
        assert "counts once more" in caplog.text
