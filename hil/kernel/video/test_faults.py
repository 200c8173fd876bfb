"""Faults of the device and of other programs: named, counted, and over when they are over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from peers import vivid as peer

from drivers.errors import DeviceBusyError, DeviceGoneError, DriverError, NotSupportedError
from drivers.video.frame import Frame
from drivers.video.v4l2.find import DeviceChoice
from drivers.video.v4l2.formats import Wanted
from drivers.video.v4l2.source import V4l2Source
from drivers.video.v4l2.stream import STUCK

DEADLINE_S = 90.0


async def _until_error(stream: Any) -> None:
    with trio.fail_after(DEADLINE_S):
        while True:
            item = await stream.next()
            if isinstance(item, Frame):
                item.release()


def _mappings(path: Path) -> int:
    return sum(str(path) in line for line in Path("/proc/self/maps").read_text().splitlines())


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the list's own descriptor counts alike both times


@pytest.mark.fault("V4L2 capture", "stalls")
async def test_a_stalled_source_just_waits_and_goes_on(
    vivid: peer.Vivid, source: V4l2Source, until: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()
        vivid.drop_buffers(100)
        with trio.move_on_after(4):
            while True:
                (await until(stream)).release()
        starts = stream.statistics()["starts"]
        vivid.drop_buffers(0)
        (await until(stream)).release()
        # The signal was there all the time: nothing was restarted.
        assert stream.statistics()["starts"] == starts


@pytest.mark.fault("V4L2 capture", "stalls")
async def test_a_signal_that_returns_without_pictures_is_told_and_the_device_started_anew(
    vivid: peer.Vivid, source: V4l2Source, until: Any, no_signal: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()
        vivid.signal(peer.Signal.NONE)
        await no_signal(stream)
        vivid.drop_buffers(100)
        vivid.select("1280x720p60")
        assert await no_signal(stream) == STUCK
        starts = stream.statistics()["starts"]
        with trio.fail_after(DEADLINE_S):
            while stream.statistics()["starts"] == starts:
                await trio.sleep(0.1)
        vivid.drop_buffers(0)
        (await until(stream)).release()


@pytest.mark.fault("V4L2 capture", "stalls", "no signal")
async def test_a_usb_like_device_that_sends_nothing_has_no_signal(
    webcam: peer.Vivid, source: V4l2Source, until: Any, no_signal: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()
        webcam.drop_buffers(100)
        assert "sends no pictures" in await no_signal(stream)
        with trio.fail_after(DEADLINE_S):
            while stream.statistics()["starts"] < 2:
                await trio.sleep(0.1)
        webcam.drop_buffers(0)
        (await until(stream)).release()


@pytest.mark.fault("V4L2 capture", "garbage")
async def test_damaged_pictures_are_skipped_and_counted(
    vivid: peer.Vivid, source: V4l2Source, until: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()
        for number in range(1, 4):
            vivid.flag_error()
            with trio.fail_after(DEADLINE_S):
                while stream.statistics()["damaged"] < number:
                    (await until(stream)).release()
        (await until(stream)).release()


@pytest.mark.fault("V4L2 capture", "EIO")
async def test_a_fatal_error_is_reported_and_a_new_capture_works(
    vivid: peer.Vivid, source: V4l2Source, until: Any
) -> None:
    async def capture() -> None:
        async with source.open(max_fps=0) as stream:
            (await until(stream)).release()
            vivid.fail_streaming()
            await _until_error(stream)

    with pytest.raises(DriverError, match=f"{vivid.capture}: .*Input/output error"):
        await capture()
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()


@pytest.mark.parametrize("request_name", ["REQBUFS", "QBUF", "STREAMON"])
@pytest.mark.fault("V4L2 capture", "EIO")
async def test_a_failing_start_leaves_nothing_behind(
    vivid: peer.Vivid, source: V4l2Source, until: Any, request_name: str
) -> None:
    vivid.fail_next(request_name)
    with pytest.raises(DriverError, match=str(vivid.capture)):
        async with source.open(max_fps=0) as stream:
            await _until_error(stream)
    assert _mappings(vivid.capture) == 0
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()


@pytest.mark.fault("V4L2 capture", "vanishes")
async def test_an_unplugged_device_is_gone(vivid: peer.Vivid, source: V4l2Source, until: Any) -> None:
    async def capture() -> None:
        async with source.open(max_fps=0) as stream:
            frame = await until(stream)
            vivid.disconnect()
            try:
                await _until_error(stream)
            finally:
                frame.release()

    with pytest.raises(DeviceGoneError, match=str(vivid.capture)):
        await capture()


@pytest.mark.fault("V4L2 capture", "vanishes", "returns")
async def test_a_device_that_returns_is_found_again(source: V4l2Source, until: Any) -> None:
    """Unplugged in the middle of a capture, looked for in vain, plugged in again: the same source has it."""
    with peer.loaded() as vivid:
        async with source.open(max_fps=0) as stream:
            (await until(stream)).release()
            vivid.disconnect()
            with pytest.raises(DeviceGoneError):
                await _until_error(stream)
    with pytest.raises(DeviceGoneError, match="expected a video capture of driver vivid"):
        async with source.open(max_fps=0):
            pass
    with peer.loaded():
        async with source.open(max_fps=0) as stream:
            (await until(stream)).release()


@pytest.mark.fault("V4L2 capture", "missing")
async def test_a_device_that_is_not_there_is_named() -> None:
    source = V4l2Source(DeviceChoice(driver="uvcvideo"))
    with pytest.raises(DeviceGoneError, match="expected a video capture of driver uvcvideo"):
        async with source.open(max_fps=0):
            pass
    source = V4l2Source(DeviceChoice(path=Path("/dev/video77")))
    with pytest.raises(DeviceGoneError, match="/dev/video77"):
        async with source.open(max_fps=0):
            pass


async def test_a_node_of_another_kind_is_refused(vivid: peer.Vivid) -> None:
    source = V4l2Source(DeviceChoice(path=Path("/dev/null")))
    with pytest.raises(NotSupportedError, match="/dev/null"):
        async with source.open(max_fps=0):
            pass


async def test_formats_that_nobody_offers_are_answered_by_those_offered(vivid: peer.Vivid) -> None:
    source = V4l2Source(DeviceChoice(driver=peer.DRIVER), Wanted(fourccs=("MJPG",)))
    with pytest.raises(NotSupportedError, match=r"expected one of the formats MJPG, got .*YUYV.*RGB3"):
        async with source.open(max_fps=0):
            pass


async def test_a_second_capture_is_told_who_has_the_device(vivid: peer.Vivid, source: V4l2Source) -> None:
    program = (
        "import sys, trio\n"
        "from pathlib import Path\n"
        "from drivers.video.v4l2.find import DeviceChoice\n"
        "from drivers.video.v4l2.source import V4l2Source\n"
        "async def main():\n"
        "    async with V4l2Source(DeviceChoice(path=Path(sys.argv[1]))).open(max_fps=0):\n"
        "        print('capturing', flush=True)\n"
        "        await trio.to_thread.run_sync(sys.stdin.read)\n"
        "trio.run(main)\n"
    )
    with subprocess.Popen(  # noqa: ASYNC220 - the other program only has to exist
        [sys.executable, "-c", program, str(vivid.capture)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        try:
            with trio.fail_after(DEADLINE_S):
                assert await trio.to_thread.run_sync(other.stdout.readline) == b"capturing\n"
            with pytest.raises(DeviceBusyError, match=rf"in use by .*\(pid {other.pid}\)"):
                async with source.open(max_fps=0):
                    pass
        finally:
            other.communicate()
    async with source.open(max_fps=0):
        with pytest.raises(DeviceBusyError, match="one capture at a time"):
            async with source.open(max_fps=0):
                pass


async def test_fifty_captures_leave_nothing_behind(vivid: peer.Vivid, source: V4l2Source, until: Any) -> None:
    """Even if a reader keeps a frame of one capture until the next one runs."""
    descriptors, kept = None, None
    for number in range(50):
        async with source.open(max_fps=0) as stream:
            frame = await until(stream)
            if kept is not None:
                kept.release()
            kept = None if number % 2 else frame
            if kept is None:
                frame.release()
        assert _mappings(vivid.capture) == (0 if kept is None else 1)
        # A few are opened once: Trio's own, for threads and waking up.
        descriptors = descriptors or _descriptors()
        assert _descriptors() <= descriptors


async def test_a_cancelled_capture_leaves_the_device_free(
    vivid: peer.Vivid, source: V4l2Source, until: Any
) -> None:
    """Wherever the cancellation strikes: in opening, in starting, in capturing."""
    for after_ms in (0, 1, 3, 10, 30, 60, 100, 300):
        with trio.move_on_after(after_ms / 1000):
            async with source.open(max_fps=0) as stream:
                while True:
                    (await until(stream)).release()
        async with source.open(max_fps=0) as stream:
            (await until(stream)).release()
    assert _mappings(vivid.capture) == 0
