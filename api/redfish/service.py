"""All routes of the Redfish service."""

from __future__ import annotations

from api.redfish.accounts import account_resources
from api.redfish.chassis import chassis_resources
from api.redfish.events import event_resources
from api.redfish.handles import RedfishHandles
from api.redfish.logs import log_resources
from api.redfish.managers import manager_resources
from api.redfish.resources import Resource, routes_of
from api.redfish.root import root_resources
from api.redfish.sessions import session_resources
from api.redfish.systems import system_resources
from api.redfish.tasks import task_resources
from api.redfish.virtual_media import media_resources
from api.routing import Route


def redfish_routes(handles: RedfishHandles) -> list[Route]:
    """List the routes of the Redfish service, below both of its prefixes."""
    resources: list[Resource] = [
        *root_resources(),
        *system_resources(handles),
        *chassis_resources(handles),
        *manager_resources(handles),
        *media_resources(handles),
        *session_resources(handles),
        *account_resources(handles),
        *log_resources(handles),
        *event_resources(handles),
        *task_resources(handles),
    ]
    return routes_of(resources)
