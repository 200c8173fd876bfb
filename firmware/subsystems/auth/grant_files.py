"""The file of tokens and share links, and the one of when each was used last.

Both are in the state directory. `farhand token` changes the first one too, so it is looked at again and
again; the second one is worth little: it is written now and then, and a damaged one is forgotten. The
functions block: call them in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from firmware.core.errors import SetupError
from firmware.core.files import Observed, exclusive, observe, replace
from firmware.core.json_documents import read_json
from firmware.subsystems.auth.grants import GrantBook

FILE_NAME: Final = "grants.json"


class BusyError(SetupError):
    """Somebody else is just changing the file."""


class LastUse(msgspec.Struct, frozen=True):
    """When a grant was used last (Unix seconds), and from which address."""

    at: int
    client: str


def uses_file(path: Path) -> Path:
    """Return where the uses are of the grants at *path*."""
    return path.with_name(f"{path.stem}-used.json")


def read_book(seen: Observed) -> GrantBook:
    """Return what a file as *seen* says; one that is not there says nothing. Raises ValueError."""
    if seen.error is not None:
        raise ValueError(seen.error)
    return GrantBook() if seen.data is None else GrantBook.parse(seen.data)


def change(path: Path, edit: Callable[[GrantBook], GrantBook]) -> GrantBook:
    """Replace the book at *path* by what *edit* makes of it, and return that.

    Raises SetupError if it cannot be read or written, BusyError if somebody else is just at it, and what
    *edit* raises; then nothing has changed.
    """
    try:
        with exclusive(path):
            book = edit(read_book(observe(path)))
            replace(path, book.dump())
    except SetupError as exc:
        raise BusyError(str(exc)) from None
    except ValueError as exc:
        raise SetupError(f"{exc} - at {path}; mend or remove it") from None
    except OSError as exc:
        raise SetupError(f"cannot write tokens and share links: {exc.strerror or exc} - at {path}") from exc
    return book


def read_uses(path: Path) -> dict[str, LastUse]:
    """Return the uses kept beside *path* by id; nothing if there is no such file or it makes no sense."""
    data = observe(uses_file(path)).data
    try:
        return {} if data is None else read_json(data, dict[str, LastUse])
    except ValueError:
        return {}


def write_uses(path: Path, uses: Mapping[str, LastUse]) -> None:
    """Keep *uses* beside *path*. Raises OSError."""
    replace(uses_file(path), msgspec.json.encode(dict(uses), order="sorted"))
