"""The chain of units as a state machine: what they said, what they shall be, what to tell them next (9.2).

Sans-I/O: replies and commands in, messages out, and the time at which to look again. It must never tell a
unit two things at once, nor the same thing again and again: EDIDs are written into flash memory.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from drivers.wire.switch_protocol import (
    DOWNLINK,
    GET_ATX_LEDS,
    GET_STATE,
    MAX_REQUEST_ID,
    MAX_UNITS,
    PORTS_PER_UNIT,
    AtxLeds,
    Message,
    Nak,
    NakReason,
    Op,
    Press,
    Reply,
    Request,
    UnitState,
    click,
    reboot,
    set_beacon,
    switch,
)
from firmware.subsystems.switch.wanted import Wanted

logger = logging.getLogger(__name__)

ANSWER_DEADLINE_S: Final = 5.0
"""A change that is not answered by then is given up (contract 9.2), and asked for again."""

RESYNC_S: Final = 5.0
"""How often everything is asked for anyhow: units tell their changes unasked, but a line loses bytes."""

INCOMPLETE_RESYNC_S: Final = 0.5
"""The same while a unit has not told everything yet, such as one that was just plugged in."""

SILENCE_S: Final = 3 * RESYNC_S + 1.0
"""A unit that has said nothing for three questions is not there any more."""

REPEAT_S: Final = 1.0
REPEAT_LONGEST_S: Final = 60.0
"""A change that was answered and not carried out is asked for again after the first, then twice as long each
time up to the second: a unit whose memory is worn out shall not be worn out further."""

SWITCH_REPEAT_LONGEST_S: Final = ANSWER_DEADLINE_S
"""The same for the channel: that wears nothing out, and somebody waits for it."""

BUSY_S: Final = 0.25
"""A unit that is busy is left alone for so long; it tells when it is ready, too."""

COMMANDS_BOUND: Final = 64
"""Commands on their way to the line, which takes thousands in a second. Beyond it they are dropped: the line
has stopped taking any, and a button that is pressed much later does harm."""

type LedCondition = Literal["any", "on", "off"]


@dataclass(slots=True)
class _Pending:
    """A request on its way."""

    request: Request
    request_id: int
    deadline: float


@dataclass(slots=True)
class _Hold:
    """A change that was asked for before: when it may be asked for again."""

    until: float
    delay_s: float


@dataclass(slots=True)
class Unit:
    """What is known of one unit; None = not told yet."""

    heard_at: float
    state: UnitState | None = None
    leds: AtxLeds | None = None
    pending: _Pending | None = None
    busy_until: float = -math.inf
    clicks: dict[int, _Pending] = field(default_factory=dict)
    """By port: a press that the unit has not answered yet."""
    holds: dict[Request, _Hold] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether it has told everything."""
        return self.state is not None and self.leds is not None

    @property
    def may_change(self) -> bool:
        """Whether it says that it can be told to change something."""
        return self.state is not None and not self.state.changing and not self.state.flashing


