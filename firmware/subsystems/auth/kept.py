"""One document of secrets in a file of ours: read at start, replaced crash-safely, for its owner only.

What it says is in memory; nobody else writes the file while the appliance runs. It never quotes the content.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import trio

from firmware.core.errors import OperationError, SetupError
from firmware.core.files import make_directory, observe, replace
from firmware.core.json_documents import read_json


class NotKeptError(OperationError):
    """The change could not be written, so it was not made."""

    status = 503


class KeptDocument[T: msgspec.Struct]:
    """The document at *path*, of the type of *empty*, which stands for a file that is not there.

    Without a path there is no place to keep anything: every change is refused.
    """

    def __init__(self, path: Path | None, empty: T) -> None:
        self._path = path
        self._kind = type(empty)
        self._value = empty
        self._changing = trio.Lock()

    @property
    def value(self) -> T:
        """The document as it is now."""
        return self._value

    async def load(self) -> None:
        """Read the file. Raises SetupError if it is there and cannot be used."""
        if self._path is not None:
            self._value = await trio.to_thread.run_sync(self._read, self._path)

    async def change(self, edit: Callable[[T], T]) -> None:
        """Replace the document by what *edit* makes of it; it may raise, then nothing has changed.

        Raises NotKeptError if the file cannot be written.
        """
        async with self._changing:
            changed = edit(self._value)
            if changed == self._value:
                return
            if self._path is None:
                raise NotKeptError("expected an appliance with a place for this, got one without")
            try:
                # Not abandoned: what is in memory must be what is on the disk.
                await trio.to_thread.run_sync(_write, self._path, changed)
            except OSError as exc:
                raise NotKeptError(
                    f"expected to write {self._path.name} in the state directory, "
                    f"got {exc.strerror or 'an error'}; nothing was changed"
                ) from None
            self._value = changed

    def _read(self, path: Path) -> T:
        seen = observe(path)
        if seen.error is not None:
            raise SetupError(f"cannot read {path}: {seen.error}; check its owner and mode")
        if seen.data is None:
            return self._value
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SetupError(
                f"expected secrets that only their owner may read, got mode {mode:o} - at {path}; "
                f"say `chmod 600 {path}`"
            )
        try:
            return decode(seen.data, self._kind)
        except ValueError as exc:
            raise SetupError(
                f"{exc} - at {path}; put back a copy, or remove it to start without what is in it"
            ) from None


def decode[T: msgspec.Struct](data: bytes, kind: type[T]) -> T:
    """Read a document. Raises ValueError, which quotes nothing of it: neither a value nor its place."""
    try:
        return read_json(data, kind)
    except ValueError:
        raise ValueError("expected a document that the appliance wrote, got something else") from None


def _write(path: Path, value: msgspec.Struct) -> None:
    make_directory(path.parent)
    replace(path, msgspec.json.encode(value))
