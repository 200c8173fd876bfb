"""Repair: what devices leave out is put in, what they add is left out, and what cannot be shown is named."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from drivers.video import _jpeg, mjpeg, python_mjpeg
from drivers.video.frame import DamagedPictureError, Frame, PixelFormat
from drivers.video.jpeg import JpegEncoder, same_picture

SOF0, DHT, SOI, EOI, SOS, DQT, DRI, APP0 = 0xC0, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0
AVI1 = b"\xff\xe0\x00\x21AVI1" + bytes(27)
"""What old encoders put in place of JFIF's segment."""
WIDTH, HEIGHT = 160, 96


def _made(**options: Any) -> bytes:
    """A picture of noise, so that each part of it takes as much of the data as any other."""
    noise: NDArray[np.uint8] = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    image, output = Image.fromarray(noise), io.BytesIO()
    (image.convert("L") if options.pop("grey", False) else image).save(
        output, "JPEG", **{"quality": 80, "subsampling": "4:2:2", **options}
    )
    return output.getvalue()


def _segments(jpeg: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Take a whole picture apart: marker, place and bytes of each segment, the scan's data included."""
    yield SOI, 0, jpeg[:2]
    at = 2
    while jpeg[at + 1] != SOS:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        yield jpeg[at + 1], at, jpeg[at : at + length]
        at += length
    yield SOS, at, jpeg[at:-2]
    yield EOI, len(jpeg) - 2, jpeg[-2:]


def _without(jpeg: bytes, *markers: int) -> bytes:
    return b"".join(data for marker, _, data in _segments(jpeg) if marker not in markers)


def _place(jpeg: bytes, wanted: int) -> int:
    return next(at for marker, at, _ in _segments(jpeg) if marker == wanted)


def _put(jpeg: bytes, before: int, what: bytes) -> bytes:
    at = _place(jpeg, before)
    return jpeg[:at] + what + jpeg[at:]


def _segment(wanted: int) -> bytes:
    return next(data for marker, _, data in _segments(WHOLE) if marker == wanted)


def _with_byte(jpeg: bytes, marker: int, offset: int, value: int) -> bytes:
    """Set the byte that lies *offset* behind the beginning of a segment."""
    changed = bytearray(jpeg)
    changed[_place(jpeg, marker) + offset] = value
    return bytes(changed)


def _cut(jpeg: bytes, share: float) -> bytes:
    """Keep *share* of the scan's data, and no end marker."""
    at = _place(jpeg, SOS)
    start = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return jpeg[: start + round((len(jpeg) - 2 - start) * share)]


def _decode(jpeg: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image)


WHOLE = _made()
"""4:2:2 and the standard tables: 10 x 12 units."""
RESTARTING = _made(restart_marker_blocks=5)
KINDS: dict[str, bytes] = {
    "4:4:4": _made(subsampling="4:4:4"),
    "4:2:2": WHOLE,
    "4:2:0": _made(subsampling="4:2:0"),
    "grey": _made(grey=True),
    "tables of its own": _made(optimize=True),
    "restart markers": RESTARTING,
    "flat": _made(quality=1),
}


@pytest.fixture(params=[_jpeg, python_mjpeg], ids=["extension", "Python"])
def engine(request: pytest.FixtureRequest) -> ModuleType:
    """Each engine in turn."""
    module: ModuleType = request.param
    return module


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_picture_stays_what_it_is(engine: ModuleType, kind: str) -> None:
    jpeg = KINDS[kind]
    assert engine.repair(jpeg, WIDTH, HEIGHT) == jpeg
    assert engine.repair(memoryview(bytearray(jpeg)), WIDTH, HEIGHT) == jpeg


@pytest.mark.parametrize("behind", [b"", bytes(5000), b"\xff" * 16, WHOLE], ids=["", "0", "FF", "another"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_around_is_left_out_and_the_end_is_put_in(
    engine: ModuleType, kind: str, behind: bytes
) -> None:
    jpeg = KINDS[kind]
    for front in (b"", b"\0\0\xff\xd8\0junk\xff", b"\xff\xd8", WHOLE[: _place(WHOLE, SOF0)]):
        for body in (jpeg, jpeg[:-2], jpeg[:-1]):
            assert engine.repair(front + body + behind, WIDTH, HEIGHT) == jpeg


def test_missing_huffman_tables_are_put_in(engine: ModuleType) -> None:
    sent = AVI1.join((WHOLE[:2], _without(WHOLE, SOI, APP0, DHT)))
    assert b"\xff\xc4" not in sent
    repaired = engine.repair(sent, WIDTH, HEIGHT)
    tables = b"".join(data[4:] for marker, _, data in _segments(WHOLE) if marker == DHT)
    assert sorted(tables) == sorted(repaired[_place(repaired, DHT) + 4 : _place(repaired, SOS)])
    # The rest is what was sent, and it reads as the whole one does.
    assert _without(repaired, DHT) == sent
    assert np.array_equal(_decode(repaired), _decode(WHOLE))
    # A grey picture names only two of them, which then share a segment.
    grey = engine.repair(_without(KINDS["grey"], DHT), WIDTH, HEIGHT)
    assert len(grey) + 4 == len(KINDS["grey"])
    assert np.array_equal(_decode(grey), _decode(KINDS["grey"]))


def test_tables_that_are_there_stay(engine: ModuleType) -> None:
    """Of tables of its own a picture may have the one half, and mean the standard ones by the other."""
    kept = [data for marker, _, data in _segments(WHOLE) if marker == DHT]
    assert len(kept) == 4
    for missing in range(4):
        there = b"".join(kept[:missing] + kept[missing + 1 :])
        repaired = engine.repair(_put(_without(WHOLE, DHT), SOS, there), WIDTH, HEIGHT)
        assert sorted(repaired) == sorted(WHOLE)
        assert np.array_equal(_decode(repaired), _decode(WHOLE))


def test_fill_bytes_and_rubbish_between_segments_are_left_out(engine: ModuleType) -> None:
    sent = _put(_put(WHOLE, SOF0, b"\0\0\0 rubbish \xff\0\xff\xd3\xff\x01"), DQT, b"\xff\xff\xff")
    assert len(sent) > len(WHOLE)
    assert engine.repair(sent, WIDTH, HEIGHT) == WHOLE
    comments = b"\0\xff\xfe\x00\x03x" * 70
    with pytest.raises(DamagedPictureError, match=r"in at most 64 pieces, got more by byte \d+"):
        engine.repair(_put(WHOLE, DQT, comments), WIDTH, HEIGHT)


@pytest.mark.parametrize(("width", "height"), [(160, 96), (159, 95), (145, 89)])
def test_sides_that_are_those_of_the_units_are_set_right(engine: ModuleType, width: int, height: int) -> None:
    """1080 lines are coded as 1088, and some devices say so."""
    repaired = engine.repair(WHOLE, width, height)
    assert np.array_equal(_decode(repaired), _decode(WHOLE)[:height, :width])
    assert engine.repair(repaired, 160, 96) == WHOLE


DAMAGED: list[tuple[str, Callable[[], bytes], str]] = [
    ("nothing", lambda: b"", "expected the start of a JPEG picture, got none in 0 bytes"),
    ("zeros", lambda: bytes(9000), "expected the start of a JPEG picture, got none in 9000 bytes"),
    ("half a start", lambda: b"\xff\xd8", "expected the start of a JPEG picture, got none in 2 bytes"),
    ("no scan", lambda: _without(WHOLE, SOS), "expected a scan, got none in"),
    ("only its start", lambda: b"\xff\xd8\xff", "expected a scan, got none in 3 bytes"),
    ("no frame", lambda: _without(WHOLE, SOF0), "expected a frame header before the scan at byte"),
    ("two frames", lambda: _put(WHOLE, SOS, _segment(SOF0)), "got a second one at byte"),
    ("no quantisation", lambda: _without(WHOLE, DQT), "expected the quantisation table 0, got none"),
    (
        "cut header",
        lambda: WHOLE[:100],
        "expected the segment FF DB at byte 89 to end within 100 bytes, got 67",
    ),
    ("cut length", lambda: WHOLE[:92], "expected the segment FF DB at byte 89 to end within 92 bytes, got 0"),
    ("no length", lambda: _with_byte(WHOLE, DQT, 3, 1), "to end within"),
    (
        "progressive",
        lambda: _with_byte(WHOLE, SOF0, 1, 0xC2),
        "a baseline JPEG picture, got the marker FF C2",
    ),
    ("lossless", lambda: _with_byte(WHOLE, SOF0, 1, 0xC3), "a baseline JPEG picture, got the marker FF C3"),
    ("arithmetic", lambda: _with_byte(WHOLE, SOF0, 1, 0xC9), "a baseline JPEG picture, got the marker FF C9"),
    ("unknown", lambda: _with_byte(WHOLE, DQT, 1, 0x42), "a baseline JPEG picture, got the marker FF 42"),
    ("12 bits", lambda: _with_byte(WHOLE, SOF0, 4, 12), "expected 8 bits for each sample, got 12"),
    (
        "no height",
        lambda: _with_byte(WHOLE, SOF0, 6, 0),
        "expected a picture of 160 x 96 pixels, got 160 x 0",
    ),
    ("no width", lambda: _with_byte(WHOLE, SOF0, 8, 0), "expected a picture of 160 x 96 pixels, got 0 x 96"),
    ("larger", lambda: _with_byte(WHOLE, SOF0, 7, 1), "expected a picture of 160 x 96 pixels, got 416 x 96"),
    (
        "short frame",
        lambda: _with_byte(WHOLE, SOF0, 9, 4),
        "expected a frame header as long as it says at byte",
    ),
    (
        "2 components",
        lambda: _put(_without(WHOLE, SOF0), SOS, bytes.fromhex("ffc0000e08006000a002" + "012100021101")),
        "expected 1 or 3 components, got 2",
    ),
    ("no sampling", lambda: _with_byte(WHOLE, SOF0, 11, 0x20), "sampling factors between 1 and 4, got 2 x 0"),
    (
        "two thirds",
        lambda: _with_byte(_with_byte(WHOLE, SOF0, 11, 0x31), SOF0, 14, 0x21),
        "divide the largest",
    ),
    ("16 blocks", lambda: _with_byte(WHOLE, SOF0, 11, 0x44), "expected at most 10 blocks in a unit, got 18"),
    ("table 7", lambda: _with_byte(WHOLE, SOF0, 12, 7), "of a quantisation table up to 3, got 7"),
    ("quantisation", lambda: _with_byte(WHOLE, DQT, 4, 0x20), "expected quantisation tables at byte"),
    ("many codes", lambda: _with_byte(WHOLE, DHT, 5, 2), "expected Huffman tables at byte"),
    ("code 5", lambda: _with_byte(WHOLE, DHT, 4, 0x05), "expected Huffman tables at byte"),
    ("symbol 16", lambda: _with_byte(WHOLE, DHT, 21, 16), "expected Huffman tables at byte"),
    ("interval", lambda: _put(WHOLE, SOS, b"\xff\xdd\x00\x03\x00"), "expected a restart interval of 2 bytes"),
    ("part of a scan", lambda: _with_byte(WHOLE, SOS, 4, 1), "expected one scan of all 3 components at byte"),
    ("component", lambda: _with_byte(WHOLE, SOS, 5, 9), "expected component 1 in the scan, got 9"),
    ("tables 2", lambda: _with_byte(WHOLE, SOS, 6, 0x20), "expected the Huffman tables 2 and 0, got none"),
    ("no data", lambda: _cut(WHOLE, 0), "expected a scan of at least 240 bytes, got 0"),
    ("little data", lambda: _cut(WHOLE, 0.001) + b"\xff\xd9", "expected a scan of at least 240 bytes, got"),
    ("half", lambda: _cut(WHOLE, 0.5), "expected a scan of 120 units, got one that breaks off after"),
    ("most", lambda: _cut(WHOLE, 0.92), "expected a scan of 120 units, got one that breaks off after"),
    ("zeros behind half", lambda: _cut(WHOLE, 0.5) + bytes(9), "expected a scan of 120 units, got one"),
    ("next behind half", lambda: _cut(WHOLE, 0.5) + WHOLE, "expected a scan of 120 units, got one"),
    (
        "a lost packet",
        lambda: RESTARTING.replace(b"\xff\xd1", b"", 1),
        "expected a scan of 120 units, got one",
    ),
]


@pytest.mark.parametrize(
    ("sent", "problem"), [case[1:] for case in DAMAGED], ids=[case[0] for case in DAMAGED]
)
def test_what_cannot_be_shown_is_named(engine: ModuleType, sent: Callable[[], bytes], problem: str) -> None:
    with pytest.raises(DamagedPictureError) as caught:
        engine.repair(sent(), WIDTH, HEIGHT)
    assert problem in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_picture_that_lacks_its_last_lines_is_shown(engine: ModuleType) -> None:
    sent = _cut(WHOLE, 0.97)
    repaired = engine.repair(sent, WIDTH, HEIGHT)
    assert repaired.startswith(sent[:-1])  # but for half a byte at most
    assert repaired.endswith(b"\xff\xd9")
    assert np.array_equal(_decode(repaired)[:88], _decode(WHOLE)[:88])
    # What was repaired is whole.
    assert engine.repair(repaired, WIDTH, HEIGHT) == repaired


def test_wrong_arguments_are_named(engine: ModuleType) -> None:
    for arguments, error, problem in (
        ((WHOLE, 0, 96), ValueError, "expected width between 1 and 65500, got 0"),
        ((WHOLE, 160, 65501), ValueError, "expected height between 1 and 65500, got 65501"),
        ((WHOLE, "160", 96), TypeError, "expected width to be an int, got str"),
        (("text", 160, 96), TypeError, "expected buffer to support the buffer protocol, got str"),
        ((memoryview(WHOLE)[::2], 160, 96), ValueError, "expected buffer to be C-contiguous"),
    ):
        with pytest.raises(error, match=problem) as caught:
            engine.repair(*arguments)
        assert type(caught.value) is error


def test_frames_of_other_formats_are_refused() -> None:
    frame = Frame(WHOLE, WIDTH, HEIGHT, 0, PixelFormat.JPEG, 0, 0)
    assert mjpeg.repair(frame) == WHOLE
    with pytest.raises(ValueError, match="expected a frame of the format JPEG, got YUYV"):
        mjpeg.repair(Frame(bytes(99), 1, 1, 2, PixelFormat.YUYV, 0, 0))


def test_nothing_leaks() -> None:
    before = sys.getrefcount(DamagedPictureError), sys.getrefcount(WHOLE)
    for _ in range(100):
        _jpeg.repair(WHOLE, WIDTH, HEIGHT)
        with pytest.raises(DamagedPictureError):
            _jpeg.repair(WHOLE, 640, 480)
    assert (sys.getrefcount(DamagedPictureError), sys.getrefcount(WHOLE)) == before


@st.composite
def _broken(draw: st.DrawFn) -> bytes:
    """A picture with some bytes changed, put in or taken out, mostly in its header, and perhaps cut off."""
    sent = bytearray(draw(st.sampled_from(list(KINDS.values()))))
    if draw(st.booleans()):
        sent = bytearray(_without(bytes(sent), DHT))
    bytes_ = st.sampled_from([0x00, 0x01, 0x11, 0xFF, 0xD9, 0xD8, 0xDA, 0xC4]) | st.integers(0, 255)
    for _ in range(draw(st.integers(0, 4))):
        # Of a scan only the ends matter: in the middle, anything may be the picture.
        at = draw(st.integers(0, 700) | st.integers(0, len(sent) - 1))
        what = draw(st.binary(max_size=3) | st.lists(bytes_, max_size=4).map(bytes))
        sent[at : at + draw(st.integers(0, 4))] = what
    end = draw(st.integers(0, 4) | st.integers(0, len(sent)))
    return bytes(sent[: len(sent) - end]) + draw(st.binary(max_size=8))


@given(_broken())
def test_both_engines_say_the_same_and_what_they_give_decodes(sent: bytes) -> None:
    def of(engine: Any) -> bytes | str:
        try:
            repaired: bytes = engine.repair(sent, WIDTH, HEIGHT)
        except DamagedPictureError as exc:
            return str(exc)
        return repaired

    result = of(_jpeg)
    assert result == of(python_mjpeg)
    if isinstance(result, bytes):
        assert _jpeg.repair(result, WIDTH, HEIGHT) == result
        try:
            simplejpeg.decode_jpeg(result, strict=False)
        except ValueError as exc:  # flaws that it gets over
            assert str(exc).startswith("Warning: ")


@given(st.binary(max_size=300), st.integers(1, 65500), st.integers(1, 65500))
def test_anything_behind_a_start_is_a_picture_or_named(behind: bytes, width: int, height: int) -> None:
    for engine in (_jpeg.repair, python_mjpeg.repair):
        with pytest.raises(DamagedPictureError):
            engine(b"\xff\xd8\xff" + behind, width, height)


def test_the_encoder_passes_pictures_on() -> None:
    """What the streamer sees of a JPEG frame: the same, made whole, at any quality; no second encoding."""

    def frame(data: bytes) -> Frame:
        return Frame(memoryview(data), WIDTH, HEIGHT, 0, PixelFormat.JPEG, 0, 0)

    encoder = JpegEncoder()
    for quality in (1, 80, 100):
        assert encoder.encode(frame(b"\0" + WHOLE[:-2]), quality) == WHOLE
    with pytest.raises(DamagedPictureError):
        encoder.encode(frame(_cut(WHOLE, 0.5)), 80)
    last = frame(b"\0" + WHOLE[:-2])
    assert encoder.encode_changes(last, 80, None) == WHOLE
    assert encoder.encode_changes(frame(b"\0" + WHOLE[:-2]), 80, last) is None
    assert encoder.encode_changes(frame(RESTARTING), 80, last) == RESTARTING
    raw = Frame(bytes(WIDTH * HEIGHT), WIDTH, HEIGHT, WIDTH, PixelFormat.GREY, 0, 0)
    assert encoder.encode_changes(frame(WHOLE), 80, raw) == WHOLE
    assert same_picture(frame(WHOLE), frame(bytes(bytearray(WHOLE))))
    assert not same_picture(frame(WHOLE), frame(RESTARTING))
