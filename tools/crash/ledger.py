"""What a client knows of an appliance: what was acknowledged, and what was asked without an answer. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping


class Ledger[Key: Hashable]:
    """The values that each thing may have; None is that of a thing that is not there."""

    def __init__(self) -> None:
        self._allowed: dict[Key, set[str | None]] = {}

    def value(self, key: Key) -> str | None:
        """Return the value of something that nobody is changing."""
        (value,) = self._allowed.get(key, {None})
        return value

    def asked(self, key: Key, *values: str | None) -> None:
        """Note that something was asked to become the last of *values*, by way of the others."""
        self._allowed[key] = {*self._allowed.get(key, {None}), *values}

    def acknowledged(self, key: Key, value: str | None) -> None:
        """Note that something has become *value*."""
        self._allowed[key] = {value}

    def refused(self, key: Key, value: str | None) -> None:
        """Note that something has stayed *value*, which it was before it was asked to change."""
        self._allowed[key] = {value}

    def compare(self, found: Mapping[Key, str | None]) -> list[str]:
        """Return a sentence for all that is not as it may be, and take what was found for the truth."""
        wrong = []
        for key in [*self._allowed, *(key for key in found if key not in self._allowed)]:
            allowed, value = self._allowed.get(key, {None}), found.get(key)
            if value not in allowed:
                wanted = " or ".join(str(one) for one in sorted(allowed, key=str))
                wrong.append(f"{key}: expected {wanted}, found {value}")
            self._allowed[key] = {value}
        return wrong
