"""The ATX subsystem: front-panel LEDs in, button clicks out (contract subsystems.md 4).

A button is a region that one click at a time may use. A click that has begun is finished whatever happens
to the client that asked for it, because half a click is a different order to the machine behind; only the
end of the appliance cuts it short, and then the line is released.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Literal

import msgspec
import trio

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.ports import LineEdge, LineInput, LineOutput
from drivers.wire.debounce import Debouncer
from firmware.core.cell import Cell
from firmware.core.errors import OperationError
from firmware.core.heartbeat import Heartbeat
from firmware.core.supervise import Supervisor
from firmware.state.atx import AtxActs, AtxState
from firmware.subsystems.atx.config import AtxConfig

logger = logging.getLogger(__name__)

RESYNC_S = 1.0
BUSY_AFTER_CLICK_S = 1.0
# Reading or setting a line takes microseconds, over a network a moment; after this it is stuck.
LINE_DEADLINE_S = 2.0
# Clicks wait here between being reserved and being pressed; there are two regions, each with at most one.
PENDING_CLICKS = 2

Region = Literal["power", "reset"]
Button = Literal["power", "power_long", "reset"]
Action = Literal["on", "off", "off_hard", "reset_hard"]


class AtxDisabledError(OperationError):
    """The configuration has no ATX."""


class AtxIsBusyError(OperationError):
    """The same button is in use."""

    status = 409


class _Click(msgspec.Struct):
    """A reserved click on its way to the line; `error` is set when it is `done` and went wrong."""

    region: Region
    seconds: float
    done: trio.Event
    error: Exception | None = None


class AtxService:
    """Handle and service of the ATX subsystem; `state` is the cell that the API shows."""

    def __init__(
        self,
        config: AtxConfig,
        *,
        power_led: LineInput,
        hdd_led: LineInput,
        power_switch: LineOutput,
        reset_switch: LineOutput,
        supervisor: Supervisor,
    ) -> None:
        self._config = config
        self._supervisor = supervisor
        self._leds: dict[str, tuple[LineInput, float]] = {
            "power": (power_led, config.power_led_debounce),
            "hdd": (hdd_led, config.hdd_led_debounce),
        }
        self._switches: dict[Region, LineOutput] = {"power": power_switch, "reset": reset_switch}
        self.heartbeats = {f"atx.{name}_led": Heartbeat() for name in self._leds}
        """By the names of the tasks whose loops beat."""
        self._online_leds: set[str] = set()
        self._enabled = config.type != "disabled"
        self.state = Cell(AtxState(enabled=self._enabled, online=False))
        self._send_click, self._clicks = trio.open_memory_channel[_Click](PENDING_CLICKS)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled: one supervised reader per LED, and the clicker."""
        if not self._enabled:
            task_status.started()
            await trio.sleep_forever()
        async with trio.open_nursery() as nursery:
            for name in self._leds:
                nursery.start_soon(
                    self._supervisor.supervise, f"atx.{name}_led", partial(self._read_led, name)
                )
            nursery.start_soon(self._press_clicks, nursery)
            task_status.started()

    # -- LEDs -------------------------------------------------------------------------------------------

    async def _read_led(self, name: str, *, task_status: trio.TaskStatus[None]) -> None:
        """Follow one LED: edges as they come, and a look at the line every second in case one was missed."""
        line, period_s = self._leds[name]
        try:
            async with line.edges() as edges:
                debouncer = Debouncer(await self._read(line, name), period_s)
                self._show_led(name, debouncer.level)
                task_status.started()
                while True:
                    self.heartbeats[f"atx.{name}_led"].beat()
                    await self._follow(line, name, edges, debouncer)
                    self._show_led(name, debouncer.level)
        finally:
            self._hide_led(name)

    async def _follow(
        self,
        line: LineInput,
        name: str,
        edges: trio.MemoryReceiveChannel[LineEdge],
        debouncer: Debouncer,
    ) -> None:
        """Feed *debouncer* the next edge, or the level itself when none came in time."""
        resync_at = trio.current_time() + RESYNC_S
        with trio.move_on_at(resync_at if debouncer.deadline is None else min(debouncer.deadline, resync_at)):
            try:
                edge = await edges.receive()
            except trio.EndOfChannel:
                raise DeviceGoneError("the line's edge events ended: its driver stopped") from None
            debouncer.feed(edge.level, trio.current_time())
            return
        # Nothing came in time, or edges were dropped: only the line itself knows.
        debouncer.feed(await self._read(line, name), trio.current_time())

    async def _read(self, line: LineInput, name: str) -> bool:
        with trio.move_on_after(LINE_DEADLINE_S) as scope:
            level = await line.read()
        if scope.cancelled_caught:
            raise DeviceTimeoutError(f"the line of the {name} LED does not answer")
        return level

    def _show_led(self, name: str, level: bool) -> None:
        self._online_leds.add(name)
        leds = msgspec.structs.replace(self.state.value.leds, **{name: level})
        self._publish(leds=leds, online=len(self._online_leds) == len(self._leds))

    def _hide_led(self, name: str) -> None:
        self._online_leds.discard(name)
        self._publish(leds=msgspec.structs.replace(self.state.value.leds, **{name: False}), online=False)

    def _publish(self, **changes: object) -> None:
        self.state.publish(msgspec.structs.replace(self.state.value, **changes))

    # -- buttons ----------------------------------------------------------------------------------------

    async def power(self, action: Action, *, wait: bool = False) -> None:
        """Bring the target into a power state, if the power LED says that it is not in it yet."""
        self._require_enabled()
        power_on = self.state.value.leds.power
        if action == "on":
            if not power_on:
                await self.click("power", wait=wait)
        elif power_on:
            button: dict[Action, Button] = {"off": "power", "off_hard": "power_long", "reset_hard": "reset"}
            await self.click(button[action], wait=wait)

    async def click(self, button: Button, *, wait: bool = False) -> None:
        """Click a button whatever the LEDs say.

        Returns when the button is reserved, or with *wait* when it is free again. Raises AtxIsBusyError if
        the same button is in use, AtxDisabledError, and with *wait* the DriverError of the line.
        """
        self._require_enabled()
        region: Region = "reset" if button == "reset" else "power"
        if getattr(self.state.value.acts, region):
            raise AtxIsBusyError(f"the {region} button is being used; try again when it is released")
        seconds = self._config.long_click_delay if button == "power_long" else self._config.click_delay
        click = _Click(region=region, seconds=seconds, done=trio.Event())
        self._set_act(region, held=True)
        # Never full: the channel has room for every region, and a region is reserved before it is used.
        self._send_click.send_nowait(click)
        await trio.lowlevel.checkpoint()
        if wait:
            await click.done.wait()
            if click.error is not None:
                raise click.error

    async def _press_clicks(self, nursery: trio.Nursery) -> None:
        async for click in self._clicks:
            nursery.start_soon(self._press, click)

    async def _press(self, click: _Click) -> None:
        try:
            with trio.move_on_after(click.seconds + LINE_DEADLINE_S) as scope:
                await self._switches[click.region].pulse(click.seconds)
            if scope.cancelled_caught:
                raise DeviceTimeoutError(f"the line of the {click.region} switch does not answer")
            await trio.sleep(BUSY_AFTER_CLICK_S)
        except DriverError as exc:
            click.error = exc
            logger.warning("the %s button could not be clicked: %s", click.region, exc)
        except BaseException:
            click.error = DeviceGoneError(f"the click of the {click.region} button was cut short")
            raise
        finally:
            self._set_act(click.region, held=False)
            click.done.set()

    def _set_act(self, region: Region, *, held: bool) -> None:
        acts: AtxActs = msgspec.structs.replace(self.state.value.acts, **{region: held})
        self._publish(acts=acts, busy=acts.power or acts.reset)

    def _require_enabled(self) -> None:
        if not self._enabled:
            raise AtxDisabledError("ATX is disabled in the configuration (kvmd/atx/type)")
