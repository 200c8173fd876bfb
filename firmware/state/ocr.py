"""State of the text recognition (contract http.md 4.5)."""

from __future__ import annotations

import msgspec


class OcrLanguages(msgspec.Struct, frozen=True):
    """Languages that are installed, and those that are used if a request names none."""

    default: tuple[str, ...] = ()
    available: tuple[str, ...] = ()


class OcrState(msgspec.Struct, frozen=True):
    """The whole; both lists are empty while it is not enabled."""

    enabled: bool = False
    langs: OcrLanguages = OcrLanguages()
