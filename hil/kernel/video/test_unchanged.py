"""A screen that stands still: pictures that look like the last one are left out, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from peers import vivid as peer

from drivers.errors import DriverError
from drivers.ports import NoSignal
from drivers.video.frame import Frame
from drivers.video.v4l2 import buffers
from drivers.video.v4l2.source import V4l2Source

DEADLINE_S = 90.0


async def first(stream: Any) -> Frame:
    """The first picture of the present pattern, behind those of another one that wait already."""
    last: Frame | None = None
    same = 0
    while True:
        frame = await stream.next()
        assert isinstance(frame, Frame)
        same = same + 1 if last is not None and bytes(frame.data) == bytes(last.data) else 0
        if last is not None:
            last.release()
        last = frame
        if same == 3:
            return frame


async def test_pictures_that_look_the_same_are_left_out_for_a_moment(
    vivid: peer.Vivid, source: V4l2Source
) -> None:
    vivid.pattern(peer.Pattern.RED)
    async with source.open(max_fps=0) as stream:
        frame = await first(stream)
        left_out = 0
        with trio.fail_after(DEADLINE_S):
            while not left_out:
                following = await stream.next(frame)
                assert isinstance(following, Frame)
                assert bytes(following.data) == bytes(frame.data)
                assert following.grab_begin > frame.grab_begin
                left_out += following.unchanged_before
                frame.release()
                frame = following
        assert source.statistics()["unchanged"] >= left_out
        assert source.statistics()["lent"] == 1
        frame.release()


async def test_a_change_is_seen_at_once(vivid: peer.Vivid, source: V4l2Source) -> None:
    vivid.pattern(peer.Pattern.RED)
    async with source.open(max_fps=0) as stream:
        frame = await first(stream)
        red = bytes(frame.data)
        for pattern in (peer.Pattern.BLUE, peer.Pattern.RED, peer.Pattern.WHITE):
            vivid.pattern(pattern)
            before = bytes(frame.data)
            with trio.fail_after(DEADLINE_S):
                while bytes(frame.data) == before:
                    following = await stream.next(frame)
                    assert isinstance(following, Frame)
                    frame.release()
                    frame = following
            assert (bytes(frame.data) == red) is (pattern is peer.Pattern.RED)
        frame.release()


async def test_a_picture_that_is_given_back_meanwhile_ends_the_comparison(
    vivid: peer.Vivid, source: V4l2Source
) -> None:
    vivid.pattern(peer.Pattern.RED)
    async with source.open(max_fps=0) as stream:
        for _ in range(20):
            frame = await first(stream)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(give_back_soon, frame)
                with trio.fail_after(DEADLINE_S):
                    following = await stream.next(frame)
            assert isinstance(following, Frame)
            following.release()
            assert source.statistics()["lent"] == 0


async def take_one(stream: Any, frame: Frame) -> None:
    """Wait for one, and give it back: one that nobody gives back keeps the driver in use."""
    item = await stream.next(frame)
    if isinstance(item, Frame):
        item.release()


async def give_back_soon(frame: Frame) -> None:
    await trio.sleep(0.05)
    frame.release()


async def test_whoever_is_in_a_hurry_gets_any_picture(
    vivid: peer.Vivid, source: V4l2Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffers, "SHOW_AFTER_S", 1000.0)
    vivid.pattern(peer.Pattern.RED)
    async with source.open(max_fps=0) as stream:
        frame = await first(stream)
        # One that has come meanwhile is fetched first: then nothing but a change would end the wait.
        with trio.move_on_after(0.5):
            while isinstance(following := await stream.next(frame), Frame):
                frame.release()
                frame = following

        async def keep_hurrying() -> None:
            while True:
                stream.hurry()
                await trio.sleep(0.05)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_hurrying)
            with trio.fail_after(DEADLINE_S):
                following = await stream.next(frame)
            nursery.cancel_scope.cancel()
        assert isinstance(following, Frame)
        assert bytes(following.data) == bytes(frame.data)
        frame.release()
        following.release()


async def test_a_signal_that_goes_is_told_while_nothing_changes(
    vivid: peer.Vivid, source: V4l2Source
) -> None:
    vivid.pattern(peer.Pattern.RED)
    async with source.open(max_fps=0) as stream:
        frame = await first(stream)
        vivid.signal(peer.Signal.NONE)
        with trio.fail_after(DEADLINE_S):
            while isinstance(item := await stream.next(frame), Frame):
                frame.release()
                frame = item
        assert isinstance(item, NoSignal)
        frame.release()


async def test_the_device_can_be_had_meanwhile_and_whoever_waits_can_leave(
    vivid: peer.Vivid, source: V4l2Source
) -> None:
    vivid.pattern(peer.Pattern.RED)
    async with source.open(max_fps=0) as stream:
        frame = await first(stream)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_one, stream, frame)
            await trio.sleep(0.05)
            async with source.paused():
                pass
            nursery.cancel_scope.cancel()
        frame.release()
        frame = await first(stream)
        with trio.move_on_after(0.05):
            item = await stream.next(frame)
            assert isinstance(item, Frame)
            item.release()
        frame.release()


async def test_a_device_that_is_pulled_meanwhile_is_a_fault(vivid: peer.Vivid, source: V4l2Source) -> None:
    vivid.pattern(peer.Pattern.RED)
    async with source.open(max_fps=0) as stream:
        frame = await first(stream)
        vivid.disconnect()
        with trio.fail_after(DEADLINE_S), pytest.raises(DriverError):
            await watch_on(stream, frame)


async def watch_on(stream: Any, frame: Frame) -> None:
    """Take one picture after the other, for ever."""
    try:
        while True:
            following = await stream.next(frame)
            assert isinstance(following, Frame)
            frame.release()
            frame = following
    finally:
        frame.release()
