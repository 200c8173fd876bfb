from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio
from peers.gpio_sim import DEADLINE_S, GpioSim

from drivers.errors import DeviceBusyError, DeviceGoneError, DriverError, NotSupportedError
from drivers.gpio.chip import GpioChip
from drivers.gpio.declarations import InputDeclaration, OutputDeclaration
from drivers.gpio.inputs import GpioInput
from drivers.gpio.outputs import GpioOutput
from firmware.core.supervise import Backoff, Supervisor, TaskPhase

Held = Callable[..., AbstractAsyncContextManager[None]]
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]

NOBODY = 65534
LONG_S = 600.0


def led(chip: GpioChip, line: int | str = "power-led") -> GpioInput:
    return GpioInput(chip, InputDeclaration(name="power LED", line=line))


def switch(chip: GpioChip, line: int | str = "power-switch") -> GpioOutput:
    return GpioOutput(chip, OutputDeclaration(name="power switch", line=line))


@pytest.mark.parametrize(
    ("chip", "line", "error", "says"),
    [
        ("nowhere", 1, DeviceGoneError, r"labelled 'nowhere' \(there is: pinctrl-panel\): look at"),
        ("/dev/gpiochip99", 1, DeviceGoneError, r"there is no GPIO chip /dev/gpiochip99: look at"),
        ("/dev/null", 1, NotSupportedError, r"expected a GPIO chip, got another kind of file - at /dev/null"),
        ("/dev", 1, NotSupportedError, r"expected a GPIO chip, got another kind of file - at /dev$"),
        ("pinctrl-panel", 32, NotSupportedError, r"an offset of 0 to 31, got 32 - at the line power LED"),
        ("pinctrl-panel", "17", NotSupportedError, r"expected one line that the kernel calls '17', got none"),
        ("pinctrl-panel", "twin", NotSupportedError, r"'twin', got the lines 30, 31 - at the line power LED"),
        ("pinctrl-panel", 4, DeviceBusyError, r"\(line 4 of pinctrl-panel at \S+\) is held by 'fan-control'"),
    ],
)
async def test_what_cannot_be_had_is_named_with_what_to_do(
    sim: GpioSim, chip: str, line: int | str, error: type[DriverError], says: str
) -> None:
    line_of_it = led(GpioChip(chip), line)
    with pytest.raises(error, match=says):
        await line_of_it.run()
    # Whoever uses it meanwhile learns the same.
    with pytest.raises(DeviceGoneError, match=says):
        await line_of_it.read()
    with pytest.raises(DeviceGoneError, match=says):
        async with line_of_it.edges():
            pytest.fail("nothing to listen to")


@pytest.mark.fault("GPIO lines, ATX", "missing")
async def test_no_chip_at_all_is_said() -> None:
    with pytest.raises(DeviceGoneError, match=r"\(there is: no chip at all\)"):
        await led(GpioChip("pinctrl-panel")).run()


async def test_a_line_held_by_somebody_names_them_and_takes_no_other_line_along(
    sim: GpioSim, chip: GpioChip, held: Held
) -> None:
    mine = switch(chip)
    async with held(mine):
        with pytest.raises(DeviceBusyError, match="is held by 'farhand power switch': end that program"):
            await led(chip, 17).run()
        async with held(led(chip)):
            await mine.set(True)
    # And it can be had once they let go.
    async with held(led(chip, 17)):
        pass


async def test_two_chips_of_one_label_have_to_be_told_apart(sim: GpioSim, chip: GpioChip, held: Held) -> None:
    with GpioSim("twin", label=sim.label) as twin:
        with pytest.raises(DriverError, match=f"got {sim.path} and {twin.path}: name the chip by its path"):
            await led(chip).run()
        async with held(led(GpioChip(twin.path), 3)):
            pass


@pytest.fixture
def old_number(sim: GpioSim) -> Iterator[Path]:
    """Some systems keep the number that a chip had in older kernels alive by a link."""
    link = Path("/dev/gpiochip_old_number")
    link.symlink_to(sim.path.name)
    yield link
    link.unlink()


async def test_a_link_to_a_chip_is_no_second_chip(chip: GpioChip, old_number: Path, held: Held) -> None:
    async with held(led(chip), switch(GpioChip(old_number))):
        pass


@pytest.mark.parametrize("by_path", [False, True])
async def test_a_chip_that_may_not_be_opened_is_said(sim: GpioSim, by_path: bool) -> None:
    identifier = sim.path if by_path else sim.label
    os.seteuid(NOBODY)
    try:
        with pytest.raises(DriverError, match="may not be opened: run as root, or as a member") as caught:
            await led(GpioChip(identifier)).run()
    finally:
        os.seteuid(0)
    assert str(sim.path) in str(caught.value)


