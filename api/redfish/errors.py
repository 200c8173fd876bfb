"""Refusals in two dialects at once: the contract's envelope and Redfish's error object in one body.

Clients of the reference read `ok` and `result` (contract http.md 4.8), Redfish clients read `error` (DSP0266
8.6). Texts are ours; identifiers are those of DMTF's Base message registry.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from firmware.core.errors import OperationError

REGISTRY: Final = "Base.1.18"
REGISTRY_VERSION: Final = "1.18.1"
_MESSAGE_TYPE: Final = "#Message.v1_1_1.Message"


class BaseMessage(msgspec.Struct, frozen=True):
    """A message of the Base registry: its key, its arguments, and the properties that it is about."""

    key: str
    args: tuple[str, ...] = ()
    related: tuple[str, ...] = ()


class HttpError(OperationError):
    """Something is wrong with a Redfish request's arguments; the contract's name for it."""

    def __init__(self, text: str, message: BaseMessage | None = None) -> None:
        super().__init__(text)
        self.message = message


class PreconditionFailedError(OperationError):
    """The resource is no longer what the client's If-Match says."""

    status = 412


class NotFoundError(OperationError):
    """There is no such member of a collection."""

    status = 404


_BY_STATUS: Final = {
    401: BaseMessage("NoValidSession"),
    403: BaseMessage("InsufficientPrivilege"),
    405: BaseMessage("OperationNotAllowed"),
    409: BaseMessage("ResourceInUse"),
    412: BaseMessage("PreconditionFailed"),
    500: BaseMessage("InternalError"),
    503: BaseMessage("ServiceTemporarilyUnavailable", ("5",)),
}
_SERVER_FAULT: Final = 500
_NOT_FOUND: Final = 404


def malformed_json(text: str) -> HttpError:
    """Return the refusal of a body that is no JSON object."""
    return HttpError(text, BaseMessage("MalformedJSON"))


def message_of(error: OperationError | None, status: int, uri: str) -> BaseMessage:
    """Return the registry's message for an error, by what it says itself or by its *status*."""
    message = getattr(error, "message", None)
    if isinstance(message, BaseMessage):
        return message
    if status == _NOT_FOUND:
        return BaseMessage("ResourceMissingAtURI", (uri,))
    return _BY_STATUS.get(status, BaseMessage("GeneralError"))


def error_document(name: str, text: str, status: int, message: BaseMessage) -> dict[str, Any]:
    """Return the body that both kinds of client understand."""
    message_id = f"{REGISTRY}.{message.key}"
    info: dict[str, object] = {
        "@odata.type": _MESSAGE_TYPE,
        "MessageId": message_id,
        "Message": text,
        "MessageArgs": list(message.args),
        "MessageSeverity": "Critical" if status >= _SERVER_FAULT else "Warning",
        "Severity": "Critical" if status >= _SERVER_FAULT else "Warning",
        "Resolution": "See the message; the appliance's log may say more.",
    }
    if message.related:
        info["RelatedProperties"] = list(message.related)
    return {
        "ok": False,
        "result": {"error": name, "error_msg": text},
        "error": {"code": message_id, "message": text, "@Message.ExtendedInfo": [info]},
    }