class Chain:
    """The chain. *first_request_id* should be random, so that answers to a former self are told apart."""

    def __init__(self, wanted: Wanted, *, first_request_id: int = 1) -> None:
        self.wanted = wanted
        self.units: list[Unit] = []
        self._active: int | None = None
        self._connected = False
        self._next_id = first_request_id
        self._heard_at = -math.inf
        self._resync_at = math.inf
        self._commands: list[Message] = []
        self._commands_dropped = 0
        self._refusals = 0
        self._changes = 0

    # -- what there is ---------------------------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether every known unit has told everything."""
        return all(unit.complete for unit in self.units)

    @property
    def active_port(self) -> int:
        """The port that is shown or shall be; -1 if unknown, or if its unit is not there."""
        return self._active if self._active is not None and self._has(self._active) else -1

    @property
    def synced(self) -> bool:
        """Whether no unit is changing, and channels, EDIDs and colours are as they shall be."""
        return all(self._unit_synced(number, unit.state) for number, unit in enumerate(self.units))

    def _unit_synced(self, number: int, state: UnitState | None) -> bool:
        return (
            state is not None
            and not state.changing
            and self._channel_wanted(number) in (None, state.channel)
            and self.wanted.edids_shown(number, state)
            and self.wanted.colours_shown(state)
        )

    def _has(self, port: int) -> bool:
        return 0 <= port < len(self.units) * PORTS_PER_UNIT

    def _channel_wanted(self, number: int) -> int | None:
        if self.active_port < 0:
            return None
        unit, channel = divmod(self.active_port, PORTS_PER_UNIT)
        return channel if unit == number else DOWNLINK

    # -- the line --------------------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        """Take note that there is a device; everything is asked for."""
        self._connected = True
        self._heard_at = now
        self._resync_at = now

    def lost(self) -> None:
        """Take note that there is none: no units, nothing shown, and commands on their way are dropped."""
        self._connected = False
        self._resync_at = math.inf
        self._active = None
        self._truncate(0)
        self._commands.clear()

    def take(self, reply: Reply, now: float) -> None:
        """Take what a unit said."""
        body = reply.body
        self._heard_at = now
        if reply.unit < len(self.units):
            self.units[reply.unit].heard_at = now
        if isinstance(body, Nak):
            self._refused(reply, body, now)
            return
        for number in range(len(self.units), reply.unit + 1):
            self.units.append(Unit(heard_at=now))
            self._resync_at = min(self._resync_at, now + INCOMPLETE_RESYNC_S)
            logger.info("unit %d of the switch appears", number + 1)
        unit = self.units[reply.unit]
        self._answered(reply.request_id)
        if isinstance(body, AtxLeds):
            unit.leds = body
            return
        had_downlink = unit.state is not None and unit.state.has_downlink
        unit.state = body
        if not body.has_downlink:
            self._truncate(reply.unit + 1)
        elif not had_downlink and reply.unit + 1 == len(self.units) < MAX_UNITS:
            # Somebody new is behind it, who may not know that we are here.
            self._resync_at = min(self._resync_at, now + INCOMPLETE_RESYNC_S)
        self._adopt_shown_port()

    def _refused(self, reply: Reply, nak: Nak, now: float) -> None:
        self._refusals += 1
        pending = self._answered(reply.request_id)
        if pending is not None and pending.request.unit < len(self.units):
            unit = self.units[pending.request.unit]
            if nak.reason is NakReason.BUSY:
                # It was not done for a reason that passes; that is no reason to wait longer each time.
                unit.busy_until = now + BUSY_S
                unit.holds.pop(pending.request, None)
            logger.info(
                "unit %d of the switch refuses %s: %s",
                pending.request.unit + 1,
                pending.request.op.name,
                getattr(nak.reason, "name", nak.reason),
            )
        if nak.reason is NakReason.NO_DOWNLINK:
            self._truncate(reply.unit + 1)

    def _answered(self, request_id: int) -> _Pending | None:
        """Forget the request with that id, and return it."""
        for unit in self.units:
            if unit.pending is not None and unit.pending.request_id == request_id:
                pending, unit.pending = unit.pending, None
                return pending
            for port, pending in unit.clicks.items():
                if pending.request_id == request_id:
                    return unit.clicks.pop(port)
        return None

    def _truncate(self, length: int) -> None:
        if len(self.units) > length:
            logger.info("units %d to %d of the switch are gone", length + 1, len(self.units))
            del self.units[length:]

    def _adopt_shown_port(self) -> None:
        """At first contact: the first unit that shows a port says which one it is."""
        if self._active is not None:
            return
        for number, unit in enumerate(self.units):
            if unit.state is not None and unit.state.channel < PORTS_PER_UNIT:
                self._active = number * PORTS_PER_UNIT + unit.state.channel
                return

    # -- commands --------------------------------------------------------------------------------------------

    def set_active(self, port: int) -> None:
        """Show a port; one that is not there changes nothing."""
        if self._has(port):
            self._active = port

    def set_active_prev(self) -> None:
        """Show the port before, if there is one."""
        self.set_active(self.active_port - 1)

    def set_active_next(self) -> None:
        """Show the port behind, if there is one; the first one if none is known to be shown."""
        self.set_active(self.active_port + 1)

    def set_beacon(self, unit: int, channel: int, on: bool) -> None:
        """Let a LED blink, or no longer; a unit that is not there changes nothing."""
        if 0 <= unit < len(self.units):
            self._command(set_beacon(unit, channel, on))

    def reboot(self, unit: int, *, bootloader: bool) -> None:
        """Start a unit anew, or let it wait for new firmware; one that is not there changes nothing."""
        if 0 <= unit < len(self.units):
            self._command(reboot(unit, bootloader=bootloader))

    def click(
        self, port: int, press: Press, milliseconds: int, now: float, *, power_led: LedCondition = "any"
    ) -> None:
        """Press a button, if none is being pressed at the port and its power LED is as given."""
        if not self._has(port):
            return
        number, channel = divmod(port, PORTS_PER_UNIT)
        unit = self.units[number]
        if unit.state is None or unit.leds is None:
            return
        lit = bool(unit.leds.power >> channel & 1)
        busy = channel in unit.clicks or bool(unit.state.atx_busy_bits >> channel & 1)
        if busy or power_led not in ("any", "on" if lit else "off"):
            return
        request = click(number, channel, press, milliseconds)
        request_id = self._command(request)
        if request_id is not None:
            unit.clicks[channel] = _Pending(request, request_id, now + ANSWER_DEADLINE_S)

    def _command(self, request: Request) -> int | None:
        """Let a request be sent next, and return its id; None if there is no room for it."""
        if len(self._commands) >= COMMANDS_BOUND:
            self._commands_dropped += 1
            logger.warning("the switch takes no commands; %s is dropped", request.op.name)
            return None
        message = request.with_id(self._request_id())
        self._commands.append(message)
        return message.request_id

    # -- what to do next -------------------------------------------------------------------------------------

    def due(self, now: float) -> list[Message]:
        """Return what is to be sent now."""
        if not self._connected:
            return []
        self._forget_what_is_over(now)
        messages = list(self._commands)
        self._commands.clear()
        if now >= self._resync_at:
            self._resync_at = now + (RESYNC_S if self.units and self.complete else INCOMPLETE_RESYNC_S)
            messages += [GET_STATE.with_id(self._request_id()), GET_ATX_LEDS.with_id(self._request_id())]
        for number, unit in enumerate(self.units):
            change = self._next_change(number, unit, now)
            if change is not None:
                messages.append(self._ask(unit, change, now))
        return messages

    def deadline(self) -> float:
        """Return when `due` has to be asked again, if nothing happens before."""
        times = [self._resync_at]
        for unit in self.units:
            if unit.pending is not None:
                times.append(unit.pending.deadline)
            elif unit.may_change:
                times += [max(hold.until, unit.busy_until) for hold in unit.holds.values()]
                times += [unit.busy_until] if unit.busy_until > -math.inf else []
        return min(times)

    def is_silent(self, now: float) -> bool:
        """Return whether the device is there and has not said anything for a long time."""
        return self._connected and now - self._heard_at >= SILENCE_S

    def _forget_what_is_over(self, now: float) -> None:
        for number, unit in enumerate(self.units):
            if now - unit.heard_at >= SILENCE_S:
                self._truncate(number)
                break
            if unit.pending is not None and now >= unit.pending.deadline:
                logger.info(
                    "unit %d of the switch did not answer %s", number + 1, unit.pending.request.op.name
                )
                unit.pending = None
            if now >= unit.busy_until:
                unit.busy_until = -math.inf
            unit.clicks = {port: sent for port, sent in unit.clicks.items() if now < sent.deadline}

    def _next_change(self, number: int, unit: Unit, now: float) -> Request | None:
        if unit.pending is not None or unit.state is None or not unit.may_change:
            return None
        changes = list(self._changes_of(number, unit.state))
        # What is as it shall be, or no longer wanted, starts afresh another time.
        unit.holds = {change: unit.holds[change] for change in changes if change in unit.holds}
        if now < unit.busy_until:
            return None
        return next((change for change in changes if not self._is_held(unit, change, now)), None)

    def _changes_of(self, number: int, state: UnitState) -> Iterator[Request]:
        channel = self._channel_wanted(number)
        if channel is not None and channel != state.channel:
            yield switch(number, channel)
        yield from self.wanted.corrections(number, state)

    @staticmethod
    def _is_held(unit: Unit, change: Request, now: float) -> bool:
        hold = unit.holds.get(change)
        return hold is not None and now < hold.until

    def _ask(self, unit: Unit, change: Request, now: float) -> Message:
        self._changes += 1
        former = unit.holds.get(change)
        longest_s = SWITCH_REPEAT_LONGEST_S if change.op is Op.SWITCH else REPEAT_LONGEST_S
        delay_s = REPEAT_S if former is None else min(2 * former.delay_s, longest_s)
        unit.holds[change] = _Hold(now + delay_s, delay_s)
        unit.pending = _Pending(change, self._request_id(), now + ANSWER_DEADLINE_S)
        return change.with_id(unit.pending.request_id)

    def _request_id(self) -> int:
        request_id = self._next_id
        self._next_id = request_id % MAX_REQUEST_ID + 1
        return request_id

    def statistics(self) -> dict[str, int]:
        """Return counters since the start."""
        return {
            "units": len(self.units),
            "changes": self._changes,
            "refusals": self._refusals,
            "commands_dropped": self._commands_dropped,
        }
