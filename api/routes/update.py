"""Updates of the appliance itself; the contract has none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import trio
from quart import Response

from api.audit import shown
from api.params import Param
from api.progress import PROGRESS, answer_with_progress
from api.routing import UNLIMITED_BODY, Access, Answer, Body, Call, Route, envelope
from drivers.errors import RemoteError
from drivers.ports import RemoteFile, RemoteFiles
from firmware.core.errors import ValidatorError
from firmware.core.validators import valid_http_url
from firmware.state.update import Installation, InstallPhase, UpdateState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.update.errors import (
    UpdateBusyError,
    UpdateIncompleteError,
    UpdateNoSpaceError,
    UpdateRefusedError,
    UpdateSourceError,
    UpdateUnsupportedError,
)
from firmware.subsystems.update.service import ACCEPTED_S, Job, UpdateService

CONNECT_S = 10.0
UPLOAD = "upload"


def valid_https_url(raw: object, name: str = "url") -> str:
    """Return an absolute https URL as it was given."""
    url = valid_http_url(raw, name)
    if not url.lower().startswith("https://"):
        raise ValidatorError(f"expected an https:// URL, got one of http - at {name}")
    return url


URL = Param[str | None](
    "url",
    valid_https_url,
    None,
    "where the bundle is, with user and password or not; without it the body is the bundle",
    schema={"type": "string", "pattern": "^https://"},
)


def update_routes(update: UpdateService, files: RemoteFiles) -> list[Route]:
    """List the routes of updates."""

    def installation(_update: UpdateService) -> Installation:
        return update.state.value.installation or Installation(phase=InstallPhase.INSTALLING, source=UPLOAD)

    async def state(_call: Call) -> Response:
        return envelope(await update.look())

    async def install(call: Call) -> Response:
        url = call[URL]

        async def operation(*, begun: Callable[[UpdateService], None]) -> None:
            if url is None:
                job = await update.receive(call.request.body, size=_length(call), source=UPLOAD)
            else:
                try:
                    async with files.open(url, connect_timeout_s=CONNECT_S, insecure=False) as remote:
                        job = await update.receive(
                            _pieces(remote),
                            size=remote.size_bytes,
                            source=shown(url),
                            begun=lambda: begun(update),
                        )
                except RemoteError as exc:
                    raise UpdateSourceError(str(exc)) from exc
            await _follow(job, None if url is not None else lambda: begun(update))

        return await answer_with_progress(call, operation, installation)

    async def restart(_call: Call) -> Response:
        await update.restart()
        return envelope()

    return [
        Route(
            "GET",
            "/api/update",
            Access.USER,
            Capability.ADMIN,
            state,
            summary="the slots with their versions, what runs, what was given up, an installation under way",
            answers=(Answer(UpdateState),),
        ),
        Route(
            "POST",
            "/api/update/install",
            Access.USER,
            Capability.ADMIN,
            install,
            (URL,),
            summary="install a signed bundle into the slot that is not running; a restart then starts it",
            body_limit_bytes=UNLIMITED_BODY,
            body=Body("application/octet-stream", required=False, description="the bundle (*.raucb)"),
            answers=(PROGRESS,),
            errors=(
                UpdateUnsupportedError,
                UpdateBusyError,
                UpdateNoSpaceError,
                UpdateIncompleteError,
                UpdateRefusedError,
                UpdateSourceError,
            ),
        ),
        Route(
            "POST",
            "/api/update/restart",
            Access.USER,
            Capability.ADMIN,
            restart,
            summary="restart the appliance, which starts what was installed last",
            errors=(UpdateUnsupportedError, UpdateBusyError),
        ),
    ]


async def _follow(job: Job, begun: Callable[[], None] | None) -> None:
    """Wait for the end of *job*, telling when it is under way for certain. Raises what ended it."""
    with trio.move_on_after(ACCEPTED_S):
        await job.accepted.wait()
    if begun is not None and not (job.done.is_set() and job.error is not None):
        begun()
    await job.done.wait()
    if job.error is not None:
        raise job.error


def _length(call: Call) -> int:
    size = call.request.content_length
    if not size:
        raise ValidatorError(
            "expected a bundle with its Content-Length or a url, got neither - at the request"
        )
    return size


async def _pieces(remote: RemoteFile) -> AsyncIterator[bytes]:
    while piece := await remote.read():
        yield piece
