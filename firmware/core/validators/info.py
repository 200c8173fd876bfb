"""Validators of what the appliance tells about itself: information categories and the log (http.md 4.1)."""

from __future__ import annotations

from typing import Final

from firmware.core.validators.basic import valid_choice, valid_int, valid_list

INFO_CATEGORIES: Final = ("auth", "extras", "fan", "health", "meta", "node", "system", "uptime")
INFO_LEGACY_CATEGORIES: Final = (*INFO_CATEGORIES, "hw")

_FIELDS_MAX_CHARS: Final = 512


def valid_info_fields(raw: object, name: str = "fields", *, legacy: bool = False) -> list[str]:
    """Return the named categories in lower case, each once, in the order given; empty means all.

    `hw` exists only with *legacy*.
    """
    allowed = INFO_LEGACY_CATEGORIES if legacy else INFO_CATEGORIES

    def category(item: object, item_name: str) -> str:
        return valid_choice(item, item_name, allowed=allowed)

    return list(dict.fromkeys(valid_list(raw, name, item=category, max_chars=_FIELDS_MAX_CHARS)))


def valid_log_seek(raw: object, name: str = "seek") -> int:
    """Return how many seconds back the log begins; 0 means the beginning of this boot."""
    return valid_int(raw, name, minimum=0)
