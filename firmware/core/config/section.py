"""What a section of the configuration is: a frozen struct whose attributes are the YAML keys.

Each subsystem declares its own in its `config.py`; the converter knows only this base class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import msgspec

from firmware.core.config.kinds import Kind


class Notes(Protocol):
    """What a section may say about its values once they are all converted; key paths are relative to it."""

    def error(self, key_path: str, message: str) -> None:
        """Refuse the value at *key_path*: "expected X, got Y"."""

    def warning(self, key_path: str, message: str) -> None:
        """Remark on the value at *key_path*."""

    def given(self, key_path: str) -> bool:
        """Whether a file sets *key_path*, or it is only a default, of ours or of the board."""


class Section(msgspec.Struct, frozen=True):
    """A section; defaults are those of config.md. Values are never changed after loading.

    A field is one of: a plain `bool`, `int`, `float` or `str`; a `Literal` of words; `Annotated` with a
    `Kind`; another section; a union of sections that differ in one `Literal` field (the key that chooses,
    such as `type`); `Annotated[Mapping[str, section or union], Keys(...)]`.
    """

    def settle(self, notes: Notes) -> Self:
        """Check values against each other and return the section to use; called after conversion."""
        del notes
        return self


@dataclass(frozen=True, slots=True)
class Keys:
    """Annotates a `Mapping[str, Section]`: the kind of the names in it."""

    kind: Kind
