"""The service on a line in memory with emulated units at its other end, on a clock that jumps."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from drivers.emulated.switch import EmulatedSwitch
from drivers.emulated.switch_chain import EmulatedSwitchChain
from drivers.emulated.switch_unit import EmulatedUnit
from drivers.errors import DeviceGoneError
from drivers.ports import SwitchSession
from drivers.switch.session import StreamSession
from drivers.wire.edid import build_edid
from drivers.wire.switch_protocol import Colour, padded_edid
from firmware.core.supervise import Supervisor, TaskPhase
from firmware.state.switch import SwitchState
from firmware.subsystems.switch.chain import SILENCE_S
from firmware.subsystems.switch.config import SwitchConfig
from firmware.subsystems.switch.service import ATX_HOLD_S, RETRY_S, SwitchService

SETTLE_S = 130.0
"""Of simulated time; longer than anything that a chain may be waiting for."""


@pytest.fixture(autouse=True)
def _files_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """File calls without a thread: a clock that jumps does not wait for one."""

    async def at_once[T](call: Callable[[], T], **_options: object) -> T:
        return call()

    monkeypatch.setattr("drivers.system.blocking.trio.to_thread.run_sync", at_once)


@dataclass
class MemoryLink:
    """A `SwitchLink` to emulated units over a stream in memory; it is there while the first unit is."""

    chain: EmulatedSwitchChain
    name: str = "memory"
    opened: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[SwitchSession]:
        await trio.lowlevel.checkpoint()
        self.opened.append(trio.current_time())
        self.chain.advance(trio.current_time())
        if not self.chain.present:
            raise DeviceGoneError("nothing is plugged in")
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._play, theirs)
            yield StreamSession(ours, self.name)
            nursery.cancel_scope.cancel()

    async def _play(self, stream: trio.abc.Stream) -> None:
        async with stream:
            await EmulatedSwitch(self.chain).play(stream)


@dataclass
class Bench:
    """A service, the units behind it, and its supervisor."""

    switch: SwitchService
    chain: EmulatedSwitchChain
    link: MemoryLink
    supervisor: Supervisor
    seen: list[tuple[float, SwitchState]] = field(default_factory=list)

    @property
    def state(self) -> SwitchState:
        return self.switch.state.value

    async def settled(self) -> SwitchState:
        await trio.sleep(SETTLE_S)
        assert len(self.state.model.units) == self.chain.length
        assert self.state.summary.synced
        return self.state

    async def watch(self) -> None:
        async for state in self.switch.state.changes():
            self.seen.append((trio.current_time(), state))


@asynccontextmanager
async def bench(directory: Path, units: int = 2) -> AsyncGenerator[Bench]:
    chain = EmulatedSwitchChain(units)
    link = MemoryLink(chain)
    supervisor = Supervisor()
    config = SwitchConfig(default_edid=directory / "edid.hex", ignore_hpd_on_top=True)
    switch = SwitchService(config, link=link, directory=directory / "switch", supervisor=supervisor)
    async with trio.open_nursery() as nursery:
        made = Bench(switch, chain, link, supervisor)
        await nursery.start(switch.run)
        nursery.start_soon(made.watch)
        yield made
        nursery.cancel_scope.cancel()


async def test_a_chain_is_brought_to_the_settings(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as it:
        state = await it.settled()
        assert (state.summary.active_port, state.summary.active_id) == (0, "1.1")
        assert [unit.channel for unit in it.chain.units] == [0, 4]
        for unit in it.chain.units:
            assert unit.edids == [padded_edid(build_edid())] * 4
            assert unit.dummy_bits == 0b1111
        assert [unit.ignore_hpd for unit in it.chain.units] == [True, False]
        # Lists are filled at once, never in part, and what is told is said once.
        lengths = {(len(s.model.units), len(s.model.ports), len(s.usb.links)) for _, s in it.seen}
        assert lengths == {(0, 0, 0), (2, 8, 8)} | ({(1, 4, 4)} & lengths)
        assert [a for (_, a), (_, b) in zip(it.seen, it.seen[1:], strict=False) if a == b] == []


async def test_a_single_unit_has_short_port_names(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path, units=1) as it:
        await it.settled()
        await it.switch.set_active(3)
        state = await it.settled()
        assert state.summary.active_id == "4"
        assert [port.id for port in state.model.ports] == ["1", "2", "3", "4"]


@pytest.mark.fault("KVM switch", "vanishes", "returns")
async def test_a_device_that_goes_is_looked_for_every_second(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with bench(tmp_path) as it:
        await it.settled()
        await it.switch.set_active(5)
        await it.settled()
        it.chain.unplug(0)
        await trio.sleep(10.5)
        assert it.state.summary.active_port == -1
        assert it.state.model.units == ()
        looks = it.link.opened[-5:]
        assert all(after - before == pytest.approx(RETRY_S) for before, after in itertools.pairwise(looks))
        assert it.switch.statistics()["last_error"] == "nothing is plugged in"
        # That is no fault of a task.
        assert it.supervisor.tasks.value["switch.chain"].phase is TaskPhase.ONLINE
        await it.switch.set_active(3)
        it.chain.plug(2)
        state = await it.settled()
        assert it.switch.statistics()["connections"] == 2
        assert state.summary.active_port == 0


@pytest.mark.fault("KVM switch", "stalls")
async def test_a_device_that_says_nothing_is_opened_again_and_that_is_said_once(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path) as it:
        await it.settled()
        it.chain.deaf = True
        await trio.sleep(5 * SILENCE_S)
        assert it.state.model.units == ()
        assert len(it.link.opened) > 3
        assert "says nothing" in str(it.switch.statistics()["last_error"])
        assert caplog.text.count("says nothing") == 1
        it.chain.deaf = False
        await it.settled()


async def test_a_lone_change_of_leds_waits_for_others(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as it:
        await it.settled()
        it.seen.clear()
        began = trio.current_time()
        it.chain.units[0].computers[0].powered = True
        it.chain.touch()
        # The links' +5 V come with it, and those are told at once.
        await trio.sleep(0.01)
        assert it.state.usb.links[0]
        it.chain.units[0].computers[0].disk_busy = True
        it.chain.touch()
        await trio.sleep(0.1)
        it.chain.units[1].computers[1].disk_busy = True
        it.chain.touch()
        assert not any(it.state.atx.leds.hdd)
        await trio.sleep(ATX_HOLD_S)
        assert [port for port, lit in enumerate(it.state.atx.leds.hdd) if lit] == [0, 5]
        times = [time - began for time, state in it.seen if any(state.atx.leds.hdd)]
        assert times == [pytest.approx(0.01 + ATX_HOLD_S, abs=0.05)]


async def test_a_button_is_busy_for_as_long_as_it_is_pressed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with bench(tmp_path) as it:
        await it.settled()
        await it.switch.atx_power(2.1, "on")
        # On its way, and then pressed: another one would be one too many.
        await it.switch.atx_click(4, "reset")
        await trio.sleep(ATX_HOLD_S + 0.1)
        assert it.state.atx.busy == (False,) * 4 + (True,) + (False,) * 3
        assert it.state.atx.leds.power == it.state.atx.busy
        await it.switch.atx_click(4, "power_long")
        await trio.sleep(1.0)
        assert not any(it.state.atx.busy)
        await it.switch.atx_power(4, "on")
        await it.switch.atx_power(4, "off_hard")
        await trio.sleep(6.0)
        assert not any(it.state.atx.leds.power)
        assert it.chain.units[1].computers[0].presses == [("power", 500), ("power", 5500)]


async def test_the_default_edid_of_all_ports_changes_with_its_file(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with bench(tmp_path) as it:
        await it.settled()
        (tmp_path / "edid.hex").write_text(build_edid(name="Another").hex())
        state = await it.settled()
        parsed = state.edids.all["default"].parsed
        assert parsed is not None
        assert parsed.monitor_name == "Another"
        assert it.chain.units[1].edids[3] == build_edid(name="Another")


async def test_units_are_never_given_an_edid_that_they_are_not_to_keep(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when files come slowly: each EDID is a write of flash memory, and a blink of the picture."""

    async def slowly[T](call: Callable[[], T], **_options: object) -> T:
        # The EDID's file more slowly than the settings.
        await trio.sleep(3.0 if isinstance(call, partial) else 0.5)
        return call()

    monkeypatch.setattr("drivers.system.blocking.trio.to_thread.run_sync", slowly)
    (tmp_path / "edid.hex").write_bytes(build_edid(name="Configured"))
    async with bench(tmp_path, units=1) as it:
        await it.settled()
        assert it.chain.units[0].edids == [build_edid(name="Configured")] * 4
        assert it.chain.units[0].edid_writes == 4
    async with bench(tmp_path, units=1) as it:
        it.chain.units[0].edids = [build_edid(name="Configured")] * 4
        await it.settled()
        assert it.chain.units[0].edid_writes == 0


