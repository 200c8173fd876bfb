"""JSON that somebody else, or an earlier start, has written: read as a type, or refused in one way."""

from __future__ import annotations

import msgspec


def read_json[T](data: bytes, kind: type[T]) -> T:
    """Return what *data* says, of the type *kind*.

    Raises ValueError whatever is wrong with it: no JSON, another type, bytes that are no UTF-8 (which the
    library tells only where it needs the text), nested too deeply.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise ValueError("nested too deeply") from None
