"""Sessions: a login whose token goes into `X-Auth-Token`; the very sessions of the rest of the API."""

from __future__ import annotations

from typing import Final

import msgspec
from quart import Response

from api.credentials import SESSION_HEADER
from api.redfish.answers import Document, read_body
from api.redfish.errors import BaseMessage, HttpError, NotFoundError
from api.redfish.handles import RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.resources import ROOT, Operation, Resource, collection, link
from api.routing import Access, Body, Call, Traced, bare, json_answer
from firmware.core.errors import ForbiddenError, TooManyAttemptsError, UnauthorizedError, ValidatorError
from firmware.core.validators import valid_passwd, valid_user
from firmware.subsystems.auth.sessions import SessionInfo

SERVICE: Final = f"{ROOT}/SessionService"
SESSIONS: Final = f"{SERVICE}/Sessions"
# What the schema allows to be said of a lifetime, in seconds; anything else is left unsaid.
_TIMEOUT_RANGE_S: Final = range(30, 86400 + 1)


class Credentials(msgspec.Struct):
    """The body of a login."""

    UserName: object = None
    Password: object = None


def session_service(*, enabled: bool, lifetime_s: int) -> Document:
    """Return the session service; *lifetime_s* 0 = sessions do not expire."""
    document: Document = {
        "@odata.id": SERVICE,
        "@odata.type": odata_type("SessionService"),
        "Id": "SessionService",
        "Name": "Session Service",
        "ServiceEnabled": enabled,
        "Sessions": link(SESSIONS),
    }
    if lifetime_s in _TIMEOUT_RANGE_S:
        document["SessionTimeout"] = lifetime_s
    return document


def session(info: SessionInfo) -> Document:
    """Return one session."""
    return {
        "@odata.id": f"{SESSIONS}/{info.id}",
        "@odata.type": odata_type("Session"),
        "Id": info.id,
        "Name": f"Session of {info.user}",
        "UserName": info.user,
    }


def session_resources(handles: RedfishHandles) -> list[Resource]:
    """List the resources of sessions."""
    auth = handles.auth

    async def service(_call: Call) -> Document:
        return session_service(enabled=auth.enabled, lifetime_s=auth.session_lifetime_s)

    async def sessions(call: Call) -> Document:
        uris = [f"{SESSIONS}/{info.id}" for info in auth.sessions_shown_to(call.caller)]
        return collection(SESSIONS, "Session", "Session Collection", uris)

    async def show(call: Call) -> Document:
        wanted = call.path_part("id")
        for info in auth.sessions_shown_to(call.caller):
            if info.id == wanted:
                return session(info)
        raise _unknown(wanted)

    async def login(call: Call) -> Response:
        body = await read_body(call, Credentials)
        for name, value in (("UserName", body.UserName), ("Password", body.Password)):
            if value is None:
                raise HttpError(
                    f"expected {name}, got nothing - at the body",
                    BaseMessage("PropertyMissing", (name,), (f"#/{name}",)),
                )
        user = valid_user(body.UserName, "UserName")
        try:
            passwd = valid_passwd(body.Password, "Password")
            info, token = await auth.open_session(user, passwd, client=call.client)
        except ForbiddenError as exc:
            # Redfish clients tell by 401 that it was the credentials.
            raise UnauthorizedError(str(exc)) from None
        answer = json_answer(session(info), 201)
        answer.headers["Location"] = f"{SESSIONS}/{info.id}"
        answer.headers[SESSION_HEADER] = token
        return answer

    async def logout(call: Call) -> Response:
        if not auth.end_session(call.path_part("id"), by=call.caller):
            raise _unknown(call.path_part("id"))
        return Response(b"", 204)

    return [
        Resource(SERVICE, "the session service", service),
        Resource(
            SESSIONS,
            "the sessions that are open, those of the web console too",
            sessions,
            needs=None,
            operations={
                "POST": Operation(
                    login,
                    None,
                    "log in: X-Auth-Token of the answer is the token, and deleting its Location logs out",
                    Body("application/json", Credentials),
                    (bare(dict[str, object], 201),),
                    (HttpError, ValidatorError, UnauthorizedError, TooManyAttemptsError),
                    Access.PUBLIC,
                    Traced.NOTHING,
                )
            },
        ),
        Resource(
            f"{SESSIONS}/<id>",
            "one session",
            show,
            needs=None,
            operations={"DELETE": Operation(logout, None, "end this session alone", errors=(NotFoundError,))},
            errors=(NotFoundError,),
        ),
    ]


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"expected an open session, got {name[:80]!r} - at the session's id")
