"""The chain against emulated units, over bytes and simulated time: in the end all is as wanted."""

from __future__ import annotations

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from drivers.emulated.switch_chain import EmulatedSwitchChain
from drivers.emulated.switch_unit import EmulatedUnit
from drivers.wire.edid import build_edid
from drivers.wire.switch_frame import FrameDecoder
from drivers.wire.switch_protocol import Colours, NakReason, Press, Reply, padded_edid
from firmware.subsystems.switch.chain import REPEAT_LONGEST_S, Chain
from firmware.subsystems.switch.settings import StoredEdid, SwitchSettings
from firmware.subsystems.switch.wanted import Wanted

DEFAULT_EDID = build_edid()
EDIDS = {
    "00000000-0000-4000-8000-000000000001": build_edid(name="One", serial=1),
    "00000000-0000-4000-8000-000000000002": build_edid(name="Two")[:128],
    "00000000-0000-4000-8000-000000000003": bytes(128),
}
CALM_S = 2 * REPEAT_LONGEST_S + 60
"""Longer than the longest pause before a change is asked for again, and than all EDIDs take to be written."""

ports = st.integers(0, 21)
unit_numbers = st.integers(0, 5)
bools = st.booleans()


class Line:
    """A chain of emulated units, our own view of it, and the line between them."""

    def __init__(self, count: int, versions: tuple[int, ...] = ()) -> None:
        self.now = 0.0
        self.units = EmulatedSwitchChain(count, versions=versions)
        self.settings = SwitchSettings(
            edids={edid_id: StoredEdid(edid_id[-1], data.hex().upper()) for edid_id, data in EDIDS.items()}
        )
        self.ignore_hpd = False
        self.chain = Chain(self.wanted(), first_request_id=65500)
        self.connected = False
        self.decoder = FrameDecoder()
        self.spoil_output = 0
        self.sent = 0

    def wanted(self) -> Wanted:
        return Wanted.of(self.settings, DEFAULT_EDID, ignore_hpd=self.ignore_hpd)

    def set(self, settings: SwitchSettings) -> None:
        self.settings = settings
        self.chain.wanted = self.wanted()

    def exchange(self) -> None:
        """Let everything happen that happens now."""
        for _ in range(1000):
            if self.units.present != self.connected:
                self.connected = self.units.present
                if self.connected:
                    self.decoder = FrameDecoder()
                    self.chain.connected(self.now)
                else:
                    self.chain.lost()
            messages = self.chain.due(self.now)
            self.sent += len(messages)
            for message in messages:
                self.units.feed(message.encode(), self.now)
            out = self.units.take_output()
            if self.spoil_output and out:
                self.spoil_output -= 1
                out = out[: len(out) // 2] + b"\xf2\xf0" + out[len(out) // 2 + 3 :]
            for said in self.decoder.feed(out):
                try:
                    self.chain.take(Reply.parse(said), self.now)
                except ValueError:
                    continue
            if not messages and not out and self.units.present == self.connected:
                return
        raise AssertionError("expected the two to have said everything, they go on and on")

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            self.exchange()
            next_time = min(self.chain.deadline(), self.units.next_time())
            assert next_time > self.now, "expected something to do later, got something that was due before"
            if next_time > end:
                break
            self.now = next_time
            self.units.advance(self.now)
        self.now = end
        self.units.advance(end)
        self.exchange()


def assert_as_wanted(line: Line, number: int, unit: EmulatedUnit) -> None:
    active = line.chain.active_port
    if active >= 0:
        assert unit.channel == (active % 4 if active // 4 == number else 4)
    assert unit.colours == [line.settings.colours.pack()] * 6
    for port in range(4):
        edid_id = line.settings.edid_id(number * 4 + port)
        data = DEFAULT_EDID if edid_id == "default" else EDIDS[edid_id]
        assert unit.edids[port] == (None if data == bytes(128) else padded_edid(data))
        if unit.version >= 8:
            assert bool(unit.dummy_bits >> port & 1) == line.settings.dummy(number * 4 + port)
    if number == 0 and unit.version >= 7:
        assert unit.ignore_hpd == line.ignore_hpd


class ChainMachine(RuleBasedStateMachine):
    """Random commands, losses, refusals and noise; then calm, after which everything is as wanted."""

    line: Line

    @initialize(count=st.integers(1, 5), versions=st.lists(st.integers(6, 9), max_size=5), ignore_hpd=bools)
    def begin(self, count: int, versions: list[int], ignore_hpd: bool) -> None:
        self.line = Line(count, tuple(versions))
        self.line.ignore_hpd = ignore_hpd
        self.line.set(self.line.settings)

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.3, 1.0, 4.0, 12.0]))
    def time_passes(self, seconds: float) -> None:
        self.line.run(seconds)

    @rule(port=ports)
    def set_active(self, port: int) -> None:
        self.line.chain.set_active(port)

    @rule(forwards=bools)
    def step(self, forwards: bool) -> None:
        before, last = self.line.chain.active_port, len(self.line.chain.units) * 4 - 1
        if forwards:
            self.line.chain.set_active_next()
            assert self.line.chain.active_port == (-1 if last < 0 else min(before + 1, last))
        else:
            self.line.chain.set_active_prev()
            assert self.line.chain.active_port == (before if before < 1 else before - 1)

    @rule(port=ports, edid_id=st.sampled_from([*EDIDS, "default"]), dummy=bools)
    def set_port_params(self, port: int, edid_id: str, dummy: bool) -> None:
        self.line.set(self.line.settings.with_port(port, edid_id=edid_id, dummy=dummy))

    @rule(colour=st.sampled_from([None, Colours().beacon]))
    def set_colours(self, colour: None) -> None:
        self.line.set(self.line.settings.with_colours({"active": colour}))

    @rule(unit=unit_numbers, channel=st.integers(0, 5), on=bools)
    def beacon(self, unit: int, channel: int, on: bool) -> None:
        self.line.chain.set_beacon(unit, channel, on)

    @rule(port=ports, press=st.sampled_from(list(Press)), milliseconds=st.integers(1, 10_000))
    def click(self, port: int, press: Press, milliseconds: int) -> None:
        self.line.chain.click(port, press, milliseconds, self.line.now)

    @rule(unit=unit_numbers)
    def reboot(self, unit: int) -> None:
        self.line.chain.reboot(unit, bootloader=False)

    @rule(unit=unit_numbers)
    def unplug(self, unit: int) -> None:
        self.line.units.unplug(unit)

    @rule(length=st.integers(1, 5))
    def plug(self, length: int) -> None:
        self.line.units.plug(length)

    @rule(reason=st.sampled_from(list(NakReason)))
    def refuse(self, reason: NakReason) -> None:
        self.line.units.refuse_next = reason

    @rule(times=st.integers(1, 3))
    def spoil(self, times: int) -> None:
        self.line.spoil_output = times

    @rule()
    def calm(self) -> None:
        line = self.line
        line.spoil_output, line.units.refuse_next = 0, None
        line.run(CALM_S)
        chain = line.chain
        assert len(chain.units) == line.units.length
        assert chain.complete
        assert chain.synced
        for number in range(line.units.length):
            assert_as_wanted(line, number, line.units.units[number])
        # Then there is peace: nothing but the questions that are asked every now and then.
        sent = line.sent
        line.run(50.0)
        assert line.sent - sent <= 2 * 11 if line.units.present else line.sent == sent

    @invariant()
    def no_flash_memory_is_worn_out(self) -> None:
        """(Each rule's time is bounded, so that this is a rate.)"""
        if hasattr(self, "line"):
            writes = sum(unit.edid_writes for unit in self.line.units.units)
            assert writes <= 20 * (1 + self.line.now)

    def teardown(self) -> None:
        if hasattr(self, "line"):
            self.calm()


ChainMachine.TestCase.settings = hypothesis_settings(max_examples=20, stateful_step_count=25, deadline=None)
TestConvergence = ChainMachine.TestCase


def test_a_unit_whose_memory_is_broken_is_not_worn_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it has written an EDID, and has not; everything else is brought to what is wanted."""
    line = Line(1)
    writes = 0

    def forget(unit: EmulatedUnit, port: int, edid: bytes | None, later: object) -> None:
        nonlocal writes
        writes += 1

    monkeypatch.setattr(EmulatedUnit, "_write_edid", forget)
    line.run(600.0)
    # One for each port at 0, 1, 3, 7 ... seconds, and then one a minute.
    assert writes <= 4 * 20
    assert not line.chain.synced
    assert line.units.units[0].dummy_bits == 0b1111
    line.chain.set_active(3)
    line.run(5.0)
    assert line.units.units[0].channel == 3
