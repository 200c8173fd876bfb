"""Wrong arguments and broken circumstances: an error that says what was expected, never a crash or a leak."""

from __future__ import annotations

import contextlib
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.video import pillow_jpeg
from drivers.video.frame import RAW_FORMATS, PixelFormat
from drivers.video.jpeg import Engine

GOOD = {
    "buffer": bytes(64 * 48 * 2),
    "width": 64,
    "height": 48,
    "stride_bytes": 128,
    "pixel_format": "YUYV",
    "quality": 80,
}


def _encode(engine: Engine, **changes: Any) -> bytes:
    return engine.encoder().encode(*{**GOOD, **changes}.values())


def _same(engine: Engine, **changes: Any) -> bool:
    """Compare a good picture with one that has *changes*."""
    arguments = {
        "a": GOOD["buffer"],
        "b": GOOD["buffer"],
        "width": 64,
        "height": 48,
        "stride_a_bytes": 128,
        "stride_b_bytes": 128,
        "pixel_format": "YUYV",
    }
    return engine.same(*{**arguments, **changes}.values())


def _released() -> memoryview:
    view = memoryview(b"x" * 9999)
    view.release()
    return view


BETWEEN = "expected {} between 1 and {}, got {}"
NAMES = "YUYV, UYVY, RGB24, BGR24, BGRX32, GREY, NV12, YUV420"
WRONG_FOR_BOTH: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"width": 0}, ValueError, BETWEEN.format("width", 65500, 0)),
    ({"width": -2}, ValueError, BETWEEN.format("width", 65500, -2)),
    ({"width": 65501}, ValueError, BETWEEN.format("width", 65500, 65501)),
    ({"width": 2**32 + 64}, ValueError, BETWEEN.format("width", 65500, 2**32 + 64)),
    ({"width": 2**64 + 64}, ValueError, BETWEEN.format("width", 65500, "a number of more than 64 bits")),
    ({"width": -(10**4000)}, ValueError, BETWEEN.format("width", 65500, "a number of more than 64 bits")),
    ({"width": 64.0}, TypeError, "expected width to be an int, got float"),
    ({"width": "64"}, TypeError, "expected width to be an int, got str"),
    ({"height": 0}, ValueError, BETWEEN.format("height", 65500, 0)),
    ({"height": 65501}, ValueError, BETWEEN.format("height", 65500, 65501)),
    ({"height": None}, TypeError, "expected height to be an int, got NoneType"),
    ({"pixel_format": "MJPG"}, ValueError, f"expected pixel_format to be one of {NAMES}, got 'MJPG'"),
    ({"pixel_format": "yuyv"}, ValueError, f"expected pixel_format to be one of {NAMES}, got 'yuyv'"),
    ({"pixel_format": "YUYV\0"}, ValueError, f"expected pixel_format to be one of {NAMES}, got 'YUYV\\x00'"),
    ({"pixel_format": "\ud800"}, ValueError, f"expected pixel_format to be one of {NAMES}, got '\\ud800'"),
    ({"pixel_format": 5}, TypeError, "expected pixel_format to be a str, got int"),
    ({"pixel_format": b"YUYV"}, TypeError, "expected pixel_format to be a str, got bytes"),
    ({"width": 63}, ValueError, "expected an even width for YUYV, two pixels share a colour, got 63"),
    (
        {"width": 63, "pixel_format": "UYVY"},
        ValueError,
        "expected an even width for UYVY, two pixels share a colour, got 63",
    ),
    (
        {"width": 65500, "height": 65500, "pixel_format": "GREY"},
        ValueError,
        "expected at most 268435456 pixels, got 65500 x 65500",
    ),
    (
        {"height": 49},
        ValueError,
        "of at least 6272 bytes for YUYV 64 x 49 with a stride of 128, got 6144",
    ),
]
WRONG_STRIDE: list[tuple[dict[str, Any], int, str]] = [
    ({}, 127, "expected a stride of at least 128 bytes for YUYV 64 pixels wide, got 127"),
    ({}, 1, "expected a stride of at least 128 bytes for YUYV 64 pixels wide, got 1"),
    (
        {"pixel_format": "RGB24"},
        191,
        "expected a stride of at least 192 bytes for RGB24 64 pixels wide, got 191",
    ),
    (
        {"pixel_format": "BGRX32"},
        255,
        "expected a stride of at least 256 bytes for BGRX32 64 pixels wide, got 255",
    ),
    (
        {"pixel_format": "GREY"},
        63,
        "expected a stride of at least 64 bytes for GREY 64 pixels wide, got 63",
    ),
    (
        {"pixel_format": "NV12", "width": 63},
        63,
        "expected a stride of at least 64 bytes for NV12 63 pixels wide, got 63",
    ),
    (
        {"pixel_format": "YUV420", "width": 63},
        62,
        "expected a stride of at least 63 bytes for YUV420 63 pixels wide, got 62",
    ),
    ({}, 0, "between 1 and 2147483647, got 0"),
    ({}, -128, "between 1 and 2147483647, got -128"),
    ({}, 2**31, "between 1 and 2147483647, got 2147483648"),
    ({}, 2**31 - 1, "of at least 100931731537 bytes for YUYV 64 x 48 with a stride of 2147483647, got 6144"),
]
WRONG_BUFFERS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: b"", ValueError, "of at least 6144 bytes for YUYV 64 x 48 with a stride of 128, got 0"),
    (
        lambda: bytes(6143),
        ValueError,
        "of at least 6144 bytes for YUYV 64 x 48 with a stride of 128, got 6143",
    ),
    (lambda: None, TypeError, "to support the buffer protocol, got NoneType"),
    (lambda: "x" * 6144, TypeError, "to support the buffer protocol, got str"),
    (lambda: [0] * 6144, TypeError, "to support the buffer protocol, got list"),
    (lambda: memoryview(bytes(12288))[::2], ValueError, "to be C-contiguous, got a memoryview that is not"),
    (lambda: memoryview(bytes(6144))[::-1], ValueError, "to be C-contiguous, got a memoryview that is not"),
    (lambda: np.zeros((48, 256), np.uint8)[:, :128], ValueError, "to be C-contiguous, got a"),
    (lambda: np.zeros((128, 48), np.uint8, order="F"), ValueError, "to be C-contiguous, got a"),
    (_released, ValueError, "operation forbidden on released memoryview object"),
]


