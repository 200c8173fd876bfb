"""From the items of `kvmd/gpio/view`, which are text, to the menu that clients show (subsystems.md 6.2)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from firmware.state.gpio import (
    GpioHeader,
    GpioInputItem,
    GpioItem,
    GpioLabelItem,
    GpioOutputItem,
    GpioScheme,
    GpioView,
)
from firmware.subsystems.gpio.config import GpioViewConfig

COLORS: Final = ("green", "yellow", "red", "blue", "cyan", "magenta", "pink", "white")
DEFAULT_COLOR: Final = "green"
DEFAULT_TEXT: Final = "Click"


def make_view(config: GpioViewConfig, scheme: GpioScheme) -> GpioView:
    """Return the menu of *config*; items of channels that *scheme* does not know are left out."""
    title = config.header.title
    if isinstance(title, str):
        header: tuple[GpioItem, ...] = (GpioLabelItem(title),)
    else:
        found = (title_item(text, scheme) for text in title)
        header = tuple(item for item in found if item is not None)
    return GpioView(GpioHeader(header), tuple(_row(row, scheme) for row in config.table))


def _row(row: Collection[str], scheme: GpioScheme) -> tuple[GpioItem, ...] | None:
    if not row:
        return None
    found = (table_item(text, scheme) for text in row)
    return tuple(item for item in found if item is not None)


def title_item(text: str, scheme: GpioScheme) -> GpioItem | None:
    """Return the item of the title that *text* means: a label, which has to begin with #, or an input."""
    item = table_item(text, scheme) if text.strip() else None
    return None if isinstance(item, GpioOutputItem) else item


def table_item(text: str, scheme: GpioScheme) -> GpioItem | None:
    """Return the item of the table that *text* means; None if there is no such channel."""
    text = text.strip()
    if not text or text.startswith("#"):
        return GpioLabelItem(text[1:].strip())
    channel, *rest = (part.strip() for part in text.split("|", 2))
    if channel in scheme.inputs:
        color = rest[0] if rest else DEFAULT_COLOR
        return GpioInputItem(channel, color if color in COLORS else DEFAULT_COLOR)
    if channel in scheme.outputs:
        options = {option.strip() for option in rest[0].split(",")} if len(rest) > 1 else set()
        return GpioOutputItem(
            channel,
            confirm="confirm" in options,
            hide="hide" in options,
            text=(rest[-1] if rest else "") or DEFAULT_TEXT,
        )
    return None
