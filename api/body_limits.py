"""How long the body of a request may be, by method and path: decided before anything of it is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from api.routing import Route

# What the reference's front proxy allows on ordinary routes is 4 KiB; ours is kinder to JSON documents.
DEFAULT_BODY_LIMIT_BYTES: Final = 64 * 1024
_PART: Final = re.compile(r"<[^/>]+>")


class BodyLimits:
    """The limits that *routes* declare; all other requests get the default."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._exact: dict[tuple[str, str], int] = {}
        self._patterns: list[tuple[str, re.Pattern[str], int]] = []
        for route in routes:
            if route.body_limit_bytes is None:
                continue
            if _PART.search(route.path) is None:
                self._exact[route.method, route.path] = route.body_limit_bytes
            else:
                literal = map(re.escape, _PART.split(route.path))
                self._patterns.append(
                    (route.method, re.compile("[^/]+".join(literal)), route.body_limit_bytes)
                )

    def of(self, method: str, path: str) -> int:
        """Return the limit in bytes; *path* has no doubled and no trailing slashes."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        for of_method, pattern, limit in self._patterns:
            if of_method == method and pattern.fullmatch(path) is not None:
                return limit
        return DEFAULT_BODY_LIMIT_BYTES
