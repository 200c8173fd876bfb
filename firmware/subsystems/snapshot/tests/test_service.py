from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from firmware.core.errors import UnavailableError
from firmware.subsystems.snapshot.config import SnapshotConfig
from firmware.subsystems.snapshot.service import WAKE_UP_DEADLINE_S, SnapshotService


@dataclass
class World:
    """Streamer, target and people; what happens is noted with its time."""

    viewers: int = 0
    offline_for: int = 0
    takes_input: bool = True
    held: int = 0
    events: list[tuple[float, str]] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.events.append((trio.current_time(), what))

    def times(self, what: str) -> list[float]:
        return [time for time, event in self.events if event == what]

    @contextmanager
    def held_running(self) -> Iterator[None]:
        self.note("hold")
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1
            self.note("let go")

    async def take_snapshot(self, *, save: bool = False, allow_offline: bool = False) -> object:
        assert save
        assert not allow_offline
        assert self.held == 1
        await trio.lowlevel.checkpoint()
        if self.offline_for > 0:
            self.offline_for -= 1
            self.note("offline")
            raise UnavailableError("there is no video signal")
        self.note("picture")
        return object()

    async def send_shortcut(self, names: list[str]) -> None:
        if not self.takes_input:
            await trio.sleep_forever()
        self.note(f"tap {'+'.join(names)}")

    async def send_mouse_move(self, x: int, y: int) -> None:
        self.note(f"move {x},{y}")


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def running(world: World, config: SnapshotConfig) -> AsyncIterator[SnapshotService]:
    service = SnapshotService(config, video=world, input_devices=world, is_live=lambda: world.viewers > 0)
    assert service.enabled
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        yield service
        nursery.cancel_scope.cancel()
    assert world.held == 0


def test_without_an_interval_there_are_none(world: World) -> None:
    config = SnapshotConfig(wakeup_key="ShiftLeft")
    assert not SnapshotService(config, video=world, input_devices=world, is_live=bool).enabled


@pytest.mark.parametrize("viewers", [0, 1])
@pytest.mark.parametrize(
    "config",
    [
        SnapshotConfig(idle_interval=60, online_delay=0),
        SnapshotConfig(live_interval=60, online_delay=0),
        SnapshotConfig(idle_interval=60, live_interval=60, online_delay=0),
    ],
)
async def test_one_interval_is_enough_for_both(
    autojump_clock: MockClock, world: World, config: SnapshotConfig, viewers: int
) -> None:
    world.viewers = viewers
    async with running(world, config) as service:
        await trio.sleep(185)
    assert world.times("picture") == [0, 60, 120, 180]
    assert service.statistics() == {"taken": 4, "failed": 0}


async def test_the_interval_depends_on_whether_somebody_watches(
    autojump_clock: MockClock, world: World
) -> None:
    async with running(world, SnapshotConfig(idle_interval=3600, live_interval=60)):
        await trio.sleep(3030)
        assert world.times("picture") == [5]
        world.viewers = 1
        await trio.sleep(170)
        # The first check with a viewer is late enough already.
        assert world.times("picture")[1:] == [3060, 3120, 3180]
        world.viewers = 0
        await trio.sleep(3500)
        assert len(world.times("picture")) == 4
        await trio.sleep(200)
        assert world.times("picture")[4:] == [3180 + 3600 + 5]


async def test_a_target_that_nobody_uses_is_woken_up(autojump_clock: MockClock, world: World) -> None:
    config = SnapshotConfig(idle_interval=60, wakeup_key="ShiftLeft", wakeup_move=1000, online_delay=7)
    async with running(world, config):
        await trio.sleep(30)
    assert world.events == [
        (0, "hold"),
        (0, "tap ShiftLeft"),
        (0, "move 0,0"),
        (0, "move 1000,1000"),
        (0, "move 0,0"),
        (7, "picture"),
        (7, "let go"),
    ]


async def test_nobody_is_disturbed_at_work(autojump_clock: MockClock, world: World) -> None:
    world.viewers = 1
    config = SnapshotConfig(live_interval=60, wakeup_key="ShiftLeft", wakeup_move=1000, online_delay=7)
    async with running(world, config):
        await trio.sleep(30)
    assert world.events == [(0, "hold"), (0, "picture"), (0, "let go")]


async def test_a_target_that_takes_no_input_is_photographed_all_the_same(
    autojump_clock: MockClock, world: World
) -> None:
    world.takes_input = False
    async with running(world, SnapshotConfig(idle_interval=60, wakeup_key="KeyA", online_delay=1)):
        await trio.sleep(30)
    assert world.times("picture") == [WAKE_UP_DEADLINE_S + 1]


async def test_a_missing_signal_is_waited_for(autojump_clock: MockClock, world: World) -> None:
    world.offline_for = 2
    config = SnapshotConfig(idle_interval=60, online_delay=5, retries=3, retries_delay=4)
    async with running(world, config) as service:
        await trio.sleep(30)
        assert world.events == [
            (0, "hold"),
            (5, "offline"),
            (9, "offline"),
            (13, "picture"),
            (13, "let go"),
        ]
        assert service.statistics() == {"taken": 1, "failed": 0}


async def test_after_the_last_attempt_the_streamer_is_let_go(
    autojump_clock: MockClock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.offline_for = 3
    config = SnapshotConfig(idle_interval=60, online_delay=0, retries=3, retries_delay=1)
    async with running(world, config) as service:
        await trio.sleep(30)
        assert world.times("let go") == [2]
        assert service.statistics() == {"taken": 0, "failed": 1}
        assert "no automatic snapshot in 3 attempts: there is no video signal" in caplog.text
        await trio.sleep(35)
        assert world.times("picture") == [60]


async def test_attempts_that_take_longer_than_the_interval_do_not_pile_up(
    autojump_clock: MockClock, world: World
) -> None:
    world.offline_for = 5
    config = SnapshotConfig(idle_interval=10, online_delay=0, retries=5, retries_delay=6)
    async with running(world, config):
        await trio.sleep(55)
    # The first attempt fails after 24 s; the beat goes on.
    assert world.times("hold") == [0, 30, 40, 50]


async def test_who_is_stopped_in_an_attempt_lets_go(autojump_clock: MockClock, world: World) -> None:
    async with running(world, SnapshotConfig(idle_interval=60, online_delay=math.inf)):
        await trio.sleep(5)
        assert world.held == 1
