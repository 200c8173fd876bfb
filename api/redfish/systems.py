"""Computer systems: the target at the appliance's own front panel, and one at each port of a switch.

Power is decided by the front panel's service; here ResetTypes become its calls and its state documents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from quart import Response

from api.redfish.answers import Document, read_body
from api.redfish.boot import (
    NO_BOOT_OVERRIDE,
    SystemPatch,
    boot_document,
    override_boot,
    refuse_override,
    wanted_override,
)
from api.redfish.errors import BaseMessage, HttpError
from api.redfish.handles import OWN_SYSTEM, PORT_PREFIX, RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.resources import ROOT, Operation, Resource, collection, link
from api.routing import Body, Call
from firmware.core.errors import ValidatorError
from firmware.core.validators import valid_redfish_reset_type
from firmware.core.validators.power import REDFISH_RESET_TYPES
from firmware.state.atx import AtxState
from firmware.state.boot import BootState
from firmware.state.info import InfoState
from firmware.subsystems.atx.service import AtxIsBusyError
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.boot.errors import BootStoreError

SYSTEMS: Final = f"{ROOT}/Systems"
_PORT: Final = re.compile(PORT_PREFIX + r"(0|[1-9][0-9]{0,3})", re.ASCII)
_NO_HOST_NAME: Final = re.compile(r"[^A-Za-z0-9_.]")

type Action = Literal["on", "off", "off_hard", "reset_hard"]

# PushPowerButton is the one that asks for no state.
_ACTIONS: Final[Mapping[str, Action]] = {
    "On": "on",
    "ForceOn": "on",
    "ForceOff": "off_hard",
    "GracefulShutdown": "off",
    "ForceRestart": "reset_hard",
}
_STARTING: Final = frozenset({"On", "ForceOn", "ForceRestart", "PushPowerButton"})


class ResetRequest(msgspec.Struct):
    """The body of ComputerSystem.Reset."""

    ResetType: object = None


def host_name(info: InfoState) -> str:
    """Return the name of the appliance's own target: that of `meta`, else the machine's."""
    server = (info.meta or {}).get("server")
    host = server.get("host") if isinstance(server, Mapping) else None
    return host if isinstance(host, str) and host else info.node.host


def system(name: str, *, host: str, powered: bool, reachable: bool, boot: Document | None = None) -> Document:
    """Return a system; *reachable* says whether its power LED can be read."""
    uri = f"{SYSTEMS}/{name}"
    return {
        "@odata.id": uri,
        "@odata.type": odata_type("ComputerSystem"),
        "Id": name,
        "Name": f"Target {host}",
        "SystemType": "Physical",
        "HostName": _NO_HOST_NAME.sub("_", host),
        "PowerState": "On" if powered else "Off",
        "Status": {"State": "Enabled" if reachable else "UnavailableOffline"},
        "Links": {"ManagedBy": [link(f"{ROOT}/Managers/BMC")], "Chassis": [link(f"{ROOT}/Chassis/{name}")]},
        "Actions": {
            "#ComputerSystem.Reset": {
                "ResetType@Redfish.AllowableValues": list(REDFISH_RESET_TYPES),
                "target": f"{uri}/Actions/ComputerSystem.Reset",
            },
            # Advertised and not there, as in the reference (gotcha 66).
            "#ComputerSystem.SetDefaultBootOrder": {
                "target": f"{uri}/Actions/ComputerSystem.SetDefaultBootOrder"
            },
        },
        "Boot": dict(NO_BOOT_OVERRIDE if boot is None else boot),
    }


def own_system(atx: AtxState, boot: BootState, info: InfoState) -> Document:
    """Return the system at the appliance's own front panel."""
    return system(
        OWN_SYSTEM,
        host=host_name(info),
        powered=atx.leds.power,
        reachable=atx.enabled and atx.online,
        boot=boot_document(boot),
    )


