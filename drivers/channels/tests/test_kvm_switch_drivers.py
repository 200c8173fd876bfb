"""The drivers of KVM switches with a simulated switch at the far end of a real tty or socket, with faults.

Deadlines of answers are short where a test lets them pass; no other time matters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from peers.driver_runs import fault_of, until_phase
from peers.kvm_switches import ExtronSwitch, EzcooSwitch, Hk4401Switch, KvmSwitch, PwaySwitch, TesmartSwitch
from peers.serial_line import DEADLINE_S, Cable, Pty, ending_of, play, playing, until
from peers.tcp_device import tcp_device

from drivers.channels import kvm_switch
from drivers.channels.extron import ExtronDriver
from drivers.channels.ezcoo import EzcooDriver
from drivers.channels.kvm_switch import KvmSwitchDriver
from drivers.channels.pway import PwayDriver
from drivers.channels.tesmart import TesmartDriver
from drivers.channels.xh_hk4401 import XhHk4401Driver
from drivers.errors import DeviceGoneError, DeviceTimeoutError, NotSupportedError
from drivers.ports import ChannelDriver, ChannelOutput
from firmware.core.supervise import Backoff, Supervisor, TaskPhase

# Long enough for an answer on a busy machine, short enough to be waited for.
SHORT_S = 0.3
AMPLE_S = 10.0

type Make = Callable[[str, Iterable[ChannelOutput], float], KvmSwitchDriver]


@dataclass(frozen=True)
class Kind:
    """A driver and the switch that it is for."""

    make: Make
    switch: Callable[[int], KvmSwitch]
    starts_at_first: bool = False


KINDS = {
    "tesmart": Kind(
        lambda path, outputs, timeout_s: TesmartDriver(
            [*outputs], device=path, timeout_s=timeout_s, switch_delay_s=0.01, state_poll_s=0.1
        ),
        lambda port: TesmartSwitch(port=port),
    ),
    "ezcoo 1": Kind(
        lambda path, outputs, timeout_s: EzcooDriver([*outputs], device=path, read_timeout_s=timeout_s),
        lambda port: EzcooSwitch(port=port),
    ),
    "ezcoo 2": Kind(
        lambda path, outputs, timeout_s: EzcooDriver(
            [*outputs], device=path, read_timeout_s=timeout_s, protocol=2
        ),
        lambda port: EzcooSwitch(port=port, protocol=2, deaf=False),
    ),
    "xh_hk4401": Kind(
        lambda path, outputs, timeout_s: XhHk4401Driver([*outputs], device=path, read_timeout_s=timeout_s),
        lambda port: Hk4401Switch(port=port),
    ),
    "pway": Kind(
        lambda path, outputs, timeout_s: PwayDriver([*outputs], device=path, read_timeout_s=timeout_s),
        lambda port: PwaySwitch(port=port),
        starts_at_first=True,
    ),
    "extron": Kind(
        lambda path, outputs, timeout_s: ExtronDriver([*outputs], device=path, read_timeout_s=timeout_s),
        lambda port: ExtronSwitch(port=port),
        starts_at_first=True,
    ),
}

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


async def selected(driver: ChannelDriver, count: int = 4) -> list[int]:
    """The pins that read on."""
    return [pin for pin in range(count) if await driver.read(str(pin))]


def steps(selections: list[int]) -> list[int]:
    """Without the repetitions: a command may come twice."""
    return [port for index, port in enumerate(selections) if index == 0 or port != selections[index - 1]]


async def until_selected(driver: ChannelDriver, expected: list[int]) -> None:
    with trio.fail_after(DEADLINE_S):
        while await selected(driver) != expected:
            await trio.sleep(0.005)


@each_kind
async def test_pins_are_the_buttons_of_a_radio(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(1)
    driver = kind.make(pty.path, [], AMPLE_S)
    async with playing(switch, driver.run, pty.master):
        await until_selected(driver, [0 if kind.starts_at_first else 1])
        for port in (2, 3, 0, 2):
            await driver.write(str(port), True)
            assert switch.port == port
            assert await selected(driver) == [port]


async def test_late_answers_to_earlier_questions_are_no_answers_to_a_selection(pty: Pty) -> None:
    """It asks when it begins and right after it, and each question has two answers."""
    switch = EzcooSwitch(port=1, protocol=2, deaf=False)
    driver = EzcooDriver([], device=pty.path, read_timeout_s=AMPLE_S, protocol=2)
    async with playing(switch, driver.run, pty.master, Cable(late_replies=1000, late_s=0.03)):
        for port in (2, 3, 0):
            await driver.write(str(port), True)
            assert switch.port == port
            assert await selected(driver) == [port]


@each_kind
async def test_off_does_nothing(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(1)
    driver = kind.make(pty.path, [], AMPLE_S)
    async with playing(switch, driver.run, pty.master):
        await driver.write("2", True)
        seen = list(switch.selections)
        for pin in range(4):
            await driver.write(str(pin), False)
        assert (switch.port, switch.selections) == (2, seen)


@each_kind
async def test_only_pway_and_extron_are_moved_at_the_start(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(2)
    driver = kind.make(
        pty.path, [ChannelOutput("3", initial=False), ChannelOutput("1", initial=None)], AMPLE_S
    )
    async with playing(switch, driver.run, pty.master):
        await until_selected(driver, [0 if kind.starts_at_first else 2])
        assert switch.selections == ([0] if kind.starts_at_first else [])


@each_kind
async def test_an_output_that_is_on_at_the_start_is_selected_then(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(2)
    driver = kind.make(
        pty.path, [ChannelOutput("0", initial=False), ChannelOutput("3", initial=True)], AMPLE_S
    )
    async with playing(switch, driver.run, pty.master):
        assert steps(switch.selections) == [3]
        assert await selected(driver) == [3]


@pytest.mark.parametrize("name", ["tesmart", "extron"])
async def test_one_that_stays_at_the_start_is_used_nonetheless(
    name: str, pty: Pty, caplog: pytest.LogCaptureFixture
) -> None:
    kind = KINDS[name]
    switch = kind.switch(2)
    switch.stuck = True
    driver = kind.make(pty.path, [ChannelOutput("3", initial=True)], SHORT_S)
    async with playing(switch, driver.run, pty.master):
        assert await selected(driver) == [2]
    assert "to select pin 3, got pin 2" in caplog.text


@each_kind
async def test_a_press_at_the_switch_is_told(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(1)
    driver = kind.make(pty.path, [], AMPLE_S)
    async with playing(switch, driver.run, pty.master), driver.changes() as changes:
        await driver.write("2", True)
        os.write(pty.master, switch.press(3))
        with trio.fail_after(DEADLINE_S):
            while await selected(driver) != [3]:
                await changes.receive()


@each_kind
async def test_selections_at_once_are_done_whole_one_after_the_other(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(1)
    driver = kind.make(pty.path, [], AMPLE_S)
    async with playing(switch, driver.run, pty.master):
        await driver.write("1", True)
        switch.selections.clear()
        async with trio.open_nursery() as nursery:
            for pin in ("3", "2", "0"):
                nursery.start_soon(driver.write, pin, True)
        assert sorted(steps(switch.selections)) == [0, 2, 3]
        assert await selected(driver) == [switch.port]


@each_kind
@pytest.mark.fault("channels: KVM switches", "garbage")
async def test_noise_on_the_line_is_no_report(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(1)
    driver = kind.make(pty.path, [], AMPLE_S)
    async with playing(switch, driver.run, pty.master, Cable(noise=b"\xaa\xbb\x00G0\xffx1 IN9\r\n")):
        for port in (3, 1):
            await driver.write(str(port), True)
            assert switch.port == port
            assert await selected(driver) == [port]


@each_kind
async def test_a_command_that_is_lost_is_sent_again(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(1)
    cable = Cable()
    driver = kind.make(pty.path, [], SHORT_S)
    async with playing(switch, driver.run, pty.master, cable):
        await until_selected(driver, [switch.port])
        cable.lose_requests = 1
        await driver.write("2", True)
        assert switch.port == 2
        assert cable.seen == ["lose_requests"]


@each_kind
async def test_a_switch_that_stays_is_told_and_the_driver_works_on(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(1)
    driver = kind.make(pty.path, [], SHORT_S)
    async with playing(switch, driver.run, pty.master):
        await driver.write("1", True)
        switch.stuck = True
        if isinstance(switch, PwaySwitch):
            # Its echo is all that it says of commands.
            await driver.write("2", True)
        else:
            with pytest.raises(NotSupportedError, match="to select pin 2, got pin 1"):
                await driver.write("2", True)
            assert await selected(driver) == [1]
        switch.stuck = False
        await driver.write("3", True)
        assert switch.port == 3


@each_kind
@pytest.mark.fault("channels: KVM switches", "stalls")
async def test_a_mute_switch_ends_the_driver(kind: Kind, pty: Pty) -> None:
    switch = kind.switch(1)
    cable = Cable()
    driver = kind.make(pty.path, [], SHORT_S)

    async def spoil() -> None:
        cable.mute = True
        switch.stale_after_s = float("inf")
        # Or a question of the driver's own was the first to remain without an answer.
        with pytest.raises((DeviceTimeoutError, DeviceGoneError), match=pty.path):
            await driver.write("2", True)

    error = await ending_of(switch, driver.run, pty.master, cable, spoil)
    assert isinstance(error, DeviceTimeoutError)
    assert re.search(f"answer of .* at {pty.path} within 0.3 s, got none, 2 times; is it on", str(error))
    with pytest.raises(DeviceGoneError):
        await driver.read("1")
    for level in (True, False):
        with pytest.raises(DeviceGoneError, match=pty.path):
            await driver.write("2", level)


@pytest.mark.parametrize("kind", [kind for name, kind in KINDS.items() if name != "xh_hk4401"])
@pytest.mark.fault("channels: KVM switches", "missing")
async def test_a_switch_that_is_off_from_the_start(kind: Kind, pty: Pty) -> None:
    """But for the XH-HK4401, which cannot be asked: it is there until it fails."""
    driver = kind.make(pty.path, [], 0.05)
    with trio.fail_after(AMPLE_S), pytest.raises(DeviceTimeoutError, match="is it on"):
        await driver.run()


@each_kind
@pytest.mark.fault("channels: KVM switches", "vanishes", "returns", "EIO")
async def test_a_cable_that_is_pulled_and_returns_moves_nothing(kind: Kind, pty: Pty, tmp_path: Path) -> None:
    """Under the supervisor, as in the appliance; the new pty has the path of the old one by a link."""
    link = tmp_path / "switch"
    switch = kind.switch(1)
    driver = kind.make(str(link), [ChannelOutput("3", initial=True)], AMPLE_S)
    supervisor = Supervisor(backoff=Backoff(first_s=0.01, longest_s=0.05))
    other = Pty()
    link.symlink_to(pty.path)
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(3 * AMPLE_S):
                nursery.start_soon(play, switch, pty.master, Cable())
                nursery.start_soon(supervisor.supervise, "switch", driver.run)
                await until_phase(supervisor, TaskPhase.ONLINE)
                assert steps(switch.selections) == [3]
                await driver.write("2", True)
                link.unlink()
                pty.unplug()
                await until_phase(supervisor, TaskPhase.BACKING_OFF)
                with pytest.raises(DeviceGoneError):
                    await driver.read("2")
                link.symlink_to(other.path)
                nursery.start_soon(play, switch, other.master, Cable())
                await until_phase(supervisor, TaskPhase.ONLINE)
                await until_selected(driver, [2])
                await driver.write("0", True)
                assert switch.port == 0
            assert set(switch.selections) == {3, 2, 0}
            assert supervisor.tasks.value["switch"].bugs == 0
            nursery.cancel_scope.cancel()
    finally:
        other.unplug()


@pytest.mark.fault("channels: KVM switches", "stalls")
async def test_an_xh_hk4401_that_falls_silent_is_gone(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm_switch, "BEAT_S", 0.1)
    switch = Hk4401Switch(port=1)
    switch.stale_after_s = 0.11
    driver = XhHk4401Driver([], device=pty.path, read_timeout_s=0.1)

    async def spoil() -> None:
        # Its habit, which it has to have for its silence to mean something.
        await until(lambda: driver._beats)
        switch.stale_after_s = float("inf")

    error = await ending_of(switch, driver.run, pty.master, Cable(), spoil)
    assert isinstance(error, DeviceTimeoutError)
    assert "has reported nothing for" in str(error)


async def test_an_xh_hk4401_that_only_answers_is_not_missed(pty: Pty) -> None:
    switch = Hk4401Switch(port=1)
    switch.stale_after_s = float("inf")
    driver = XhHk4401Driver([], device=pty.path, read_timeout_s=0.1)
    async with playing(switch, driver.run, pty.master):
        await driver.write("2", True)
        await trio.sleep(0.8)
        assert await selected(driver) == [2]


class TestTesmartByTcp:
    @staticmethod
    def driver(port: int, timeout_s: float = AMPLE_S, state_poll_s: float = 0.1) -> TesmartDriver:
        return TesmartDriver(
            [], host="127.0.0.1", port=port, timeout_s=timeout_s, switch_delay_s=0, state_poll_s=state_poll_s
        )

    @pytest.mark.parametrize("tail", [None, 0xEE])
    async def test_it_switches_and_follows(self, tail: int | None) -> None:
        switch = TesmartSwitch(port=15, tail=tail)
        async with tcp_device(switch) as device, trio.open_nursery() as nursery:
            driver = self.driver(device.port)
            with trio.fail_after(DEADLINE_S):
                await nursery.start(driver.run)
                assert await selected(driver, 16) == [15]
                await driver.write("9", True)
                assert switch.port == 9
                assert await selected(driver, 16) == [9]
                switch.press(1)
                while await selected(driver, 16) != [1]:
                    await trio.sleep(0.01)
            assert device.connections == 1
            nursery.cancel_scope.cancel()

    async def test_it_comes_back_with_the_network(self) -> None:
        switch = TesmartSwitch(port=2)
        supervisor = Supervisor(backoff=Backoff(first_s=0.01, longest_s=0.05))
        async with tcp_device(switch) as device, trio.open_nursery() as nursery:
            driver = self.driver(device.port)
            nursery.start_soon(supervisor.supervise, "switch", driver.run)
            await until_phase(supervisor, TaskPhase.ONLINE)
            device.pull()
            await until_phase(supervisor, TaskPhase.BACKING_OFF)
            with pytest.raises(DeviceGoneError, match=f"127.0.0.1:{device.port}"):
                await driver.write("1", True)
            await until(lambda: "refused" in (supervisor.tasks.value["switch"].last_error or ""))
            await device.plug()
            await until_phase(supervisor, TaskPhase.ONLINE)
            await driver.write("1", True)
            assert switch.selections == [1]
            nursery.cancel_scope.cancel()

    async def test_a_connection_that_dies_without_a_word_is_noticed_by_asking(self) -> None:
        cable = Cable()
        async with tcp_device(TesmartSwitch(), cable) as device:
            driver = self.driver(device.port, timeout_s=SHORT_S, state_poll_s=0.05)
            fault = await fault_of(driver.run, lambda: setattr(cable, "mute", True))
        assert isinstance(fault, DeviceTimeoutError)

    async def test_a_switch_that_restarts_breaks_the_connection_off(self) -> None:
        async with tcp_device(TesmartSwitch()) as device:
            fault = await fault_of(self.driver(device.port).run, device.reset)
        assert isinstance(fault, DeviceGoneError)
        assert "broke the connection" in str(fault)

    async def test_nobody_listens(self) -> None:
        async with tcp_device(TesmartSwitch()) as device:
            device.pull()
            await trio.sleep(0.05)
            with pytest.raises(
                DeviceGoneError, match=rf"127\.0\.0\.1:{device.port} cannot be reached: .*refused"
            ):
                await self.driver(device.port).run()

    async def test_a_name_that_is_none(self) -> None:
        driver = TesmartDriver([], host="no such host", timeout_s=AMPLE_S)
        with pytest.raises(DeviceGoneError, match="no such host:5000 cannot be reached"):
            await driver.run()

    async def test_a_host_that_takes_no_connections(self) -> None:
        """A listener whose backlog is full, as a device that hangs has it."""
        with trio.socket.socket() as listener:
            await listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            fillers = [trio.socket.socket() for _ in range(4)]
            async with trio.open_nursery() as nursery:
                for filler in fillers:
                    nursery.start_soon(filler.connect, ("127.0.0.1", port))
                await trio.sleep(0.1)
                with pytest.raises(DeviceTimeoutError, match=f"127.0.0.1:{port} did not take a connection"):
                    await self.driver(port, timeout_s=SHORT_S).run()
                nursery.cancel_scope.cancel()
            for filler in fillers:
                filler.close()
