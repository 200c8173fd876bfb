"""From routes to the OpenAPI document: pure, no request and no clock.

What a route declares is described; nothing is added by hand for a single route, so that the document cannot
drift from what is served.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from api.openapi.parameters import parameter_schema
from api.params import REQUIRED, Param
from api.routing import Access, Answer, Route
from firmware.core.errors import OperationError, TooManyAttemptsError, ValidatorError

OPENAPI_VERSION: Final = "3.1.0"

_PATH_PART: Final = re.compile(r"<([a-zA-Z_]+)>")
_REF: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_HTML: Final = {"text/html": {"schema": {"type": "string"}}}
# HEAD and OPTIONS of the streamer answer for the sake of old clients; they are no operations of their own.
_UNDESCRIBED_METHODS: Final = frozenset({"HEAD", "OPTIONS"})

_SECURITY: Final[list[dict[str, list[str]]]] = [{"basic": []}, {"user": [], "password": []}, {"cookie": []}]
_BY_TOKEN: Final[list[dict[str, list[str]]]] = [{"token": []}]
_SECURITY_SCHEMES: Final = {
    "basic": {"type": "http", "scheme": "basic"},
    "user": {"type": "apiKey", "in": "header", "name": "X-KVMD-User"},
    "password": {"type": "apiKey", "in": "header", "name": "X-KVMD-Passwd"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "auth_token"},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "fht_ and 64 hexadecimal digits",
        "description": "An API token. It may also stand in place of a password, without a code.",
    },
    "session": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
}
_ERROR_SCHEMA: Final = {
    "type": "object",
    "required": ["ok", "result"],
    "properties": {
        "ok": {"const": False},
        "result": {
            "type": "object",
            "required": ["error", "error_msg"],
            "properties": {
                "error": {"type": "string", "description": "a stable class name"},
                "error_msg": {"type": "string", "description": "for people"},
            },
        },
    },
}


def openapi_document(routes: Sequence[Route], *, version: str) -> dict[str, object]:
    """Return the document of *routes*; *version* is the appliance's."""
    described = [route for route in routes if route.described and route.method not in _UNDESCRIBED_METHODS]
    schemas = _Schemas(described)
    paths: dict[str, dict[str, object]] = {}
    for route in described:
        path = _PATH_PART.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Farhand",
            "version": version,
            "description": "An IP-KVM appliance. Parameters stand in the query string, also of a POST.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({_tag(route) for route in described})],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR_SCHEMA, **schemas.components},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


class _Schemas:
    """The schemas of all types that routes mention; shared ones stand among the components."""

    def __init__(self, routes: Iterable[Route]) -> None:
        types: dict[str, Any] = {repr(schema): schema for route in routes for schema in _types(route)}
        made, self.components = msgspec.json.schema_components(
            types.values(), schema_hook=_free_form, ref_template=_REF
        )
        self._made = dict(zip(types, made, strict=True))
        for model in _structs(types.values()):
            _require_what_is_always_there(model, self.components)

    def of(self, schema: Any) -> Mapping[str, object]:
        """Return the schema of a type that a route mentions."""
        return self._made[repr(schema)]


def _free_form(custom: type) -> dict[str, object]:
    """Describe the one type that says nothing: any JSON value."""
    if custom is object:
        return {"description": "any JSON value"}
    raise NotImplementedError


def _types(route: Route) -> Iterator[Any]:
    for answer in route.answers:
        if answer.schema is not None:
            yield answer.schema
    if route.body is not None and route.body.schema is not None:
        yield route.body.schema


def _structs(types: Iterable[Any]) -> Iterator[type[msgspec.Struct]]:
    """Yield every Struct that is reached from *types*, once."""
    seen: set[type] = set()
    waiting: list[Any] = [*msgspec.inspect.multi_type_info(types)]
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            yield info.cls
            waiting.extend(field.type for field in info.fields)
        for name in ("types", "item_types"):
            waiting.extend(getattr(info, name, ()))
        for name in ("item_type", "key_type", "value_type", "type"):
            inner = getattr(info, name, None)
            if isinstance(inner, msgspec.inspect.Type):
                waiting.append(inner)


def _require_what_is_always_there(model: type[msgspec.Struct], components: Mapping[str, Any]) -> None:
    """A field with a default is written all the same, unless the model leaves defaults out."""
    component = components.get(model.__name__)
    if component is not None and "properties" in component and not model.__struct_config__.omit_defaults:
        component["required"] = list(component["properties"])


