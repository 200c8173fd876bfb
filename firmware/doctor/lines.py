"""Looks at the front panel's GPIO lines: is the chip there, and are they free. Never requests one."""

from __future__ import annotations

from collections.abc import Iterator

import gpiod

from drivers.errors import DriverError
from drivers.gpio.chip import CONSUMER, GpioChip
from firmware.boards.linux import DEFAULT_CHIP
from firmware.boards.needs import AtxNeeds
from firmware.doctor.findings import Finding, bad, note, ok


def look_at_lines(atx: AtxNeeds | None, board_chip: str) -> Iterator[Finding]:
    """Yield what there is to say about the lines that *atx* names; blocking, for microseconds."""
    if atx is None:
        yield note("front panel", "switched off by kvmd/atx/type")
        return
    chip = GpioChip(atx.chip or board_chip or DEFAULT_CHIP)
    try:
        path = chip.find()
        with gpiod.Chip(str(path)) as opened:
            label = opened.get_info().label
            yield ok("GPIO chip", f"{path} ({label})")
            yield from _lines(opened, atx)
    except DriverError as exc:
        yield bad("GPIO chip", str(exc), "check kvmd/atx/device, and that the right board is named")
    except OSError as exc:
        yield bad(
            "GPIO chip",
            f"{chip} cannot be opened: {exc.strerror or exc}",
            "run as root or as a member of the group that owns it",
        )


def _lines(chip: gpiod.Chip, atx: AtxNeeds) -> Iterator[Finding]:
    count = chip.get_info().num_lines
    free = []
    for name, line in (
        ("power_led", atx.power_led),
        ("hdd_led", atx.hdd_led),
        ("power_switch", atx.power_switch),
        ("reset_switch", atx.reset_switch),
    ):
        about, key = f"line {name}", f"kvmd/atx/{name}_pin"
        if line.pin >= count:
            yield bad(about, f"the chip has {count} lines, no line {line.pin}", f"correct {key}")
            continue
        info = chip.get_line_info(line.pin)
        if info.used and not info.consumer.startswith(CONSUMER):
            yield bad(about, f"line {line.pin} is used by {info.consumer!r}", f"stop that, or change {key}")
        else:
            free.append(f"{name} {line.pin}")
    if free:
        yield ok("GPIO lines", ", ".join(free))
