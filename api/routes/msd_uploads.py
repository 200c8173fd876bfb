"""Uploads that can be resumed: tus 1.0, with creation, termination and checksum; beyond the contract.

Its answers have the headers of tus and empty bodies; its refusals are envelopes with the statuses of tus.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from quart import Response

from api.errors import answer_to
from api.routes.msd import ALWAYS, WRITING
from api.routing import UNLIMITED_BODY, Access, Answer, Body, Call, Route, Traced
from api.wire import tus
from firmware.core.errors import OperationError, ValidatorError
from firmware.core.validators import valid_bool, valid_image_name, valid_sha256
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.msd.errors import (
    MsdUploadChecksumError,
    MsdUploadInterruptedError,
    MsdUploadOffsetError,
    MsdUploadUnknownError,
)
from firmware.subsystems.msd.uploads import ResumableUploads

PATH = "/api/msd/uploads"

IMAGE_HEADER = "Farhand-Image"
"""The name of the image that comes in, percent-encoded."""

_NO_CACHE = {"Cache-Control": "no-store"}


def _metadata(given: Mapping[str, str]) -> tuple[str, str | None, bool]:
    """Return image name, digest and whether to remove what is incomplete. Raises ValidatorError."""
    name = given.get("filename") or given.get("name")
    if not name:
        raise ValidatorError("expected a filename, got none - at Upload-Metadata")
    prefix = given.get("prefix", "")
    image = valid_image_name(f"{prefix}/{name}" if prefix.strip() else name, "filename")
    digest = valid_sha256(given["sha256"]) if given.get("sha256") else None
    remove = valid_bool(given.get("remove_incomplete", "0"), "remove_incomplete")
    return image, digest, remove


def msd_upload_routes(uploads: ResumableUploads) -> list[Route]:
    """List the routes of uploads that can be resumed."""

    async def describe(_call: Call) -> Response:
        return _empty(204, **tus.DESCRIPTION)

    async def create(call: Call) -> Response:
        wish = tus.creation(call.request.headers)
        image, digest, remove = _metadata(wish.metadata)
        call.noted["image"] = image
        upload = await uploads.create(
            image, wish.length, metadata=wish.raw_metadata, sha256=digest, remove_incomplete=remove
        )
        # A path, since only a reverse proxy in front of us knows its own name.
        return _empty(201, Location=f"{PATH}/{upload}", **_named(image))

    async def look(call: Call) -> Response:
        image, record = await uploads.look(call.path_part("id"))
        progress = {"Upload-Offset": str(record.offset), "Upload-Length": str(record.length)}
        answer = _empty(200, **progress, **_named(image))
        if record.metadata:
            answer.headers["Upload-Metadata"] = record.metadata
        return answer

    async def append(call: Call) -> Response:
        part = tus.append(call.request.headers)
        checksum = None if part.checksum is None else (part.checksum.algorithm, part.checksum.digest)
        async with uploads.appending(call.path_part("id"), part.offset, checksum=checksum) as sink:
            async for piece in call.request.body:
                await sink.write(piece)
        return _empty(204, **{"Upload-Offset": str(sink.offset)})

    async def terminate(call: Call) -> Response:
        await uploads.terminate(call.path_part("id"))
        return _empty(204)

    async def override(call: Call) -> Response:
        # For clients behind a proxy that knows no PATCH; the protocol says that it is to be honoured.
        method = call.request.headers.get("X-HTTP-Method-Override", "").upper()
        meant = {"PATCH": append, "DELETE": terminate, "HEAD": look}.get(method)
        if meant is None:
            raise tus.TusHeaderError(
                "expected PATCH, DELETE or HEAD, got another - at X-HTTP-Method-Override"
            )
        return await meant(call)

    one = PATH + "/<id>"
    resuming = (*ALWAYS, *WRITING, MsdUploadUnknownError, MsdUploadInterruptedError)
    appending = (
        *resuming,
        tus.TusHeaderError,
        tus.TusMediaTypeError,
        MsdUploadOffsetError,
        MsdUploadChecksumError,
    )
    part = Body(tus.MEDIA_TYPE, description="the bytes of the image from Upload-Offset on")
    return [
        _route("OPTIONS", PATH, describe, "which tus this is", checked=False),
        _route(
            "POST",
            PATH,
            create,
            "begin an upload that can be resumed: Upload-Length; Upload-Metadata: filename, prefix, sha256,"
            " remove_incomplete",
            status=201,
            errors=(*ALWAYS, *WRITING, tus.TusHeaderError),
        ),
        _route("OPTIONS", one, describe, "which tus this is", checked=False),
        _route(
            "HEAD",
            one,
            look,
            "how far an upload has come: Upload-Offset; a part that is coming in is ended",
            status=200,
            errors=(*ALWAYS, MsdUploadUnknownError),
        ),
        _route("PATCH", one, append, "go on with an upload at Upload-Offset", errors=appending, body=part),
        _route("DELETE", one, terminate, "give an upload up and remove what has come", errors=resuming),
        _route("POST", one, override, "what X-HTTP-Method-Override says", errors=appending, body=part),
    ]


def _route(
    method: str,
    path: str,
    handler: Callable[[Call], Awaitable[Response]],
    summary: str,
    *,
    status: int = 204,
    checked: bool = True,
    errors: tuple[type[OperationError], ...] = (),
    body: Body | None = None,
) -> Route:
    """Make a route whose every answer says that it is of tus; *checked*: and whose every request has to."""

    async def speak_tus(call: Call) -> Response:
        try:
            if checked:
                tus.require_version(call.request.headers)
            answer = await handler(call)
        except OperationError as exc:
            answer = answer_to(exc, f"{method} {path}")
            if isinstance(exc, tus.TusVersionError):
                answer.headers["Tus-Version"] = tus.VERSION
        answer.headers["Tus-Resumable"] = tus.VERSION
        return answer

    return Route(
        method,
        path,
        Access.USER,
        Capability.MEDIA,
        speak_tus,
        # Of the parts of an upload nothing: that it was begun, or given up, says who and what.
        traced=Traced.NOTHING if method == "PATCH" else None,
        summary=summary,
        body_limit_bytes=UNLIMITED_BODY if body is not None else None,
        answers=(Answer(None, status, "", enveloped=False),),
        body=body,
        errors=(*errors, *((tus.TusVersionError,) if checked else ())),
    )


def _named(image: str) -> dict[str, str]:
    """Tell the name of the image, in which what cannot be printed is `_` (http.md 4.6.0)."""
    return {IMAGE_HEADER: quote(image)}


def _empty(status: int, **headers: str) -> Response:
    answer = Response(b"", status, headers={**_NO_CACHE, **headers})
    del answer.headers["Content-Type"]
    return answer