@pytest.mark.parametrize("how", ["unplug", "unbind"])
@pytest.mark.parametrize("slow", [False, True], ids=["direct", "threads"])
@pytest.mark.fault("GPIO lines, ATX", "vanishes")
async def test_a_chip_that_vanishes_ends_everything_at_once(sim: GpioSim, how: str, slow: bool) -> None:
    chip = GpioChip(sim.label, slow=slow)
    lamp, button = led(chip), switch(chip)
    ended: list[str] = []

    async def expect(what: str, call: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(DeviceGoneError):
            await call()
        ended.append(what)

    async def listen() -> None:
        async with lamp.edges() as edges:
            await edges.receive()

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            for line in (lamp, button):
                await nursery.start(_expecting_to_lose, line, ended)
            nursery.start_soon(expect, "listener", listen)
            nursery.start_soon(expect, "pulse", lambda: button.pulse(LONG_S))
            await sim.line("power-switch").becomes(True)
            await trio.to_thread.run_sync(getattr(sim, how))
    assert sorted(ended) == ["listener", "power LED", "power switch", "pulse"]
    with pytest.raises(
        DeviceGoneError, match="power LED is not held: the line power LED of pinctrl-panel vanished"
    ):
        await lamp.read()
    with pytest.raises(DeviceGoneError, match="the line power switch is not held"):
        await button.set(False)
    if how == "unbind":
        sim.bind()


async def _expecting_to_lose(
    line: GpioInput | GpioOutput, ended: list[str], *, task_status: trio.TaskStatus[None]
) -> None:
    with pytest.raises(DeviceGoneError, match=f"the line {line.name}"):
        await line.run(task_status=task_status)
    ended.append(line.name)


@pytest.mark.fault("GPIO lines, ATX", "vanishes", "returns")
async def test_under_supervision_a_chip_that_returns_works_again(
    sim: GpioSim, chip: GpioChip, eventually: Eventually
) -> None:
    supervisor = Supervisor(backoff=Backoff(first_s=0.05, longest_s=0.2))
    lamp, button = led(chip), switch(chip)

    def phases() -> set[TaskPhase]:
        return {task.phase for task in supervisor.tasks.value.values()}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "gpio.power_led", lamp.run)
        nursery.start_soon(supervisor.supervise, "gpio.power_switch", button.run)
        await eventually(lambda: phases() == {TaskPhase.ONLINE})
        sim.unplug()
        await eventually(
            lambda: all(
                "no GPIO chip is labelled 'pinctrl-panel'" in (task.last_error or "")
                for task in supervisor.tasks.value.values()
            )
        )
        with pytest.raises(DeviceGoneError, match="no GPIO chip is labelled 'pinctrl-panel'"):
            await button.pulse(0.1)
        sim.plug()
        sim.line("power-switch").pull(True)
        await eventually(lambda: phases() == {TaskPhase.ONLINE})
        assert sim.line("power-switch").level() is False
        async with lamp.edges() as edges:
            sim.line("power-led").pull(True)
            with trio.fail_after(DEADLINE_S):
                assert (await edges.receive()).level is True
        await button.pulse(0)
        assert {task.bugs for task in supervisor.tasks.value.values()} == {0}
        nursery.cancel_scope.cancel()
    assert lamp.statistics()["runs"] == 2


async def test_one_busy_line_is_taken_up_when_it_is_free_and_the_others_work_meanwhile(
    sim: GpioSim, chip: GpioChip, held: Held, eventually: Eventually
) -> None:
    supervisor = Supervisor(backoff=Backoff(first_s=0.05, longest_s=0.2))
    lamp, button = led(chip), switch(chip)
    async with trio.open_nursery() as nursery:
        async with held(GpioInput(chip, InputDeclaration(name="somebody else", line="power-led"))):
            nursery.start_soon(supervisor.supervise, "gpio.power_led", lamp.run)
            nursery.start_soon(supervisor.supervise, "gpio.power_switch", button.run)
            await eventually(lambda: button.statistics()["held"] == 1)
            await eventually(
                lambda: (
                    "held by 'farhand somebody else'"
                    in (supervisor.tasks.value["gpio.power_led"].last_error or "")
                )
            )
            await button.pulse(0)
        await eventually(lambda: lamp.statistics()["held"] == 1)
        assert await lamp.read() is False
        assert supervisor.tasks.value["gpio.power_switch"].starts == 1
        nursery.cancel_scope.cancel()
