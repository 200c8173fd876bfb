"""What the Redfish service is given: the handles of the appliance in the form of its protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.redfish.handles import Ports, Power, RedfishHandles, SwitchPort
from api.server import BoundAddresses
from drivers.system.network import LinuxNetwork
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.auth.service import AuthService
from firmware.subsystems.boot.service import BootService
from firmware.subsystems.info.service import InfoService


def make_redfish_handles(
    *,
    atx: AtxService,
    boot: BootService,
    auth: AuthService,
    info: InfoService,
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
        switch=_NoSwitch(),
        interfaces=LinuxNetwork().interfaces,
        ports=ports,
    )


class _NoSwitch:
    """A switch without ports."""

    def ports(self) -> Sequence[SwitchPort]:
        return ()

    def power_of(self, _port: int) -> Power:
        return _NobodysPower()


class _NobodysPower:
    async def power(self, action: str) -> None:
        del action

    async def click(self, button: str) -> None:
        del button
