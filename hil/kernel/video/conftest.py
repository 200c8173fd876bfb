"""The virtual video driver in its shapes; each test loads its own, and unloads it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

import pytest
import trio
from peers import vivid as peer

from drivers.ports import NoSignal, VideoStream
from drivers.video.frame import Frame
from drivers.video.v4l2.find import DeviceChoice
from drivers.video.v4l2.source import V4l2Source

DEADLINE_S = 90.0


@pytest.fixture
def vivid() -> Iterator[peer.Vivid]:
    """A capture with an HDMI input, 1280x720p60 at first."""
    with peer.loaded() as loaded:
        yield loaded


@pytest.fixture
def loop() -> Iterator[peer.Vivid]:
    """The same with an output that can be looped in."""
    with peer.loaded(loop=True) as loaded:
        loaded.connect(peer.Connection.OUTPUT)
        yield loaded


@pytest.fixture
def webcam() -> Iterator[peer.Vivid]:
    """A capture that makes its own picture, as USB grabbers do."""
    with peer.loaded(webcam=True) as loaded:
        yield loaded


@pytest.fixture
def multiplanar() -> Iterator[peer.Vivid]:
    """A capture with the multi-planar interface only."""
    with peer.loaded(multiplanar=True) as loaded:
        yield loaded


@pytest.fixture
def source() -> V4l2Source:
    """The driver under test, on whatever node it has."""
    return V4l2Source(DeviceChoice(driver=peer.DRIVER))


class WaitFor(Protocol):
    """See `until`."""

    def __call__(self, stream: VideoStream, wanted: Callable[[Frame], bool] = ...) -> Awaitable[Frame]: ...


@pytest.fixture
def until() -> WaitFor:
    """Wait for a frame that fulfils a condition (any, by default); the others are given back."""

    async def wait(stream: VideoStream, wanted: Callable[[Frame], bool] = lambda _: True) -> Frame:
        last: object = None
        with trio.move_on_after(DEADLINE_S):
            while True:
                item = await stream.next()
                if isinstance(item, Frame):
                    if wanted(item):
                        return item
                    item.release()
                last = item
        raise AssertionError(f"no such frame; the last was {last}")

    return wait


@pytest.fixture
def no_signal() -> Callable[[VideoStream], Awaitable[str]]:
    """Wait until there is no signal and return the reason."""

    async def wait(stream: VideoStream) -> str:
        with trio.fail_after(DEADLINE_S):
            while True:
                item = await stream.next()
                if isinstance(item, NoSignal):
                    return item.reason
                item.release()

    return wait
