"""Checking images against their digests; beyond the contract."""

from __future__ import annotations

from functools import partial

import msgspec
from quart import Response

from api.progress import PROGRESS, answer_with_progress
from api.routes.msd import ALWAYS, IMAGE
from api.routing import Access, Call, Route
from firmware.state.msd import CheckState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.msd.errors import (
    MsdConnectedError,
    MsdDigestMismatchError,
    MsdPermissionsError,
    MsdUnknownImageError,
)
from firmware.subsystems.msd.service import MsdService


class CheckAnswer(msgspec.Struct, frozen=True):
    """How the check of an image goes on, and at the end what it hashes to."""

    image: CheckState


def msd_verify_routes(msd: MsdService) -> list[Route]:
    """List the routes that check images."""

    async def verify(call: Call) -> Response:
        work = partial(msd.verify, call[IMAGE])
        return await answer_with_progress(call, work, lambda progress: CheckAnswer(progress.value))

    return [
        Route(
            "POST",
            "/api/msd/verify",
            Access.USER,
            Capability.MEDIA,
            verify,
            (IMAGE,),
            "compare an image with its digest; one without a digest is given one",
            answers=(PROGRESS,),
            errors=(
                *ALWAYS,
                MsdUnknownImageError,
                MsdConnectedError,
                MsdDigestMismatchError,
                MsdPermissionsError,
            ),
        )
    ]
