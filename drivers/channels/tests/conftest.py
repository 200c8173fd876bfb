"""A pty for the drivers of serial devices."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from peers.serial_line import Pty


@pytest.fixture
def pty() -> Generator[Pty]:
    """A pty, unplugged at the end."""
    made = Pty()
    yield made
    made.unplug()
