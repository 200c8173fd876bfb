"""Driver tasks that are killed: the API stays up, the subsystem shows offline, and comes back by itself.

Time is Trio's own clock and jumps (each test names the clock, or pytest-trio would not use it); the
application is called without sockets, which a jumping clock outruns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from drivers.emulated.pc import EmulatedPc
from drivers.errors import DeviceGoneError
from firmware import main as composition
from firmware.appliance import Appliance
from firmware.core.supervise import TaskPhase

# The emulated PC starts at its prompt, and needs a moment to draw it; after a power cycle it needs more.
BOOTED_S = 3
LOOKS = 1000
# Each capture is a jump of the clock: few of them keep the tests quick.
SLOW_VIDEO = "kvmd: {streamer: {desired_fps: {default: 2}}}"
# A thread is no task, so the clock would jump while one works; a moment of real idleness tells them apart.
IDLE_BEFORE_JUMP_S = 0.005


@dataclass
class House:
    """An appliance without its server."""

    appliance: Appliance
    pc: EmulatedPc
    cookie: str

    async def get(self, path: str) -> dict[str, Any]:
        client = self.appliance.application.test_client(use_cookies=False)
        answer = await client.get(path, headers={"Cookie": self.cookie})
        assert answer.status_code == 200, await answer.get_data()
        document: dict[str, dict[str, Any]] = await answer.get_json()
        return document["result"]

    async def all_online(self) -> bool:
        tasks: dict[str, dict[str, Any]] = (await self.get("/api/supervisor"))["tasks"]
        return {task["phase"] for task in tasks.values()} == {"online"}

    async def streaming(self) -> bool:
        return (await self.get("/api/streamer"))["streamer"] is not None

    async def task(self, name: str) -> dict[str, Any]:
        tasks: dict[str, dict[str, Any]] = (await self.get("/api/supervisor"))["tasks"]
        return tasks[name]


@pytest.fixture
async def house(tmp_path: Path, mock_clock: MockClock) -> AsyncIterator[House]:
    (tmp_path / "override.yaml").write_text(SLOW_VIDEO)
    options = composition.Options(tmp_path, board="emulated", http="127.0.0.1:0", https="")
    loaded, name = composition.configuration(options)
    board = composition.open_board(options, loaded, name)
    assert isinstance(board.target, EmulatedPc)
    appliance = await composition.compose(options, loaded, board, tmp_path)
    form = {"user": "admin", "passwd": "admin"}
    answer = await appliance.application.test_client(use_cookies=False).post("/api/auth/login", form=form)
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    async with trio.open_nursery() as nursery:
        supervise = appliance.supervisor.supervise
        for tasks in (board.tasks, appliance.subsystems):
            for name, task in tasks.items():
                nursery.start_soon(supervise, name, task)
            await appliance.supervisor.settled(tasks)
        mock_clock.autojump_threshold = IDLE_BEFORE_JUMP_S
        await trio.sleep(BOOTED_S)
        yield House(appliance, board.target, cookie)
        nursery.cancel_scope.cancel()


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until *holds* does, looking ten times a second of the jumping clock.

    Looks are counted, not seconds: while a thread encodes a picture the clock may jump far ahead of it.
    """
    for _ in range(LOOKS):
        if await holds():
            return
        await trio.sleep(0.1)
    pytest.fail("it never came to that")


async def test_everything_is_online_after_the_start(mock_clock: MockClock, house: House) -> None:
    tasks = (await house.get("/api/supervisor"))["tasks"]
    assert {task["phase"] for task in tasks.values()} == {"online"}
    assert {task["starts"] for task in tasks.values()} == {1}


@pytest.mark.fault("emulated PC", "vanishes", "returns")
async def test_an_unplugged_keyboard(mock_clock: MockClock, house: House) -> None:
    async def online(keyboard: bool) -> bool:
        hid = await house.get("/api/hid")
        assert (hid["enabled"], hid["mouse"]["online"]) == (True, True)
        return bool(hid["keyboard"]["online"] is keyboard)

    house.pc.faults.set("keyboard", "unplug")
    await house.appliance.hid.send_key("KeyA", True)
    await eventually(lambda: online(False))
    assert (await house.task("hid.keyboard"))["phase"] == "backing_off"
    house.pc.faults.clear("keyboard")
    await eventually(lambda: online(True))
    task = await house.task("hid.keyboard")
    assert (task["phase"], task["bugs"]) == ("online", 0)
    assert task["faults"] >= 1
    assert "KeyA" in house.pc.observer.held_keys


