"""A pressed key is a lease: whoever cannot be taken to hold it any more has it released."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from trio.testing import MockClock

from api.ws.hub import Hub
from api.ws.lease import LINE_SILENCE_S, PINGS_OF_HABIT, SILENCE_S, InputLease
from api.ws.session import LEASE_LOOK_S, ControlSession
from firmware.subsystems.hid.service import HidService

NAMES = st.sampled_from(["KeyA", "ShiftLeft", "left"])
KINDS = st.sampled_from(["key", "button"])


class Leases(RuleBasedStateMachine):
    """A client that does anything; what its lease says of it is compared with what it did."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.lease = InputLease(self.now)
        self.held: list[tuple[str, str]] = []
        self.heard = 0.0
        self.pings = 0

    @rule(seconds=st.floats(0, 2 * SILENCE_S))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(kind=KINDS, name=NAMES)
    def press(self, kind: Any, name: str) -> None:
        self.lease.heard(self.now)
        self.lease.press(kind, name)
        self.heard = self.now
        if (kind, name) not in self.held:
            self.held.append((kind, name))

    @rule(kind=KINDS, name=NAMES)
    def release(self, kind: Any, name: str) -> None:
        self.lease.heard(self.now)
        self.lease.release(kind, name)
        self.heard = self.now
        self.held = [one for one in self.held if one != (kind, name)]

    @rule()
    def ping(self) -> None:
        self.lease.heard(self.now, ping=True)
        self.heard = self.now
        self.pings += 1

    @rule(line_silence_s=st.floats(0, 2 * LINE_SILENCE_S))
    def look(self, line_silence_s: float) -> None:
        gone = line_silence_s > LINE_SILENCE_S
        silent = self.pings >= PINGS_OF_HABIT and self.now - self.heard > SILENCE_S
        lapsed = self.lease.lapse(self.now, line_silence_s) is not None
        assert lapsed == (bool(self.held) and (gone or silent))
        if lapsed:
            for kind in ("key", "button"):
                names = [name for of_kind, name in reversed(self.held) if of_kind == kind]
                assert list(self.lease.take(kind)) == names
            self.held = []

    @invariant()
    def what_is_held_is_known(self) -> None:
        assert self.lease.holds == bool(self.held)


TestLeases = Leases.TestCase


@given(st.floats(0, 1e6))
def test_a_client_that_never_pings_may_hold_a_key_as_long_as_its_machine_is_there(seconds: float) -> None:
    lease = InputLease(0)
    lease.press("key", "KeyA")
    assert lease.lapse(seconds, 0) is None


class Hands:
    """Stands for the HID subsystem, and notes what is pressed and released."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.pause_s = 0.0

    async def send_key(self, name: str, state: bool, *, finish: bool) -> None:
        await trio.sleep(self.pause_s)
        (self.held.add if state and not finish else self.held.discard)(name)

    async def send_mouse_button(self, name: str, state: bool) -> None:
        (self.held.add if state else self.held.discard)(name)

    def holds(self, name: str) -> bool:
        return name in self.held

    def release_nowait(self, names: list[str]) -> None:
        self.held -= set(names)

    release_buttons_nowait = release_nowait


class Client:
    """A client of a session that sends what it is given, and the line to it."""

    def __init__(self) -> None:
        self.send_channel, self.receive_channel = trio.open_memory_channel[bytes](1000)
        self.silence_s: Callable[[], float] = lambda: 0.0
        self.is_watched = False

    async def receive(self) -> bytes:
        return await self.receive_channel.receive()

    async def send(self, _message: str | bytes) -> None:
        await trio.lowlevel.checkpoint()

    def watch_line(self, *, closely: bool) -> None:
        self.is_watched = closely

    def line_silence_s(self) -> float:
        return self.silence_s()

    def says(self, *messages: bytes) -> None:
        for message in messages:
            self.send_channel.send_nowait(message)


PING, PRESS, RELEASE, CLICK = b"\x00", b"\x01\x01KeyA", b"\x01\x00KeyA", b"\x02\x01left"


@pytest.fixture
def hands() -> Hands:
    return Hands()


async def serve(
    nursery: trio.Nursery, hands: Hands, client: Client, *, may: Callable[[Any], bool] = lambda _: True
) -> None:
    hub = Hub([])
    await nursery.start(hub.run)
    session = ControlSession(client, hub, cast("HidService", hands), legacy=False, may=may, line=client)
    nursery.start_soon(session.serve)


async def test_who_used_to_ping_and_falls_silent_lets_go(autojump_clock: MockClock, hands: Hands) -> None:
    client = Client()
    async with trio.open_nursery() as nursery:
        await serve(nursery, hands, client)
        client.says(PING, PING, PING, PRESS, CLICK)
        for _ in range(20):
            await trio.sleep(1)
            client.says(PING)
        assert hands.held == {"KeyA", "left"}
        await trio.sleep(SILENCE_S + 2 * LEASE_LOOK_S)
        assert not hands.held
        # It is not shut out: what it presses then is pressed.
        client.says(PING, PRESS)
        await trio.sleep(1)
        assert hands.held == {"KeyA"}
        nursery.cancel_scope.cancel()


async def test_a_script_may_sleep_while_it_holds_a_key(autojump_clock: MockClock, hands: Hands) -> None:
    client = Client()
    async with trio.open_nursery() as nursery:
        await serve(nursery, hands, client)
        client.says(PRESS)
        await trio.sleep(3600)
        assert hands.held == {"KeyA"}
        assert client.is_watched
        client.says(RELEASE)
        await trio.sleep(2 * LEASE_LOOK_S)
        assert not hands.held
        assert not client.is_watched
        nursery.cancel_scope.cancel()


async def test_a_machine_that_acknowledges_nothing_lets_go(autojump_clock: MockClock, hands: Hands) -> None:
    client = Client()
    async with trio.open_nursery() as nursery:
        await serve(nursery, hands, client)
        client.says(PRESS, CLICK)
        await trio.sleep(10)
        lost = trio.current_time()
        client.silence_s = lambda: trio.current_time() - lost
        await trio.sleep(LINE_SILENCE_S - LEASE_LOOK_S)
        assert hands.held == {"KeyA", "left"}
        await trio.sleep(3 * LEASE_LOOK_S)
        assert not hands.held
        nursery.cancel_scope.cancel()


async def test_a_slow_target_is_not_the_clients_silence(autojump_clock: MockClock, hands: Hands) -> None:
    client = Client()
    async with trio.open_nursery() as nursery:
        await serve(nursery, hands, client)
        client.says(PING, PING, PING, PRESS)
        await trio.sleep(1)
        hands.pause_s = 60
        # Its pings wait behind what the target is slow to take.
        client.says(b"\x01\x01KeyB", *[PING] * 60)
        await trio.sleep(50)
        assert hands.held == {"KeyA"}
        await trio.sleep(11)
        assert hands.held == {"KeyA", "KeyB"}
        nursery.cancel_scope.cancel()