def system_resources(handles: RedfishHandles) -> list[Resource]:
    """List the resources of computer systems."""
    atx, boot, info, switch = handles.atx, handles.boot, handles.info, handles.switch

    async def systems(_call: Call) -> Document:
        uris = [f"{SYSTEMS}/{name}" for name in handles.system_names()]
        return collection(SYSTEMS, "ComputerSystem", "Computer System Collection", uris)

    async def show(call: Call) -> Document:
        name = call.path_part("id")
        port = _port_of(name)
        if port is None:
            return own_system(atx.state.value, boot.state.value, await info.fresh_state())
        ports = switch.ports()
        if port >= len(ports):
            raise _unknown(name)
        return system(name, host=ports[port].name or name, powered=ports[port].powered, reachable=True)

    async def reset(call: Call) -> Response:
        port = _port_of(call.path_part("id"))
        reset_type = _reset_type((await read_body(call, ResetRequest)).ResetType)
        call.noted["ResetType"] = reset_type
        power = atx if port is None else switch.power_of(port)
        if port is None and not atx.state.value.enabled:
            return Response(b"", 204)
        if port is None and reset_type in _STARTING:
            await boot.make_ready()
        if reset_type == "PushPowerButton":
            await power.click("power")
        else:
            await power.power(_ACTIONS[reset_type])
        return Response(b"", 204)

    async def change(call: Call) -> Response:
        name = call.path_part("id")
        # Nothing else can be changed, and of a system that is not there nothing at all (gotcha 66).
        if handles.powered(name) is not None:
            wanted = await wanted_override(call)
            call.noted["boot"] = wanted is not None
            if wanted is not None and name == OWN_SYSTEM:
                await override_boot(boot, wanted)
            elif wanted is not None:
                refuse_override(wanted)
        return Response(b"", 204)

    return [
        Resource(SYSTEMS, "the computer systems", systems),
        Resource(
            f"{SYSTEMS}/<id>",
            "one computer system: 0 is the appliance's own, SwitchPort<N> one at a switch",
            show,
            operations={
                "PATCH": Operation(
                    change,
                    Capability.POWER,
                    "override what it starts from; anything else is accepted and changes nothing",
                    Body("application/json", SystemPatch, required=False),
                    errors=(HttpError, BootStoreError),
                    conditional=True,
                )
            },
            errors=(HttpError,),
        ),
        Resource(
            f"{SYSTEMS}/<id>/Actions/ComputerSystem.Reset",
            operations={
                "POST": Operation(
                    reset,
                    Capability.POWER,
                    "power a system on or off, or reset it",
                    Body("application/json", ResetRequest),
                    errors=(HttpError, AtxIsBusyError),
                )
            },
        ),
    ]


def _port_of(name: str) -> int | None:
    """Return the switch port of a system's id, None for the appliance's own. Raises HttpError."""
    if name == OWN_SYSTEM:
        return None
    match = _PORT.fullmatch(name)
    if match is None:
        raise _unknown(name)
    return int(match[1])


def _unknown(name: str) -> HttpError:
    return HttpError(
        f"expected 0 or SwitchPort<N> of a port that is there, got {name[:80]!r} - at the system's id",
        BaseMessage("ResourceNotFound", ("ComputerSystem", name[:80])),
    )


def _reset_type(raw: object) -> str:
    action, parameter = "ComputerSystem.Reset", "ResetType"
    if raw is None:
        raise HttpError(
            f"expected one of {', '.join(REDFISH_RESET_TYPES)}, got nothing - at ResetType",
            BaseMessage("ActionParameterMissing", (action, parameter), (f"#/{parameter}",)),
        )
    try:
        return valid_redfish_reset_type(raw)
    except ValidatorError as exc:
        args = (str(raw)[:80], parameter, action)
        raise HttpError(
            str(exc), BaseMessage("ActionParameterValueNotInList", args, (f"#/{parameter}",))
        ) from None
