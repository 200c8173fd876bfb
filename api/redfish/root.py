"""The service root and what stands beside it: versions, OData's service document and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quart import Response

from api.redfish.answers import Document
from api.redfish.metadata import OEM_SCHEMA, OEM_SCHEMA_URI, metadata
from api.redfish.resources import ROOT, Operation, Resource, link
from api.routing import Access, Call, media

# The contract's version; what we have beyond it is optional in that one too.
VERSION: Final = "1.6.0"

_SERVICES: Final[Mapping[str, str]] = {
    "Systems": "Systems",
    "Managers": "Managers",
    "Chassis": "Chassis",
    "SessionService": "SessionService",
    "AccountService": "AccountService",
    "EventService": "EventService",
    "Tasks": "TaskService",
}


def service_root(services: Mapping[str, str]) -> Document:
    """Return `/redfish/v1`; *services* are its properties and the names of their URIs."""
    return {
        "@odata.id": ROOT,
        "@odata.type": "#ServiceRoot.v1_6_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": VERSION,
        "Product": "Farhand",
        **{name: link(f"{ROOT}/{path}") for name, path in services.items()},
        "Links": {"Sessions": link(f"{ROOT}/SessionService/Sessions")},
    }


def odata_service(services: Mapping[str, str]) -> Document:
    """Return `/redfish/v1/odata`, the service document of OData's clients."""
    entries = {"Service": "", **services, "Sessions": "SessionService/Sessions"}
    return {
        "@odata.context": f"{ROOT}/$metadata",
        "value": [
            {"name": name, "kind": "Singleton", "url": f"{ROOT}/{path}".rstrip("/")}
            for name, path in entries.items()
        ],
    }


def root_resources() -> list[Resource]:
    """List what anybody may read (DSP0266 13.3.2 wants these four without credentials)."""

    async def versions(_call: Call) -> Document:
        return {"v1": f"{ROOT}/"}

    async def root(_call: Call) -> Document:
        return service_root(_SERVICES)

    async def odata(_call: Call) -> Document:
        return odata_service(_SERVICES)

    async def show_metadata(_call: Call) -> Response:
        return Response(metadata(), content_type="application/xml; charset=utf-8")

    async def show_oem_schema(_call: Call) -> Response:
        return Response(OEM_SCHEMA, content_type="application/xml; charset=utf-8")

    public, xml = Access.PUBLIC, (media("application/xml", "a CSDL document"),)
    return [
        Resource("/redfish", "the versions of the service", versions, public, None),
        Resource(ROOT, "the service root", root, public, None),
        Resource(f"{ROOT}/odata", "the OData service document", odata, public, None),
        Resource(
            f"{ROOT}/$metadata",
            operations={
                "GET": Operation(
                    show_metadata,
                    None,
                    "the OData metadata document",
                    answers=xml,
                    access=public,
                    errors=(),
                )
            },
        ),
        Resource(
            OEM_SCHEMA_URI,
            operations={
                "GET": Operation(
                    show_oem_schema,
                    None,
                    "the schema of our own properties",
                    answers=xml,
                    access=public,
                    errors=(),
                )
            },
        ),
    ]
