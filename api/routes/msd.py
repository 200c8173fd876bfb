"""Mass storage: the virtual drive, its images, and their transfers (contract http.md 4.6)."""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import quote

import msgspec
from quart import Response

from api.params import Param
from api.routing import UNLIMITED_BODY, Access, Answer, Body, Call, Route, Traced, envelope, media
from firmware.core.errors import OperationError, ValidatorError
from firmware.core.validators import valid_bool, valid_compress_mode, valid_image_name, valid_sha256
from firmware.state.msd import MsdState, UploadState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.msd.errors import (
    MsdConnectedError,
    MsdDigestMismatchError,
    MsdDisabledError,
    MsdDisconnectedError,
    MsdImageExistsError,
    MsdImageNotSelected,
    MsdImageStaticError,
    MsdIncompleteError,
    MsdIsBusyError,
    MsdLockedError,
    MsdNoSpaceError,
    MsdOfflineError,
    MsdPermissionsError,
    MsdRemoteDisabledError,
    MsdRemountError,
    MsdUnknownImageError,
)
from firmware.subsystems.msd.loader import is_remote_image
from firmware.subsystems.msd.reader import Compression
from firmware.subsystems.msd.service import MsdService


class ImageAnswer(msgspec.Struct, frozen=True):
    """What came of an upload."""

    image: UploadState


def _selection(raw: object, name: str) -> str:
    """Return an image name, "" for none, or a URL as it was given, which is for the subsystem to refuse."""
    if isinstance(raw, str) and is_remote_image(raw):
        return raw.strip()
    return valid_image_name(raw, name, eject_allowed=True)


def plain_text(raw: object, _name: str) -> str:
    """Return the text as it is; what it is part of is validated as a whole."""
    return str(raw)


PLAIN_TEXT: Final = {"type": "string"}

SELECTION = Param[str | None]("image", _selection, None, "what to connect; empty = none", schema=PLAIN_TEXT)
CDROM = Param[bool | None]("cdrom", valid_bool, None, "offer it as a CD-ROM; otherwise as a flash drive")
RW = Param[bool | None]("rw", valid_bool, None, "let the host write to it; never for a CD-ROM or an .iso")
CONNECTED = Param("connected", valid_bool, description="put the image into the drive, or take it out")
IMAGE = Param[str]("image", valid_image_name, description="path below the root of the storage")
# Joined with the prefix before it is validated.
NEW_IMAGE = Param(
    "image",
    plain_text,
    description="the name of the new image, below the prefix if there is one",
    schema=PLAIN_TEXT,
)
PREFIX = Param(
    "prefix", plain_text, "", "the directory of the new image; made if it is missing", schema=PLAIN_TEXT
)
REMOVE_INCOMPLETE = Param(
    "remove_incomplete", valid_bool, False, "leave nothing of an upload that breaks off"
)
SHA256 = Param[str | None]("sha256", valid_sha256, None, "what the image is to hash to; any other is refused")
COMPRESS = Param("compress", valid_compress_mode, "", "compress on the fly: none, lzma (.xz) or zstd (.zst)")

ALWAYS: tuple[type[OperationError], ...] = (MsdDisabledError, MsdIsBusyError, MsdOfflineError)
"""What every operation may be refused with."""
WRITING: tuple[type[OperationError], ...] = (
    MsdConnectedError,
    MsdImageExistsError,
    MsdNoSpaceError,
    MsdIncompleteError,
    MsdDigestMismatchError,
    MsdPermissionsError,
    MsdRemountError,
)
"""What a new image may be refused with besides."""


def new_image_name(call: Call, image: str) -> str:
    """Return the validated name of a new image: *image* below the request's prefix. Raises ValidatorError."""
    prefix = call[PREFIX]
    return valid_image_name(f"{prefix}/{image}" if prefix.strip() else image, "image")


