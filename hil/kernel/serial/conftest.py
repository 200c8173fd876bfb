"""A USB serial port, as a microcontroller or a USB adapter has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.acm_gadget import AcmGadget


class Adapter:
    """The gadget, and a link of a fixed name to its tty, as udev makes one on a board."""

    def __init__(self, gadget: AcmGadget, directory: Path) -> None:
        self.gadget = gadget
        self.path = directory / "kvmd-hid"
        self.plug()

    def plug(self) -> None:
        """Plug it in; the link follows."""
        tty = self.gadget.plug()
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(tty)

    def unplug(self) -> None:
        """Pull it; the link dangles."""
        self.gadget.unplug()


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    """A plugged-in adapter."""
    gadget = AcmGadget()
    try:
        yield Adapter(gadget, tmp_path)
    finally:
        gadget.remove()
