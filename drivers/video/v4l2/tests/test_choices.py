"""Pure choices: format and mode, the rate limit, what a signal is and why there is none."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import NotSupportedError
from drivers.ports import NoSignal
from drivers.video.frame import RAW_FORMATS, Frame, PixelFormat
from drivers.video.jpeg import JpegEncoder
from drivers.video.v4l2 import timings, uapi
from drivers.video.v4l2.colour import colour_of
from drivers.video.v4l2.formats import (
    PIXEL_FORMATS,
    Mode,
    RateLimit,
    Wanted,
    choose_format,
    choose_mode,
    frame_bytes,
)

# A USB 2 grabber: everything at speed only as MJPEG.
USB2 = [
    Mode("MJPG", 1920, 1080, 30),
    Mode("MJPG", 1280, 720, 60),
    Mode("YUYV", 1920, 1080, 5),
    Mode("YUYV", 1280, 720, 10),
    Mode("YUYV", 640, 480, 30),
]
USB3 = [
    Mode(name, *size) for name in ("NV12", "YUYV", "MJPG") for size in ((1920, 1080, 60), (3840, 2160, 30))
]


def test_the_cheapest_format_is_chosen_whatever_the_order() -> None:
    assert choose_format(["RGB3", "UYVY", "XR24"], Wanted(), "x") == "UYVY"
    assert choose_format(["RGB3", "BGR3", "MJPG"], Wanted(), "x") == "BGR3"
    assert choose_format(["RGB3", "UYVY"], Wanted(fourccs=("RGB3",)), "x") == "RGB3"


def test_what_is_offered_is_named_if_nothing_fits() -> None:
    with pytest.raises(NotSupportedError, match="got HEVC, H264 - at /dev/video0"):
        choose_format(["HEVC", "H264"], Wanted(), "/dev/video0")
    with pytest.raises(NotSupportedError, match="expected one of the formats YUYV, got MJPG - at x"):
        choose_mode([mode for mode in USB2 if mode.fourcc == "MJPG"], Wanted(fourccs=("YUYV",)), "x")
    with pytest.raises(NotSupportedError, match="got none - at x"):
        choose_mode([], Wanted(), "x")


def test_a_useful_rate_comes_before_size() -> None:
    uncompressed = Wanted(fourccs=("YUYV",))
    assert choose_mode(USB2, uncompressed, "x") == Mode("YUYV", 1280, 720, 10)
    # Who wants no more than that gets the larger picture.
    assert choose_mode(USB2, dataclasses.replace(uncompressed, fps=5), "x") == Mode("YUYV", 1920, 1080, 5)


def test_jpeg_is_taken_where_it_is_larger_or_faster() -> None:
    assert choose_mode(USB2, Wanted(), "x") == Mode("MJPG", 1920, 1080, 30)
    assert choose_mode(USB2, Wanted(1280, 720), "x") == Mode("MJPG", 1280, 720, 60)
    # A chosen size is taken at its best rate.
    assert choose_mode(USB2, Wanted(1280, 720, exact=True), "x") == Mode("MJPG", 1280, 720, 60)
    assert choose_mode([mode for mode in USB2 if mode.fourcc == "MJPG"], Wanted(), "x").fourcc == "MJPG"
    assert choose_mode([Mode("JPEG", 640, 480, 0.0)], Wanted(), "x").fourcc == "JPEG"


def test_jpeg_is_not_taken_where_it_gains_nothing() -> None:
    assert choose_mode(USB2, Wanted(1280, 720, fps=10), "x") == Mode("YUYV", 1280, 720, 10)
    assert choose_mode(USB2, Wanted(fps=5), "x") == Mode("YUYV", 1920, 1080, 5)
    for name in ("YUYV", "NV12", "YU12", "RGB3", "BGR4"):
        modes = [Mode("MJPG", 1920, 1080, 60), Mode(name, 1920, 1080, 60), Mode("MJPG", 1280, 720, 120)]
        assert choose_mode(modes, Wanted(), "x") == modes[1]
        assert choose_format(["JPEG", "MJPG", name], Wanted(), "x") == name
    # With the colours gone, something is gained.
    assert choose_format(["GREY", "JPEG", "MJPG"], Wanted(), "x") == "MJPG"


def test_the_shape_of_the_targets_screen_comes_before_more_lines() -> None:
    grabber = [
        Mode("YUYV", 1600, 1200, 5),
        Mode("YUYV", 1280, 1024, 8),
        Mode("YUYV", 1280, 960, 10),
        Mode("YUYV", 1280, 720, 10),
        Mode("YUYV", 1024, 768, 10),
        Mode("YUYV", 720, 480, 30),
    ]
    assert choose_mode(grabber, Wanted(), "x") == Mode("YUYV", 1280, 720, 10)
    # Squeezed is better than tiny.
    modes = [Mode("YUYV", 640, 360, 30), Mode("YUYV", 1280, 960, 10)]
    assert choose_mode(modes, Wanted(), "x") == modes[1]
    # And who has only one of another shape gets that.
    assert choose_mode([Mode("YUYV", 640, 480, 30)], Wanted(), "x") == Mode("YUYV", 640, 480, 30)


def test_size_is_bounded_by_what_is_wanted() -> None:
    assert choose_mode(USB3, Wanted(), "x") == Mode("YUYV", 1920, 1080, 60)
    assert choose_mode(USB3, Wanted(width=3840, height=2160), "x") == Mode("YUYV", 3840, 2160, 30)
    assert choose_mode(USB3, Wanted(width=640, height=480), "x") == Mode("YUYV", 1920, 1080, 60)


def test_a_size_that_somebody_chose_is_taken_whatever_its_rate() -> None:
    modes = [Mode("YUYV", 1920, 1080, 5), Mode("YUYV", 1280, 720, 10), Mode("YUYV", 640, 480, 30)]
    assert choose_mode(modes, Wanted(width=1920, height=1080), "x") == modes[1]
    assert choose_mode(modes, Wanted(width=1920, height=1080, exact=True), "x") == modes[0]
    assert choose_mode(modes, Wanted(width=640, height=480, exact=True), "x") == modes[2]
    # One that is not offered is only a bound.
    assert choose_mode(modes, Wanted(width=1600, height=900, exact=True), "x") == modes[1]


def test_a_device_that_does_not_tell_its_rates_is_usable() -> None:
    modes = [Mode("YUYV", 720, 576, 0.0), Mode("YUYV", 320, 240, 0.0)]
    assert choose_mode(modes, Wanted(), "x") == Mode("YUYV", 720, 576, 0.0)


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
def test_the_length_of_a_picture_is_what_the_encoder_needs(pixel_format: PixelFormat) -> None:
    """One byte less is refused by the encoder, for odd heights too."""
    stride_bytes, height = 64 * 4, 33
    length = frame_bytes(pixel_format, stride_bytes, height)

    def frame(size: int) -> Frame:
        return Frame(bytes(size), 64, height, stride_bytes, pixel_format, 0, 0)

    encoder = JpegEncoder()
    assert encoder.encode(frame(length), 80)
    # The visible part of the last row may end before the stride does.
    with pytest.raises(ValueError, match="expected"):
        encoder.encode(frame(length - stride_bytes), 80)


def test_each_preferred_format_is_one_we_encode() -> None:
    assert set(PIXEL_FORMATS.values()) == set(PixelFormat)


@given(
    source_hz=st.floats(5, 120),
    max_fps=st.integers(1, 60),
    jitter=st.lists(st.floats(-0.04, 0.04), min_size=400, max_size=400),
)
def test_the_rate_limit_holds_in_the_mean(source_hz: float, max_fps: int, jitter: list[float]) -> None:
    limit = RateLimit(max_fps)
    taken = [time for n, late in enumerate(jitter) if limit.admits(time := (n + late) / source_hz)]
    seconds = len(jitter) / source_hz
    assert len(taken) <= seconds * max_fps + 2
    # A source above the limit is thinned out to it, not below: at most one period of the source is lost.
    expected = min(max_fps, source_hz)
    assert len(taken) >= seconds / (1 / expected + 1 / source_hz) - 2


def test_a_source_of_the_wanted_rate_loses_nothing() -> None:
    limit = RateLimit(30)
    assert all(limit.admits(n / 30 + (0.002 if n % 2 else 0)) for n in range(100))
    assert all(RateLimit(0).admits(n / 1000) for n in range(100))


def test_after_a_gap_the_limit_does_not_catch_up() -> None:
    limit = RateLimit(10)
    assert limit.admits(0)
    assert limit.admits(5)
    assert not limit.admits(5.02)
    assert not limit.admits(5.05)
    assert limit.admits(5.1)


def _colour(pixel_format: PixelFormat, colorspace: int, *rest: int) -> tuple[str, str]:
    ycbcr_enc, quantization = (*rest, 0, 0)[:2]
    found = colour_of(pixel_format, colorspace=colorspace, ycbcr_enc=ycbcr_enc, quantization=quantization)
    return found.range.value, found.matrix.value


# Colour spaces by their numbers (enum v4l2_colorspace), what the kernel's macros make of DEFAULT.
@pytest.mark.parametrize(
    ("colorspace", "matrix"),
    [
        *((number, "601") for number in (0, 1, 5, 6, 8, 9, 11, 99)),
        *((number, "709") for number in (2, 3, 12)),
        (10, "2020"),
    ],
)
def test_what_a_driver_leaves_open_follows_from_the_colour_space(colorspace: int, matrix: str) -> None:
    for pixel_format in (PixelFormat.YUYV, PixelFormat.NV12, PixelFormat.YUV420):
        assert _colour(pixel_format, colorspace) == ("limited", matrix)
    for pixel_format in (PixelFormat.RGB24, PixelFormat.GREY):
        assert _colour(pixel_format, colorspace) == ("full", matrix)


def test_what_a_driver_says_of_colours_holds() -> None:
    assert _colour(PixelFormat.YUYV, 7) == ("full", "601")  # V4L2_COLORSPACE_JPEG
    # An HDMI source of today: BT.709, limited; and one that says otherwise.
    assert _colour(PixelFormat.UYVY, 3, 2, 2) == ("limited", "709")
    assert _colour(PixelFormat.UYVY, 3, 1, 1) == ("full", "601")
    assert _colour(PixelFormat.RGB24, 8, 0, 2) == ("limited", "601")
    for encoding, matrix in ((3, "601"), (4, "709"), (6, "2020"), (7, "2020"), (8, "709")):
        assert _colour(PixelFormat.YUYV, 8, encoding) == ("limited", matrix)
    # Whoever shows a JPEG picture takes it for JFIF's.
    assert _colour(PixelFormat.JPEG, 3, 2, 2) == ("full", "601")


def test_timings_are_read(new_timings: Callable[..., uapi.DvTimingsStruct]) -> None:
    found = timings.DvTimings.parse(bytes(new_timings(1920, 1080, 60)))
    assert (found.width, found.height, found.interlaced) == (1920, 1080, False)
    assert found.fps == pytest.approx(60)
    assert str(found) == "1920x1080p60"
    reduced = new_timings(1920, 1080, 60)
    reduced.bt.flags = uapi.DV_FL_REDUCED_FPS
    slower = timings.DvTimings.parse(bytes(reduced))
    assert slower.fps == pytest.approx(59.94, abs=0.01)
    # A tenth of a percent is within what receivers measure.
    assert slower.same_signal(found)
    assert not found.same_signal(timings.DvTimings.parse(bytes(new_timings(1920, 1080, 50))))
    assert not found.same_signal(timings.DvTimings.parse(bytes(new_timings(1280, 1080, 90))))


def test_signals_that_cannot_be_shown(new_timings: Callable[..., uapi.DvTimingsStruct]) -> None:
    def refusal(*mode: int, interlaced: bool = False) -> NoSignal | None:
        raw = bytes(new_timings(*mode, interlaced=interlaced))
        return timings.unusable(timings.DvTimings.parse(raw))

    assert refusal(1920, 1080, 60) is None
    interlaced = refusal(1920, 1080, 30, interlaced=True)
    assert interlaced is not None
    assert "interlaced 1920x1080" in interlaced.reason
    assert refusal(0, 0, 0) == NoSignal(timings.NOT_STABLE)


def test_reasons_of_errors_and_status_bits() -> None:
    assert timings.no_signal_of_errno(errno.ENOLINK) == NoSignal(timings.NOTHING_THERE)
    assert timings.no_signal_of_errno(errno.ENOLCK) == NoSignal(timings.NOT_STABLE)
    assert timings.no_signal_of_errno(errno.ERANGE) == NoSignal(timings.OUT_OF_RANGE)
    assert timings.no_signal_of_errno(errno.EIO) is None
    assert timings.no_signal_of_errno(None) is None
    assert timings.no_signal_of_status(0) is None
    assert timings.no_signal_of_status(0x2) == NoSignal(timings.NOTHING_THERE)
    assert timings.no_signal_of_status(0x10000) == NoSignal(timings.NOT_STABLE)
    assert timings.no_signal_of_status(0x1) == NoSignal(timings.NO_POWER)
