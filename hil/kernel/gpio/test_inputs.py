from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import pairwise

import pytest
import trio
from peers.gpio_sim import DEADLINE_S, GpioSim, SimLine

from drivers.gpio.chip import GpioChip
from drivers.gpio.declarations import Bias, InputDeclaration
from drivers.gpio.edges import EVENT_BUFFER
from drivers.gpio.inputs import EDGES, GpioInput
from drivers.gpio.line import Line
from drivers.ports import LineEdge, LineInput

Held = Callable[..., AbstractAsyncContextManager[None]]
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


def flicker(line: SimLine, edges: int, *, ends_high: bool) -> None:
    """Make edges, blocking, slowly enough for the kernel: it joins interrupts that it has not got to yet."""
    with line.burst() as pull:
        for count in range(edges):
            pull(count % 2 == 1)
            time.sleep(0.0005)
        pull(ends_high)


async def quiet(led: GpioInput) -> None:
    """Wait until no more events come."""
    seen = -1
    while led.statistics()["seen"] != seen:
        seen = led.statistics()["seen"]
        await trio.sleep(0.1)


async def receive(edges: trio.MemoryReceiveChannel[LineEdge]) -> LineEdge:
    with trio.fail_after(DEADLINE_S):
        return await edges.receive()


@pytest.mark.parametrize("by_path", [False, True], ids=["chip by label", "chip by path"])
@pytest.mark.parametrize("line", [22, "power-led"], ids=["line by offset", "line by name"])
async def test_edges_come_with_their_level_and_a_plausible_time(
    sim: GpioSim, held: Held, line: int | str, by_path: bool
) -> None:
    led = GpioInput(GpioChip(sim.path if by_path else sim.label), InputDeclaration(name="led", line=line))
    port: LineInput = led
    async with held(led), port.edges() as edges:
        assert await port.read() is False
        last = trio.current_time()
        for level in (True, False, True):
            sim.line("power-led").pull(level)
            edge = await receive(edges)
            assert edge.level is level
            assert await port.read() is level
            # The kernel saw it after we pulled the line and before we heard of it, on one and the same clock.
            assert last <= edge.time <= trio.current_time()
            last = trio.current_time()
    assert led.statistics() | {"listeners": 0} == {
        "runs": 1, "held": 0, "seen": 3, "lost": 0, "blinks": 0, "corrections": 0, "listeners": 0
    }  # fmt: skip


async def test_a_level_from_before_the_start_is_read_and_is_no_edge(
    sim: GpioSim, chip: GpioChip, held: Held
) -> None:
    sim.line("power-led").pull(True)
    led = GpioInput(chip, InputDeclaration(name="led", line="power-led"))
    async with held(led), led.edges() as edges:
        assert await led.read() is True
        sim.line("power-led").pull(False)
        assert (await receive(edges)).level is False


async def test_active_low_inverts_levels_and_edges(sim: GpioSim, chip: GpioChip, held: Held) -> None:
    led = GpioInput(chip, InputDeclaration(name="led", line="power-led", active_low=True))
    async with held(led), led.edges() as edges:
        assert await led.read() is True
        sim.line("power-led").pull(True)
        assert (await receive(edges)).level is False
        assert await led.read() is False


@pytest.mark.parametrize(("bias", "pulled"), [(Bias.UP, True), (Bias.DOWN, False)])
async def test_bias_pulls_the_line(
    sim: GpioSim, chip: GpioChip, held: Held, bias: Bias, pulled: bool
) -> None:
    sim.line("hdd-led").pull(not pulled)
    led = GpioInput(chip, InputDeclaration(name="led", line="hdd-led", bias=bias))
    async with held(led):
        assert sim.line("hdd-led").pulled() is pulled
        assert await led.read() is pulled


@pytest.mark.parametrize("bias", [Bias.AS_IS, Bias.DISABLED])
async def test_no_bias_leaves_the_line_as_the_world_pulls_it(
    sim: GpioSim, chip: GpioChip, held: Held, bias: Bias
) -> None:
    sim.line("hdd-led").pull(True)
    led = GpioInput(chip, InputDeclaration(name="led", line="hdd-led", bias=bias))
    async with held(led):
        assert await led.read() is True


