"""The file name that a `Content-Disposition` header proposes (RFC 6266, RFC 8187); bytes and text only.

What comes out is a bare name: never a path, never a control character. Whether it is a good name is for the
caller to say.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_HEADER_CHARS: Final = 8192
"""Far above any real header; the pattern below is linear, this keeps it cheap as well."""

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(
    rf'\s*;\s*(?:(?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^;"]*)))?', re.DOTALL
)
_EXTENDED: Final = re.compile(
    r"(?P<charset>[A-Za-z0-9!#$%&+^_`{}~-]+)'[A-Za-z0-9-]*'(?P<value>.*)", re.DOTALL
)
_CHARSETS: Final = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}
"""RFC 8187 asks for the first; the second is of its predecessor and still met."""


def file_name_of(header: str) -> str | None:
    """Return the proposed file name, None if there is none that can be used; `filename*` wins."""
    parameters = _parameters(header[:MAX_HEADER_CHARS])
    extended = parameters.get("filename*")
    if extended is not None:
        name = bare_name(_decode_extended(extended) or "")
        if name is not None:
            return name
    return bare_name(_as_utf8(parameters.get("filename", "")))


def _parameters(header: str) -> dict[str, str]:
    """Return the parameters behind the type, names in lower case; of two with one name the first."""
    position = header.find(";")
    found: dict[str, str] = {}
    while position >= 0 and (match := _PARAMETER.match(header, position)) is not None:
        if match["name"] is not None:
            quoted = match["quoted"]
            value = (
                match["bare"].strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            )
            found.setdefault(match["name"].lower(), value)
        # What stands between a value and the next ";" is malformed, and is passed over.
        position = header.find(";", match.end())
    return found


def _decode_extended(value: str) -> str | None:
    match = _EXTENDED.fullmatch(value)
    charset = None if match is None else _CHARSETS.get(match["charset"].lower())
    if match is None or charset is None:
        return None
    try:
        return unquote_to_bytes(match["value"].encode("utf-8", "surrogatepass")).decode(charset)
    except UnicodeDecodeError:
        return None


def _as_utf8(text: str) -> str:
    """Undo the Latin-1 of HTTP libraries where a server has sent plain UTF-8, as many do."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def bare_name(text: str) -> str | None:
    """Return the last part of a path of any system, None if nothing usable is left of it."""
    last = re.split(r"[/\\]", text)[-1]
    name = "".join(character if character.isprintable() else "_" for character in last).strip()
    return name if name.strip(".") else None
