"""Pictures through the real kernel: their size, their bytes, their way into a JPEG."""

from __future__ import annotations

import functools
import io
from typing import Any

import pytest
import trio
from peers import vivid as peer
from PIL import Image

from drivers.video.frame import RAW_FORMATS, ColourMatrix, ColourRange, Frame, PixelFormat
from drivers.video.jpeg import JpegEncoder
from drivers.video.v4l2.find import DeviceChoice, list_devices
from drivers.video.v4l2.formats import PIXEL_FORMATS, Wanted
from drivers.video.v4l2.source import V4l2Source

PRIMARIES = {
    peer.Pattern.RED: (255, 0, 0),
    peer.Pattern.GREEN: (0, 255, 0),
    peer.Pattern.BLUE: (0, 0, 255),
    peer.Pattern.BLACK: (0, 0, 0),
    peer.Pattern.WHITE: (255, 255, 255),
}
# Rec. 709, limited range: what HDMI sources of HD pictures send.
LUMA = {
    peer.Pattern.RED: 54,
    peer.Pattern.GREEN: 181,
    peer.Pattern.BLUE: 18,
    peer.Pattern.BLACK: 0,
    peer.Pattern.WHITE: 254,
}
YCBCR = {
    peer.Pattern.RED: (63, 102, 240),
    peer.Pattern.GREEN: (173, 42, 26),
    peer.Pattern.BLUE: (32, 240, 118),
    peer.Pattern.BLACK: (16, 128, 128),
    peer.Pattern.WHITE: (235, 128, 128),
}


def pixel(frame: Frame) -> tuple[int, ...]:
    """Return one pixel well inside: red, green, blue, or luma and the two colour differences."""
    x, y, stride, data = frame.width // 2 & ~1, frame.height // 2 & ~1, frame.stride_bytes, frame.data
    at = y * stride
    luma_bytes = stride * frame.height
    match frame.format:
        case PixelFormat.YUYV:
            y0, cb, _, cr = data[at + 2 * x : at + 2 * x + 4]
            return y0, cb, cr
        case PixelFormat.UYVY:
            cb, y0, cr, _ = data[at + 2 * x : at + 2 * x + 4]
            return y0, cb, cr
        case PixelFormat.RGB24:
            return tuple(data[at + 3 * x : at + 3 * x + 3])
        case PixelFormat.BGR24:
            return tuple(reversed(data[at + 3 * x : at + 3 * x + 3]))
        case PixelFormat.BGRX32:
            return tuple(reversed(data[at + 4 * x : at + 4 * x + 3]))
        case PixelFormat.NV12:
            chroma = luma_bytes + y // 2 * stride + x
            return data[at + x], data[chroma], data[chroma + 1]
        case PixelFormat.YUV420:
            plane, row = stride // 2 * (frame.height // 2), luma_bytes + y // 2 * (stride // 2) + x // 2
            return data[at + x], data[row], data[row + plane]
        case PixelFormat.GREY:
            return (data[at + x],)
        case PixelFormat.JPEG:
            raise ValueError("expected a raw picture, got JPEG")


def shows(frame: Frame, *, expected: tuple[int, ...]) -> bool:
    """Whether all channels are near."""
    return all(abs(one - other) <= 6 for one, other in zip(pixel(frame), expected, strict=True))


@pytest.mark.parametrize("fourcc", [name for name, layout in PIXEL_FORMATS.items() if layout in RAW_FORMATS])
async def test_colours_are_right_in_each_format(vivid: peer.Vivid, until: Any, fourcc: str) -> None:
    source = V4l2Source(DeviceChoice(driver=peer.DRIVER), Wanted(fourccs=(fourcc,)))
    encoder = JpegEncoder()
    async with source.open(max_fps=0) as stream:
        for pattern, rgb in PRIMARIES.items():
            vivid.pattern(pattern)
            yuv = YCBCR[pattern]
            rgb_format = PIXEL_FORMATS[fourcc] in {PixelFormat.RGB24, PixelFormat.BGR24, PixelFormat.BGRX32}
            if fourcc == "GREY":
                expected: tuple[int, ...] = (LUMA[pattern],)
            else:
                expected = rgb if rgb_format else yuv
            frame = await until(stream, functools.partial(shows, expected=expected))
            assert (frame.width, frame.height, frame.format) == (1280, 720, PIXEL_FORMATS[fourcc])
            limited = not rgb_format and fourcc != "GREY"
            assert frame.colour.range is (ColourRange.LIMITED if limited else ColourRange.FULL)
            assert frame.colour.matrix is ColourMatrix.BT709
            # Encoded as the appliance does it, the colour is still the same one.
            with Image.open(io.BytesIO(encoder.encode(frame, 90))) as image:
                assert image.size == (1280, 720)
                decoded = image.convert("RGB").getpixel((640, 360))
            frame.release()
            assert isinstance(decoded, tuple)
            if fourcc != "GREY" and pattern not in {peer.Pattern.BLACK, peer.Pattern.WHITE}:
                strongest = max(range(3), key=lambda channel: decoded[channel])
                assert rgb[strongest] == 255, (pattern, decoded)
            elif pattern is peer.Pattern.WHITE:
                assert min(decoded) > 225
            elif pattern is peer.Pattern.BLACK:
                assert max(decoded) < 25


