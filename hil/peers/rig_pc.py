"""A PC at the other end of the rig's cables, played by the same kernel: buttons, lamps, USB host, screen.

The front panel is a simulated GPIO chip, the screen the source of the emulated capture, the USB host the
kernel's own, whose port has power only while the PC is on. What the buttons mean is decided by the emulated
PC's own rules (`drivers.emulated.front_panel`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from drivers.emulated.front_panel import PowerButton
from peers import block_host, modules, usb_host, vivid
from peers.gpio_sim import GpioSim
from peers.vivid import Pattern, Signal, Vivid

CHIP_LABEL: Final = "farhand-rig"
"""As the board `rig` has it."""
POWER_LED, HDD_LED, POWER_SWITCH, RESET_SWITCH = 24, 22, 23, 27
MODE: Final = "1280x720p60"

_LOOK_INTERVAL_S: Final = 0.005
_SHUTDOWN_S: Final = 0.5
_USB_DEVICES: Final = Path("/sys/bus/usb/devices")


class RigPc:
    """The PC; made by `powered_off`. Implements `drivers.emulated.front_panel.PanelMachine`."""

    def __init__(self, panel: GpioSim, screen: Vivid, port: Path) -> None:
        self.panel = panel
        self.screen = screen
        self._port = port
        self._button = PowerButton(self)
        self._powered = False
        self._shutting_down = trio.Event()
        self.presses_s: list[float] = []
        """How long the power button was held each time."""
        self.resets = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Play until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._button.run)
            nursery.start_soon(self._watch_buttons)
            nursery.start_soon(self._shut_down)
            task_status.started()

    async def _watch_buttons(self) -> None:
        power, reset = self.panel.line(POWER_SWITCH), self.panel.line(RESET_SWITCH)
        pressed_at: float | None = None
        reset_held = False
        while True:
            # sysfs does not tell about changes; reading it takes microseconds.
            held = power.level()
            if held is not (pressed_at is not None):
                if pressed_at is not None:
                    self.presses_s.append(trio.current_time() - pressed_at)
                pressed_at = trio.current_time() if held else None
                self._button.on_level(held)
            now_reset = reset.level()
            if now_reset and not reset_held:
                self.reset()
            reset_held = now_reset
            await trio.sleep(_LOOK_INTERVAL_S)

    async def _shut_down(self) -> None:
        while True:
            await self._shutting_down.wait()
            await trio.sleep(_SHUTDOWN_S)
            self.power_off("soft-off")

    # -- PanelMachine --------------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """Whether it is on."""
        return self._powered

    @property
    def can_shut_down(self) -> bool:
        """Whether an operating system runs; it has one as soon as it is on."""
        return self._powered

    def power_on(self) -> None:
        """Turn it on: lamp, picture, USB."""
        self._powered = True
        self._shutting_down = trio.Event()
        self.panel.line(POWER_LED).pull(True)
        self.screen.select(MODE)
        (self._port / "disable").write_text("0")

    def power_off(self, cause: str) -> None:
        """Turn it off."""
        self._powered = False
        self._shutting_down = trio.Event()
        self.panel.line(POWER_LED).pull(False)
        self.screen.signal(Signal.NONE)
        (self._port / "disable").write_text("1")

    def request_soft_off(self) -> None:
        """Have the operating system shut down."""
        self._shutting_down.set()

    def reset(self) -> None:
        """Reset it; no effect if it is off."""
        if self._powered:
            self.resets += 1


@asynccontextmanager
async def powered_off() -> AsyncIterator[RigPc]:
    """Plug everything together, with the PC off, and take it apart afterwards."""
    with ExitStack() as stack:
        usb_host.load()
        block_host.prepare()
        modules.load("dummy_hcd")
        stack.callback(modules.unload, "dummy_hcd")
        names = {
            POWER_LED: "power_led",
            HDD_LED: "hdd_led",
            POWER_SWITCH: "power_switch",
            RESET_SWITCH: "reset_switch",
        }
        panel = stack.enter_context(GpioSim("farhand-rig", label=CHIP_LABEL, lines=names))
        screen = stack.enter_context(vivid.loaded())
        screen.pattern(Pattern.GREEN)
        pc = RigPc(panel, screen, _dummy_port())
        pc.power_off("start")
        async with trio.open_nursery() as nursery:
            await nursery.start(pc.run)
            yield pc
            nursery.cancel_scope.cancel()


def _dummy_port() -> Path:
    """The port of the emulated controller's root hub."""
    for hub in _USB_DEVICES.glob("usb*"):
        if "dummy_hcd" in str(hub.resolve()):
            number = hub.name.removeprefix("usb")
            return hub / f"{number}-0:1.0" / f"{hub.name}-port1"
    raise RuntimeError("expected the root hub of dummy_hcd, got none - is it loaded?")
