"""What the appliance says of its parts, by what its devices do."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
import trio.testing

from drivers.errors import DeviceGoneError, DeviceTimeoutError
from firmware.core.errors import UnavailableError
from firmware.core.supervise import SupervisedTask, Supervisor
from firmware.slots.report import CAPTURE, GADGET, STATE, Condition, Part, SelfReport, decode
from firmware.slots.self_report import CAPTURE_TASK, GADGET_TASK, SelfReporter, look_at_state


@dataclass(frozen=True)
class FakePicture:
    online: bool
    width: int = 1920
    height: int = 1080


@dataclass
class FakeVideo:
    """A streamer that gives *picture*, None for none at all."""

    picture: FakePicture | None = FakePicture(online=True)
    held: int = 0
    holds: int = 0

    @contextmanager
    def held_running(self) -> Iterator[None]:
        self.held += 1
        self.holds += 1
        yield
        self.held -= 1

    async def take_snapshot(self, *, save: bool = False, allow_offline: bool = False) -> FakePicture:
        await trio.lowlevel.checkpoint()
        assert not save
        assert allow_offline
        assert self.held
        if self.picture is None:
            raise UnavailableError("the streamer is not running")
        return self.picture


@dataclass
class FakeGadget:
    udcs: list[str] = field(default_factory=list)

    def controllers(self) -> list[str]:
        return self.udcs


async def online(*, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await trio.sleep_forever()


def failing(error: Exception) -> SupervisedTask:
    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.lowlevel.checkpoint()
        raise error

    return run


@asynccontextmanager
async def supervised(**tasks: SupervisedTask) -> AsyncIterator[Supervisor]:
    """A supervisor with tasks named `gadget` and `capture`."""
    names = {"gadget": GADGET_TASK, "capture": CAPTURE_TASK}
    supervisor = Supervisor()
    async with trio.open_nursery() as nursery:
        for name, run in tasks.items():
            nursery.start_soon(supervisor.supervise, names[name], run)
        await trio.testing.wait_all_tasks_blocked()
        yield supervisor
        nursery.cancel_scope.cancel()


def reporter(
    directory: Path, supervisor: Supervisor, video: FakeVideo, gadget: FakeGadget | None = None
) -> SelfReporter:
    return SelfReporter(
        directory / "report.json", "2.0", directory, gadget=gadget, video=video, supervisor=supervisor
    )


async def test_all_is_well_with_a_gadget_and_a_picture(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    video = FakeVideo()
    async with supervised(gadget=online, capture=online) as supervisor:
        report = await reporter(tmp_path, supervisor, video, FakeGadget()).look()
    assert {part.condition for part in report.parts.values()} == {Condition.WORKS}
    assert "1920x1080" in report.parts[CAPTURE].text
    assert video.held == 0


async def test_a_capture_without_a_signal_works(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    async with supervised(capture=online) as supervisor:
        report = await reporter(tmp_path, supervisor, FakeVideo(FakePicture(online=False))).look()
    assert report.parts[CAPTURE] == Part(Condition.WORKS, "no video signal")
    assert report.parts[GADGET].condition is Condition.WORKS


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (DeviceGoneError("expected a video capture, got none"), Condition.MISSING),
        (DeviceTimeoutError("the capture gave no picture"), Condition.BROKEN),
        (RuntimeError("a bug"), Condition.BROKEN),
    ],
)
async def test_a_capture_that_fails(
    autojump_clock: trio.abc.Clock, tmp_path: Path, error: Exception, condition: Condition
) -> None:
    async with supervised(capture=failing(error)) as supervisor:
        report = await reporter(tmp_path, supervisor, FakeVideo(FakePicture(online=False))).look()
    assert report.parts[CAPTURE].condition is condition
    assert str(error) in report.parts[CAPTURE].text


async def test_a_capture_that_says_nothing_is_broken(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    async with supervised() as supervisor:
        report = await reporter(tmp_path, supervisor, FakeVideo(None)).look()
    assert report.parts[CAPTURE] == Part(Condition.BROKEN, "the streamer is not running")


@pytest.mark.parametrize(
    ("udcs", "condition"), [([], Condition.MISSING), (["fe980000.usb"], Condition.BROKEN)]
)
async def test_a_gadget_that_cannot_be_composed_is_missing_only_without_a_controller(
    autojump_clock: trio.abc.Clock, tmp_path: Path, udcs: list[str], condition: Condition
) -> None:
    async with supervised(gadget=failing(DeviceGoneError("not bound")), capture=online) as supervisor:
        report = await reporter(tmp_path, supervisor, FakeVideo(), FakeGadget(udcs)).look()
    assert report.parts[GADGET] == Part(condition, "not bound")


def test_a_state_directory_that_is_not_there_is_broken(tmp_path: Path) -> None:
    assert look_at_state(tmp_path).condition is Condition.WORKS
    assert list(tmp_path.iterdir()) == []
    part = look_at_state(tmp_path / "none")
    assert part.condition is Condition.BROKEN
    assert "none cannot be used" in part.text


async def test_it_looks_again_until_all_is_well_and_then_no_more(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    video = FakeVideo(None)

    def written() -> SelfReport | None:
        file = tmp_path / "report.json"
        return decode(file.read_bytes()) if file.exists() else None

    async with supervised(capture=online) as supervisor, trio.open_nursery() as nursery:
        await nursery.start(reporter(tmp_path, supervisor, video).run)

        async def until(condition: Condition) -> SelfReport:
            # The clock jumps while a thread writes, so that no time is long enough: what was written counts.
            while (report := written()) is None or report.parts[CAPTURE].condition is not condition:
                await trio.to_thread.run_sync(time.sleep, 0.001)
            return report

        assert (await until(Condition.BROKEN)).parts[STATE].condition is Condition.WORKS
        video.picture = FakePicture(online=True)
        await until(Condition.WORKS)
        holds = video.holds
        await trio.sleep(600)
        assert video.holds == holds
        nursery.cancel_scope.cancel()
