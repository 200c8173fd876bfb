"""OData metadata: which schemas the service's resources have, and the schema of the vendor's properties.

A table and its rendering; `tests` compare it with what the resources say of themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.redfish.resources import ROOT

_EDMX: Final = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM: Final = "http://docs.oasis-open.org/odata/ns/edm"
_PUBLISHED: Final = "http://redfish.dmtf.org/schemas/v1/"

OEM_SCHEMA_URI: Final = f"{ROOT}/schema/PiKVMVirtualMedia_v1.xml"

COLLECTIONS: Final = (
    "ChassisCollection",
    "ComputerSystemCollection",
    "EthernetInterfaceCollection",
    "LogEntryCollection",
    "LogServiceCollection",
    "ManagerAccountCollection",
    "ManagerCollection",
    "RoleCollection",
    "SessionCollection",
    "TaskCollection",
    "VirtualMediaCollection",
)
"""Schemas without versions."""

VERSIONED: Final[Mapping[str, str]] = {
    "AccountService": "v1_10_0",
    "Chassis": "v1_14_0",
    "ComputerSystem": "v1_10_0",
    "EthernetInterface": "v1_6_0",
    "EventService": "v1_7_0",
    "LogEntry": "v1_4_3",
    "LogService": "v1_1_3",
    "Manager": "v1_15_0",
    "ManagerAccount": "v1_8_0",
    "ManagerNetworkProtocol": "v1_6_0",
    "Role": "v1_3_1",
    "ServiceRoot": "v1_6_0",
    "Session": "v1_3_0",
    "SessionService": "v1_1_8",
    "Task": "v1_4_3",
    "TaskService": "v1_1_7",
    "VirtualMedia": "v1_4_0",
}
"""Schemas and the version that our resources have."""


def odata_type(name: str) -> str:
    """Return the `@odata.type` of the resources of schema *name*."""
    return f"#{name}.{VERSIONED[name]}.{name}"


def metadata() -> str:
    """Return `/redfish/v1/$metadata`."""
    references = [
        *(_reference(f"{_PUBLISHED}{name}_v1.xml", name) for name in COLLECTIONS),
        *(
            _reference(f"{_PUBLISHED}{name}_v1.xml", name, f"{name}.{version}")
            for name, version in VERSIONED.items()
        ),
        _reference(OEM_SCHEMA_URI, "PiKVMVirtualMedia", "PiKVMVirtualMedia.v1_0_0"),
    ]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<edmx:Edmx xmlns:edmx="{_EDMX}" Version="4.0">\n'
        + "".join(references)
        + f'  <edmx:DataServices>\n    <Schema xmlns="{_EDM}" Namespace="Service">\n'
        '      <EntityContainer Name="Service" Extends="ServiceRoot.v1_6_0.ServiceContainer"/>\n'
        "    </Schema>\n  </edmx:DataServices>\n</edmx:Edmx>\n"
    )


def _reference(uri: str, *namespaces: str) -> str:
    includes = "".join(f'    <edmx:Include Namespace="{name}"/>\n' for name in namespaces)
    return f'  <edmx:Reference Uri="{uri}">\n{includes}  </edmx:Reference>\n'


OEM_SCHEMA: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx xmlns:edmx="{_EDMX}" Version="4.0">
  <edmx:Reference Uri="http://docs.oasis-open.org/odata/odata/v4.0/errata03/csd01/complete/vocabularies/Org.OData.Core.V1.xml">
    <edmx:Include Namespace="Org.OData.Core.V1" Alias="OData"/>
  </edmx:Reference>
  <edmx:Reference Uri="{_PUBLISHED}Resource_v1.xml">
    <edmx:Include Namespace="Resource"/>
  </edmx:Reference>
  <edmx:DataServices>
    <Schema xmlns="{_EDM}" Namespace="PiKVMVirtualMedia">
      <ComplexType Name="PiKVMVirtualMedia" BaseType="Resource.OemObject" Abstract="true"/>
    </Schema>
    <Schema xmlns="{_EDM}" Namespace="PiKVMVirtualMedia.v1_0_0">
      <ComplexType Name="PiKVMVirtualMedia" BaseType="PiKVMVirtualMedia.PiKVMVirtualMedia">
        <Property Name="MsdEnabled" Type="Edm.Boolean" Nullable="false">
          <Annotation Term="OData.Permissions" EnumMember="OData.Permission/Read"/>
          <Annotation Term="OData.Description" String="Whether the configuration has a virtual drive."/>
        </Property>
        <Property Name="MsdOnline" Type="Edm.Boolean" Nullable="false">
          <Annotation Term="OData.Permissions" EnumMember="OData.Permission/Read"/>
          <Annotation Term="OData.Description" String="Whether the target is offered the drive now."/>
        </Property>
        <Property Name="MsdBusy" Type="Edm.Boolean" Nullable="false">
          <Annotation Term="OData.Permissions" EnumMember="OData.Permission/Read"/>
          <Annotation Term="OData.Description" String="Whether an operation on the drive is under way."/>
        </Property>
        <Property Name="DriveOptical" Type="Edm.Boolean">
          <Annotation Term="OData.Permissions" EnumMember="OData.Permission/Read"/>
          <Annotation Term="OData.Description" String="Whether the drive is optical, null if there is none."/>
        </Property>
      </ComplexType>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>
"""
