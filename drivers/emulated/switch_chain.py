"""A chain of emulated KVM switch units at one line: who is there, who answers, what is told unasked.

Sans-I/O: bytes in, bytes out, and the time at which something happens next. What the line carries is bytes of
the real protocol, garbage included.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Final

from drivers.emulated.switch_unit import EmulatedUnit
from drivers.wire.switch_frame import FrameDecoder
from drivers.wire.switch_protocol import ALL_UNITS, MAX_UNITS, UNSOLICITED, Message, NakReason, Op

REBOOT_S: Final = 1.0
"""How long a unit is away when it starts anew."""

OUT_BOUND_BYTES: Final = 16 * 1024
"""What nobody reads; beyond it the oldest is lost, as in a unit's own buffer."""


class EmulatedSwitchChain:
    """*count* units, the first one plugged into the appliance."""

    def __init__(self, count: int = 1, *, versions: tuple[int, ...] = ()) -> None:
        if not 1 <= count <= MAX_UNITS:
            raise ValueError(f"expected 1..{MAX_UNITS} units, got {count}")
        self.units = [EmulatedUnit(version=version) for version in (*versions, *[9] * count)[:count]]
        self.refuse_next: NakReason | None = None
        """A reason why the next request to a unit is refused, whatever it is."""
        self.deaf = False
        """Whether it hears and says nothing, although it is there."""
        self._length = count
        self._decoder = FrameDecoder()
        self._now = 0.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._out = bytearray()
        self._told: dict[int, tuple[bytes, bytes]] = {}
        self._listener: Callable[[], None] = lambda: None

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call *listener* after whatever a person did to it."""
        self._listener = listener

    @property
    def present(self) -> bool:
        """Whether the first unit is plugged in and runs."""
        return self._length > 0

    @property
    def length(self) -> int:
        """How many units are connected, counted from the appliance."""
        return self._length

    # -- the line --------------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes in at the time *now*."""
        self.advance(now)
        for message in self._decoder.feed(data):
            try:
                request = Message.parse(message)
            except ValueError:
                continue
            if self.present and not self.deaf:
                self._answer(request)
        self._tell_changes()

    def take_output(self) -> bytes:
        """Return what it has to say, once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_time(self) -> float:
        """Return when something happens by itself; infinite if nothing does."""
        return self._timers[0][0] if self._timers else math.inf

    def advance(self, now: float) -> None:
        """Let happen what happens until *now*."""
        self._now = max(self._now, now)
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        self._tell_changes()

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self._now + seconds, next(self._numbers), action))

    # -- answers ---------------------------------------------------------------------------------------------

    def _answer(self, request: Message) -> None:
        if request.unit == ALL_UNITS:
            for number in range(self._length):
                self._answer_one(request, number)
        elif request.unit >= self._length:
            # Who has nobody behind it says so.
            self._refuse(request.request_id, self._length - 1, NakReason.NO_DOWNLINK)
        elif self.refuse_next is not None:
            reason, self.refuse_next = self.refuse_next, None
            self._refuse(request.request_id, request.unit, reason)
        else:
            self._answer_one(request, request.unit)

    def _answer_one(self, request: Message, number: int) -> None:
        match request.op:
            case Op.STATE:
                self._say_state(number, request.request_id)
            case Op.ATX_LEDS:
                self._say_leds(number, request.request_id)
            case Op.REBOOT | Op.BOOTLOADER:
                self._cut(number)
                if request.op == Op.REBOOT:
                    self._later(REBOOT_S, partial(self._come_back, number, self._length))
                self._length = number
            case _:
                reason = self.units[number].carry_out(request.op, request.body, self._later)
                if reason is None:
                    self._say_state(number, request.request_id)
                else:
                    self._refuse(request.request_id, number, reason)

    def _tell_changes(self) -> None:
        """Tell unasked what differs from what was told last."""
        for number in range(self._length):
            state, leds = self._bodies(number)
            told_state, told_leds = self._told.get(number, (None, None))
            if told_state is not None and told_state != state:
                self._say_state(number, UNSOLICITED)
            if told_leds is not None and told_leds != leds:
                self._say_leds(number, UNSOLICITED)

    def _bodies(self, number: int) -> tuple[bytes, bytes]:
        unit = self.units[number]
        return unit.state(has_downlink=number + 1 < self._length).pack(), unit.leds().pack()

    def _say_state(self, number: int, request_id: int) -> None:
        state, leds = self._bodies(number)
        self._told[number] = (state, self._told.get(number, (b"", leds))[1])
        self._say(Message(request_id, Op.STATE, number, state))

    def _say_leds(self, number: int, request_id: int) -> None:
        state, leds = self._bodies(number)
        self._told[number] = (self._told.get(number, (state, b""))[0], leds)
        self._say(Message(request_id, Op.ATX_LEDS, number, leds))

    def _refuse(self, request_id: int, number: int, reason: NakReason) -> None:
        self._say(Message(request_id, Op.NAK, number, bytes((reason,))))

    def _say(self, message: Message) -> None:
        if not self.deaf:
            self._out += message.encode()
            del self._out[: max(0, len(self._out) - OUT_BOUND_BYTES)]

    # -- what a person does ----------------------------------------------------------------------------------

    def touch(self) -> None:
        """Say what differs after units or computers were changed by hand."""
        self._tell_changes()
        self._listener()

    def unplug(self, number: int) -> None:
        """Pull the cable in front of a unit; of the first one, that is the appliance's."""
        if number < self._length:
            self._cut(number)
            self._length = number
            self.touch()

    def plug(self, length: int) -> None:
        """Plug in what was pulled, so that the chain is that long; units that come back start anew."""
        if length > self._length:
            self._come_back(self._length, min(length, len(self.units)))
            self.touch()

    def _cut(self, number: int) -> None:
        for gone in range(number, len(self.units)):
            self.units[gone].boot()
            self._told.pop(gone, None)
        if number == 0:
            self._out.clear()
            self._told.clear()

    def _come_back(self, number: int, length: int) -> None:
        """Connect the units *number* to *length*, which say what they are but not their LEDs."""
        if number != self._length:
            return
        self._length = length
        for unit in range(number, length):
            self._say_state(unit, UNSOLICITED)