async def test_a_change_of_settings_shows_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with bench(tmp_path) as it:
        await it.settled()
        await it.switch.set_port_params(1.2, name="rack", click_delays={"reset": 3.0})
        port = it.state.model.ports[1]
        assert (port.name, port.atx.click_delays.reset) == ("rack", 3.0)
        await it.switch.set_colours({"active": Colour(1, 2, 3, 4, 5)})
        assert it.state.colors.active.blink_ms == 5
        assert not it.state.summary.synced
        assert (tmp_path / "switch/port_names.json").exists()


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_it_comes_to_what_is_wanted(
    tmp_path: Path, autojump_clock: MockClock, seed: int
) -> None:
    """Commands, losses and reconnects at random over the whole stack; `test_convergence` tries many more."""
    rng = random.Random(seed)
    async with bench(tmp_path, units=rng.randint(2, 5)) as it:
        edid = build_edid(name="Mine")
        edid_id = await it.switch.create_edid("Mine", edid.hex().upper())
        for _ in range(40):
            match rng.randrange(8):
                case 0:
                    it.chain.unplug(rng.randrange(5))
                case 1:
                    it.chain.plug(5)
                case 2:
                    await it.switch.reset_unit(rng.randrange(5))
                case 3:
                    await it.switch.set_port_params(
                        rng.randrange(20), edid_id=rng.choice([edid_id, "default"]), dummy=rng.random() < 0.5
                    )
                case 4:
                    await it.switch.atx_click(rng.randrange(20), "power")
                case 5:
                    await it.switch.set_port_beacon(rng.randrange(20), True)
                case _:
                    await it.switch.set_active(rng.randrange(20))
            await trio.sleep(rng.choice([0.0, 0.1, 1.0, 5.0]))
        it.chain.plug(5)
        state = await it.settled()
        active = state.summary.active_port
        for number, unit in enumerate(it.chain.units):
            _assert_unit(it, number, unit, active, edid)


def _assert_unit(it: Bench, number: int, unit: EmulatedUnit, active: int, edid: bytes) -> None:
    if active >= 0:
        assert unit.channel == (active % 4 if active // 4 == number else 4)
    for port in range(4):
        used = it.state.edids.used[number * 4 + port]
        assert unit.edids[port] == (build_edid() if used == "default" else edid)
        assert bool(unit.dummy_bits >> port & 1) == it.state.model.ports[number * 4 + port].video.dummy


async def test_a_board_without_a_line_has_settings(tmp_path: Path, autojump_clock: MockClock) -> None:
    config = SwitchConfig(default_edid=tmp_path / "edid.hex")
    switch = SwitchService(config, link=None, directory=tmp_path, supervisor=Supervisor())
    async with trio.open_nursery() as nursery:
        await nursery.start(switch.run)
        edid_id = await switch.create_edid("Mine", build_edid().hex())
        await switch.set_port_params(3, edid_id=edid_id)
        assert set(switch.state.value.edids.all) == {"default", edid_id}
        assert switch.state.value.edids.used == ()
        nursery.cancel_scope.cancel()
