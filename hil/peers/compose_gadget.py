"""Composes the product's USB gadget for the rig's own states and leaves it bound.

`python3 -m peers.compose_gadget`; with the word `down` it takes it away again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import trio

from drivers.gadget.gadget import UsbGadget
from drivers.gadget.spec import GadgetSpec
from firmware.board_needs import board_needs
from firmware.settings import load
from peers import usb_host


def default_spec() -> GadgetSpec:
    """The gadget of an empty configuration."""
    with tempfile.TemporaryDirectory() as directory:
        return board_needs(load(Path(directory))).gadget


async def _up(gadget: UsbGadget) -> None:
    usb_host.load()
    async with trio.open_nursery() as nursery:
        await nursery.start(gadget.run)
        nursery.cancel_scope.cancel()


async def main(*, down: bool) -> None:
    """Compose it, or take it away."""
    gadget = UsbGadget(default_spec())
    await (gadget.remove() if down else _up(gadget))


if __name__ == "__main__":
    trio.run(lambda: main(down=sys.argv[1:] == ["down"]))
