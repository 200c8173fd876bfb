"""The fault script: every port with every fault, calls in progress included, and that it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from drivers.emulated.faults import FaultKind, FaultSwitchboard, PortName
from drivers.emulated.machine import Phase
from drivers.emulated.pc import EmulatedPc
from drivers.errors import DeviceGoneError
from drivers.ports import Medium
from drivers.video.frame import Frame
from drivers.video.glyph_reader import read_text


async def capture(pc: EmulatedPc) -> Any:
    async with pc.video.open(max_fps=30) as stream:
        return await stream.next()


CALLS: dict[PortName, Callable[[EmulatedPc], Awaitable[Any]]] = {
    PortName.KEYBOARD: lambda pc: pc.keyboard.write(bytes(8)),
    PortName.MOUSE_ABSOLUTE: lambda pc: pc.mouse_absolute.write(bytes(7)),
    PortName.MOUSE_RELATIVE: lambda pc: pc.mouse_relative.write(bytes(5)),
    PortName.POWER_LED: lambda pc: pc.power_led.read(),
    PortName.HDD_LED: lambda pc: pc.hdd_led.read(),
    PortName.POWER_SWITCH: lambda pc: pc.power_switch.set(False),
    PortName.RESET_SWITCH: lambda pc: pc.reset_switch.pulse(0),
    PortName.VIDEO: capture,
    PortName.MEDIA: lambda pc: pc.media.eject(),
}
each_port = pytest.mark.parametrize("port", list(PortName))


def test_every_port_is_tried() -> None:
    assert set(CALLS) == set(PortName)


@each_port
@pytest.mark.fault("emulated PC", "missing")
async def test_ports_of_a_pc_that_does_not_run_are_gone(autojump_clock: MockClock, port: PortName) -> None:
    pc = EmulatedPc()
    with pytest.raises(
        DeviceGoneError, match=f"expected a running emulated PC, got none - at its port {port}"
    ):
        await CALLS[port](pc)
    async with trio.open_nursery() as nursery:
        await nursery.start(pc.run)
        await CALLS[port](pc)
        nursery.cancel_scope.cancel()
    with pytest.raises(DeviceGoneError):
        await CALLS[port](pc)


@each_port
@pytest.mark.fault("emulated PC", "vanishes", "returns")
async def test_unplugging_and_plugging_in(autojump_clock: MockClock, pc: EmulatedPc, port: PortName) -> None:
    pc.faults.set(port, FaultKind.UNPLUG)
    with pytest.raises(DeviceGoneError, match=f"port {port} .* unplugged"):
        await CALLS[port](pc)
    for other in PortName:
        if other != port:
            await CALLS[other](pc)
    pc.faults.clear(port)
    await CALLS[port](pc)


@each_port
async def test_a_bug_is_no_fault(autojump_clock: MockClock, pc: EmulatedPc, port: PortName) -> None:
    pc.faults.set(port, "bug")
    with pytest.raises(RuntimeError, match=f"bug at the port {port}"):
        await CALLS[port](pc)
    pc.faults.clear(port, "bug")
    await CALLS[port](pc)


@each_port
@pytest.mark.fault("emulated PC", "stalls")
async def test_a_stalled_port_answers_when_the_stall_ends(
    autojump_clock: MockClock, pc: EmulatedPc, port: PortName
) -> None:
    pc.faults.set(port, FaultKind.STALL)
    with trio.move_on_after(10_000) as scope:
        await CALLS[port](pc)
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(CALLS[port], pc)
        await trio.sleep(1)
        assert nursery.child_tasks
        pc.faults.clear()


@each_port
async def test_unplugging_ends_a_stalled_call(
    autojump_clock: MockClock, pc: EmulatedPc, port: PortName
) -> None:
    pc.faults.set(port, FaultKind.STALL)

    async def call() -> None:
        with pytest.raises(DeviceGoneError):
            await CALLS[port](pc)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await trio.sleep(1)
        pc.faults.set(port, FaultKind.UNPLUG)


@each_port
async def test_a_slow_port_takes_its_time(autojump_clock: MockClock, pc: EmulatedPc, port: PortName) -> None:
    pc.faults.set(port, FaultKind.SLOW, delay_s=7)
    began = trio.current_time()
    await CALLS[port](pc)
    took = trio.current_time() - began
    # Opening a capture is a call, and its first picture another.
    assert took == pytest.approx(14 if port is PortName.VIDEO else 7)
    pc.faults.clear(port)
    began = trio.current_time()
    await CALLS[port](pc)
    assert trio.current_time() == began


async def test_clearing_a_delay_ends_it(autojump_clock: MockClock, pc: EmulatedPc) -> None:
    pc.faults.set("power_led", "slow", delay_s=1000)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pc.power_led.read)
        await trio.sleep(3)
        pc.faults.clear("power_led", "slow")
    assert trio.current_time() == pytest.approx(began + 3)


@pytest.mark.parametrize(("kind", "error"), [("unplug", DeviceGoneError), ("bug", RuntimeError)])
async def test_a_capture_that_waits_fails_at_once(
    autojump_clock: MockClock, pc_off: EmulatedPc, kind: str, error: type[Exception]
) -> None:
    async with pc_off.video.open(max_fps=30) as stream, trio.open_nursery() as nursery:
        await stream.next()

        async def wait() -> None:
            with pytest.raises(error):
                await stream.next()

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        pc_off.faults.set("video", kind)
        pc_off.faults.clear()
        assert trio.current_time() == began


async def test_a_stream_from_before_unplugging_stays_dead(autojump_clock: MockClock, pc: EmulatedPc) -> None:
    async with pc.video.open(max_fps=30) as stream:
        await stream.next()
        pc.faults.set("video", "unplug")
        pc.faults.clear("video")
        with pytest.raises(DeviceGoneError, match="open it again"):
            await stream.next()
    assert isinstance(await capture(pc), Frame)


async def test_a_stall_freezes_the_picture_and_then_the_newest_comes(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, see: Any
) -> None:
    async with pc.video.open(max_fps=30) as stream:
        await stream.next()
        received: list[Any] = []

        async def wait() -> None:
            received.append(await stream.next())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            pc.faults.set("video", "stall")  # the call is already in progress
            await trio.sleep(60)
            assert received == []
            await hands(pc).type("new")
            pc.faults.clear("video")
        assert read_text(received[0])[0] == "farhand-pc:~$ new"


@pytest.mark.fault("emulated PC", "garbage")
async def test_corrupt_pictures_are_cut_off(autojump_clock: MockClock, pc: EmulatedPc) -> None:
    async with pc.video.open(max_fps=30) as stream:
        whole = await stream.next()
        pc.faults.set("video", "corrupt")
        broken = await stream.next()
        pc.faults.clear("video")
        again = await stream.next()
    assert isinstance(whole, Frame)
    assert isinstance(broken, Frame)
    assert isinstance(again, Frame)
    assert len(broken.data) < broken.stride_bytes * broken.height == len(whole.data)
    assert again.data is whole.data


async def test_only_pictures_can_be_corrupt() -> None:
    with pytest.raises(ValueError, match="expected the port video, got keyboard"):
        FaultSwitchboard().set("keyboard", "corrupt")
    with pytest.raises(ValueError, match="fire"):
        FaultSwitchboard().set("keyboard", "fire")


async def test_unplugging_in_the_middle_of_a_press_releases_the_button(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    async with trio.open_nursery() as nursery:

        async def press() -> None:
            with pytest.raises(DeviceGoneError):
                await pc.power_switch.pulse(60)

        nursery.start_soon(press)
        await trio.sleep(1)
        pc.faults.set("power_switch", "unplug")
    await pc.observer.wait_until(lambda: pc.observer.phase == Phase.OFF)
    assert list(pc.observer.power_offs) == ["soft-off"]
    pc.faults.clear()
    await pc.power_switch.set(True)
    pc.faults.set("power_switch", "unplug")
    assert [entry.level for entry in pc.observer.transitions if entry.line == "power_switch"][-1] is False


async def test_an_unplugged_keyboard_holds_no_keys(autojump_clock: MockClock, pc: EmulatedPc) -> None:
    await pc.keyboard.write(bytes((0x02, 0, 4, 0, 0, 0, 0, 0)))
    await pc.mouse_absolute.write(bytes.fromhex("01 0000 0000 00 00"))
    assert pc.observer.held_keys == {"ShiftLeft", "KeyA"}
    pc.faults.set("keyboard", "unplug")
    pc.faults.set("mouse_absolute", "unplug")
    assert pc.observer.held_keys == set()
    assert pc.observer.held_buttons == set()
    assert "usb: keyboard disconnected" in pc.observer.screen_text
    pc.faults.clear()
    assert "usb: keyboard connected" in pc.observer.screen_text


async def test_listening_to_a_port_ends_when_it_is_unplugged(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    sessions: dict[PortName, Callable[[], Any]] = {
        PortName.KEYBOARD: pc.keyboard.leds,
        PortName.POWER_LED: pc.power_led.edges,
        PortName.HDD_LED: pc.hdd_led.edges,
        PortName.MEDIA: pc.media.media,
    }
    for port, listen in sessions.items():

        async def unplug_while_listening(port: PortName, listen: Callable[[], Any]) -> None:
            async with listen() as channel:
                pc.faults.set(port, "unplug")
                while True:
                    await channel.receive()

        with pytest.raises(DeviceGoneError):
            await unplug_while_listening(port, listen)
        with pytest.raises(DeviceGoneError):
            async with listen():
                pass
        pc.faults.clear(port)
        async with listen():
            pass


async def test_stopping_the_pc_ends_those_who_listen(autojump_clock: MockClock) -> None:
    pc = EmulatedPc()
    async with trio.open_nursery() as nursery:
        runner = await nursery.start(start_in_scope, pc)

        async def stop_while_listening() -> None:
            async with pc.keyboard.leds() as leds:
                await leds.receive()
                runner.cancel()
                await leds.receive()

        with pytest.raises(DeviceGoneError):
            await stop_while_listening()


async def start_in_scope(pc: EmulatedPc, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(pc.run)
        task_status.started(nursery.cancel_scope)
        await trio.sleep_forever()


async def test_a_stalled_lamp_tells_the_newest_edge_afterwards(
    autojump_clock: MockClock, pc: EmulatedPc
) -> None:
    async with pc.power_led.edges() as edges:
        pc.faults.set("power_led", "stall")
        await pc.power_switch.pulse(5)
        await pc.power_switch.pulse(0.1)
        await pc.observer.wait_until(lambda: pc.observer.phase == Phase.RUNNING)
        await pc.power_switch.pulse(5)
        off_at = trio.current_time() - 1
        await trio.sleep(5)
        assert edges.statistics().current_buffer_used == 0
        pc.faults.clear("power_led")
        edge = await edges.receive()
        assert (edge.level, edge.time) == (False, pytest.approx(off_at))
        assert edges.statistics().current_buffer_used == 0


async def test_faults_do_not_change_the_pc(
    autojump_clock: MockClock, pc: EmulatedPc, hands: Any, tmp_path: Path
) -> None:
    for port in (PortName.POWER_LED, PortName.HDD_LED, PortName.VIDEO, PortName.MEDIA):
        pc.faults.set(port, "unplug")
    with pytest.raises(DeviceGoneError):
        await pc.media.insert(Medium(tmp_path, cdrom=False, rw=False))
    assert await hands(pc).run("echo still here") == ["still here"]
    assert await hands(pc).run("label") == ["label: no usb-drive is connected"]
    assert "Farhand USB drive" not in "\n".join(await hands(pc).run("lsusb"))
    assert pc.faults.active()[PortName.VIDEO] == {FaultKind.UNPLUG}
    pc.faults.clear()
    assert pc.faults.active() == {}
