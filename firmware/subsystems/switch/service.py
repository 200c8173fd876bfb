"""The KVM switch: a chain of units at a serial line, kept as people want it (contract subsystems.md 9).

The device may be absent, come and go: commands are then accepted and dropped, settings are kept. What the
units shall do is decided in `chain`, which knows no clock and no line; this is the clock and the line.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

import trio

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.ports import SwitchLink, SwitchSession
from drivers.wire.switch_protocol import DOWNLINK, MAX_REQUEST_ID, PORTS_PER_UNIT, UPLINK, Colour, Press
from firmware.core.cell import Cell
from firmware.core.heartbeat import Heartbeat
from firmware.core.supervise import Supervisor, describe, leaves
from firmware.state.switch import SwitchEdid, SwitchState
from firmware.subsystems.switch.chain import Chain, LedCondition
from firmware.subsystems.switch.config import SwitchConfig
from firmware.subsystems.switch.default_edid import DefaultEdid
from firmware.subsystems.switch.keeper import SettingsKeeper
from firmware.subsystems.switch.settings import (
    Button,
    StoredEdid,
    SwitchSettings,
    virtual_port,
)
from firmware.subsystems.switch.store import SwitchStore
from firmware.subsystems.switch.view import is_lone_atx_change, show, shown_edids
from firmware.subsystems.switch.wanted import Wanted

logger = logging.getLogger(__name__)

RETRY_S: Final = 1.0
"""How often a device that is not there is looked for (contract 9.2)."""

ATX_HOLD_S: Final = 0.2
"""A lone change of LEDs waits so long for those of other units (websocket.md 1.4)."""

LOAD_DEADLINE_S: Final = 5.0
"""How long a command waits for the settings of the last run, right after the start."""

Action = Literal["on", "off", "off_hard", "reset_hard"]

_PRESSES: Final[Mapping[Button, Press]] = {
    "power": Press.POWER,
    "power_long": Press.POWER,
    "reset": Press.RESET,
}
_ACTIONS: Final[Mapping[Action, tuple[Button, LedCondition]]] = {
    "on": ("power", "off"),
    "off": ("power", "on"),
    "off_hard": ("power_long", "on"),
    "reset_hard": ("reset", "on"),
}


class SwitchService:
    """Handle and service of the KVM switch; `state` is the cell that the API shows.

    *link* is None where the board has no line to one. Ports are arguments as in the API: see `virtual_port`.
    """

    def __init__(
        self,
        config: SwitchConfig,
        *,
        link: SwitchLink | None,
        directory: Path,
        supervisor: Supervisor,
    ) -> None:
        self._link = link
        self._supervisor = supervisor
        self._ignore_hpd = config.ignore_hpd_on_top
        self._keeper = SettingsKeeper(SwitchStore(directory))
        self._default_edid = DefaultEdid(config.default_edid)
        self._edids: Mapping[str, SwitchEdid] = {}
        first_id = random.randint(1, MAX_REQUEST_ID)  # noqa: S311 - tells our requests from a former self's
        self._chain = Chain(self._wanted(), first_request_id=first_id)
        self._kick = trio.Event()
        self._atx_changed = trio.Event()
        self._connected = False
        self._connections = 0
        self._last_error: str | None = None
        self.heartbeats = {"switch.chain": Heartbeat()} if link is not None else {}
        """By the names of the tasks whose loops beat."""
        self.state = Cell(SwitchState())
        self._take_settings()

    # -- tasks -----------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled: the settings, the default EDID, and the line if there is one."""
        async with trio.open_nursery() as nursery:
            supervise = self._supervisor.supervise
            nursery.start_soon(supervise, "switch.settings", self._keeper.run)
            nursery.start_soon(supervise, "switch.default_edid", self._default_edid.run)
            nursery.start_soon(self._follow_settings)
            nursery.start_soon(self._tell_atx_changes)
            if self._link is not None:
                nursery.start_soon(supervise, "switch.chain", self._follow_chain)
            task_status.started()

    async def _follow_settings(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, self._keeper.settings)
            nursery.start_soon(self._follow, self._default_edid.edid)

    async def _follow[T](self, cell: Cell[T]) -> None:
        async for _ in cell.changes():
            self._take_settings()

    def _take_settings(self) -> None:
        self._edids = shown_edids(self._keeper.settings.value, self._default_edid.edid.value)
        self._chain.wanted = self._wanted()
        self._chain_changed()

    def _wanted(self) -> Wanted:
        return Wanted.of(
            self._keeper.settings.value, self._default_edid.edid.value, ignore_hpd=self._ignore_hpd
        )

    async def _follow_chain(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Hold the device whenever it is there.

        Its absence is no fault: most appliances have no switch, and a supervisor's growing delays would let
        somebody who plugs one in wait.
        """
        assert self._link is not None
        task_status.started()
        # Before both are known, units would be given EDIDs that they are not to keep.
        await self._keeper.wait_loaded()
        await self._default_edid.wait_looked()
        while True:
            self.heartbeats["switch.chain"].beat()
            try:
                async with self._link.open() as session:
                    self._chain.connected(trio.current_time())
                    await self._talk(session)
            except* DriverError as group:
                self._note_lost(group)
            finally:
                self._connected = False
                self._chain.lost()
                self._chain_changed()
            await trio.sleep(RETRY_S)

    def _note_connected(self) -> None:
        """Take note that somebody at the line speaks our language."""
        if not self._connected:
            assert self._link is not None
            logger.info("the switch at %s is there", self._link.name)
            self._connected, self._last_error = True, None
            self._connections += 1

    def _note_lost(self, error: ExceptionGroup[DriverError]) -> None:
        text = describe(error)
        # Once for each reason, since it is looked for every second.
        if text != self._last_error:
            absent = all(isinstance(leaf, DeviceGoneError) for leaf in leaves(error)) and not self._connected
            logger.log(logging.INFO if absent else logging.WARNING, "no switch: %s", text)
        self._last_error = text

    async def _talk(self, session: SwitchSession) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, session)
            while True:
                self.heartbeats["switch.chain"].beat()
                self._kick = trio.Event()
                now = trio.current_time()
                if self._chain.is_silent(now):
                    raise DeviceTimeoutError(
                        "the switch says nothing; power-cycle it, or unplug it for a moment"
                    )
                for message in self._chain.due(now):
                    await session.send(message)
                self._show()
                with trio.move_on_at(self._chain.deadline()):
                    await self._kick.wait()

    async def _listen(self, session: SwitchSession) -> None:
        while True:
            self._chain.take(await session.receive(), trio.current_time())
            self._note_connected()
            self._chain_changed()

    def _chain_changed(self) -> None:
        """Let the line be looked after and the state be shown."""
        self._kick.set()
        self._show()

    def _show(self) -> None:
        new = self._shown()
        if is_lone_atx_change(self.state.value, new):
            self._atx_changed.set()
        else:
            self.state.publish(new)

    def _shown(self) -> SwitchState:
        return show(self._chain, self._keeper.settings.value, self._edids)

    async def _tell_atx_changes(self) -> None:
        while True:
            await self._atx_changed.wait()
            await trio.sleep(ATX_HOLD_S)
            self._atx_changed = trio.Event()
            self.state.publish(self._shown())

    # -- what is shown ---------------------------------------------------------------------------------------

    async def set_active(self, port: float) -> None:
        """Show a port; one that is not there changes nothing."""
        await trio.lowlevel.checkpoint()
        self._chain.set_active(virtual_port(port))
        self._chain_changed()

    async def set_active_prev(self) -> None:
        """Show the port before; at the first one nothing changes."""
        await trio.lowlevel.checkpoint()
        self._chain.set_active_prev()
        self._chain_changed()

    async def set_active_next(self) -> None:
        """Show the port behind, from none the first one; at the last one nothing changes."""
        await trio.lowlevel.checkpoint()
        self._chain.set_active_next()
        self._chain_changed()

    async def set_port_beacon(self, port: float, on: bool) -> None:
        """Let the LED of a port blink, or no longer."""
        unit, channel = divmod(virtual_port(port), PORTS_PER_UNIT)
        await self._set_beacon(unit, channel, on)

    async def set_uplink_beacon(self, unit: int, on: bool) -> None:
        """Let the LED of a unit's uplink blink, or no longer."""
        await self._set_beacon(unit, UPLINK, on)

    async def set_downlink_beacon(self, unit: int, on: bool) -> None:
        """Let the LED of a unit's downlink blink, or no longer."""
        await self._set_beacon(unit, DOWNLINK, on)

    async def _set_beacon(self, unit: int, channel: int, on: bool) -> None:
        await trio.lowlevel.checkpoint()
        self._chain.set_beacon(unit, channel, on)
        self._chain_changed()

    async def reset_unit(self, unit: int, *, bootloader: bool = False) -> None:
        """Start a unit anew, or let it wait for new firmware."""
        await trio.lowlevel.checkpoint()
        self._chain.reboot(unit, bootloader=bootloader)
        self._chain_changed()

    # -- front panels ----------------------------------------------------------------------------------------

    async def atx_power(self, port: float, action: Action) -> None:
        """Bring a port's computer into a power state if its power LED says that it is not in it yet.

        Without effect if a button is being pressed already, or if the port is not there.
        """
        button, power_led = _ACTIONS[action]
        await self._click(port, button, power_led)

    async def atx_click(self, port: float, button: Button) -> None:
        """Press a button of a port's computer, whatever the LEDs say; else as `atx_power`."""
        await self._click(port, button, "any")

    async def _click(self, port: float, button: Button, power_led: LedCondition) -> None:
        await trio.lowlevel.checkpoint()
        virtual = virtual_port(port)
        delay_s = self._keeper.settings.value.click_delay_s(virtual, button)
        self._chain.click(
            virtual, _PRESSES[button], round(delay_s * 1000), trio.current_time(), power_led=power_led
        )
        self._chain_changed()

    # -- settings --------------------------------------------------------------------------------------------

    async def set_port_params(
        self,
        port: float,
        *,
        edid_id: str | None = None,
        dummy: bool | None = None,
        name: str | None = None,
        click_delays: Mapping[Button, float] | None = None,
    ) -> None:
        """Change what is given of a port's settings, all of it or nothing; a delay of 0 is the default one.

        Raises SwitchUnknownEdidError.
        """
        place = virtual_port(port)
        await self._change(
            lambda settings: settings.with_port(
                place, edid_id=edid_id, dummy=dummy, name=name, click_delays=click_delays
            )
        )

    async def set_colours(self, colours: Mapping[str, Colour | None]) -> None:
        """Change the colours of some roles; None is the default colour."""
        await self._change(lambda settings: settings.with_colours(colours))

    async def create_edid(self, name: str, data: str) -> str:
        """Keep an EDID (256 or 512 hexadecimal digits) and return its new identifier.

        Raises SwitchTooManyEdidsError.
        """
        edid_id = str(uuid.uuid4())
        await self._change(lambda settings: settings.with_edid(edid_id, StoredEdid(name, data)))
        return edid_id

    async def change_edid(self, edid_id: str, *, name: str | None = None, data: str | None = None) -> None:
        """Change an EDID, which its ports then have too; an empty name leaves what there is.

        Raises SwitchUnknownEdidError, but not if there is nothing to change.
        """
        if name is not None or data is not None:
            await self._change(lambda settings: settings.changed_edid(edid_id, name=name, data=data))

    async def remove_edid(self, edid_id: str) -> None:
        """Forget an EDID; its ports have the default one then. Raises SwitchUnknownEdidError."""
        await self._change(lambda settings: settings.without_edid(edid_id))

    async def _change(self, changed: Callable[[SwitchSettings], SwitchSettings]) -> None:
        """Change the settings; they are kept when this returns. Raises DriverError if they cannot be."""
        with trio.move_on_after(LOAD_DEADLINE_S) as scope:
            await self._keeper.wait_loaded()
        if scope.cancelled_caught:
            raise DeviceTimeoutError("the switch's settings cannot be read yet; see the log")
        await self._keeper.change(changed)
        self._take_settings()

    def statistics(self) -> dict[str, object]:
        """Return whether the device is there, why not, and counters."""
        return {
            "connected": self._connected,
            "connections": self._connections,
            "last_error": self._last_error,
            **self._chain.statistics(),
        }
