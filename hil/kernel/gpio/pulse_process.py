"""A program that presses a button and is killed meanwhile: `pulse_process.py CHIP LINE SECONDS`."""

from __future__ import annotations

import sys

import trio

from drivers.gpio.chip import GpioChip
from drivers.gpio.declarations import OutputDeclaration
from drivers.gpio.outputs import GpioOutput


async def main(chip: str, line: str, seconds: float) -> None:
    """Hold *line* and pulse it."""
    output = GpioOutput(GpioChip(chip), OutputDeclaration(name="pulse", line=line))
    async with trio.open_nursery() as nursery:
        await nursery.start(output.run)
        await output.pulse(seconds)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2], float(sys.argv[3]))
