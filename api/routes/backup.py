"""Backup, restore and factory reset; the contract has none of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import trio
from quart import Response

from api.params import Param
from api.routing import Access, Answer, Body, Call, Route, envelope, media
from drivers.errors import os_errors
from firmware.core.errors import ValidatorError
from firmware.core.validators import valid_bool
from firmware.state.backup import BackupState, ResetState, RestoreState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.backup.errors import (
    BackupDamagedError,
    BackupNewerError,
    BackupPasswordError,
    BackupTooLargeError,
    BackupUnusableError,
    ResetUnconfirmedError,
    ResetUnsupportedError,
)
from firmware.subsystems.backup.sealed import (
    PASSWORD_MAX_CHARS,
    PASSWORD_MIN_CHARS,
    SEALED_MAX_BYTES,
    valid_backup_password,
)
from firmware.subsystems.backup.service import BackupService

FORM_BYTES = 16 << 10
"""For the other fields of a form."""
CONFIRM_MAX_CHARS = 255


type Password = Annotated[str, msgspec.Meta(min_length=PASSWORD_MIN_CHARS, max_length=PASSWORD_MAX_CHARS)]


class PasswordForm(msgspec.Struct, frozen=True):
    """The form of a backup, for the description of the API."""

    password: Password
    """Nothing opens the backup without it."""


class RestoreForm(msgspec.Struct, frozen=True):
    """The form of a restore."""

    password: Password
    file: Annotated[str, msgspec.Meta(extra_json_schema={"contentMediaType": "application/octet-stream"})]
    """The backup."""


class Cancelled(msgspec.Struct, frozen=True):
    """Whether there was something to cancel."""

    cancelled: bool


def _name(raw: object, name: str) -> str:
    text = str(raw)
    if len(text) > CONFIRM_MAX_CHARS:
        raise ValidatorError(f"expected at most {CONFIRM_MAX_CHARS} characters, got {len(text)} - at {name}")
    return text


CONFIRM = Param("confirm", _name, description="the appliance's host name", schema={"type": "string"})
IMAGES = Param("images", valid_bool, False, "remove the images as well")


def backup_routes(backup: BackupService) -> list[Route]:
    """List the routes of backup, restore and factory reset."""

    async def look(_call: Call) -> Response:
        with os_errors("the configuration"):
            return envelope(await backup.look())

    async def make(call: Call) -> Response:
        password = valid_backup_password((await call.request.form).get("password", ""))
        with os_errors("the configuration"):
            sealed = await backup.make(password)
        answer = Response(sealed, content_type="application/octet-stream")
        name = f"{backup.host_name}-{datetime.now(UTC):%Y%m%d}.age"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    async def restore(call: Call) -> Response:
        password = valid_backup_password((await call.request.form).get("password", ""))
        file = (await call.request.files).get("file")
        if file is None:
            raise ValidatorError("expected the backup as a file in a form, got none - at file")
        sealed = await trio.to_thread.run_sync(file.read)
        with os_errors("the state directory"):
            return envelope(await backup.restore(sealed, password))

    async def cancel_restore(_call: Call) -> Response:
        with os_errors("the state directory"):
            return envelope(Cancelled(await backup.cancel_restore()))

    async def look_at_reset(_call: Call) -> Response:
        return envelope(await backup.look_at_reset())

    async def reset(call: Call) -> Response:
        with os_errors("the state directory"):
            await backup.reset(call[CONFIRM], images=call[IMAGES])
        return envelope(await backup.look_at_reset())

    async def cancel_reset(_call: Call) -> Response:
        with os_errors("the state directory"):
            return envelope(Cancelled(await backup.cancel_reset()))

    return [
        Route(
            "GET",
            "/api/backup",
            Access.USER,
            Capability.ADMIN,
            look,
            summary="what a backup made now would have, and whether a restore waits for a restart",
            answers=(Answer(BackupState),),
            errors=(BackupTooLargeError,),
        ),
        Route(
            "POST",
            "/api/backup",
            Access.USER,
            Capability.ADMIN,
            make,
            summary="configuration, passwords, keys and settings as one file that a password opens",
            body_limit_bytes=FORM_BYTES,
            body=Body("application/x-www-form-urlencoded", PasswordForm),
            answers=(media("application/octet-stream", "age's format; `age --decrypt` opens it as well"),),
            errors=(BackupTooLargeError,),
        ),
        Route(
            "POST",
            "/api/restore",
            Access.USER,
            Capability.ADMIN,
            restore,
            summary="have a backup take the place of everything at the next start; looked through first",
            body_limit_bytes=SEALED_MAX_BYTES + FORM_BYTES,
            body=Body("multipart/form-data", RestoreForm),
            answers=(Answer(RestoreState),),
            errors=(BackupPasswordError, BackupDamagedError, BackupNewerError, BackupUnusableError),
        ),
        Route(
            "DELETE",
            "/api/restore",
            Access.USER,
            Capability.ADMIN,
            cancel_restore,
            summary="forget a restore that waits",
            answers=(Answer(Cancelled),),
        ),
        Route(
            "GET",
            "/api/factory_reset",
            Access.USER,
            Capability.ADMIN,
            look_at_reset,
            summary="whether everything can be forgotten here, and whether the next start does so",
            answers=(Answer(ResetState),),
        ),
        Route(
            "POST",
            "/api/factory_reset",
            Access.USER,
            Capability.ADMIN,
            reset,
            (CONFIRM, IMAGES),
            summary="forget configuration, accounts, keys and settings at the next start",
            answers=(Answer(ResetState),),
            errors=(ResetUnsupportedError, ResetUnconfirmedError),
        ),
        Route(
            "DELETE",
            "/api/factory_reset",
            Access.USER,
            Capability.ADMIN,
            cancel_reset,
            summary="do not forget anything after all",
            answers=(Answer(Cancelled),),
        ),
    ]