@pytest.mark.fault("emulated PC", "vanishes", "returns")
async def test_an_unplugged_mouse(mock_clock: MockClock, house: House) -> None:
    async def online(mouse: bool) -> bool:
        hid = await house.get("/api/hid")
        assert hid["keyboard"]["online"] is True
        return bool(hid["mouse"]["online"] is mouse)

    house.pc.faults.set("mouse_absolute", "unplug")
    await house.appliance.hid.send_mouse_move(10, 10)
    await eventually(lambda: online(False))
    house.pc.faults.clear("mouse_absolute")
    await eventually(lambda: online(True))


async def test_a_power_led_that_vanishes(mock_clock: MockClock, house: House) -> None:
    async def shows(*, online: bool, power: bool) -> bool:
        atx = await house.get("/api/atx")
        assert atx["enabled"] is True
        return (atx["online"], atx["leds"]["power"]) == (online, power)

    assert await shows(online=True, power=True)
    house.pc.faults.set("power_led", "unplug")
    await eventually(lambda: shows(online=False, power=False))
    house.pc.faults.clear("power_led")
    await eventually(lambda: shows(online=True, power=True))


@pytest.mark.fault("emulated PC", "vanishes", "returns")
async def test_a_capture_that_vanishes(mock_clock: MockClock, house: House) -> None:
    async def source_online(wanted: bool) -> bool:
        running = (await house.get("/api/streamer"))["streamer"]
        frame = house.appliance.streamer.frames.value
        if running is None or frame is None:
            return False
        return bool(running["source"]["online"] is wanted and frame.online is wanted)

    with house.appliance.streamer.held_running():
        await eventually(lambda: source_online(True))
        house.pc.faults.set("video", "unplug")
        await eventually(lambda: source_online(False))
        house.pc.faults.clear("video")
        await eventually(lambda: source_online(True))


async def test_a_bug_in_a_driver_is_counted_apart(
    mock_clock: MockClock, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.pc.faults.set("keyboard", "bug")
    await house.appliance.hid.send_key("KeyA", True)

    async def counted() -> bool:
        return bool((await house.task("hid.keyboard"))["bugs"])

    await eventually(counted)
    assert (await house.task("hid.keyboard"))["faults"] == 0
    assert any(record.exc_info for record in caplog.records)
    house.pc.faults.clear("keyboard")
    await eventually(house.all_online)


@pytest.mark.parametrize(
    "error", [DeviceGoneError("killed by the test"), ZeroDivisionError("a bug of the test")]
)
async def test_killing_any_task_leaves_the_api_up_and_it_returns(
    mock_clock: MockClock, house: House, error: Exception
) -> None:
    supervisor = house.appliance.supervisor
    with house.appliance.streamer.held_running():
        await eventually(house.streaming)
        names = sorted(supervisor.tasks.value)

        async def everything_is_back() -> bool:
            # The children of a killed task are gone for a moment, not offline.
            return sorted(supervisor.tasks.value) == names and await house.all_online()

        for name in names:
            before = supervisor.tasks.value[name]
            supervisor.interrupt(name, error)
            # Not a moment of the clock passes before it is seen down, and the API answers all the while.
            # What is in a thread at that moment (a picture being encoded) comes to its end first.
            while (state := supervisor.tasks.value[name]) == before:
                await trio.testing.wait_all_tasks_blocked(IDLE_BEFORE_JUMP_S / 5)
            assert state.phase is TaskPhase.BACKING_OFF, name
            assert state.faults + state.bugs == before.faults + before.bugs + 1, name
            assert (await house.get("/api/hid"))["enabled"] is True
            await eventually(everything_is_back)
        tasks = supervisor.tasks.value
        assert sorted(tasks) == names
        counted = [
            task.faults if isinstance(error, DeviceGoneError) else task.bugs for task in tasks.values()
        ]
        assert all(counted)
