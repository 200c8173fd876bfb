"""The manager's log: the last records of the appliance's own process, the newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from api.redfish.answers import Document
from api.redfish.errors import NotFoundError
from api.redfish.handles import RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.resources import ROOT, Resource, collection, link
from api.routing import Call
from firmware.core.log_ring import LogEntry
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.log.service import LogReaderDisabledError

SERVICES: Final = f"{ROOT}/Managers/BMC/LogServices"
LOG: Final = f"{SERVICES}/Log"
ENTRIES: Final = f"{LOG}/Entries"
# Some pages for a person; the whole log is at /api/log.
SHOWN_MAX: Final = 200
_SEVERITIES: Final = {"WARNING": "Warning", "ERROR": "Critical", "CRITICAL": "Critical"}


def log_service() -> Document:
    """Return the log."""
    return {
        "@odata.id": LOG,
        "@odata.type": odata_type("LogService"),
        "Id": "Log",
        "Name": "Log of the appliance",
        "ServiceEnabled": True,
        "LogEntryType": "OEM",
        "OverWritePolicy": "WrapsWhenFull",
        "MaxNumberOfRecords": SHOWN_MAX,
        "Entries": link(ENTRIES),
    }


def log_entry(entry: LogEntry) -> Document:
    """Return one record."""
    return {
        "@odata.id": f"{ENTRIES}/{entry.number}",
        "@odata.type": odata_type("LogEntry"),
        "Id": str(entry.number),
        "Name": f"Record {entry.number}",
        "EntryType": "Oem",
        "OemRecordFormat": "Farhand log",
        "Created": datetime.fromtimestamp(entry.time_s, UTC).isoformat(timespec="seconds"),
        "Severity": _SEVERITIES.get(entry.level, "OK"),
        "Message": f"{entry.logger}: {entry.message}",
    }


def log_resources(handles: RedfishHandles) -> list[Resource]:
    """List the resources of the log."""

    async def services(_call: Call) -> Document:
        return collection(SERVICES, "LogService", "Log Service Collection", [LOG])

    async def service(_call: Call) -> Document:
        return log_service()

    async def entries(_call: Call) -> Document:
        shown = handles.log_entries()[: -SHOWN_MAX - 1 : -1]
        document = collection(ENTRIES, "LogEntry", "Log Entry Collection", [])
        return document | {
            "Members": [log_entry(entry) for entry in shown],
            "Members@odata.count": len(shown),
        }

    async def show(call: Call) -> Document:
        wanted = call.path_part("id")
        for entry in handles.log_entries():
            if str(entry.number) == wanted:
                return log_entry(entry)
        raise NotFoundError(f"expected a record that is kept, got {wanted[:80]!r} - at the record's id")

    admin = Capability.ADMIN
    disabled = (LogReaderDisabledError,)
    return [
        Resource(SERVICES, "the logs: one", services),
        Resource(LOG, "the log of the appliance", service),
        Resource(ENTRIES, "its last records, the newest first", entries, needs=admin, errors=disabled),
        Resource(f"{ENTRIES}/<id>", "one record", show, needs=admin, errors=(NotFoundError, *disabled)),
    ]
