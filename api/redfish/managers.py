"""The manager: the appliance itself, its network and its clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from api.redfish.answers import Document
from api.redfish.errors import NotFoundError
from api.redfish.handles import Ports, RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.resources import ROOT, Resource, collection, link
from api.routing import Call
from drivers.system.network import NetworkInterface
from firmware.state.info import InfoState

MANAGERS: Final = f"{ROOT}/Managers"
BMC: Final = f"{MANAGERS}/BMC"
INTERFACES: Final = f"{BMC}/EthernetInterfaces"
# Sessions with video; beyond a handful the network or the processor is the limit, not the software.
_MAX_CONSOLES: Final = 10


def manager(info: InfoState, *, now: datetime, systems: Sequence[str], chassis: Sequence[str]) -> Document:
    """Return the manager; *systems* and *chassis* are the URIs of what it manages."""
    return {
        "@odata.id": BMC,
        "@odata.type": odata_type("Manager"),
        "Id": "BMC",
        "Name": "Farhand Manager",
        "Description": "The IP-KVM appliance in front of the target",
        "ManagerType": "BMC",
        "Manufacturer": "Farhand",
        "Model": info.system.platform.base or info.system.platform.model or "IP-KVM",
        "SerialNumber": info.system.platform.serial,
        "FirmwareVersion": info.system.farhand.version,
        "PowerState": "On",
        "Status": {"State": "Enabled", "Health": "OK"},
        "DateTime": now.isoformat(timespec="seconds"),
        "DateTimeLocalOffset": now.isoformat(timespec="seconds")[-6:],
        "GraphicalConsole": {
            "ServiceEnabled": True,
            "MaxConcurrentSessions": _MAX_CONSOLES,
            "ConnectTypesSupported": ["KVMIP"],
        },
        "NetworkProtocol": link(f"{BMC}/NetworkProtocol"),
        "EthernetInterfaces": link(INTERFACES),
        "VirtualMedia": link(f"{BMC}/VirtualMedia"),
        "LogServices": link(f"{BMC}/LogServices"),
        "Links": {
            "ManagerForServers": [link(uri) for uri in systems],
            "ManagerForChassis": [link(uri) for uri in chassis],
        },
    }


def network_protocol(host: str, ports: Ports) -> Document:
    """Return what the appliance serves on the network."""

    def protocol(port: int | None) -> Mapping[str, object]:
        return {"ProtocolEnabled": port is not None, "Port": port}

    return {
        "@odata.id": f"{BMC}/NetworkProtocol",
        "@odata.type": odata_type("ManagerNetworkProtocol"),
        "Id": "NetworkProtocol",
        "Name": "Network Protocol",
        "HostName": host,
        "Status": {"State": "Enabled", "Health": "OK"},
        "HTTP": protocol(ports.http),
        "HTTPS": protocol(ports.https),
        "KVMIP": protocol(ports.https if ports.https is not None else ports.http),
    }


def ethernet_interface(interface: NetworkInterface) -> Document:
    """Return one network interface of the appliance."""
    return {
        "@odata.id": f"{INTERFACES}/{interface.name}",
        "@odata.type": odata_type("EthernetInterface"),
        "Id": interface.name,
        "Name": f"Network interface {interface.name}",
        "InterfaceEnabled": interface.up,
        "LinkStatus": "LinkUp" if interface.carrier else "LinkDown" if interface.up else "NoLink",
        "MACAddress": interface.mac,
        "MTUSize": interface.mtu,
        "SpeedMbps": interface.speed_mbps,
        "IPv4Addresses": [
            {"Address": address.address, "SubnetMask": address.mask} for address in interface.ipv4
        ],
        "IPv6Addresses": [
            {"Address": address.address, "PrefixLength": address.prefix_bits} for address in interface.ipv6
        ],
        "Status": {"State": "Enabled" if interface.up else "Disabled"},
    }


def manager_resources(handles: RedfishHandles) -> list[Resource]:
    """List the resources of the manager."""

    async def managers(_call: Call) -> Document:
        return collection(MANAGERS, "Manager", "Manager Collection", [BMC])

    async def show(_call: Call) -> Document:
        names = handles.system_names()
        return manager(
            await handles.info.fresh_state(),
            now=datetime.now().astimezone(),
            systems=[f"{ROOT}/Systems/{name}" for name in names],
            chassis=[f"{ROOT}/Chassis/{name}" for name in names],
        )

    async def protocol(_call: Call) -> Document:
        return network_protocol((await handles.info.fresh_state()).node.host, handles.ports())

    async def interfaces(_call: Call) -> Document:
        uris = [f"{INTERFACES}/{interface.name}" for interface in await handles.interfaces()]
        return collection(INTERFACES, "EthernetInterface", "Ethernet Interface Collection", uris)

    async def show_interface(call: Call) -> Document:
        wanted = call.path_part("id")
        for interface in await handles.interfaces():
            if interface.name == wanted:
                return ethernet_interface(interface)
        raise NotFoundError(f"expected a network interface, got {wanted[:80]!r} - at the interface's id")

    return [
        Resource(MANAGERS, "the managers: the appliance alone", managers),
        Resource(BMC, "the appliance itself", show),
        Resource(f"{BMC}/NetworkProtocol", "what it serves on the network", protocol),
        Resource(INTERFACES, "its network interfaces", interfaces),
        Resource(f"{INTERFACES}/<id>", "one network interface", show_interface, errors=(NotFoundError,)),
    ]
