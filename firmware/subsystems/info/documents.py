"""The free-form documents: `meta.yaml` and the manifests of the web applications (subsystems.md 12).

Plain blocking functions, meant for a thread. What people write into these files reaches clients, so it is
reduced to plain JSON values of bounded size; a document that is none raises BadReplyError.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from drivers.errors import BadReplyError, DriverError, from_os_error
from drivers.system.blocking import read_text

logger = logging.getLogger(__name__)

MAX_NODES: Final = 10_000
"""Values in a document: far above any real one; YAML's references can make a few lines into billions."""

MAX_DEPTH: Final = 32
"""Nesting of a document; a reference can also make it endless."""

MAX_EXTRAS: Final = 64
"""Applications shown; the reference ships five. Further directories are left out, in the order of names."""

AUTO_HOST: Final = "@auto"
MANIFEST: Final = "manifest.yaml"

# What msgspec and most readers of JSON hold in an integer.
_INT_BITS: Final = 64
# Besides its own errors safe_load lets through what its constructors stumble over: "2024-99-99", "!!bool x".
_NO_DOCUMENT: Final = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError)
_NOT_A_KEY: Final = re.compile(r"[^A-Za-z0-9_]+")


def read_meta(path: Path, host: str) -> dict[str, Any]:
    """Return `meta.yaml` with the automatic host filled in; a missing file means the default one.

    Raises BadReplyError if the document lacks `server.host` or is no document, OSError if it cannot be read.
    """
    try:
        meta = parse_document(read_text(path), path)
    except FileNotFoundError:
        meta = {"server": {"host": AUTO_HOST}}
    server = meta.get("server")
    if not isinstance(server, dict) or "host" not in server:
        raise BadReplyError(f"expected a key server/host, got none - at {path}")
    if server["host"] == AUTO_HOST:
        server["host"] = host
    return meta


def read_extras(root: Path, resolve_port: Callable[[str], int | None]) -> dict[str, dict[str, Any]]:
    """Return the manifest of every application below *root*; a missing *root* means that there are none.

    A port that is the path of a key of the configuration ("vnc/server/port") becomes what *resolve_port*
    returns for it, or 0. A broken manifest is left out, with a line in the log. Raises OSError if *root*
    cannot be read.
    """
    try:
        names = sorted(entry.name for entry in root.iterdir() if not entry.name.startswith("."))
    except FileNotFoundError:
        return {}
    extras: dict[str, dict[str, Any]] = {}
    for name in names:
        if len(extras) >= MAX_EXTRAS:
            logger.warning("expected at most %d applications, got more - at %s", MAX_EXTRAS, root)
            break
        path = root / name / MANIFEST
        try:
            if not path.is_file():
                continue
            manifest = parse_document(read_text(path), path)
        except OSError as exc:
            logger.warning("an application is not shown: %s", from_os_error(exc, str(path)))
            continue
        except DriverError as exc:
            logger.warning("an application is not shown: %s", exc)
            continue
        port = manifest.get("port")
        if isinstance(port, str):
            manifest["port"] = resolve_port(port) or 0
        extras[_NOT_A_KEY.sub("_", name)] = manifest
    return extras


def parse_document(text: str, where: object) -> dict[str, Any]:
    """Return a YAML mapping as plain JSON values. Raises BadReplyError if it is none or too large."""
    try:
        document = plain(yaml.safe_load(text))
    except _NO_DOCUMENT as exc:
        summary = " ".join(str(exc).split()) or type(exc).__name__
        raise BadReplyError(f"expected a YAML document, got {summary} - at {where}") from exc
    if not isinstance(document, dict):
        raise BadReplyError(f"expected a mapping of keys, got {type(document).__name__} - at {where}")
    return document


def plain(value: object) -> Any:
    """Return a copy of *value* that consists of JSON values only.

    Keys, and integers that JSON readers cannot take, become text; dates ISO 8601; bytes and numbers that are
    not finite None. Raises ValueError for a value that is too large or too deep.
    """
    budget = [MAX_NODES]

    def copy(node: object, depth: int) -> object:
        budget[0] -= 1
        if budget[0] < 0 or depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_NODES} values or {MAX_DEPTH} levels")
        match node:
            case None | bool():
                return node
            case int():
                return node if node.bit_length() < _INT_BITS else str(node)
            case str():
                return node.encode("utf-8", errors="replace").decode()
            case float():
                return node if math.isfinite(node) else None
            case date():
                return node.isoformat()
            case dict():
                return {_key(copy(key, depth)): copy(item, depth + 1) for key, item in node.items()}
            case list() | tuple():
                return [copy(item, depth + 1) for item in node]
            case set():
                return [copy(item, depth + 1) for item in sorted(node, key=str)]
            case _:
                return None

    return copy(value, 0)


def _key(key: object) -> str:
    return key if isinstance(key, str) else msgspec.json.encode(key).decode()