async def test_the_cheapest_format_is_taken_of_the_many_offered(
    vivid: peer.Vivid, source: V4l2Source, until: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        frame = await until(stream)
        assert frame.format is PixelFormat.YUYV
        assert len(frame.data) == frame.stride_bytes * frame.height
        frame.release()
    assert source.name == f"{vivid.capture} (vivid, vivid)"


async def test_the_multi_planar_interface_gives_the_same_pictures(
    multiplanar: peer.Vivid, until: Any
) -> None:
    for fourcc in ("YUYV", "NV12", "YU12"):
        source = V4l2Source(DeviceChoice(driver=peer.DRIVER), Wanted(fourccs=(fourcc,)))
        async with source.open(max_fps=0) as stream:
            for pattern in (peer.Pattern.RED, peer.Pattern.BLUE):
                multiplanar.pattern(pattern)
                expected = YCBCR[pattern]
                frame = await until(stream, functools.partial(shows, expected=expected))
                assert (frame.width, frame.height) == (1280, 720)
                frame.release()
            multiplanar.select("1920x1080p60")
            (await until(stream, lambda frame: (frame.width, frame.height) == (1920, 1080))).release()
            multiplanar.select("1280x720p60")
            (await until(stream, lambda frame: (frame.width, frame.height) == (1280, 720))).release()


async def test_a_device_without_timings_is_captured_at_its_best_mode(
    webcam: peer.Vivid, source: V4l2Source, until: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        webcam.pattern(peer.Pattern.GREEN)
        frame = await until(stream, lambda frame: pixel(frame)[1] < 80 and pixel(frame)[2] < 80)
        assert (frame.width, frame.height, frame.format) == (1920, 1080, PixelFormat.YUYV)
        frame.release()
    smaller = V4l2Source(DeviceChoice(driver=peer.DRIVER), Wanted(width=640, height=480))
    async with smaller.open(max_fps=0) as stream:
        frame = await until(stream)
        assert frame.width <= 640
        assert frame.height <= 480
        frame.release()
    async with source.open(max_fps=0, size=(640, 360)) as stream:
        frame = await until(stream)
        assert (frame.width, frame.height) == (640, 360)
        frame.release()


async def test_played_pictures_arrive_bit_for_bit(loop: peer.Vivid, source: V4l2Source, until: Any) -> None:
    picture = b"".join(
        bytes((x // 4 + y) & 0xFF if x % 2 == 0 else 128 for x in range(2560)) for y in range(90)
    )
    picture *= 8
    loop.select("1280x720p60")
    with loop.play((1280, 720, 60), "YUYV", picture):
        async with source.open(max_fps=0) as stream:
            first = await until(stream, lambda frame: frame.data == picture)
            first.release()
            for _ in range(20):
                frame = await until(stream)
                assert frame.data == picture
                frame.release()
            assert stream.statistics()["damaged"] == 0


async def test_the_rate_limit_drops_early(vivid: peer.Vivid, source: V4l2Source, until: Any) -> None:
    async with source.open(max_fps=5) as stream:
        times = []
        for _ in range(6):
            frame = await until(stream)
            times.append(frame.grab_begin)
            frame.release()
        counters = stream.statistics()
    # The rate is one in the mean: a picture that comes late keeps the next one's time. The first one seen may
    # be late by a whole period, the last one early by a tenth.
    assert times[-1] - times[0] >= (5 - 1.1) / 5
    assert counters["limited"] > 0


async def test_the_newest_picture_wins_and_none_is_kept_from_the_driver(
    vivid: peer.Vivid, source: V4l2Source, until: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        (await until(stream)).release()
        before = stream.statistics()["superseded"]
        with trio.fail_after(30):
            # A reader that does not come: everything goes back to the driver but the newest.
            while stream.statistics()["superseded"] < before + 20:
                await trio.sleep(0.05)
        frame = await until(stream)
        # The time between the capture and now, bounded by the wake-ups of a slow machine, not by the wait.
        assert frame.grab_begin <= frame.grab_end
        second = await until(stream)
        assert second.grab_begin > frame.grab_begin
        frame.release()
        second.release()
        assert stream.statistics()["lent"] == 0


async def test_a_returned_frame_cannot_be_read_by_mistake(
    vivid: peer.Vivid, source: V4l2Source, until: Any
) -> None:
    async with source.open(max_fps=0) as stream:
        frame = await until(stream)
        data = frame.data
        assert isinstance(data, memoryview)
        frame.release()
        frame.release()
        with pytest.raises(ValueError, match="released memoryview"):
            bytes(data)
        (await until(stream)).release()


async def test_devices_are_listed_with_what_they_are(vivid: peer.Vivid) -> None:
    devices, unusable = await list_devices()
    assert not unusable
    found = next(device for device in devices if device.path == vivid.capture)
    assert found.capabilities.driver == "vivid"
    assert found.capabilities.captures
    assert not found.capabilities.media_controlled