def msd_routes(msd: MsdService) -> list[Route]:
    """List the routes of mass storage."""

    async def state(_call: Call) -> Response:
        return envelope(msd.state.value)

    async def set_params(call: Call) -> Response:
        await msd.set_params(image=call[SELECTION], cdrom=call[CDROM], rw=call[RW])
        return envelope()

    async def set_connected(call: Call) -> Response:
        await msd.set_connected(call[CONNECTED])
        return envelope()

    async def read(call: Call) -> Response:
        compression = cast("Compression", call[COMPRESS] or "none")
        async with msd.reading(call[IMAGE], compress=compression) as image:
            head = Response(b"", content_type="application/octet-stream")
            head.headers["Content-Disposition"] = (
                f"attachment; filename*=UTF-8''{quote(image.file_name, safe='')}"
            )
            if image.length is None:
                del head.headers["Content-Length"]
            else:
                head.headers["Content-Length"] = str(image.length)
            return await call.stream(head, image.pieces())

    async def write(call: Call) -> Response:
        name = new_image_name(call, call[NEW_IMAGE])
        remove_incomplete = call[REMOVE_INCOMPLETE]
        size = call.request.content_length
        if size is None:
            raise ValidatorError("expected a Content-Length, got a body of unknown length - at the request")
        async with msd.writing(name, size, remove_incomplete=remove_incomplete, sha256=call[SHA256]) as image:
            async for piece in call.request.body:
                await image.write(piece)
        return envelope(ImageAnswer(image.state))

    async def remove(call: Call) -> Response:
        await msd.remove(call[IMAGE])
        return envelope()

    async def reset(_call: Call) -> Response:
        await msd.reset()
        return envelope()

    def post(path: str, handler: Any, summary: str, params: tuple[Param[Any], ...], **more: Any) -> Route:
        errors = (*ALWAYS, *more.pop("errors", ()))
        return Route(
            "POST", path, Access.USER, Capability.MEDIA, handler, params, summary, errors=errors, **more
        )

    return [
        Route(
            "GET",
            "/api/msd",
            Access.USER,
            Capability.VIEW,
            state,
            summary="the drive, the images, and transfers under way",
            answers=(Answer(MsdState),),
        ),
        post(
            "/api/msd/set_params",
            set_params,
            "choose what to connect, and as what; only while the drive is disconnected",
            (SELECTION, CDROM, RW),
            errors=(MsdConnectedError, MsdUnknownImageError, MsdRemoteDisabledError),
        ),
        post(
            "/api/msd/set_connected",
            set_connected,
            "put the chosen image into the drive, or take it out",
            (CONNECTED,),
            errors=(
                MsdConnectedError,
                MsdDisconnectedError,
                MsdImageNotSelected,
                MsdUnknownImageError,
                MsdPermissionsError,
                MsdLockedError,
                MsdRemountError,
            ),
        ),
        Route(
            "GET",
            "/api/msd/read",
            Access.USER,
            Capability.MEDIA,
            read,
            (IMAGE, COMPRESS),
            "download an image",
            traced=Traced.ACT,
            answers=(media("application/octet-stream", "the image, compressed if asked for"),),
            errors=(*ALWAYS, MsdConnectedError, MsdUnknownImageError, MsdPermissionsError),
        ),
        post(
            "/api/msd/write",
            write,
            "upload an image; Content-Length is mandatory",
            (NEW_IMAGE, PREFIX, REMOVE_INCOMPLETE, SHA256),
            body_limit_bytes=UNLIMITED_BODY,
            body=Body("application/octet-stream", description="the image"),
            answers=(Answer(ImageAnswer),),
            errors=WRITING,
        ),
        post(
            "/api/msd/remove",
            remove,
            "remove an image from the storage",
            (IMAGE,),
            errors=(
                MsdConnectedError,
                MsdUnknownImageError,
                MsdImageStaticError,
                MsdPermissionsError,
                MsdRemountError,
            ),
        ),
        post("/api/msd/reset", reset, "take out what is in the drive; what is chosen stays", ()),
    ]
