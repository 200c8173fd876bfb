"""Chassis: one for each system, since an IP-KVM sees of a machine's case no more than its front panel."""

from __future__ import annotations

from typing import Final

from api.redfish.answers import Document
from api.redfish.errors import NotFoundError
from api.redfish.handles import RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.resources import ROOT, Resource, collection, link
from api.routing import Call

CHASSIS: Final = f"{ROOT}/Chassis"


def chassis(name: str, *, powered: bool) -> Document:
    """Return the case of the system *name*."""
    return {
        "@odata.id": f"{CHASSIS}/{name}",
        "@odata.type": odata_type("Chassis"),
        "Id": name,
        "Name": f"Case of system {name}",
        "ChassisType": "StandAlone",
        "PowerState": "On" if powered else "Off",
        "Status": {"State": "Enabled"},
        "Links": {
            "ComputerSystems": [link(f"{ROOT}/Systems/{name}")],
            "ManagedBy": [link(f"{ROOT}/Managers/BMC")],
        },
    }


def chassis_resources(handles: RedfishHandles) -> list[Resource]:
    """List the resources of cases."""

    async def cases(_call: Call) -> Document:
        uris = [f"{CHASSIS}/{name}" for name in handles.system_names()]
        return collection(CHASSIS, "Chassis", "Chassis Collection", uris)

    async def show(call: Call) -> Document:
        name = call.path_part("id")
        powered = handles.powered(name)
        if powered is None:
            raise NotFoundError(f"expected the id of a system, got {name[:80]!r} - at the chassis' id")
        return chassis(name, powered=powered)

    return [
        Resource(CHASSIS, "the cases of the systems", cases),
        Resource(f"{CHASSIS}/<id>", "one case", show, errors=(NotFoundError,)),
    ]