async def test_the_kernel_debounces_if_told(sim: GpioSim, chip: GpioChip, held: Held) -> None:
    # Long against the time in which the line flickers here, however slow the guest is.
    led = GpioInput(chip, InputDeclaration(name="led", line="hdd-led", debounce_s=2.0))
    async with held(led), led.edges() as edges:
        for level in (True, False, True, False, True):
            sim.line("hdd-led").pull(level)
        assert await led.read() is False
        assert (await receive(edges)).level is True
        assert await led.read() is True
    assert led.statistics()["seen"] == 1


@pytest.mark.parametrize("ends_high", [True, False])
@pytest.mark.fault("GPIO lines, ATX", "garbage")
async def test_flicker_beyond_every_buffer_ends_with_the_right_level(
    sim: GpioSim, chip: GpioChip, held: Held, eventually: Eventually, ends_high: bool
) -> None:
    led = GpioInput(chip, InputDeclaration(name="led", line="hdd-led"))
    line = sim.line("hdd-led")
    async with held(led), led.edges() as edges:
        # No checkpoint meanwhile, as if the appliance were busy: the kernel has to drop events.
        flicker(line, 8 * EVENT_BUFFER, ends_high=ends_high)
        await eventually(lambda: led.statistics()["lost"] > 0)
        await quiet(led)
        assert await led.read() is ends_high
        assert edges.statistics().current_buffer_used <= EDGES
        received = [edges.receive_nowait() for _ in range(edges.statistics().current_buffer_used)]
        levels = [edge.level for edge in received]
        # What listeners get last is the level; each is a change of the one before, and none is out of order.
        assert levels[-1] is ends_high
        assert all(before is not after for before, after in pairwise(levels))
        assert [edge.time for edge in received] == sorted(edge.time for edge in received)
        # And it goes on as before.
        line.pull(not ends_high)
        assert (await receive(edges)).level is not ends_high
    assert led.statistics()["seen"] >= EVENT_BUFFER


async def test_blinks_too_short_for_the_kernel_show_all_the_same(
    sim: GpioSim, chip: GpioChip, held: Held
) -> None:
    """A disk LED may be lit for less than the kernel takes to look: it reports an edge to where it was."""
    led = GpioInput(chip, InputDeclaration(name="led", line="hdd-led"))
    async with held(led), led.edges() as edges:
        with sim.line("hdd-led").burst() as pull, trio.fail_after(DEADLINE_S):
            while not led.statistics()["blinks"]:
                pull(True)
                pull(False)
                await trio.lowlevel.checkpoint()
        await quiet(led)
        received = [edges.receive_nowait() for _ in range(edges.statistics().current_buffer_used)]
        levels = [edge.level for edge in received]
        assert levels[-1] is False
        assert all(before is not after for before, after in pairwise(levels))


async def test_each_line_of_two_chips_is_itself(sim: GpioSim, chip: GpioChip, held: Held) -> None:
    with GpioSim("second", label="expander", size=32) as other:
        ours = GpioInput(chip, InputDeclaration(name="ours", line=22))
        theirs = GpioInput(GpioChip("expander"), InputDeclaration(name="theirs", line=22))
        async with held(ours, theirs), ours.edges() as our_edges, theirs.edges() as their_edges:
            other.line(22).pull(True)
            assert (await receive(their_edges)).level is True
            assert await ours.read() is False
            sim.line(22).pull(True)
            assert (await receive(our_edges)).level is True
            other.line(22).pull(False)
            assert (await receive(their_edges)).level is False
            assert await ours.read() is True


async def test_a_slow_chip_works_the_same_from_threads(sim: GpioSim, held: Held) -> None:
    led = GpioInput(GpioChip(sim.label, slow=True), InputDeclaration(name="led", line="power-led"))
    async with held(led), led.edges() as edges:
        assert await led.read() is False
        sim.line("power-led").pull(True)
        assert (await receive(edges)).level is True
        assert await led.read() is True


async def test_lines_are_free_again_after_their_task(sim: GpioSim, chip: GpioChip, held: Held) -> None:
    lines: list[Line] = [GpioInput(chip, InputDeclaration(name=f"line {n}", line=n)) for n in (22, 23)]
    for _ in range(3):
        async with held(*lines):
            pass
    assert [line.statistics()["runs"] for line in lines] == [3, 3]
