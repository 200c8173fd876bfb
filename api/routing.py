"""Routes as data: path, method, who may call, parameters, handler.

Every route says who may call it; there is no default. The application turns the list into URL rules and the
description of the API is generated from the same list.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from quart import Response

from api.headers import add_security_headers
from api.params import Param
from api.server.body import FrontRequest
from firmware.core.errors import OperationError
from firmware.subsystems.auth.caller import Caller
from firmware.subsystems.auth.rights import Capability


class Access(enum.Enum):
    """Who may call a route."""

    PUBLIC = "public"
    """Anybody."""
    USER = "user"
    """Whoever presents valid credentials; refusals are JSON envelopes."""
    PROXIED = "proxied"
    """The same, with the HTML refusals that a front proxy gives in the reference (http.md 1)."""
    REDFISH = "redfish"
    """The same, with the session's token in `X-Auth-Token` too, and refusals that Redfish clients read."""
    PAGE = "page"
    """The same, for a person's browser: without credentials it is sent to the login page."""


class Traced(enum.Enum):
    """What the audit trail keeps of a request."""

    ACT = "act"
    """Who called it, when, with which parameters, and what came of it."""
    INPUT = "input"
    """How often, and nothing of what was sent: it is what somebody types."""
    NOTHING = "nothing"


SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Call:
    """One request on its way to a handler: its declared parameters, its body, who is calling."""

    def __init__(self, request: FrontRequest, params: tuple[Param[Any], ...], caller: Caller) -> None:
        self.request = request
        self.caller = caller
        self.noted: dict[str, object] = {}
        """What the audit trail is to have besides the parameters; never text that was typed, nor a secret."""
        self._params = params

    def __getitem__[T](self, param: Param[T]) -> T:
        """Return the validated value of a declared parameter. Raises ValidatorError."""
        if param not in self._params:
            raise LookupError(f"expected a parameter that the route declares, got {param.name}")
        return param.read(self.request.args)

    def given(self) -> dict[str, str]:
        """Return the text of all declared parameters that are in the request."""
        found = ((param.name, self.request.args.get(param.name)) for param in self._params)
        return {name: text for name, text in found if text is not None}

    def has(self, param: Param[Any]) -> bool:
        """Return whether a parameter was given, and not as one of those for which empty means absent."""
        raw = self.request.args.get(param.name)
        return raw is not None and not (param.empty_is_absent and not raw.strip())

    @property
    def user(self) -> str:
        """The user who calls, or for whom somebody does by a token or share link."""
        return self.caller.user

    @property
    def client(self) -> str:
        """The address that the request came from; empty if it has none."""
        return client_address(self.request.scope)

    def path_part(self, name: str) -> str:
        """Return what stands in the path where the route has `<name>`."""
        return str((self.request.view_args or {})[name])

    async def stream(self, head: Response, pieces: AsyncIterable[bytes]) -> Response:
        """Send an answer while the handler still holds what it is made of; return what the handler returns.

        *head* has the status and headers. What *pieces* raises, and a client that leaves, is raised here:
        then the connection is cut, so that nobody takes half an answer for all of it.
        """
        return await self.request.send_answer(add_security_headers(head), pieces)


def client_address(scope: Mapping[str, Any]) -> str:
    """Return the address of the peer of a request's connection, empty if it has none.

    From the socket alone: Quart's own property is made of a header, and any client can send headers.
    """
    peer = scope.get("client")
    return str(peer[0]) if peer else ""


UNLIMITED_BODY: Final = sys.maxsize
"""For `Route.body_limit_bytes`: bodies that go to the disk piece by piece."""


type Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of success, for the description of the API.

    *schema* is the type (a Struct, or any that msgspec can describe) of the envelope's `result`, or of the
    bare JSON document if not *enveloped*; None for other media types. An empty *media_type* means no body.
    """

    schema: Any = None
    status: int = 200
    media_type: str = "application/json"
    enveloped: bool = True
    description: str = ""


def bare(schema: Any, status: int = 200) -> Answer:
    """Return the answer that is a JSON document without the envelope."""
    return Answer(schema, status, enveloped=False)


def media(media_type: str, description: str = "") -> Answer:
    """Return the answer that is no JSON."""
    return Answer(None, media_type=media_type, enveloped=False, description=description)


NO_CONTENT = Answer(None, 204, "", enveloped=False)


@dataclass(frozen=True, slots=True)
class Body:
    """What a route reads from the body of a request; *schema* as that of `Answer`, None for raw bytes."""

    media_type: str
    schema: Any = None
    required: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP route.

    What its handler reads, answers and refuses is declared here and nowhere else; errors that any route may
    give (malformed parameters, credentials, a fault of a device) are understood. `<name>` in the path is one
    segment.
    """

    method: str
    path: str
    access: Access
    needs: Capability | None
    """What its caller must be allowed to do; None = any caller whom `access` lets in."""
    handler: Handler
    params: tuple[Param[Any], ...] = ()
    summary: str = ""
    body_limit_bytes: int | None = None
    """The largest request body; None takes the front's default."""
    answers: tuple[Answer, ...] = (Answer(dict[str, object]),)
    body: Body | None = None
    errors: tuple[type[OperationError], ...] = ()
    """The refusals of its subsystem, by class; their statuses are theirs."""
    traced: Traced | None = None
    """What the audit trail keeps; None = of what changes something the act, of the rest nothing."""
    in_person: bool = False
    """Whether only users themselves may call it, and nobody by a token or share link of theirs."""
    refuses_by_page: bool = False
    """Whether its handler answers what it refuses with a page for a person, since a browser is led there."""
    described: bool = True
    """Whether the description of the API shows it; files of the console are no part of the API."""


def traced(route: Route) -> Traced:
    """Return what the audit trail keeps of *route*."""
    if route.traced is not None:
        return route.traced
    return Traced.NOTHING if route.method in SAFE_METHODS else Traced.ACT


def envelope(result: Mapping[str, object] | msgspec.Struct | None = None) -> Response:
    """Return the success envelope around *result*, which is an object (contract http.md 2.1)."""
    return json_answer({"ok": True, "result": {} if result is None else result})


def refused_envelope(error: OperationError) -> Response:
    """Return the error envelope of a refused operation."""
    return with_retry_after(error_envelope(error.status, error.contract_name, str(error)), error)


def with_retry_after(answer: Response, error: OperationError) -> Response:
    """Say in *answer* when it is worth another try, if *error* knows, and return it."""
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def error_envelope(status: int, error: str, message: str) -> Response:
    """Return the error envelope (contract http.md 2.2)."""
    return json_answer({"ok": False, "result": {"error": error, "error_msg": message}}, status)


def json_answer(document: object, status: int = 200) -> Response:
    """Return a JSON answer with sorted keys."""
    body = msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=4)
    return Response(body, status, content_type="application/json; charset=utf-8")


def html_page(status: int, title: str, text: str) -> Response:
    """Return a small self-contained page; *title* and *text* are ours, never a client's."""
    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>{text}</p></html>"
    )
    return Response(body, status, content_type="text/html; charset=utf-8")
