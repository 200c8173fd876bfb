"""Tasks: what goes on after its request was answered with 202, and the monitors that tell its outcome."""

from __future__ import annotations

from typing import Final

from quart import Response

from api.redfish.answers import Document, refusal_answer
from api.redfish.errors import NotFoundError, error_document, message_of
from api.redfish.handles import RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.resources import ROOT, Operation, Resource, collection, link
from api.redfish.task_list import Task, TaskList
from api.routing import NO_CONTENT, Answer, Call, bare, json_answer
from firmware.subsystems.auth.rights import Capability

SERVICE: Final = f"{ROOT}/TaskService"
TASKS: Final = f"{SERVICE}/Tasks"
MONITORS: Final = f"{SERVICE}/TaskMonitors"
# What a client may be told to wait before it asks again; downloads take minutes.
RETRY_AFTER_S: Final = 2
ACCEPTED: Final = bare(dict[str, object], 202)


def task_service() -> Document:
    """Return the task service."""
    return {
        "@odata.id": SERVICE,
        "@odata.type": odata_type("TaskService"),
        "Id": "TaskService",
        "Name": "Task Service",
        "ServiceEnabled": True,
        "CompletedTaskOverWritePolicy": "Oldest",
        "LifeCycleEventOnTaskStateChange": False,
        "Status": {"State": "Enabled", "Health": "OK"},
        "Tasks": link(TASKS),
    }


def task_document(task: Task) -> Document:
    """Return one task."""
    document: Document = {
        "@odata.id": f"{TASKS}/{task.id}",
        "@odata.type": odata_type("Task"),
        "Id": task.id,
        "Name": task.name,
        "TaskState": task.state,
        "TaskStatus": "OK" if task.state in ("Running", "Completed") else "Warning",
        "StartTime": task.started_at.isoformat(timespec="seconds"),
        "TaskMonitor": f"{MONITORS}/{task.id}",
        "Messages": [],
    }
    progress = 100 if task.state == "Completed" else task.progress()
    if progress is not None:
        document["PercentComplete"] = progress
    if task.ended_at is not None:
        document["EndTime"] = task.ended_at.isoformat(timespec="seconds")
    if task.error is not None:
        error, uri = task.error, f"{TASKS}/{task.id}"
        refusal = error_document(
            error.contract_name, str(error), error.status, message_of(error, error.status, uri)
        )
        document["Messages"] = refusal["error"]["@Message.ExtendedInfo"]
    return document


def accepted(task: Task) -> Response:
    """Return the answer to a request whose operation goes on."""
    answer = json_answer(task_document(task), 202)
    answer.headers["Location"] = f"{MONITORS}/{task.id}"
    answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def outcome(task: Task, uri: str) -> Response:
    """Return what the request would have been answered with, had it waited: 202 while that is not known."""
    if task.state == "Running":
        return accepted(task)
    return Response(b"", 204) if task.error is None else refusal_answer(task.error, uri)


def task_resources(handles: RedfishHandles) -> list[Resource]:
    """List the resources of tasks."""
    tasks: TaskList = handles.tasks

    def found(call: Call) -> Task:
        task = tasks.get(call.path_part("id"))
        if task is None:
            raise NotFoundError(f"expected a task, got {call.path_part('id')[:80]!r} - at the task's id")
        return task

    async def service(_call: Call) -> Document:
        return task_service()

    async def show_all(_call: Call) -> Document:
        return collection(TASKS, "Task", "Task Collection", [f"{TASKS}/{task.id}" for task in tasks.tasks])

    async def show(call: Call) -> Document:
        return task_document(found(call))

    async def monitor(call: Call) -> Response:
        return outcome(found(call), call.request.path)

    async def cancel(call: Call) -> Response:
        task = found(call)
        task.cancel()
        await task.ended.wait()
        return Response(b"", 204)

    cancelling = Operation(cancel, Capability.MEDIA, "cancel it", errors=(NotFoundError,))
    answers: tuple[Answer, ...] = (ACCEPTED, NO_CONTENT)
    watching = Operation(
        monitor,
        Capability.VIEW,
        "its outcome, 202 until there is one",
        answers=answers,
        errors=(NotFoundError,),
    )
    return [
        Resource(SERVICE, "the task service", service),
        Resource(TASKS, "what is under way, and what has lately ended", show_all),
        Resource(
            f"{TASKS}/<id>", "one task", show, operations={"DELETE": cancelling}, errors=(NotFoundError,)
        ),
        Resource(f"{MONITORS}/<id>", operations={"GET": watching, "DELETE": cancelling}),
    ]
