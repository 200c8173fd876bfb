"""The view of the emulated PC: it is in this process, and writes everything down."""

from __future__ import annotations

import trio

from drivers.emulated.faults import PortName
from drivers.emulated.hid_host import decode_pointer
from drivers.emulated.pc import EmulatedPc
from drivers.wire.hid_usages import KEYS
from observers.view import CannotSeeError

DEADLINE_S = 30


class EmulatedView:
    """What the emulated PC sees."""

    def __init__(self, pc: EmulatedPc) -> None:
        self._pc = pc

    async def listens(self) -> None:
        with trio.fail_after(DEADLINE_S):
            while self._pc.observer.phase != "running":
                await trio.sleep(0.01)

    async def keys_become(self, usages: frozenset[int]) -> None:
        names = {name for name, key in KEYS.items() if key.usage in usages}
        with trio.fail_after(DEADLINE_S):
            while self._pc.observer.held_keys != names:
                await trio.sleep(0.01)

    @property
    def pointer(self) -> tuple[int, int, int]:
        reports = self._pc.observer.pointer_reports
        if not reports:
            return (0, 0, 0)
        last = decode_pointer(reports[-1], absolute=True)
        return (last.x, last.y, last.buttons)

    async def set_leds(self, leds: int) -> None:
        await trio.lowlevel.checkpoint()
        self._pc.keyboard.take_leds(leds)

    async def read_medium(self, length: int) -> bytes:
        with trio.fail_after(DEADLINE_S):
            while (medium := self._pc.observer.medium) is None:
                await trio.sleep(0.01)
        image = trio.Path(medium.path)
        return (await image.read_bytes())[:length]

    async def write_medium(self, offset: int, data: bytes) -> None:
        raise CannotSeeError("the emulated PC never writes to a medium")

    async def eject_medium(self) -> None:
        await trio.lowlevel.checkpoint()
        assert self._pc.media.host_eject()

    def presses_s(self) -> list[float]:
        presses, pressed_at = [], None
        for change in self._pc.observer.transitions:
            if change.line is PortName.POWER_SWITCH:
                if change.level:
                    pressed_at = change.time
                elif pressed_at is not None:
                    presses.append(change.time - pressed_at)
        return presses
