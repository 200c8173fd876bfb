"""What the Redfish service is given: the handles of the appliance in the form of its protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from api.redfish.handles import Ports, Power, RedfishHandles, SwitchPort
from api.redfish.removable import Arriving, RemovableMedia
from api.redfish.task_list import TaskList
from api.server import BoundAddresses
from drivers.ports import RemoteFiles
from drivers.system.network import LinuxNetwork
from firmware.core.cell import Cell
from firmware.state.switch import SwitchState
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.auth.service import AuthService
from firmware.subsystems.boot.service import BootService
from firmware.subsystems.info.service import InfoService
from firmware.subsystems.log.service import LogService
from firmware.subsystems.msd.remote import download
from firmware.subsystems.msd.service import MsdService
from firmware.subsystems.switch.service import SwitchService

# What PiKVM's write_remote takes where nobody says anything else.
CONNECT_TIMEOUT_S: Final = 10.0


def make_redfish_handles(
    *,
    atx: AtxService,
    boot: BootService,
    auth: AuthService,
    info: InfoService,
    msd: MsdService,
    switch: SwitchService,
    log: LogService,
    files: RemoteFiles,
    addresses: Callable[[], BoundAddresses | None],
) -> RedfishHandles:
    """Return the handles; *addresses* tells where the front serves, None before it does."""

    def ports() -> Ports:
        bound = addresses()
        if bound is None:
            return Ports(http=None, https=None)
        http, https = (at[0].port if at else None for at in (bound.http, bound.https))
        return Ports(http=http, https=https)

    return RedfishHandles(
        atx=atx,
        boot=boot,
        auth=auth,
        info=info,
        msd=msd,
        removable=RemovableMedia(msd, _TakeIn(msd, files)),
        tasks=TaskList(),
        switch=_SwitchPorts(switch),
        interfaces=LinuxNetwork().interfaces,
        ports=ports,
        log_entries=log.recent,
    )


class _TakeIn:
    """Takes images of other servers into the storage."""

    def __init__(self, msd: MsdService, files: RemoteFiles) -> None:
        self._msd = msd
        self._files = files

    async def __call__(
        self, url: str, image: str, *, verify: bool, begun: Callable[[Arriving], None]
    ) -> None:
        await download(
            self._msd,
            self._files.open(url, connect_timeout_s=CONNECT_TIMEOUT_S, insecure=not verify),
            image=image,
            name_of=lambda name: name,  # it is one already
            remove_incomplete=True,
            begun=begun,
        )


class _SwitchPorts:
    """The ports of the KVM switch."""

    def __init__(self, switch: SwitchService) -> None:
        self._switch = switch

    def ports(self) -> Sequence[SwitchPort]:
        state = self._switch.state.value
        leds = state.atx.leds.power
        return [SwitchPort(port.name, on) for port, on in zip(state.model.ports, leds, strict=False)]

    @property
    def changes(self) -> Cell[SwitchState]:
        return self._switch.state

    def power_of(self, port: int) -> Power:
        return _PortPower(self._switch, port)


class _PortPower:
    """The power of the machine at one port."""

    def __init__(self, switch: SwitchService, port: int) -> None:
        self._switch = switch
        self._port = port

    async def power(self, action: Literal["on", "off", "off_hard", "reset_hard"]) -> None:
        await self._switch.atx_power(self._port, action)

    async def click(self, button: Literal["power", "power_long", "reset"]) -> None:
        await self._switch.atx_click(self._port, button)