def _operation(route: Route, schemas: _Schemas) -> dict[str, object]:
    operation: dict[str, object] = {
        "operationId": _operation_id(route),
        "tags": [_tag(route)],
        "summary": route.summary,
        "responses": dict(_responses(route, schemas)),
    }
    if route.needs is not None:
        operation["description"] = f"Its caller needs the right `{route.needs}`."
    if route.in_person:
        operation["description"] = "Only for users themselves: not by a token or share link."
    parameters = [*_path_parts(route), *_query(route)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content: dict[str, object] = {"schema": {"type": "string", "format": "binary"}}
        if route.body.schema is not None:
            content = {"schema": dict(schemas.of(route.body.schema))}
        operation["requestBody"] = {
            "description": route.body.description,
            "required": route.body.required,
            "content": {route.body.media_type: content},
        }
    if route.access is not Access.PUBLIC:
        redfish: list[dict[str, list[str]]] = [{"session": []}] if route.access is Access.REDFISH else []
        operation["security"] = [*_SECURITY, *([] if route.in_person else _BY_TOKEN), *redfish]
    return operation


def _operation_id(route: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", route.path)
    return "_".join([route.method.lower(), *words])


def _tag(route: Route) -> str:
    return next(iter(re.findall(r"[A-Za-z0-9]+", route.path.removeprefix("/api"))), "console").lower()


def _path_parts(route: Route) -> Iterator[dict[str, object]]:
    for name in _PATH_PART.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query(route: Route) -> Iterator[dict[str, object]]:
    for param in _first_of_each_name(route.params):
        yield {
            "name": param.name,
            "in": "query",
            "required": param.default is REQUIRED and not param.empty_is_absent,
            "description": param.description,
            "schema": dict(parameter_schema(param)),
        }


def _first_of_each_name(params: Iterable[Param[Any]]) -> Iterable[Param[Any]]:
    """A name may be declared twice, with a validator for each of two modes; the first one speaks for both."""
    named: dict[str, Param[Any]] = {}
    for param in params:
        named.setdefault(param.name, param)
    return named.values()


# -- answers ----------------------------------------------------------------------------------------------


def _responses(route: Route, schemas: _Schemas) -> Iterator[tuple[str, dict[str, object]]]:
    successes: dict[int, list[Answer]] = {}
    for answer in route.answers:
        successes.setdefault(answer.status, []).append(answer)
    for status, answers in successes.items():
        yield str(status), _success(status, answers, schemas)
    for status, names in sorted(_refusals(route).items()):
        if status not in successes:
            yield str(status), _refusal(status, names, route)


def _success(status: int, answers: Sequence[Answer], schemas: _Schemas) -> dict[str, object]:
    description = "; ".join(answer.description for answer in answers if answer.description)
    response: dict[str, object] = {"description": description or HTTPStatus(status).phrase}
    content = {answer.media_type: _content(answer, schemas) for answer in answers if answer.media_type}
    return response | ({"content": content} if content else {})


def _content(answer: Answer, schemas: _Schemas) -> dict[str, object]:
    if answer.schema is None:
        return {"schema": {"type": "string", "format": "binary"}}
    schema = dict(schemas.of(answer.schema))
    if not answer.enveloped:
        return {"schema": schema}
    return {
        "schema": {
            "type": "object",
            "required": ["ok", "result"],
            "properties": {"ok": {"const": True}, "result": schema},
        }
    }


def _refusals(route: Route) -> dict[int, set[str]]:
    """Return by status the error names that *route* may answer with."""
    refusals: dict[int, set[str]] = {}

    def add(status: int, *names: str) -> None:
        refusals.setdefault(status, set()).update(names)

    # Malformed parameters or credentials; a device that fails; a request that is too large or too slow.
    add(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "")
    if route.params or route.body is not None or route.access is not Access.PUBLIC:
        add(400, _name(ValidatorError))
    if route.access is not Access.PUBLIC:
        add(401, "UnauthorizedError")
        add(403, "ForbiddenError")
        add(429, _name(TooManyAttemptsError))
        add(503, "DeviceGoneError", "DeviceTimeoutError")
    if route.access in (Access.PROXIED, Access.PAGE):
        add(500, "")
    if route.access is Access.PAGE:
        add(302)
    if route.body is not None:
        add(413, "BodyTooLargeError")
    for error in route.errors:
        add(error.status, _name(error))
    return refusals


def _name(error: type[OperationError]) -> str:
    return error.__name__


def _refusal(status: int, names: set[str], route: Route) -> dict[str, object]:
    description = ", ".join(sorted(name for name in names if name)) or HTTPStatus(status).phrase
    content: dict[str, object] = {_JSON: {"schema": {"$ref": _REF.format(name="Error")}}}
    if route.access in (Access.PROXIED, Access.PAGE) and status in (401, 403, 429, 500):
        content = dict(_HTML)
    if route.refuses_by_page:
        content = {**content, **_HTML}
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        # The server's own answer, before any route is looked for.
        content = {"text/plain": {"schema": {"type": "string"}}}
    if status == HTTPStatus.FOUND:
        return {"description": "to the login page"}
    return {"description": description, "content": content}
