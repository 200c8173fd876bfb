"""Images from other servers (contract http.md 4.6, write_remote)."""

from __future__ import annotations

from functools import partial

from quart import Response

from api.params import Param
from api.progress import PROGRESS, answer_with_progress
from api.routes.msd import (
    ALWAYS,
    PLAIN_TEXT,
    PREFIX,
    REMOVE_INCOMPLETE,
    SHA256,
    WRITING,
    ImageAnswer,
    new_image_name,
    plain_text,
)
from api.routing import Access, Call, Route
from drivers.ports import RemoteFiles
from firmware.core.validators import valid_bool, valid_float, valid_http_url
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.msd.errors import ClientConnectorError, ClientError, ClientResponseError
from firmware.subsystems.msd.remote import download
from firmware.subsystems.msd.service import MsdService

URL = Param(
    "url", valid_http_url, description="where the image is: http or https, with user and password or not"
)
IMAGE = Param[str | None](
    "image", plain_text, None, "its name here; that of its server if left out", schema=PLAIN_TEXT
)
INSECURE = Param("insecure", valid_bool, False, "trust whoever answers, and redirects from https to http")
TIMEOUT = Param(
    "timeout", partial(valid_float, minimum=0.1), 10.0, "how long a connection may take, in seconds"
)


def msd_remote_routes(msd: MsdService, files: RemoteFiles) -> list[Route]:
    """List the routes of images from other servers."""

    async def write_remote(call: Call) -> Response:
        source = files.open(call[URL], connect_timeout_s=call[TIMEOUT], insecure=call[INSECURE])
        work = partial(
            download,
            msd,
            source,
            image=call[IMAGE],
            name_of=partial(new_image_name, call),
            remove_incomplete=call[REMOVE_INCOMPLETE],
            sha256=call[SHA256],
        )
        return await answer_with_progress(call, work, lambda sink: ImageAnswer(sink.state))

    return [
        Route(
            "POST",
            "/api/msd/write_remote",
            Access.USER,
            Capability.MEDIA,
            write_remote,
            (URL, IMAGE, PREFIX, INSECURE, TIMEOUT, REMOVE_INCOMPLETE, SHA256),
            "take in an image from another server",
            answers=(PROGRESS,),
            errors=(*ALWAYS, *WRITING, ClientError, ClientConnectorError, ClientResponseError),
        )
    ]
