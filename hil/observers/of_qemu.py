"""The view of the QEMU machine: its firmware fetches keys, and that is all that an empty machine does."""

from __future__ import annotations

import trio

from drivers.qemu.machine import QemuMachine
from drivers.wire.hid_to_qmp import keys_of
from observers.view import CannotSeeError

DEADLINE_S = 60
NO_SYSTEM = "an empty QEMU machine has no operating system that does this"


class QemuView:
    """What the machine's firmware sees."""

    def __init__(self, machine: QemuMachine) -> None:
        self._machine = machine

    async def listens(self) -> None:
        # Firmware takes keys whenever it polls, and writing waits for that.
        await trio.lowlevel.checkpoint()

    async def keys_become(self, usages: frozenset[int]) -> None:
        with trio.fail_after(DEADLINE_S):
            while keys_of(self._machine.keyboard.last_fetched) != usages:
                await trio.sleep(0.01)

    @property
    def pointer(self) -> tuple[int, int, int]:
        raise CannotSeeError(NO_SYSTEM)

    async def set_leds(self, leds: int) -> None:
        raise CannotSeeError(NO_SYSTEM)

    async def read_medium(self, length: int) -> bytes:
        raise CannotSeeError(NO_SYSTEM)

    async def write_medium(self, offset: int, data: bytes) -> None:
        raise CannotSeeError(NO_SYSTEM)

    async def eject_medium(self) -> None:
        raise CannotSeeError(NO_SYSTEM)

    def presses_s(self) -> list[float]:
        raise CannotSeeError("QEMU's power button has no contacts: it is a message")
