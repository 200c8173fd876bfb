"""Redfish resources as data: a URI, how it is read, what else may be done there; and their routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from quart import Response

from api.redfish.answers import Document, document_answer, refusal_answer, require_match
from api.redfish.errors import HttpError, PreconditionFailedError
from api.routing import NO_CONTENT, Access, Answer, Body, Call, Handler, Route, Traced, bare
from firmware.core.errors import OperationError
from firmware.subsystems.auth.rights import Capability

ROOT: Final = "/redfish/v1"
PREFIXES: Final = ("", "/api")
"""The service stands at both (contract http.md 1); links are always those of the first."""

type Reader = Callable[[Call], Awaitable[Document]]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a method other than GET does at a URI; *conditional*: If-Match is compared with what is read."""

    handler: Handler
    needs: Capability | None
    """What its caller must be allowed to do; None = any caller whom `access` lets in."""
    summary: str
    body: Body | None = None
    answers: tuple[Answer, ...] = (NO_CONTENT,)
    errors: tuple[type[OperationError], ...] = (HttpError,)
    access: Access = Access.REDFISH
    traced: Traced | None = None
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """One URI; *read* is None where there is nothing to read, as at an action's target."""

    path: str
    summary: str = ""
    read: Reader | None = None
    access: Access = Access.REDFISH
    needs: Capability | None = Capability.VIEW
    """What whoever reads must be allowed to do: nearly everything here is state."""
    operations: Mapping[str, Operation] = field(default_factory=dict)
    errors: tuple[type[OperationError], ...] = ()


def link(uri: str) -> Document:
    """Return a reference to another resource."""
    return {"@odata.id": uri}


def collection(uri: str, kind: str, name: str, members: Sequence[str]) -> Document:
    """Return the collection at *uri* of resources of *kind* ("ComputerSystem") at the URIs *members*."""
    return {
        "@odata.id": uri,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": name,
        "Members": [link(member) for member in members],
        "Members@odata.count": len(members),
    }


def routes_of(resources: Sequence[Resource]) -> list[Route]:
    """Return the routes of *resources* below both prefixes."""
    return [
        Route(
            method,
            prefix + resource.path,
            operation.access,
            operation.needs,
            operation.handler,
            traced=operation.traced,
            summary=operation.summary,
            answers=operation.answers,
            body=operation.body,
            errors=operation.errors,
            # Once is enough: the second prefix has nothing else to say.
            described=not prefix,
        )
        for resource in resources
        for method, operation in _operations(resource).items()
        for prefix in PREFIXES
    ]


def _operations(resource: Resource) -> Mapping[str, Operation]:
    read = resource.read
    given = {
        method: _guarded(operation, read if operation.conditional else None)
        for method, operation in resource.operations.items()
    }
    if read is None:
        return given
    allow = ", ".join(sorted({"GET", *given}))

    async def show(call: Call) -> Response:
        return document_answer(call, await read(call), allow=allow)

    shown = Operation(
        _refusing(show),
        resource.needs,
        resource.summary,
        answers=(bare(dict[str, object]), Answer(None, 304, "", enveloped=False)),
        errors=resource.errors,
        access=resource.access,
    )
    return {"GET": shown, **given}


def _guarded(operation: Operation, read: Reader | None) -> Operation:
    async def handle(call: Call) -> Response:
        if read is not None and "If-Match" in call.request.headers:
            require_match(call, await read(call))
        return await operation.handler(call)

    errors = operation.errors if read is None else (*operation.errors, PreconditionFailedError)
    return Operation(
        _refusing(handle),
        operation.needs,
        operation.summary,
        operation.body,
        operation.answers,
        errors,
        operation.access,
        operation.traced,
        conditional=operation.conditional,
    )


def _refusing(handler: Handler) -> Handler:
    async def handle(call: Call) -> Response:
        try:
            return await handler(call)
        except OperationError as exc:
            return refusal_answer(exc, call.request.path)

    return handle
