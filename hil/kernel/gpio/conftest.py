"""A front panel on a simulated chip, and lines that are held for a part of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
from peers.gpio_sim import DEADLINE_S, GpioSim, Hog

from drivers.gpio.chip import GpioChip
from drivers.gpio.line import Line


@pytest.fixture
def sim() -> Iterator[GpioSim]:
    """A chip of 32 lines; the kernel itself holds line 4."""
    lines = {17: "power-switch", 22: "power-led", 23: "hdd-led", 27: "reset-switch", 30: "twin", 31: "twin"}
    with GpioSim("front-panel", label="pinctrl-panel", lines=lines, hogs={4: Hog("fan-control")}) as sim:
        yield sim


@pytest.fixture
def chip(sim: GpioSim) -> GpioChip:
    """The same chip as the appliance sees it."""
    return GpioChip(sim.label)


@pytest.fixture
def held() -> Callable[..., AbstractAsyncContextManager[None]]:
    """A context in which lines are held; one whose `run` ends fails the test."""

    @asynccontextmanager
    async def hold(*lines: Line) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            for line in lines:
                with trio.fail_after(DEADLINE_S):
                    await nursery.start(line.run)
            yield
            nursery.cancel_scope.cancel()

    return hold


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until a condition holds."""

    async def wait(condition: Callable[[], bool]) -> None:
        with trio.fail_after(DEADLINE_S):
            while not condition():
                await trio.sleep(0.01)

    return wait
