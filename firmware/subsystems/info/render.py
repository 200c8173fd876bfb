"""The result of `GET /api/info` from the state: which categories, and the legacy grouping (http.md 4.1)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

from firmware.core.validators import INFO_CATEGORIES
from firmware.state.info import InfoState

HW: Final = "hw"
"""The category that only the legacy grouping has: health and platform together."""


def render(state: InfoState, *, legacy: bool, fields: Collection[str]) -> dict[str, Any]:
    """Return the categories named in *fields* (empty = all), as JSON-ready values in a dictionary of its own.

    With *legacy* there is also `hw`; when it is among the requested categories, `system` loses its `platform`
    and `health` does not appear, even if asked for. Raises ValueError for a category that does not exist,
    which the validator `valid_info_fields` has refused before.
    """
    known = {*INFO_CATEGORIES, HW} if legacy else set(INFO_CATEGORIES)
    wanted = set(fields) or known
    if not wanted <= known:
        raise ValueError(f"expected categories of {sorted(known)}, got {sorted(wanted - known)} - at fields")
    result: dict[str, Any] = {
        category: msgspec.to_builtins(getattr(state, category))
        for category in INFO_CATEGORIES
        if category in wanted and not (category == "health" and HW in wanted)
    }
    if HW in wanted:
        result[HW] = {
            "health": msgspec.to_builtins(state.health),
            "platform": msgspec.to_builtins(state.system.platform),
        }
        if "system" in result:
            del result["system"]["platform"]
    return result
