"""The supervised tasks and the counters of the shared objects: beyond the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from quart import Response

from api.params import Param
from api.routing import Access, Answer, Call, Route, envelope, media
from firmware.core.errors import OperationError
from firmware.core.supervise import Supervisor, TaskState
from firmware.core.validators import valid_gpio_channel
from firmware.subsystems.auth.rights import Capability

TASK = Param("task", valid_gpio_channel, description="the name of a supervised task")


class SupervisorState(msgspec.Struct, frozen=True):
    """The supervised tasks by name, and the counters of shared objects."""

    tasks: Mapping[str, TaskState]
    statistics: Mapping[str, object]


class UnknownTaskError(OperationError):
    """There is no task of that name."""


def supervisor_routes(supervisor: Supervisor, statistics: Callable[[], Mapping[str, object]]) -> list[Route]:
    """List the routes of supervision; *statistics* collects those of all shared objects."""

    async def state(_call: Call) -> Response:
        return envelope(SupervisorState(supervisor.tasks.value, statistics()))

    async def restart(call: Call) -> Response:
        task = call[TASK]
        if task not in supervisor.tasks.value:
            known = ", ".join(sorted(supervisor.tasks.value))
            raise UnknownTaskError(f"expected one of {known}, got {task!r} - at task")
        supervisor.restart(task)
        return envelope()

    async def health(_call: Call) -> Response:
        return Response(b"ok\n", content_type="text/plain; charset=utf-8")

    return [
        Route(
            "GET",
            "/api/supervisor",
            Access.USER,
            Capability.VIEW,
            state,
            summary="every supervised task, and counters",
            answers=(Answer(SupervisorState),),
        ),
        Route(
            "POST",
            "/api/supervisor/restart",
            Access.USER,
            Capability.ADMIN,
            restart,
            (TASK,),
            summary="restart a supervised task at once",
            errors=(UnknownTaskError,),
        ),
        Route(
            "GET",
            "/healthz",
            Access.PUBLIC,
            None,
            health,
            summary="answers as long as the front does",
            answers=(media("text/plain"),),
        ),
    ]
