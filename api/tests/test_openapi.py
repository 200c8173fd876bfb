"""The description of the API against the API itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import Response

from api.openapi.document import openapi_document
from api.openapi.page import render_page
from api.openapi.parameters import _OF_VALIDATOR, parameter_schema
from api.params import Param
from api.routing import Access, Answer, Call, Route
from firmware.core.errors import OperationError
from firmware.core.validators import (
    valid_bool,
    valid_choice,
    valid_float,
    valid_http_url,
    valid_image_name,
    valid_info_fields,
    valid_int,
    valid_list,
    valid_shortcut_keys,
    valid_stream_quality,
)
from firmware.subsystems.auth.rights import Capability

FREE_TEXT = {
    valid_choice,
    valid_http_url,
    valid_image_name,
    valid_info_fields,
    valid_list,
    valid_shortcut_keys,
}


class LampBrokenError(OperationError):
    """The lamp is broken."""

    status = 409


class Lamp(msgspec.Struct, frozen=True):
    """A lamp."""

    on: bool
    colour: str = "white"


async def nothing(_call: Call) -> Response:
    raise NotImplementedError


def document_of(*routes: Route) -> dict[str, Any]:
    return dict(openapi_document(routes, version="1.2"))


def test_a_route_is_described_by_what_it_declares() -> None:
    level = Param("level", valid_stream_quality, description="how bright")
    wait = Param("wait", valid_bool, False)
    route = Route(
        "POST",
        "/api/lamps/<name>",
        Access.USER,
        Capability.GPIO,
        nothing,
        (level, wait),
        summary="light a lamp",
        answers=(Answer(Lamp),),
        errors=(LampBrokenError,),
    )
    operation = document_of(route)["paths"]["/api/lamps/{name}"]["post"]
    assert operation["summary"] == "light a lamp"
    assert operation["tags"] == ["lamps"]
    assert operation["description"] == "Its caller needs the right `gpio`."
    assert [(one["name"], one["in"], one["required"]) for one in operation["parameters"]] == [
        ("name", "path", True),
        ("level", "query", True),
        ("wait", "query", False),
    ]
    assert operation["parameters"][1]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100}
    assert operation["parameters"][2]["schema"] == {"type": "boolean", "default": False}
    assert operation["responses"].keys() == {"200", "400", "401", "403", "409", "429", "431", "503"}
    assert operation["responses"]["409"]["description"] == "LampBrokenError"
    assert operation["security"]


def test_fields_with_defaults_are_always_there() -> None:
    route = Route("GET", "/api/lamp", Access.PUBLIC, None, nothing, answers=(Answer(Lamp),))
    document = document_of(route)
    assert document["components"]["schemas"]["Lamp"]["required"] == ["on", "colour"]
    assert "security" not in document["paths"]["/api/lamp"]["get"]


def test_a_parameter_that_nobody_can_describe_is_an_error() -> None:
    route = Route("GET", "/api/x", Access.USER, None, nothing, (Param("odd", lambda raw, _name: raw),))
    with pytest.raises(LookupError, match="odd"):
        document_of(route)


def test_the_page_escapes_what_it_shows() -> None:
    route = Route("GET", "/api/x", Access.USER, None, nothing, summary="<script>alert(1)</script>")
    assert "<script>" not in render_page(document_of(route))


# -- the whole appliance ------------------------------------------------------------------------------------


async def test_the_document_is_complete(live: Any) -> None:
    document = (await live.http.get("/api/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for route in live.appliance.routes:
        if not route.described or route.method in ("HEAD", "OPTIONS"):
            continue
        path = route.path.replace("<", "{").replace(">", "}")
        operation = document["paths"][path][route.method.lower()]
        assert operation["summary"], f"{route.method} {path} has no summary"
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] == "path" or parameter["description"], (path, parameter["name"])
    identifiers = [
        operation["operationId"] for path in document["paths"].values() for operation in path.values()
    ]
    assert len(identifiers) == len(set(identifiers))


async def test_answers_are_as_described(live: Any) -> None:
    checked = 0
    for route in live.appliance.routes:
        answers = [answer for answer in route.answers if answer.schema is not None and answer.status == 200]
        if route.method != "GET" or not route.described or not answers or "<" in route.path:
            continue
        answer = await live.http.get(route.path)
        if answer.status_code != 200 or not answer.headers["content-type"].startswith("application/json"):
            continue
        body = answer.json()
        schema = answers[0].schema
        msgspec.convert(body["result"] if answers[0].enveloped else body, schema)
        checked += 1
    assert checked >= 5


async def test_the_page_and_its_style_are_served(live: Any) -> None:
    page = await live.http.get("/api/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/api/atx/power" in page.text
    assert (await live.http.get("/api/docs.css")).headers["content-type"].startswith("text/css")
    async with live.anonymous() as client:
        answer = await client.get("/api/docs")
        assert answer.status_code == 302
        assert answer.url.join(answer.headers["location"]).path == "/login"


# -- what a schema allows, its validator takes --------------------------------------------------------------


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    """Texts that a client may send for *schema*."""
    if "enum" in schema:
        return st.sampled_from([str(word) for word in schema["enum"]])
    match schema["type"]:
        case "boolean":
            return st.sampled_from(["true", "false"])
        case "integer":
            return st.integers(schema.get("minimum", -1000), schema.get("maximum", 1000)).map(str)
        case "number":
            return st.integers(schema.get("minimum", 0), schema.get("maximum", 9)).map(lambda x: f"{x}.0")
        case _:
            pattern = schema.get("pattern", r"^[\x20-\x7e]*$").replace("$", r"\Z")
            texts = st.from_regex(pattern, alphabet=st.characters(min_codepoint=32, max_codepoint=126))
            return texts.filter(lambda text: len(text) <= schema.get("maxLength", 1024))


DESCRIBED = [known for known in _OF_VALIDATOR.items() if known[0] not in FREE_TEXT]


@pytest.mark.parametrize(("validator", "schema"), DESCRIBED, ids=[known[0].__name__ for known in DESCRIBED])
@given(data=st.data())
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_what_a_schema_allows_its_validator_takes(validator: Any, schema: Any, data: st.DataObject) -> None:
    validator(data.draw(values_of(dict(schema))), "x")


@pytest.mark.parametrize(
    ("valid", "schema"),
    [
        (partial(valid_int, minimum=0), {"type": "integer", "minimum": 0}),
        (partial(valid_float, maximum=2.0), {"type": "number", "maximum": 2.0}),
        (partial(valid_choice, allowed=("a", "b")), {"type": "string", "enum": ["a", "b"]}),
    ],
)
def test_validators_with_limits_of_their_own(valid: Any, schema: dict[str, object]) -> None:
    assert parameter_schema(Param("x", valid)) == schema


def test_a_parameter_may_bring_its_schema() -> None:
    param = Param("x", lambda raw, _name: str(raw), "", schema={"type": "string"})
    assert parameter_schema(param) == {"type": "string", "default": ""}
