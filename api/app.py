"""The Quart-Trio application: routes to handlers, errors to answers, who may call, security headers.

It decodes, authorises, calls a handle and encodes; no rule of a subsystem is here. It must never show a
traceback to a client, nor run a handler before the caller is known.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, cast, override

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Response, Websocket, request, websocket
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from api.audit import actor_of, record_call, recorded_session
from api.body_limits import BodyLimits
from api.credentials import (
    ANYBODY,
    TOKEN_COOKIE,
    Basic,
    Cookie,
    Headers,
    Identity,
    Nothing,
    Presented,
    identify,
    presented,
)
from api.errors import answer_to, framework_answer, refusal
from api.headers import add_security_headers, add_tls_headers
from api.leased import leased
from api.origins import Origins
from api.params import Param
from api.proxies import TrustedProxies
from api.redfish.dress import dress
from api.routing import SAFE_METHODS, Access, Call, Route, client_address, error_envelope, refused_envelope
from api.server import FrontApp, is_disconnect
from api.server.body import FrontRequest
from api.server.exchange import line_to_client, vouch_for
from api.ws.hub import Hub
from api.ws.media import MediaSockets
from api.ws.rights import TO_OPEN
from api.ws.session import ControlSession
from firmware.core.errors import ForbiddenError, OperationError, ValidatorError
from firmware.core.masking import masked_path
from firmware.core.supervise import describe
from firmware.core.validators import valid_bool
from firmware.subsystems.audit.service import AuditService
from firmware.subsystems.auth.caller import Caller
from firmware.subsystems.auth.leases import Claim
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.auth.service import AuthService
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.info.service import InfoService
from firmware.subsystems.sessions.service import SessionsService

logger = logging.getLogger(__name__)

CONTROL_SOCKET_PATH = "/api/ws"
MEDIA_SOCKET_PATH = "/api/media/ws"
STREAM = Param("stream", valid_bool, True, "this session wants video")
OWN = Param("farhand", valid_bool, False, "events that the contract does not have as well")
LEGACY = Param("legacy", valid_bool, False, "event names of old firmware")

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_REPEATED_SLASHES = re.compile("//+")


@dataclass(frozen=True, slots=True)
class Front:
    """The handles that the application itself needs; routes bring their own."""

    auth: AuthService
    audit: AuditService
    hid: HidService
    sessions: SessionsService
    info: InfoService
    hub: Hub
    media: MediaSockets
    routes: Sequence[Route]
    proxies: TrustedProxies
    origins: Origins
    hsts_s: int
    """How long browsers are told to use nothing but HTTPS; 0 = they are not told."""


class Application(FrontApp):
    """The front's application."""

    def __init__(self, front: Front) -> None:
        super().__init__("farhand", static_folder=None)
        self._front = front
        self._body_limits = BodyLimits(front.routes)
        self._routes = _by_path(front.routes)
        for path, by_method in self._routes.items():
            self.add_url_rule(
                path,
                endpoint=path,
                view_func=_view(self, by_method),
                methods=_METHODS,
                provide_automatic_options=False,
                strict_slashes=True,
            )
        for path, view in (
            (CONTROL_SOCKET_PATH, self._control_socket),
            (MEDIA_SOCKET_PATH, self._media_socket),
        ):
            self.add_websocket(path, view_func=view, strict_slashes=False)
        self.register_error_handler(HTTPException, self._framework_answer)
        self.after_request(self._add_security_headers)
        self.after_request(_dress_for_redfish)

    def body_limit(self, scope: Mapping[str, Any]) -> int | None:
        """Return the longest body in bytes of the request that *scope* describes."""
        path = _REPEATED_SLASHES.sub("/", scope["path"]).rstrip("/")
        return self._body_limits.of(scope["method"], path)

    @override
    async def asgi_app(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        # Trailing and doubled slashes are accepted as they are: a redirect would lose the body (gotcha 9).
        path = "" if scope["type"] == "lifespan" else _REPEATED_SLASHES.sub("/", scope["path"])
        if path not in ("", "/kvm/"):
            scope = {**scope, "path": path.rstrip("/") or "/"}  # type: ignore[assignment] # the union of scopes is lost
        if path:
            scope = cast("Scope", self._front.proxies.seen_through(cast("Mapping[str, Any]", scope)))
        await super().asgi_app(scope, receive, send)

    async def serve_route(self, by_method: Mapping[str, Route]) -> Response:
        """Answer the present request by the route for its method."""
        route = by_method.get(request.method)
        what = f"{request.method} {masked_path(request.path)}"
        if route is None:
            return _method_not_allowed(by_method)
        try:
            identity = await self._caller(route.access)
        except OperationError as exc:
            return refusal(exc, route.access, request.path)
        call = Call(cast("FrontRequest", request), route.params, identity.caller)
        status: int | None = None
        try:
            answer = await self._permitted(route, identity, call, what)
            status = answer.status_code
            return answer
        finally:
            # Also of a client that did not wait for the answer.
            record_call(self._front.audit, route, call, actor_of(identity, call.client), status)

    async def _permitted(self, route: Route, identity: Identity, call: Call, what: str) -> Response:
        """Answer *call* if its user may, and as long as that is so."""
        try:
            if route.in_person:
                _require_in_person(identity)
            if route.needs is None:
                return await self._answer(route, call, what)
            self._require(route.needs, identity)
        except OperationError as exc:
            return refusal(exc, route.access, request.path)
        auth = self._front.auth
        claim = _claim(identity, frozenset({route.needs}))
        with auth.lease(claim) as lease:
            answer = leased(await self._answer(route, call, what), auth, claim)
        if not lease.cancelled_caught:
            return answer
        # The claim ended first. An answer that was begun is cut short by the server, whatever is returned.
        logger.info("%s was cut short: its user logged out or may not do it any more", what)
        lost = ForbiddenError("expected a login and rights that last, got ones that have ended meanwhile")
        return refusal(lost, route.access, request.path)

    async def _answer(self, route: Route, call: Call, what: str) -> Response:
        try:
            return await route.handler(call)
        except Exception as exc:
            if is_disconnect(exc):
                raise  # nobody is left to answer, and it is no bug of ours
            if cast("FrontRequest", request).answer_begun:
                logger.warning("%s was cut short: %s", what, describe(exc))
            return answer_to(exc, what)

    def _require(self, needed: Capability, identity: Identity) -> None:
        if needed not in self._front.auth.may(identity.caller):
            by = f" by {identity.caller.how}" if identity.caller.how else ""
            raise ForbiddenError(
                f"expected a user who may {needed}, got {identity.caller.user}, who may not{by}"
            )

    def _framework_answer(self, error: HTTPException) -> Response:
        if isinstance(error, MethodNotAllowed):
            # Werkzeug knows only the methods that any route may have.
            path, _ = self.create_url_adapter(request).match(method="GET")  # type: ignore[union-attr] # a request's
            return _method_not_allowed(self._routes[path])
        return framework_answer(error)

    async def _caller(self, access: Access) -> Identity:
        changes = request.method not in SAFE_METHODS
        if access is Access.PUBLIC:
            # Without that header only the host could be compared, which a proxy may have changed; and who is
            # logged in by another page has its owner's rights, not the user's.
            if changes and "Sec-Fetch-Site" in request.headers:
                self._refuse_strangers(Nothing(), request.headers)
            return ANYBODY
        credentials = presented(
            request.headers, request.cookies.get(TOKEN_COOKIE), session_header=access is Access.REDFISH
        )
        identity = await identify(credentials, self._front.auth, client_address(request.scope))
        vouch_for(request.scope)
        if changes:
            self._refuse_strangers(credentials, request.headers)
        return identity

    def _refuse_strangers(self, credentials: Presented, headers: Headers) -> None:
        """Raise ForbiddenError if a browser sends this for a page of somebody else's.

        What a browser does not add by itself, a page had to know, and then it needs no help of a browser.
        """
        if not isinstance(credentials, Cookie | Basic | Nothing):
            return
        opened_at = self._front.auth.origin_of(credentials.token) if isinstance(credentials, Cookie) else None
        if (stranger := self._front.origins.stranger(headers, opened_at)) is not None:
            raise ForbiddenError(
                f"expected a request of this appliance's own pages, got one from {stranger}"
                " - farhand/origins in the configuration lists others"
            )

    async def _control_socket(self) -> Response | None:
        """Serve `/api/ws`; refusals are ordinary answers before the upgrade (contract websocket.md 1.1)."""
        front = self._front
        try:
            identity = await self._socket_caller()
            stream, legacy = STREAM.read(websocket.args), LEGACY.read(websocket.args)
            own = OWN.read(websocket.args)
        except OperationError as exc:
            return refused_envelope(exc)
        socket = await _accepted()
        may = partial(self._may, identity.caller)
        with (
            front.auth.lease(self._present_claim(identity)),
            self._held(identity),
            front.sessions.opened(stream=stream),
        ):
            front.info.request_refresh()
            session = ControlSession(
                socket,
                front.hub,
                front.hid,
                legacy=legacy,
                may=may,
                own=own,
                line=line_to_client(websocket.scope),
            )
            actor = actor_of(identity, client_address(websocket.scope))
            with recorded_session(front.audit, actor, session.input_counts):
                await session.serve()
        return None

    async def _media_socket(self) -> Response | None:
        """Serve `/api/media/ws`; who may is refused as by a proxy in front of it (contract http.md 1, 5)."""
        media = self._front.media
        try:
            identity = await self._socket_caller()
        except OperationError as exc:
            return refusal(exc, Access.PROXIED, MEDIA_SOCKET_PATH)
        try:
            pure = media.video_param.read(websocket.args)
        except ValidatorError as exc:
            return refused_envelope(exc)
        socket = await _accepted()
        with self._front.auth.lease(self._present_claim(identity)):
            await media.serve(socket, may=partial(self._may, identity.caller), pure=pure)
        return None

    async def _add_security_headers(self, response: Response) -> Response:
        add_security_headers(response)
        if request.scheme == "https":
            add_tls_headers(response, self._front.hsts_s)
        return response

    def _held(self, identity: Identity) -> AbstractContextManager[None]:
        return nullcontext() if identity.token is None else self._front.auth.hold(identity.token)

    def _present_claim(self, identity: Identity) -> Claim:
        """Return the claim of a socket: its login and all that its user may do now.

        So a loss of any right ends it, and with it releases what it holds pressed; the client comes back with
        what is left.
        """
        return _claim(identity, self._front.auth.may(identity.caller) | {TO_OPEN})

    def _may(self, caller: Caller, capability: Capability) -> bool:
        return capability in self._front.auth.may(caller)

    async def _socket_caller(self) -> Identity:
        credentials = presented(websocket.headers, websocket.cookies.get(TOKEN_COOKIE))
        identity = await identify(credentials, self._front.auth, client_address(websocket.scope))
        vouch_for(websocket.scope)
        self._refuse_strangers(credentials, websocket.headers)
        self._require(TO_OPEN, identity)
        return identity


async def _accepted() -> Websocket:
    """Accept the present upgrade and return the socket."""
    await websocket.accept()
    return websocket._get_current_object()  # noqa: SLF001 - the proxy is of this task, a session has several


def _claim(identity: Identity, capabilities: frozenset[Capability]) -> Claim:
    return Claim(identity.caller.user, capabilities, identity.token, identity.caller.grant)


def _require_in_person(identity: Identity) -> None:
    if identity.caller.grant is not None:
        raise ForbiddenError(
            f"expected {identity.caller.user} to log in for this, got somebody by {identity.caller.how}"
        )


def _by_path(routes: Sequence[Route]) -> Mapping[str, Mapping[str, Route]]:
    paths: dict[str, dict[str, Route]] = {}
    for route in routes:
        methods = paths.setdefault(route.path, {})
        if route.method in methods:
            raise ValueError(f"expected one handler for {route.method} {route.path}, got two")
        methods[route.method] = route
    return paths


def _method_not_allowed(by_method: Mapping[str, Route]) -> Response:
    allowed = ", ".join(sorted(by_method))
    answer = error_envelope(405, "MethodNotAllowedError", f"expected {allowed}, got {request.method}")
    answer.headers["Allow"] = allowed
    return answer


def _view(app: Application, by_method: Mapping[str, Route]) -> Callable[..., Awaitable[Response]]:
    async def view(**_path_arguments: Any) -> Response:
        return await app.serve_route(by_method)

    return view


async def _dress_for_redfish(response: Response) -> Response:
    return await dress(response, request.path)
