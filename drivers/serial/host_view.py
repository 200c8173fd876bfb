"""What an input chip tells of the host: its LEDs and whether it listens, for any number of listeners.

Chips on a serial line do not push: their drivers ask, and note the answers here, where only changes are
passed on. Never talks to a chip.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import trio

from drivers.errors import NotSupportedError
from drivers.fanout import Fanout
from drivers.ports import LinkCondition


class HostView:
    """The host as one chip sees it; implements `drivers.ports.UsbLink`.

    These chips tell only whether a host has set them up: without one, the condition is UNPLUGGED, whether
    there is no cable, no power or no driver. While the chip itself is not there it is UNPLUGGED too.
    """

    def __init__(self) -> None:
        # Bound 1 each, the newest is the whole truth (`drivers.ports`).
        self._leds = Fanout[int](bound=1)
        self._conditions = Fanout[LinkCondition](bound=1)
        self._led_byte: int | None = None
        self._condition = LinkCondition.UNPLUGGED

    def note(self, *, listening: bool, leds: int) -> None:
        """Take note of what the chip said."""
        condition = LinkCondition.CONFIGURED if listening else LinkCondition.UNPLUGGED
        if condition is not self._condition:
            self._condition = condition
            self._conditions.publish(condition)
        if leds != self._led_byte:
            self._led_byte = leds
            self._leds.publish(leds)

    def forget(self) -> None:
        """Take note that the chip is not there."""
        self.note(listening=False, leds=self._led_byte or 0)
        self._led_byte = None

    def leds(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[int]]:
        """LED bytes, the last known one at once; see `KeyboardPort.leds`."""
        return self._leds.listen(*(() if self._led_byte is None else (self._led_byte,)))

    def conditions(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[LinkCondition]]:
        """The condition now and after each change; see `UsbLink.conditions`."""
        return self._conditions.listen(self._condition)

    async def wake(self) -> None:
        """Raise NotSupportedError: the protocols of these chips have no command for it."""
        raise NotSupportedError("this input chip cannot wake a sleeping host; press a key instead")
