"""From exceptions to answers: what a client may see of an error, and nothing more."""

from __future__ import annotations

import logging

from quart import Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import WebsocketMismatch

from api.routing import Access, error_envelope, html_page, refused_envelope, with_retry_after
from drivers.errors import DriverError
from firmware.core.errors import OperationError, TooManyAttemptsError
from firmware.core.supervise import leaves

logger = logging.getLogger(__name__)

_TITLES = {
    401: "401 Authorization Required",
    403: "403 Forbidden",
    413: "413 Request Entity Too Large",
    429: "429 Too Many Requests",
}
_FRAMEWORK_ERRORS = {404: "NotFoundError", 413: "BodyTooLargeError"}


def answer_to(error: Exception, what: str) -> Response:
    """Return the JSON answer to *error*; *what* names the request for the log.

    A fault of a device is 503, a bug is 500 and is logged with its traceback, which the client never sees.
    """
    single = _single(error)
    if isinstance(single, OperationError):
        return refused_envelope(single)
    if isinstance(single, DriverError):
        logger.warning("%s: %s", what, single)
        return error_envelope(503, type(single).__name__, str(single))
    if isinstance(single, HTTPException):
        return framework_answer(single)
    logger.error("%s: a bug: %s", what, single, exc_info=error)
    return error_envelope(500, "InternalError", "the appliance has a bug here; its log has the details")


def framework_answer(error: HTTPException) -> Response:
    """Return the envelope for an error that the framework raised, such as an unknown route."""
    if isinstance(error, WebsocketMismatch):
        return error_envelope(
            400, "UpgradeRequiredError", "expected a WebSocket upgrade, got a plain request"
        )
    status = error.code or 500
    name = _FRAMEWORK_ERRORS.get(status, f"{type(error).__name__}Error")
    return error_envelope(status, name, error.description or error.name)


def refusal(error: OperationError, access: Access, path: str) -> Response:
    """Return the answer to missing or wrong credentials, in the manner of the route's kind of access.

    Behind the reference's front proxy refusals are HTML, and malformed credentials come out as 500
    (gotcha 20); a person's browser is sent to the login page.
    """
    if access is Access.PAGE and error.status in (401, 403):
        # Relative, because a reverse proxy may serve us below a path that only it knows.
        login = "../" * (path.count("/") - 1) + "login"
        return Response(b"", 302, headers={"Location": login, "Cache-Control": "no-store"})
    if isinstance(error, TooManyAttemptsError) and access in (Access.PROXIED, Access.PAGE):
        return with_retry_after(html_page(error.status, _TITLES[error.status], str(error)), error)
    if access is Access.PROXIED and error.status in (401, 403):
        return html_page(error.status, _TITLES[error.status], "Log in or send valid credentials.")
    if access in (Access.PROXIED, Access.PAGE):
        return html_page(500, "500 Internal Server Error", "The credentials are malformed.")
    return refused_envelope(error)


def _single(error: Exception) -> BaseException:
    """Return the one exception of a group that holds only one, or *error* itself."""
    found = list(leaves(error))
    return found[0] if len(found) == 1 else error
