"""One session of the control socket: a reader that turns messages into input, a writer that tells the news.

The reader hands each event to the HID subsystem and waits for it, so that a client which sends faster than
the target takes is slowed down by its own TCP connection. Nothing a client sends closes its socket.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Final, Protocol

import trio

from api.server.exchange import Line
from api.ws.hub import Hub, Source, Subscriber
from api.ws.lease import Held, InputLease
from api.ws.legacy import legacy_events
from api.ws.rights import May, allowed
from api.ws.wire import binary_dialect, json_dialect
from api.ws.wire.input_events import (
    BadMessageError,
    ButtonInput,
    Input,
    KeyInput,
    MoveInput,
    Ping,
    RelativeInput,
    WheelInput,
)
from api.ws.wire.state_diff import difference
from firmware.core.version import PIKVM_API_VERSION
from firmware.subsystems.hid.service import HidService

logger = logging.getLogger(__name__)

# A client pings once a second and waits for each answer; one that floods us and reads nothing loses pongs.
MOST_PENDING_PONGS = 32

LEASE_LOOK_S = 1.0


_KINDS: Final[Mapping[type[Input], str]] = {
    KeyInput: "keys",
    ButtonInput: "buttons",
    MoveInput: "moves",
    RelativeInput: "moves",
    WheelInput: "wheel",
}


class Socket(Protocol):
    """What a session needs of a WebSocket."""

    async def receive(self) -> str | bytes:
        """Return the next message."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Send one message."""
        ...


class ControlSession:
    """Serves one client until it goes away."""

    def __init__(
        self,
        socket: Socket,
        hub: Hub,
        hid: HidService,
        *,
        legacy: bool,
        may: May,
        line: Line,
        own: bool = False,
    ) -> None:
        self._socket = socket
        self._hub = hub
        self._hid = hid
        self._legacy = legacy
        self._may = may
        self._own = own
        self.input_counts: Counter[str] = Counter()
        """How many events of each kind were taken, for the audit trail."""
        self._loop_due = True
        self._pongs: list[str | bytes] = []
        self._said: dict[str, object] = {}
        self._line = line
        self._lease = InputLease(trio.current_time())
        self._lease_wanted = trio.Event()
        self._acting = False

    async def serve(self) -> None:
        """Serve until cancelled or until the socket raises."""
        with self._hub.subscribed() as subscriber:
            self._hub.tell_everybody_everything()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, subscriber)
                nursery.start_soon(self._watch_lease)
                await self._read(subscriber)

    # -- reading ----------------------------------------------------------------------------------------

    async def _read(self, subscriber: Subscriber) -> None:
        while True:
            message = await self._socket.receive()
            self._lease.heard(trio.current_time())
            try:
                if isinstance(message, str):
                    event = json_dialect.decode(message)
                else:
                    event = binary_dialect.decode(message)
            except BadMessageError as exc:
                logger.info("a message of a control socket was ignored: %s", exc)
                continue
            if not allowed(event, self._may):
                # The contract has no answer to it; the console shows only what its user may do.
                logger.debug("a message of a control socket was ignored: its user may not")
            elif isinstance(event, Ping):
                self._lease.heard(trio.current_time(), ping=True)
                if len(self._pongs) < MOST_PENDING_PONGS:
                    binary = isinstance(message, bytes)
                    self._pongs.append(binary_dialect.PONG if binary else json_dialect.encode("pong", {}))
                    subscriber.wake()
            else:
                self.input_counts[_KINDS[type(event)]] += 1
                self._acting = True
                try:
                    await self._do(event)
                finally:
                    self._acting = False
                    self._lease.heard(trio.current_time())

    async def _do(self, event: Input) -> None:
        match event:
            case KeyInput(key, state, finish):
                self._note("key", key, held=state)
                await self._hid.send_key(key, state, finish=finish)
                if finish:
                    self._note("key", key, held=self._hid.holds(key))
            case ButtonInput(button, state):
                self._note("button", button, held=state)
                await self._hid.send_mouse_button(button, state)
            case MoveInput(x, y):
                await self._hid.send_mouse_move(x, y)
            case RelativeInput(deltas, squash):
                await self._hid.send_mouse_relative(deltas, squash=squash)
            case WheelInput(deltas, squash):
                await self._hid.send_mouse_wheel(deltas, squash=squash)

    # -- what is held -----------------------------------------------------------------------------------

    def _note(self, kind: Held, name: str, *, held: bool) -> None:
        if not held:
            self._lease.release(kind, name)
            return
        self._lease.press(kind, name)
        self._lease_wanted.set()

    async def _watch_lease(self) -> None:
        """Let go of what the client holds when it can no longer be taken to hold it."""
        while True:
            await self._lease_wanted.wait()
            self._lease_wanted = trio.Event()
            self._line.watch_line(closely=True)
            while self._lease.holds:
                await trio.sleep(LEASE_LOOK_S)
                # While the target takes its time the client's messages wait, and their silence is ours.
                if self._acting:
                    continue
                reason = self._lease.lapse(trio.current_time(), self._line.line_silence_s())
                if reason is not None:
                    logger.warning("what a client held was let go: %s", reason)
                    self._hid.release_nowait(self._lease.take("key"))
                    self._hid.release_buttons_nowait(self._lease.take("button"))
            self._line.watch_line(closely=False)

    # -- writing ----------------------------------------------------------------------------------------

    async def _write(self, subscriber: Subscriber) -> None:
        if not self._legacy:
            major, minor = (int(part) for part in PIKVM_API_VERSION.split("."))
            await self._say("loop", {"version": {"major": major, "minor": minor}})
        while True:
            await subscriber.wait()
            for source in subscriber.take():
                await self._tell(subscriber, source)
                await self._answer_pings()
            if self._legacy and self._loop_due:
                self._loop_due = False
                await self._say("loop", {})
            await self._answer_pings()

    async def _answer_pings(self) -> None:
        pongs, self._pongs = self._pongs, []
        for pong in pongs:
            await self._socket.send(pong)

    async def _tell(self, subscriber: Subscriber, source: Source) -> None:
        if source.own_to is not None and not (self._own and self._may(source.own_to)):
            return
        state = self._hub.snapshot(source)
        event = difference(subscriber.sent.get(source.key), state, source.shape)
        if event is None:
            return
        subscriber.sent[source.key] = state
        if self._legacy:
            states = {key: value for key, (_, value) in self._hub.present_states().items()}
            for event_type, old_event in legacy_events(source.key, state, states):
                # One old event may stem from several of our sources.
                if self._said.get(event_type) != old_event:
                    self._said[event_type] = old_event
                    await self._say(event_type, old_event)
        else:
            await self._say(source.event_type, event)

    async def _say(self, event_type: str, event: object) -> None:
        await self._socket.send(json_dialect.encode(event_type, event))
