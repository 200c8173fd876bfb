"""Typed request parameters: declared once per route, used to validate and to describe.

All parameters stand in the query string, also of a POST (contract http.md 2.3). A route declares its
parameters, and can read no other, so that what is documented is what is accepted.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from firmware.core.errors import ValidatorError


class Required(enum.Enum):
    """Marks a parameter without a default."""

    REQUIRED = "required"


REQUIRED: Final = Required.REQUIRED


class FirstValues(Protocol):
    """The query: the first value of each name."""

    def get(self, name: str) -> str | None:
        """Return the first value of *name*, None if it is absent."""
        ...


@dataclass(frozen=True, slots=True)
class Param[T]:
    """One query parameter: its name, validator and default.

    `empty_is_absent` is for the few routes where a present but empty value is not an error. `schema`
    describes the value (JSON Schema) where its validator is none of `firmware.core.validators`.
    """

    name: str
    valid: Callable[[object, str], T]
    default: T | Required = REQUIRED
    description: str = ""
    empty_is_absent: bool = False
    schema: Mapping[str, object] | None = None

    def read(self, query: FirstValues) -> T:
        """Return the validated value. Raises ValidatorError, naming the parameter."""
        raw = query.get(self.name)
        if raw is None or (self.empty_is_absent and not raw.strip()):
            if self.default is REQUIRED:
                raise ValidatorError(f"expected the parameter {self.name}, got none")
            return self.default
        return self.valid(raw, self.name)
