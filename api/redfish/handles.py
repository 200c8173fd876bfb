"""What the Redfish service needs of the appliance: handles of services, and protocols of what they share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from api.redfish.removable import RemovableMedia
from api.redfish.task_list import TaskList
from drivers.system.network import NetworkInterface
from firmware.core.cell import Cell
from firmware.core.log_ring import LogEntry
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.auth.service import AuthService
from firmware.subsystems.boot.service import BootService
from firmware.subsystems.info.service import InfoService
from firmware.subsystems.msd.service import MsdService

OWN_SYSTEM: Final = "0"
"""The id of the system at the appliance's own front panel."""
PORT_PREFIX: Final = "SwitchPort"
"""What stands before the number of a switch's port in the id of the system there."""


class Power(Protocol):
    """The power of one machine; `AtxService` is one."""

    async def power(self, action: Literal["on", "off", "off_hard", "reset_hard"]) -> None:
        """Bring it into a state, by its power LED. Raises OperationError."""
        ...

    async def click(self, button: Literal["power", "power_long", "reset"]) -> None:
        """Click a button whatever the LED says. Raises OperationError."""
        ...


@dataclass(frozen=True, slots=True)
class SwitchPort:
    """One port of a switch: its name as the user gave it, and the power LED of the machine behind it."""

    name: str
    powered: bool


class Switch(Protocol):
    """A switch with several machines behind it."""

    def ports(self) -> Sequence[SwitchPort]:
        """Return the ports, by number."""
        ...

    @property
    def changes(self) -> Cell[Any]:
        """A cell that is published whenever a port changes."""
        ...

    def power_of(self, port: int) -> Power:
        """Return the power of the machine at *port*, which need not be there."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the front listens; None = it does not."""

    http: int | None
    https: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedfishHandles:
    """Everything."""

    atx: AtxService
    boot: BootService
    auth: AuthService
    info: InfoService
    msd: MsdService
    removable: RemovableMedia
    tasks: TaskList
    switch: Switch
    interfaces: Callable[[], Awaitable[Sequence[NetworkInterface]]]
    """The appliance's own network interfaces. Raises DriverError."""
    ports: Callable[[], Ports]
    log_entries: Callable[[], Sequence[LogEntry]]
    """The last records of the log, the oldest first. Raises LogReaderDisabledError."""

    def system_names(self) -> list[str]:
        """Return the ids of all systems (contract subsystems.md 10)."""
        own = [OWN_SYSTEM] if self.atx.state.value.enabled else []
        return [*own, *(f"{PORT_PREFIX}{port}" for port in range(len(self.switch.ports())))]

    def powered(self, name: str) -> bool | None:
        """Return whether the system of that id is on, None if there is none."""
        if name not in self.system_names():
            return None
        if name == OWN_SYSTEM:
            return self.atx.state.value.leds.power
        return self.switch.ports()[int(name.removeprefix(PORT_PREFIX))].powered