@pytest.mark.parametrize(("changes", "error", "message"), WRONG_FOR_BOTH, ids=lambda value: str(value)[:40])
def test_wrong_pictures_are_refused_by_name(
    any_engine: Engine, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    for call in (_encode, _same):
        with pytest.raises(error) as caught:
            call(any_engine, **changes)
        assert message in str(caught.value)
        assert type(caught.value) is error


@pytest.mark.parametrize(("changes", "stride", "message"), WRONG_STRIDE)
def test_wrong_strides_are_refused_by_name(
    any_engine: Engine, changes: dict[str, Any], stride: int, message: str
) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        _encode(any_engine, stride_bytes=stride, **changes)
    assert message in str(caught.value)
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        _same(any_engine, stride_a_bytes=stride, **changes)
    assert message in str(caught.value)
    good = {"stride_a_bytes": 256, "a": bytes(256 * 48 * 2), **changes}
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        _same(any_engine, stride_b_bytes=stride, **good)
    assert message in str(caught.value)


@pytest.mark.parametrize(("make", "error", "message"), WRONG_BUFFERS)
def test_wrong_buffers_are_refused_by_name(
    any_engine: Engine, make: Callable[[], Any], error: type[Exception], message: str
) -> None:
    for call, name in ((_encode, "buffer"), (_same, "a"), (_same, "b")):
        with pytest.raises(error) as caught:
            call(any_engine, **{name: make()})
        assert message in str(caught.value)
        assert f"expected {name} " in str(caught.value) or "released" in message


def test_a_refused_buffer_is_given_back(any_engine: Engine) -> None:
    for call, name in ((_encode, "buffer"), (_same, "a"), (_same, "b")):
        short = bytearray(100)
        with pytest.raises(ValueError, match=f"expected {name} of at least 6144 bytes"):
            call(any_engine, **{name: short})
        short.append(0)  # BufferError if anybody still held it


@pytest.mark.parametrize("quality", [0, -1, 101, 2**31, 2**70])
def test_quality_out_of_range_is_refused(any_engine: Engine, quality: int) -> None:
    with pytest.raises(ValueError, match="expected quality between 1 and 100, got "):
        _encode(any_engine, quality=quality)
    with pytest.raises(TypeError, match="expected quality to be an int, got float"):
        _encode(any_engine, quality=float(quality))


@pytest.mark.parametrize("pixel_format", RAW_FORMATS)
def test_one_byte_too_few_is_refused_and_no_byte_more_is_asked(
    any_engine: Engine, pixel_format: PixelFormat, pictures: Any
) -> None:
    for width, height, padding in [(2, 1, 0), (64, 48, 0), (64, 48, 7), (34, 33, 5), (34, 33, 0)]:
        frame = pictures.lay_out(pictures.known(width, height), pixel_format, padding)
        last_padding = {PixelFormat.YUV420: (frame.stride_bytes + 1) // 2 - (width + 1) // 2}
        needed = len(frame.data) - last_padding.get(pixel_format, padding)
        geometry = {"width": width, "height": height, "stride_bytes": frame.stride_bytes}
        whole = _encode(any_engine, buffer=frame.data[:needed], pixel_format=pixel_format, **geometry)
        assert whole == _encode(any_engine, buffer=frame.data, pixel_format=pixel_format, **geometry)
        with pytest.raises(ValueError, match=f"of at least {needed} bytes for {pixel_format} "):
            _encode(any_engine, buffer=frame.data[: needed - 1], pixel_format=pixel_format, **geometry)


def test_the_number_of_arguments_is_checked(any_engine: Engine) -> None:
    encoder: Any = any_engine.encoder()
    same: Any = any_engine.same
    for count in (0, 5, 7):
        with pytest.raises(TypeError):
            encoder.encode(*([1] * count))
    for count in (0, 6, 8):
        with pytest.raises(TypeError):
            same(*([1] * count))
    make: Any = any_engine.encoder
    with pytest.raises(TypeError):
        make(1, 2)
    with pytest.raises(TypeError):
        make(threads=1)
    for threads in (0, 17):
        with pytest.raises(ValueError, match="threads between 1 and 16"):
            make(threads)
    for count in (0, 6, 9):
        with pytest.raises(TypeError):
            encoder.encode_changes(*([1] * count))


def test_the_type_is_closed(turbo: Engine) -> None:
    kind: Any = turbo.encoder
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Derived", (kind,), {})
    with pytest.raises(TypeError, match="immutable type"):
        kind.encode = None


def test_an_encoder_works_after_every_error(any_engine: Engine) -> None:
    encoder: Any = any_engine.encoder()
    wanted = encoder.encode(*GOOD.values())
    for changes, error, _ in WRONG_FOR_BOTH:
        with pytest.raises(error):
            encoder.encode(*{**GOOD, **changes}.values())
        assert encoder.encode(*GOOD.values()) == wanted


class _Mischievous:
    """An int whose reading encodes with the same encoder, shrinks the buffer, or fails."""

    def __init__(self, value: int, deed: Callable[[], object]) -> None:
        self.value = value
        self.deed = deed

    def __index__(self) -> int:
        self.deed()
        return self.value


def test_code_run_by_arguments_cannot_get_in_between(any_engine: Engine) -> None:
    encoder: Any = any_engine.encoder()
    wanted = encoder.encode(*GOOD.values())
    again = _Mischievous(80, lambda: encoder.encode(*GOOD.values()))
    assert encoder.encode(*{**GOOD, "quality": again}.values()) == wanted
    shrinking = bytearray(64 * 48 * 2)
    with pytest.raises(ValueError, match=r"got 0$"):
        encoder.encode(*{**GOOD, "buffer": shrinking, "quality": _Mischievous(80, shrinking.clear)}.values())
    with pytest.raises(ZeroDivisionError):
        encoder.encode(*{**GOOD, "width": _Mischievous(64, lambda: 1 // 0)}.values())


ANYTHING = st.one_of(
    st.integers(-3, 80),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, 2**15, 65499, 65500, 65501, 2**16, 2**31 - 1, 2**31, 2**32, 2**63, 2**64]),
    st.floats(),
    st.none(),
    st.booleans(),
    st.text(max_size=8),
    st.sampled_from(RAW_FORMATS),
    st.binary(max_size=300),
    st.builds(bytearray, st.integers(0, 20000)),
    st.builds(
        lambda n, step: memoryview(bytes(n))[::step], st.integers(0, 9000), st.sampled_from([1, 2, -1])
    ),
)


@st.composite
def _arguments(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `encode` that are often right, and up to three of them anything."""
    arguments: list[Any] = [
        draw(st.sampled_from([bytes(70000), bytes(400), bytearray(9000)])),
        draw(st.integers(1, 80)),
        draw(st.integers(1, 80)),
        draw(st.integers(60, 400)),
        draw(st.sampled_from(RAW_FORMATS)),
        draw(st.integers(1, 100)),
    ]
    for i in draw(st.sets(st.integers(0, 5), max_size=3)):
        arguments[i] = draw(ANYTHING)
    return tuple(arguments)


@given(arguments=_arguments())
@settings(max_examples=1500, deadline=None)
def test_garbage_never_crashes(turbo: Engine, pictures: Any, arguments: tuple[Any, ...]) -> None:
    buffer, width, height, stride, pixel_format, _ = arguments
    encoder: Any = turbo.encoder()
    with contextlib.suppress(ValueError, TypeError):
        jpeg = encoder.encode(*arguments)
        assert pictures.decode(jpeg).shape == (int(height), int(width), 3)
    same: Any = turbo.same
    with contextlib.suppress(ValueError, TypeError):
        assert same(buffer, buffer, width, height, stride, stride, pixel_format)


@given(arguments=_arguments())
@settings(max_examples=400, deadline=None)
def test_both_engines_say_the_same(turbo: Engine, arguments: tuple[Any, ...]) -> None:
    said: list[object] = []
    for encoder in (turbo.encoder(), pillow_jpeg.Encoder()):
        try:
            said.append(encoder.encode(*arguments)[:2])
        except (ValueError, TypeError) as exc:
            said.append((type(exc), str(exc)))
    assert said[0] == said[1]


def test_no_byte_outside_the_buffer_is_touched(run_python: Callable[[str], str]) -> None:
    """The picture lies between two pages that fault on any access, first against the one, then the other."""
    said = run_python("""
        import ctypes, mmap
        from drivers.video import _jpeg

        page = mmap.PAGESIZE
        room = 64 * page
        mapped = mmap.mmap(-1, room + 2 * page)
        mapped[:] = bytes(range(256)) * (len(mapped) // 256)
        start = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for guard in (start, start + page + room):
            assert libc.mprotect(guard, page, 0) == 0
        inside = memoryview(mapped)[page : page + room]
        encoder = _jpeg.Encoder()
        packed = {"YUYV": 2, "UYVY": 2, "RGB24": 3, "BGR24": 3, "BGRX32": 4}
        widths = [*range(1, 40), 63, 64, 65, 127, 128, 129]
        sizes = [(width, height) for width in widths for height in (1, 2, 7, 8, 9, 16, 17, 31)]
        for name in [*packed, "GREY", "NV12", "YUV420"]:
            pixel_bytes = packed.get(name, 1)
            for width, height in sizes:
                if pixel_bytes == 2 and width % 2:
                    continue
                for padding in (0, 3):
                    stride = (width + width % 2 if name == "NV12" else width) * pixel_bytes + padding
                    try:
                        encoder.encode(b"", width, height, stride, name, 90)
                    except ValueError as exc:
                        needed = int(str(exc).split()[5])
                    first, last = inside[:needed], inside[room - needed :]
                    encoder.encode(first, width, height, stride, name, 90)
                    encoder.encode(last, width, height, stride, name, 90)
                    _jpeg.same(first, last, width, height, stride, stride, name)
                    assert _jpeg.same(last, last, width, height, stride, stride, name)
        print("done")
    """)
    assert said == "done\n"


def test_running_out_of_memory_is_an_error_and_no_more(run_python: Callable[[str], str]) -> None:
    """First inside the library, then while it writes to our own buffer."""
    said = run_python("""
        import os
        import resource
        from drivers.video import _jpeg

        def limit(more):
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))

        def encode():
            return encoder.encode(small, 64, 48, 64, "GREY", 80)

        encoder = _jpeg.Encoder()
        small, noise = bytes(64 * 48), os.urandom(4000 * 4000)
        large = bytes(8000 * 8000)
        wanted = encode()
        limit(1 << 20)
        try:
            encoder.encode(large, 8000, 8000, 8000, "GREY", 80)
            raise SystemExit("expected a MemoryError")
        except MemoryError:
            pass
        assert encode() == wanted
        limit(4 << 20)  # the file grows while it is written
        try:
            encoder.encode(noise, 4000, 4000, 4000, "GREY", 100)
            raise SystemExit("expected a MemoryError again")
        except MemoryError:
            pass
        limit(1 << 30)
        assert encode() == wanted
        print("done")
    """)
    assert said == "done\n"


def test_nothing_leaks(turbo: Engine) -> None:
    def work(times: int) -> None:
        for _ in range(times):
            encoder: Any = turbo.encoder()
            encoder.encode(*GOOD.values())
            for changes, error, _ in WRONG_FOR_BOTH[:-2]:
                with pytest.raises(error):
                    encoder.encode(*{**GOOD, **changes}.values())

    work(10)
    tracemalloc.start()
    try:
        work(10)
        before = tracemalloc.get_traced_memory()[0]
        work(50)
        grown_bytes = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown_bytes < 50 * 1000  # the smallest thing an encoder owns is larger than 1000 bytes


def test_handles_of_the_library_are_given_back(turbo: Engine) -> None:
    def resident_bytes() -> int:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    for _ in range(1000):
        turbo.encoder()
    before = resident_bytes()
    for _ in range(20000):  # each is several KB: a leak would be more than 50 MB
        turbo.encoder()
    assert resident_bytes() - before < 20 << 20
