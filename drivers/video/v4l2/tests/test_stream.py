"""The stream over a model of a driver without events: the rig tries the same against the kernel's own."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from drivers.errors import DeviceGoneError, DriverError, NotSupportedError
from drivers.ports import NoSignal
from drivers.video.frame import Colour, ColourMatrix, ColourRange, DamagedPictureError, Frame, PixelFormat
from drivers.video.jpeg import JpegEncoder
from drivers.video.v4l2 import timings, uapi
from drivers.video.v4l2.buffers import WANTED_BUFFERS
from drivers.video.v4l2.edid import V4l2Edid
from drivers.video.v4l2.find import DeviceChoice, find_device, list_devices
from drivers.video.v4l2.formats import Wanted
from drivers.video.v4l2.source import V4l2Source
from drivers.video.v4l2.stream import STUCK
from drivers.wire.edid import build_edid

PATH = Path("/dev/video0")


@pytest.fixture
def device(model: Any, new_capture: Any, new_timings: Any) -> Any:
    """A capture with an HDMI input at 640x480."""
    return model.add(new_capture(PATH, {0: ["YUYV", "RGB3"]}, signal=new_timings(640, 480, 60)))


@pytest.fixture
def source(model: Any) -> V4l2Source:
    """What is tested."""
    return V4l2Source(DeviceChoice(path=PATH), opener=model.open)


@pytest.fixture
def dequeued() -> Callable[[Any], Awaitable[None]]:
    """Wait until the stream has taken what was filled."""

    async def wait(device: Any) -> None:
        with trio.fail_after(5):
            while device.filled:
                await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()

    return wait


async def test_the_newest_picture_is_kept_and_older_ones_go_back(
    device: Any, source: V4l2Source, dequeued: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        assert device.streaming
        for _ in range(3 * WANTED_BUFFERS):
            device.fill()
            await dequeued(device)
        assert len(device.queued) == WANTED_BUFFERS - 1
        frame = await stream.next()
        assert isinstance(frame, Frame)
        assert (frame.width, frame.height, len(frame.data)) == (640, 480, 640 * 480 * 2)
        assert stream.statistics()["superseded"] == 3 * WANTED_BUFFERS - 1
        assert stream.statistics()["lent"] == 1
        frame.release()
        frame.release()
        assert len(device.queued) == WANTED_BUFFERS
    assert not device.streaming
    assert device.buffers == 0
    assert device.users == 0


async def test_a_flood_keeps_nobody_from_working(device: Any, source: V4l2Source) -> None:
    """A source that fills each buffer as soon as it has it: reader and others get their turns."""
    queue = device.handlers[uapi.QBUF]

    def fill_at_once(buffer: Any) -> None:
        queue(buffer)
        if device.streaming:
            device.fill()

    device.handlers[uapi.QBUF] = fill_at_once
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with source.open(max_fps=0) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(work)
        device.fill()
        with trio.fail_after(5):
            for _ in range(50):
                frame = await stream.next()
                assert isinstance(frame, Frame)
                frame.release()
        assert turns >= 50
        assert stream.statistics()["pictures"] == 50
        nursery.cancel_scope.cancel()


async def test_damaged_short_and_missing_pictures_are_counted(
    device: Any, source: V4l2Source, dequeued: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        device.fill()
        await dequeued(device)
        device.fill(flags=uapi.BUF_FLAG_ERROR)
        await dequeued(device)
        device.fill(used_bytes=100)
        await dequeued(device)
        device.sequence += 3
        device.fill()
        await dequeued(device)
        counters = stream.statistics()
        assert (counters["damaged"], counters["short"], counters["missed"]) == (1, 1, 3)
        assert isinstance(await stream.next(), Frame)


async def test_a_driver_without_events_is_asked_each_second(
    device: Any, source: V4l2Source, new_timings: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with source.open(max_fps=0) as stream:
        device.signal = errno.ENOLCK
        assert await stream.next() == NoSignal(timings.NOT_STABLE)
        device.signal = errno.ENOLINK
        assert await stream.next() == NoSignal(timings.NOTHING_THERE)
        device.signal = new_timings(800, 600, 60, interlaced=True)
        refused = await stream.next()
        assert isinstance(refused, NoSignal)
        assert "interlaced" in refused.reason
        device.signal = new_timings(800, 600, 60)
        with trio.fail_after(2):
            while not device.streaming:
                await trio.sleep(0.1)
        device.fill()
        frame = await stream.next()
        assert isinstance(frame, Frame)
        assert (frame.width, frame.height) == (800, 600)
        # Seen while it is streaming, too.
        device.signal = errno.ENOLINK
        assert await stream.next() == NoSignal(timings.NOTHING_THERE)
        assert device.buffers == 0
        assert bytes(frame.data[:4]) == bytes(4)
        frame.release()


async def test_timings_that_the_device_refuses_are_named(
    device: Any, source: V4l2Source, autojump_clock: trio.testing.MockClock
) -> None:
    def refuse(_: Any) -> None:
        raise OSError(errno.EINVAL, "invalid")

    device.handlers[uapi.S_DV_TIMINGS] = refuse
    async with source.open(max_fps=0) as stream:
        told = await stream.next()
        assert isinstance(told, NoSignal)
        assert "cannot take 640x480p60" in told.reason


async def test_a_failing_driver_raises_from_next_and_is_let_go(device: Any, source: V4l2Source) -> None:
    def broken(_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async def capture() -> None:
        async with source.open(max_fps=0) as stream:
            device.handlers[uapi.DQBUF] = broken
            device.fill()
            await stream.next()

    with pytest.raises(DriverError, match="/dev/video0: waiting for a picture: Input/output error"):
        await capture()
    assert device.buffers == 0
    assert source.statistics() == {}


async def test_a_frame_returned_to_a_broken_driver_fails_the_next_call(
    device: Any, source: V4l2Source
) -> None:
    def gone(_: Any) -> None:
        raise OSError(errno.ENODEV, "No such device")

    async def capture() -> None:
        async with source.open(max_fps=0) as stream:
            device.fill()
            frame = await stream.next()
            assert isinstance(frame, Frame)
            device.handlers[uapi.QBUF] = gone
            frame.release()
            await stream.next()

    with pytest.raises(DeviceGoneError, match="queueing a buffer"):
        await capture()


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "USB port of its own"), (errno.EPIPE, "do not fit together")]
)
async def test_a_start_refused_for_a_known_reason_says_it_in_plain_words(
    device: Any, source: V4l2Source, number: int, words: str
) -> None:
    def refuse(_: Any) -> None:
        raise OSError(number, "misleading")

    device.handlers[uapi.STREAMON] = refuse
    with pytest.raises(DriverError, match=f"/dev/video0: .*{words}") as caught:
        async with source.open(max_fps=0):
            pass
    assert type(caught.value) is DriverError
    assert "misleading" not in str(caught.value)
    assert device.buffers == 0


async def test_a_signal_whose_pictures_stay_away_is_told_and_the_device_started_anew(
    device: Any, source: V4l2Source, new_timings: Any, autojump_clock: trio.testing.MockClock
) -> None:
    """A camera interface may hang when the signal comes back: the last that was told must not stay."""
    async with source.open(max_fps=0) as stream:
        signal, device.signal = device.signal, errno.ENOLINK
        assert await stream.next() == NoSignal(timings.NOTHING_THERE)
        device.signal = signal
        with trio.fail_after(5):
            assert await stream.next() == NoSignal(STUCK)
        starts = stream.statistics()["starts"]
        with trio.fail_after(10):
            while stream.statistics()["starts"] == starts:
                await trio.sleep(0.5)
        device.fill()
        frame = await stream.next()
        assert isinstance(frame, Frame)
        frame.release()


async def test_a_device_that_sends_only_damaged_pictures_is_told_of(
    device: Any, source: V4l2Source, autojump_clock: trio.testing.MockClock
) -> None:
    async def fill_damaged() -> None:
        while True:
            device.fill(flags=uapi.BUF_FLAG_ERROR)
            await trio.sleep(0.1)

    async with source.open(max_fps=0) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(fill_damaged)
        with trio.fail_after(5):
            assert await stream.next() == NoSignal(STUCK)
        nursery.cancel_scope.cancel()
        device.fill()
        with trio.fail_after(10):
            frame = await stream.next()
        assert isinstance(frame, Frame)
        frame.release()


async def test_of_a_range_of_sizes_the_wanted_one_is_taken(model: Any, new_capture: Any) -> None:
    """Cameras of the board name no list: from 32x32 to more than we encode, in steps."""

    def range_of_sizes(entry: Any) -> None:
        if entry.index:
            raise OSError(errno.EINVAL, "invalid")
        entry.type = 3
        entry.size[:] = (32, 4056, 16, 32, 3040, 16)

    device = model.add(new_capture(PATH, {0: ["YUYV"]}))
    device.handlers[uapi.ENUM_FRAMESIZES] = range_of_sizes
    for wanted, size in (
        (Wanted(), (1920, 1072)),
        (Wanted(8000, 8000), (4048, 3040)),
        (Wanted(16, 16), (32, 32)),
    ):
        source = V4l2Source(DeviceChoice(path=PATH), wanted, opener=model.open)
        async with source.open(max_fps=0):
            assert device.format == ("YUYV", *size)


async def test_too_few_buffers_are_refused(device: Any, source: V4l2Source) -> None:
    granted = device.handlers[uapi.REQBUFS]

    def grant_two(wanted: Any) -> None:
        wanted.count = min(wanted.count, 2)
        granted(wanted)

    device.handlers[uapi.REQBUFS] = grant_two
    with pytest.raises(DriverError, match=r"at least 4 buffers of 614400 bytes, got 2"):
        async with source.open(max_fps=0):
            pass
    assert device.buffers == 0


async def test_an_edid_is_written_while_the_stream_holds_no_buffers(device: Any, source: V4l2Source) -> None:
    written = []

    def set_edid(request: Any) -> None:
        if device.buffers:
            raise OSError(errno.EBUSY, "busy")
        written.append(request.blocks)

    device.handlers[uapi.S_EDID] = set_edid
    edid = V4l2Edid(source)
    async with source.open(max_fps=0) as stream:
        borrowed_before = stream.statistics()["starts"]
        await edid.write(build_edid())
        await edid.write(build_edid(name="Again"))
        with trio.fail_after(5):
            while not device.streaming:
                await trio.sleep(0.01)
        assert stream.statistics()["starts"] > borrowed_before
    assert written == [2, 2]


async def test_devices_are_found_by_what_they_are(
    model: Any, new_capture: Any, new_node: Any, tmp_path: Path
) -> None:
    for number in (0, 2, 10):
        (tmp_path / f"video{number}").touch()
    model.add(new_node(tmp_path / "video0"))
    model.add(new_capture(tmp_path / "video2", {}))
    model.add(new_capture(tmp_path / "video10", {}))
    devices, unusable = await list_devices(tmp_path, model.open)
    assert [device.path.name for device in devices] == ["video2", "video10"]
    assert str(devices[0]) == f"{tmp_path}/video2 (Model capture, model)"
    assert [node.path.name for node in unusable] == ["video0"]
    assert isinstance(unusable[0].error, NotSupportedError)


async def test_a_choice_by_the_wrong_words_names_what_there_is(
    model: Any, device: Any, tmp_path: Path
) -> None:
    with pytest.raises(DeviceGoneError, match=r"expected a video capture /dev/video0, got .*Model capture"):
        await find_device(DeviceChoice(path=PATH, driver="uvcvideo"), tmp_path, model.open)
    with pytest.raises(DeviceGoneError, match=r"expected a video capture of driver a, bus b, got none"):
        await find_device(DeviceChoice(driver="a", bus="b"), tmp_path, model.open)


async def test_a_node_that_is_not_there_is_answered_by_those_that_are(
    model: Any, new_capture: Any, tmp_path: Path
) -> None:
    async def opener(path: Path) -> Any:
        if path.name == "video7":
            raise DeviceGoneError(f"{path}: No such file or directory")
        return await model.open(path)

    missing = DeviceChoice(path=tmp_path / "video7")
    with pytest.raises(DeviceGoneError, match=rf"expected a video capture {missing.path}, got none"):
        await find_device(missing, tmp_path, opener)
    (tmp_path / "video0").touch()
    model.add(new_capture(tmp_path / "video0", {}))
    with pytest.raises(
        DeviceGoneError, match=rf"capture {missing.path}, got .*video0 \(Model capture, model\)"
    ):
        await find_device(missing, tmp_path, opener)


@pytest.mark.parametrize(
    ("size", "given"),
    [
        (None, (1920, 1080)),
        ((1280, 720), (1280, 720)),
        ((3840, 2160), (3840, 2160)),
        ((1000, 700), (640, 480)),
        ((100, 100), (640, 480)),
    ],
)
async def test_a_grabber_is_set_to_the_size_that_was_chosen(
    model: Any, new_capture: Any, size: tuple[int, int] | None, given: tuple[int, int]
) -> None:
    sizes = [(640, 480), (1280, 720), (1920, 1080), (3840, 2160)]
    grabber = model.add(new_capture(PATH, {0: ["YUYV"]}, sizes=sizes))
    source = V4l2Source(DeviceChoice(path=PATH), opener=model.open)
    async with source.open(max_fps=0, size=size) as stream:
        grabber.fill()
        picture = await stream.next()
        assert isinstance(picture, Frame)
        assert (picture.width, picture.height) == given
        picture.release()


async def test_jpeg_pictures_are_lent_as_long_as_they_are(
    model: Any, new_capture: Any, dequeued: Any
) -> None:
    """A grabber's buffers are larger than its pictures, which differ in length; empty ones are none."""
    grabber = model.add(new_capture(PATH, {0: ["MJPG"]}, sizes=[(640, 480)]))
    encoder = JpegEncoder()
    pixels = Frame(bytes(640 * 480), 640, 480, 640, PixelFormat.GREY, 0, 0)
    whole = encoder.encode(pixels, 80)
    async with V4l2Source(DeviceChoice(path=PATH), opener=model.open).open(max_fps=0) as stream:
        for sent, passed_on in ((whole, whole), (whole[:-2] + bytes(9), whole), (b"\0" * 99 + whole, whole)):
            grabber.fill(picture=sent)
            picture = await stream.next()
            assert isinstance(picture, Frame)
            assert (picture.width, picture.height, picture.format) == (640, 480, PixelFormat.JPEG)
            assert (picture.stride_bytes, picture.colour) == (0, Colour())
            assert bytes(picture.data) == sent
            assert encoder.encode(picture, 80) == passed_on
            picture.release()
        grabber.fill(used_bytes=0)
        await dequeued(grabber)
        grabber.fill(flags=uapi.BUF_FLAG_ERROR, picture=whole)
        await dequeued(grabber)
        # Half a picture is one to the driver: whoever repairs it finds out.
        grabber.fill(picture=whole[: len(whole) // 2])
        half = await stream.next()
        assert isinstance(half, Frame)
        with pytest.raises(DamagedPictureError):
            encoder.encode(half, 80)
        half.release()
        counters = stream.statistics()
        assert (counters["pictures"], counters["short"], counters["damaged"]) == (4, 1, 1)


@pytest.mark.parametrize(
    ("told", "colour"),
    [
        ((3, 0xFEEDCAFE, 0, 0), Colour(ColourRange.LIMITED, ColourMatrix.BT709)),
        ((8, 0xFEEDCAFE, 2, 1), Colour(ColourRange.FULL, ColourMatrix.BT709)),
        # Without the mark in priv, what lies behind it means nothing.
        ((8, 0, 2, 1), Colour(ColourRange.LIMITED, ColourMatrix.BT601)),
    ],
)
async def test_pictures_say_what_their_numbers_mean(
    device: Any, source: V4l2Source, told: tuple[int, int, int, int], colour: Colour
) -> None:
    device.colour = told
    async with source.open(max_fps=0) as stream:
        device.fill()
        picture = await stream.next()
        assert isinstance(picture, Frame)
        assert picture.colour == colour
        picture.release()


async def test_a_receiver_follows_the_signal_whatever_size_was_chosen(
    device: Any, source: V4l2Source
) -> None:
    async with source.open(max_fps=0, size=(1280, 720)) as stream:
        device.fill()
        picture = await stream.next()
        assert isinstance(picture, Frame)
        assert (picture.width, picture.height) == (640, 480)
        picture.release()


@pytest.mark.fault("EDID of the capture", "EIO")
async def test_an_edid_that_the_chip_does_not_take_is_told_and_the_pictures_go_on(
    device: Any, source: V4l2Source, dequeued: Any
) -> None:
    def refuse(_request: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    written = list[int]()
    edid = V4l2Edid(source)
    async with source.open(max_fps=0) as stream:
        device.handlers[uapi.S_EDID] = refuse
        with pytest.raises(DriverError, match=r"/dev/video0: .*EDID.*Input/output error"):
            await edid.write(build_edid())
        starts = stream.statistics()["starts"]
        device.fill()
        await dequeued(device)
        frame = await stream.next()
        assert isinstance(frame, Frame)
        frame.release()
        assert stream.statistics()["starts"] == starts
        device.handlers[uapi.S_EDID] = lambda request: written.append(request.blocks)
        await edid.write(build_edid())
    assert written == [2]
