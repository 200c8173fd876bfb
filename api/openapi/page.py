"""The description of the API as a page for people: one self-contained HTML document, no script, pure.

It is made of the OpenAPI document alone, so that people and programs read the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

STYLE_PATH: Final = "docs.css"
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def render_page(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI *document* of ours."""
    return "".join(_page(document))


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(info['title'])} API</title>"
    yield f'<link rel="stylesheet" href="{STYLE_PATH}"></head><body>'
    yield f"<header><h1>{escape(info['title'])} API <small>{escape(info['version'])}</small></h1>"
    yield f"<p>{escape(info['description'])}</p>"
    yield '<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1)</p></header>'
    yield "<nav><ul>"
    for tag in document["tags"]:
        name = escape(tag["name"])
        yield f'<li><a href="#{name}">{name}</a></li>'
    yield "</ul></nav><main>"
    for tag in document["tags"]:
        yield from _section(document, tag["name"])
    yield "<section id='schemas'><h2>Schemas</h2>"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from _schema_section(name, schema)
    yield "</section></main></body></html>"


def _section(document: Mapping[str, Any], tag: str) -> Iterator[str]:
    yield f'<section id="{escape(tag)}"><h2>{escape(tag)}</h2>'
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations and tag in operations[method]["tags"]:
                yield from _operation(method, path, operations[method])
    yield "</section>"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    lock = "" if "security" in operation else " <em>no login</em>"
    yield f'<details id="{escape(operation["operationId"])}"><summary>'
    yield f'<b class="{method}">{method.upper()}</b> '
    yield f"<code>{escape(path)}</code> {escape(operation['summary'])}{lock}</summary>"
    if "description" in operation:
        yield f"<p>{escape(operation['description'])}</p>"
    if "parameters" in operation:
        yield "<table><thead><tr><th>parameter</th><th>value</th><th>meaning</th></tr></thead><tbody>"
        for parameter in operation["parameters"]:
            mark = " <strong>required</strong>" if parameter["required"] else ""
            yield f"<tr><td><code>{escape(parameter['name'])}</code>{mark}</td>"
            what = escape(parameter.get("description", ""))
            yield f"<td>{_value(parameter['schema'])}</td><td>{what}</td></tr>"
        yield "</tbody></table>"
    if "requestBody" in operation:
        body = operation["requestBody"]
        kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in body["content"])
        yield f"<p>Body: {kinds} {escape(body['description'])}</p>"
    yield "<table><thead><tr><th>status</th><th>answer</th><th>meaning</th></tr></thead><tbody>"
    for status, response in operation["responses"].items():
        kinds = ", ".join(
            f"<code>{escape(kind)}</code> {_value(content['schema'])}"
            for kind, content in response.get("content", {}).items()
        )
        yield f"<tr><td>{escape(status)}</td><td>{kinds}</td><td>{escape(response['description'])}</td></tr>"
    yield "</tbody></table></details>"


def _schema_section(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code> '
    yield f"{escape(schema.get('description', ''))}</summary><table><tbody>"
    required = schema.get("required", ())
    for member, value in schema.get("properties", {}).items():
        optional = "" if member in required else " <em>may be absent</em>"
        yield f"<tr><td><code>{escape(member)}</code>{optional}</td><td>{_value(value)}</td></tr>"
    yield "</tbody></table></details>"


def _value(schema: Mapping[str, Any]) -> str:
    """Return one line about the values that *schema* allows."""
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    if "const" in schema:
        return f"<code>{escape(_scalar(schema['const']))}</code>"
    if "enum" in schema:
        return " ".join(f"<code>{escape(_scalar(word))}</code>" for word in schema["enum"]) + _default(schema)
    if "anyOf" in schema:
        return " or ".join(_value(one) for one in schema["anyOf"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_value(schema.get('items', {}))}"
    if kind == "object":
        return _object(schema)
    limits = ""
    if "minimum" in schema or "maximum" in schema:
        limits = f" {schema.get('minimum', '')}..{schema.get('maximum', '')}"
    elif "pattern" in schema:
        limits = f" <code>{escape(str(schema['pattern']))}</code>"
    return f"{escape(kind)}{limits}{_default(schema)}"


def _object(schema: Mapping[str, Any]) -> str:
    if "properties" in schema:
        members = (
            f"<code>{escape(name)}</code>: {_value(one)}" for name, one in schema["properties"].items()
        )
        return "{ " + ", ".join(members) + " }"
    values = schema.get("additionalProperties")
    return f"object of {_value(values)}" if isinstance(values, Mapping) and values else "object"


def _default(schema: Mapping[str, Any]) -> str:
    return f" (default <code>{escape(_scalar(schema['default']))}</code>)" if "default" in schema else ""


def _scalar(value: object) -> str:
    """Return *value* as one sends it."""
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)
