"""What is held is released while the loop stands still; the device's node is a FIFO, the loop a real one."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from drivers.gadget.hid import GadgetKeyboard, GadgetPointer
from drivers.gadget.spec import keyboard, mouse
from drivers.gadget.udc import UdcLink
from drivers.wire.hid_usages import KEYS
from firmware.core.supervise import Supervisor
from firmware.stall_release import release_when_stalled
from firmware.subsystems.hid.config import HidConfig
from firmware.subsystems.hid.service import HidService

PATIENCE_S = 30
NOTHING = bytes(8)
G, H = KEYS["KeyG"].usage, KEYS["KeyH"].usage


class Host:
    """What arrives at the other end of a node."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.reports: list[bytes] = []

    def look(self) -> bytes:
        """Take what has arrived, and return the newest report."""
        try:
            data = os.read(self.descriptor, 65536)
        except BlockingIOError:
            data = b""
        size = 8
        self.reports += [data[start : start + size] for start in range(0, len(data), size)]
        return self.reports[-1] if self.reports else b""


def stand_still(until: Callable[[], bool], what: str) -> None:
    """Keep the event loop from going on until something has happened without it."""
    give_up = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < give_up, f"while the event loop stood still: not {what}"
        time.sleep(0.02)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[tuple[Host, HidService]]:
    """A host with a keyboard, and the service of that."""
    host = Host(tmp_path / "hidg0")
    link = UdcLink()
    device = GadgetKeyboard(keyboard("usb0"), link)
    service = HidService(
        HidConfig(),
        keyboard=device,
        mouse=GadgetPointer(mouse("usb1", absolute=True), link),
        mouse_alt=None,
        supervisor=Supervisor(),
    )
    with device.attached(host.path):
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            nursery.start_soon(release_when_stalled, service)
            yield host, service
            nursery.cancel_scope.cancel()
    os.close(host.descriptor)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE_S):
        while not condition():
            await trio.sleep(0.02)


async def test_a_held_key_is_released_while_the_loop_stands_still(host: tuple[Host, HidService]) -> None:
    seen, hid = host
    await hid.send_key("KeyG", True)
    await until(lambda: G in seen.look())
    stand_still(lambda: seen.look() == NOTHING, "released")
    await until(lambda: not hid.holds("KeyG"))
    await hid.send_key("KeyH", True)
    await until(lambda: H in seen.look())
    assert G not in seen.look()
