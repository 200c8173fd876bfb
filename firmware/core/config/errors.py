"""What is wrong with a configuration, with the place where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from firmware.core.config.tree import Position
from firmware.core.errors import SetupError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong or odd: where, at which key path (may be empty), and what."""

    position: Position
    key_path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.position}: {self.key_path}" if self.key_path else str(self.position)
        # One line each, whatever somebody wrote as a key or a file name.
        return "".join(
            character if character.isprintable() else ascii(character)[1:-1]
            for character in f"{where}: {self.message}"
        )


class ConfigurationError(SetupError):
    """The configuration cannot be used; the message has a line for every error found."""

    def __init__(self, errors: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)
        self.warnings = tuple(warnings)
