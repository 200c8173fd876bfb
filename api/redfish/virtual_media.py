"""Virtual media: the appliance's drive, and the images that are put into it.

What may be in the drive and when is decided by mass storage, the order of its calls stands in `removable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
import trio
from quart import Response

from api.redfish.answers import Document, read_body
from api.redfish.errors import BaseMessage, HttpError
from api.redfish.handles import RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.removable import (
    Arriving,
    RemovableMedia,
    is_url,
    with_credentials,
    without_credentials,
)
from api.redfish.resources import ROOT, Operation, Resource, collection
from api.redfish.task_list import TooManyTasksError
from api.redfish.tasks import ACCEPTED, outcome
from api.routing import NO_CONTENT, Body, Call
from firmware.core.errors import OperationError, ValidatorError
from firmware.core.validators import valid_bool, valid_http_url, valid_image_name
from firmware.state.msd import DriveImage, MsdState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.msd.errors import (
    MsdDisabledError,
    MsdDisconnectedError,
    MsdIsBusyError,
    MsdLockedError,
    MsdOfflineError,
    MsdPermissionsError,
    MsdUnknownImageError,
)
from firmware.subsystems.msd.service import MsdService

MEDIA: Final = f"{ROOT}/Managers/BMC/VirtualMedia"
MSD: Final = f"{MEDIA}/MSD"
# Small images are there at once, and a client that knows nothing of tasks finds them in the drive.
PROMPT_S: Final = 5.0
_ALWAYS: Final[tuple[type[OperationError], ...]] = (MsdDisabledError, MsdOfflineError, MsdIsBusyError)


class InsertRequest(msgspec.Struct):
    """The body of VirtualMedia.InsertMedia."""

    Image: object = None
    Inserted: object = True
    WriteProtected: object = True
    UserName: str | None = None
    Password: str | None = None
    TransferProtocolType: str | None = None
    TransferMethod: Literal["Stream", "Upload"] | None = None


class MediaPatch(msgspec.Struct):
    """What may be changed of the drive."""

    VerifyCertificate: bool | None = None


def virtual_media(state: MsdState, *, origin: str | None = None, verify: bool = True) -> Document:
    """Return the drive; what is not known while it is offline is null (contract subsystems.md 10).

    *origin* is the URL that its image came from, None for one that was in the storage.
    """
    drive = state.drive if state.online else None
    image = drive.image if drive is not None else None
    return {
        "@odata.id": MSD,
        "@odata.type": odata_type("VirtualMedia"),
        "Id": "MSD",
        "Name": "Virtual CD/DVD/Flash Drive",
        "Description": "The drive that the appliance offers to the target",
        "MediaTypes": ["USBStick", "CD", "DVD"],
        "Image": None if image is None else origin or image.name,
        "ImageName": image.name.rpartition("/")[2] if image is not None else None,
        "ConnectedVia": None if drive is None else _connection(image, origin),
        "Inserted": None if drive is None else drive.connected,
        "WriteProtected": None if drive is None else not drive.rw,
        "VerifyCertificate": verify,
        "Oem": {
            "PiKVM": {
                "@odata.context": f"{ROOT}/$metadata#PiKVMVirtualMedia.PiKVMVirtualMedia",
                "@odata.type": "#PiKVMVirtualMedia.v1_0_0.PiKVMVirtualMedia",
                "MsdEnabled": state.enabled,
                "MsdOnline": state.online,
                "MsdBusy": state.busy,
                "DriveOptical": None if drive is None else drive.cdrom,
            }
        },
        "Actions": {
            "#VirtualMedia.InsertMedia": {
                "target": f"{MSD}/Actions/VirtualMedia.InsertMedia",
                "Image@Redfish.AllowableValues": ["URI"],
            },
            "#VirtualMedia.EjectMedia": {"target": f"{MSD}/Actions/VirtualMedia.EjectMedia"},
        },
    }


def media_resources(handles: RedfishHandles) -> list[Resource]:
    """List the resources of virtual media."""
    msd, removable, tasks = handles.msd, handles.removable, handles.tasks

    async def drives(_call: Call) -> Document:
        return collection(MEDIA, "VirtualMedia", "Virtual Media Collection", [MSD])

    async def show(_call: Call) -> Document:
        return shown_drive(msd, removable)

    async def insert_media(call: Call) -> Response:
        body = await read_body(call, InsertRequest)
        connect = valid_bool(body.Inserted, "Inserted")
        write_protected = valid_bool(body.WriteProtected, "WriteProtected")
        if not is_url(body.Image):
            image = valid_image_name(body.Image, "Image")
            call.noted["Image"] = image
            await removable.insert(image, connect=connect, write_protected=write_protected)
            return Response(b"", 204)
        url = _remote_image(body)
        call.noted["Image"] = without_credentials(url)
        coming: list[Arriving] = []
        task = tasks.start(
            f"Insert {without_credentials(url)}",
            partial(
                removable.insert_from,
                url,
                connect=connect,
                write_protected=write_protected,
                begun=coming.append,
            ),
            progress=lambda: _percent(coming),
        )
        with trio.move_on_after(PROMPT_S):
            await task.ended.wait()
        return outcome(task, call.request.path)

    async def change(call: Call) -> Response:
        verify = (await read_body(call, MediaPatch)).VerifyCertificate
        if verify is not None:
            removable.verify = verify
        return Response(b"", 204)

    async def eject_media(_call: Call) -> Response:
        await removable.eject()
        return Response(b"", 204)

    return [
        Resource(MEDIA, "the virtual drives: one", drives),
        Resource(
            MSD,
            "the virtual drive",
            show,
            operations={
                "PATCH": Operation(
                    change,
                    Capability.MEDIA,
                    "whether servers of images need a certificate that is trusted",
                    Body("application/json", MediaPatch),
                    conditional=True,
                )
            },
        ),
        Resource(
            f"{MSD}/Actions/VirtualMedia.InsertMedia",
            operations={
                "POST": Operation(
                    insert_media,
                    Capability.MEDIA,
                    "put an image of the storage, or of an http or https URL, into the drive",
                    Body("application/json", InsertRequest),
                    (NO_CONTENT, ACCEPTED),
                    (
                        *_ALWAYS,
                        HttpError,
                        ValidatorError,
                        MsdUnknownImageError,
                        MsdPermissionsError,
                        TooManyTasksError,
                    ),
                )
            },
        ),
        Resource(
            f"{MSD}/Actions/VirtualMedia.EjectMedia",
            operations={
                "POST": Operation(
                    eject_media,
                    Capability.MEDIA,
                    "take out what is in the drive; the body means nothing",
                    Body("application/json", dict[str, object], required=False),
                    errors=(*_ALWAYS, MsdDisconnectedError, MsdLockedError),
                )
            },
        ),
    ]


def shown_drive(msd: MsdService, removable: RemovableMedia) -> Document:
    """Return the drive as it is now."""
    state = msd.state.value
    image = state.drive.image if state.drive is not None else None
    origin = removable.origin_of(image.name) if image is not None else None
    return virtual_media(state, origin=origin, verify=removable.verify)


def _connection(image: DriveImage | None, origin: str | None) -> str:
    if image is None:
        return "NotConnected"
    return "Oem" if origin is None else "URI"


def _remote_image(body: InsertRequest) -> str:
    """Return the URL to fetch from, with the credentials given. Raises ValidatorError, HttpError."""
    url = valid_http_url(body.Image, "Image")
    scheme, wanted = urlsplit(url).scheme.upper(), body.TransferProtocolType
    if wanted is not None and wanted != scheme:
        name = "TransferProtocolType"
        raise HttpError(
            f"expected {scheme}, as the image's URL says, got {wanted[:80]!r} - at {name}",
            BaseMessage(
                "ActionParameterValueNotInList",
                (wanted[:80], name, "VirtualMedia.InsertMedia"),
                (f"#/{name}",),
            ),
        )
    if body.UserName:
        return with_credentials(url, body.UserName, body.Password or "")
    return url


def _percent(coming: Sequence[Arriving]) -> int | None:
    if not coming:
        return 0
    state = coming[-1].state
    return min(99, state.written * 100 // state.size) if state.size else None
