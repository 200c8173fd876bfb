"""The switch's line: over a real pty with emulated units at its other end, and over streams that break."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from drivers.emulated.switch import EmulatedSwitch
from drivers.emulated.switch_chain import EmulatedSwitchChain
from drivers.errors import DeviceBusyError, DeviceGoneError
from drivers.ports import SwitchSession
from drivers.switch.serial_line import SerialSwitch
from drivers.switch.session import StreamSession
from drivers.wire import switch_protocol as wire
from drivers.wire.edid import build_edid
from drivers.wire.switch_protocol import AtxLeds, Message, Op, Reply, UnitState

DEADLINE_S = 60
"""Ample on a busy machine; no test waits for it."""


@pytest.fixture
async def switch(nursery: trio.Nursery) -> AsyncIterator[EmulatedSwitch]:
    """Two emulated units behind a pty."""
    emulated = EmulatedSwitch(EmulatedSwitchChain(2))
    await nursery.start(emulated.run)
    with trio.fail_after(DEADLINE_S):
        yield emulated


async def replies(session: SwitchSession, count: int) -> list[Reply]:
    return [await session.receive() for _ in range(count)]


async def test_units_are_asked_and_told_over_the_pty(switch: EmulatedSwitch) -> None:
    assert switch.name.startswith("/dev/")
    async with switch.open() as session:
        await session.send(wire.GET_STATE.with_id(7))
        await session.send(wire.GET_ATX_LEDS.with_id(8))
        first, second, *leds = await replies(session, 4)
        assert isinstance(first.body, UnitState)
        assert isinstance(second.body, UnitState)
        assert (first.request_id, first.unit, first.body.has_downlink) == (7, 0, True)
        assert (second.request_id, second.unit, second.body.has_downlink) == (7, 1, False)
        assert leds == [Reply(8, 0, AtxLeds()), Reply(8, 1, AtxLeds())]
        edid = build_edid(name="Over a pty")
        await session.send(wire.set_edid(1, 2, edid).with_id(9))
        flashing, written = await replies(session, 2)
        assert isinstance(flashing.body, UnitState)
        assert isinstance(written.body, UnitState)
        assert (flashing.request_id, flashing.body.flashing) == (9, True)
        assert (written.request_id, written.body.flashing, written.body.edid_valid_bits) == (0, False, 0b0100)
        assert switch.chain.units[1].edids[2] == edid


async def test_a_line_that_is_in_use_is_busy(switch: EmulatedSwitch) -> None:
    async with switch.open():
        with pytest.raises(DeviceBusyError):
            async with switch.open():
                pass


async def test_what_was_said_to_nobody_is_not_heard_later(switch: EmulatedSwitch) -> None:
    switch.chain._say(Message(0, Op.ATX_LEDS, 0, b"\xff"))
    switch.chain.touch()
    while switch.chain._out:
        await trio.sleep(0.01)
    await trio.sleep(0.1)
    async with switch.open() as session:
        await session.send(wire.GET_ATX_LEDS.with_id(1))
        assert await session.receive() == Reply(1, 0, AtxLeds())


@pytest.mark.fault("KVM switch", "vanishes", "returns", "EIO")
async def test_a_device_that_is_unplugged_ends_the_session_and_another_one_can_be_opened(
    switch: EmulatedSwitch,
) -> None:
    async with switch.open() as session:
        switch.chain.unplug(0)
        with pytest.raises(DeviceGoneError):
            await session.receive()
    while switch.name != "the emulated switch":
        await trio.sleep(0.01)
    with pytest.raises(DeviceGoneError, match="not plugged in"):
        async with switch.open():
            pass
    switch.chain.plug(1)
    while switch.name == "the emulated switch":
        await trio.sleep(0.01)
    async with switch.open() as session:
        await session.send(wire.GET_ATX_LEDS.with_id(1))
        assert await session.receive() == Reply(1, 0, AtxLeds())


@pytest.mark.fault("KVM switch", "missing")
async def test_no_device_is_gone() -> None:
    line = SerialSwitch("/dev/there-is-no-such-switch")
    assert line.name == "/dev/there-is-no-such-switch"
    with pytest.raises(DeviceGoneError, match="plugged in"):
        async with line.open():
            pass


@pytest.mark.fault("KVM switch", "garbage")
async def test_what_makes_no_sense_is_skipped_and_counted() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    session = StreamSession(ours, "a line")
    newer = Message(0, 99, 0, b"news").encode()
    short = Message(0, Op.STATE, 0, b"short").encode()
    good = Message(3, Op.ATX_LEDS, 4, b"\x21").encode()
    await theirs.send_all(b"noise" + newer + short + good + good[:4])
    assert await session.receive() == Reply(3, 4, AtxLeds(power=1, hdd=2))
    await theirs.send_all(good[4:])
    assert await session.receive() == Reply(3, 4, AtxLeds(power=1, hdd=2))
    assert session.statistics() == {"senseless_messages": 2, "skipped_bytes": 5, "broken_frames": 0}


@pytest.mark.parametrize("how", ["closed", "broken"])
async def test_a_stream_that_ends_is_a_device_that_is_gone(how: str) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    session = StreamSession(ours, "a line")
    if how == "closed":
        await theirs.aclose()
    else:
        ours.receive_stream.close_hook = None

        async def broken(max_bytes: int | None = None) -> bytes:
            raise trio.BrokenResourceError

        ours.receive_some = broken  # type: ignore[method-assign] # a fault for the test
        await theirs.aclose()
    with pytest.raises(DeviceGoneError, match="a line: the other end hung up"):
        await session.receive()
    with pytest.raises(DeviceGoneError, match="a line: the other end hung up"):
        await session.send(wire.GET_STATE.with_id(1))
