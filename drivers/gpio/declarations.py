"""What a board says about a line: which one it is, how it is wired, what it rests at.

Values only: nothing here opens a device. A declaration that cannot be right raises ValueError when it is
made, since it comes from a board's data and not from a device.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

MAX_DEBOUNCE_S: Final = (2**32 - 1) / 1e6
"""The kernel counts microseconds in 32 bits (struct gpio_v2_line_attribute of <linux/gpio.h>)."""

MAX_OFFSET: Final = 2**32 - 1
"""Offsets are 32 bits wide in the kernel's interface; the chip has its own, lower limit."""


class Bias(enum.StrEnum):
    """The pull resistor of a line, where the chip has one.

    A chip that has none is not always told apart: the kernel takes the wish and drops it silently if the
    chip's driver has no bias at all.
    """

    AS_IS = "as-is"
    UP = "up"
    DOWN = "down"
    DISABLED = "disabled"


class Drive(enum.StrEnum):
    """How an output drives its line; open drain is emulated by the kernel where the chip has none."""

    PUSH_PULL = "push-pull"
    OPEN_DRAIN = "open-drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDeclaration:
    """One line. *name* is the board's own word for it, *line* its offset, or the kernel's name of it.

    *active_low*: the logical level is the inverse of the electrical one.
    """

    name: str
    line: int | str
    active_low: bool = False
    bias: Bias = Bias.AS_IS

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            raise ValueError(f"expected a printable name of a line, got {self.name!r}")
        if isinstance(self.line, str):
            if not self.line:
                raise ValueError(f"expected the kernel's name of a line, got an empty one - at {self.name}")
        elif not 0 <= self.line <= MAX_OFFSET:
            raise ValueError(f"expected an offset of 0 or more, got {self.line} - at the line {self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDeclaration(LineDeclaration):
    """An input line. *debounce_s* above 0 lets the kernel debounce it before anybody sees an edge.

    The kernel's debouncing waits for quiet before it shows a change, whereas the contract's shows a change at
    once (subsystems.md 4), so lines that are debounced above need none here.
    """

    debounce_s: float = 0.0

    def __post_init__(self) -> None:
        # Not super(): a dataclass with slots is another class than the one that this was compiled in.
        LineDeclaration.__post_init__(self)
        if not 0 <= self.debounce_s <= MAX_DEBOUNCE_S:
            raise ValueError(
                f"expected a debounce time of 0 to {MAX_DEBOUNCE_S:.0f} s, got {self.debounce_s}"
                f" - at the line {self.name}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDeclaration(LineDeclaration):
    """An output line. *rest* is the logical level that it is driven to at start and at the end.

    None leaves it alone: as it is until the first `set` or `pulse`, and as it then is at the end (`initial:
    null` of subsystems.md 6.1).
    """

    rest: bool | None = False
    drive: Drive = Drive.PUSH_PULL
