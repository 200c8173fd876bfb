"""What the Redfish service reads from a request and writes into an answer: bodies, entity tags, headers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec
from quart import Response

from api.redfish.errors import HttpError, PreconditionFailedError, error_document, malformed_json, message_of
from api.routing import Call, json_answer, with_retry_after
from firmware.core.errors import OperationError

type Document = dict[str, object]
"""A Redfish resource as it goes over the wire."""

_SCHEMA_BASE: Final = "https://redfish.dmtf.org/schemas/v1/"
_TAG_DIGITS: Final = 32


async def read_body[T](call: Call, schema: type[T]) -> T:
    """Return the JSON body, whatever the content type says (contract http.md 4.8). Raises HttpError."""
    data = await call.request.get_data()
    try:
        # The document first: what is no JSON at all and what is wrong in it are told apart.
        plain = msgspec.json.decode(data)
    except (ValueError, RecursionError) as exc:
        raise malformed_json(f"expected a JSON object, got something else ({exc}) - at the body") from None
    if not isinstance(plain, dict):
        raise malformed_json("expected a JSON object, got another value - at the body")
    try:
        return msgspec.convert(plain, schema)
    except msgspec.ValidationError as exc:
        raise HttpError(f"{exc} - at the body") from None


def entity_tag(document: Document) -> str:
    """Return the strong entity tag of *document*."""
    data = msgspec.json.encode(document, order="sorted")
    return f'"{hashlib.sha256(data).hexdigest()[:_TAG_DIGITS]}"'


def document_answer(call: Call, document: Document, *, allow: str) -> Response:
    """Return *document* with the headers of DSP0266 8.4, or 304 if the client has it already."""
    tag = entity_tag(document)
    headers = {"ETag": tag, "Allow": allow, "OData-Version": "4.0"}
    schema = _schema_uri(document)
    if schema is not None:
        headers["Link"] = f"<{schema}>; rel=describedby"
    if _lists(call.request.headers.get("If-None-Match"), tag):
        return Response(b"", 304, headers=headers)
    answer = json_answer(document)
    answer.headers.update(headers)
    return answer


def require_match(call: Call, document: Document) -> None:
    """Raise PreconditionFailedError if the client changes something else than what *document* is now."""
    wanted = call.request.headers.get("If-Match")
    tag = entity_tag(document)
    if wanted is not None and not _lists(wanted, tag):
        raise PreconditionFailedError(
            f"expected {tag}, got {wanted[:80]}: read the resource again - at If-Match"
        )


def refusal_answer(error: OperationError, uri: str) -> Response:
    """Return the answer to a refused operation."""
    text = str(error)
    message = message_of(error, error.status, uri)
    document = error_document(error.contract_name, text, error.status, message)
    return with_retry_after(json_answer(document, error.status), error)


def _lists(field: str | None, tag: str) -> bool:
    if field is None:
        return False
    # Weak comparison: proxies that compress make a strong tag weak, and the content is the same.
    given = {item.strip().removeprefix("W/") for item in field.split(",")}
    return "*" in given or tag in given


def _schema_uri(document: Mapping[str, object]) -> str | None:
    """Return where DMTF publishes the JSON schema of a document, by its `@odata.type`."""
    name = document.get("@odata.type")
    if not isinstance(name, str) or "." not in name:
        return None
    return f"{_SCHEMA_BASE}{name.removeprefix('#').rpartition('.')[0]}.json"
