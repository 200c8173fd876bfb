from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import BadReplyError, NotSupportedError
from drivers.wire.rfb import RfbClient, RfbEvent, RfbReady, RfbResized, RfbUpdated

VERSION = b"RFB 003.008\n"
# What QEMU 7.2 says of its format: 32 bits, depth 24, little endian, true colour, 8 bits each at 16, 8, 0.
FORMAT = bytes.fromhex("2018000100ff00ff00ff100800000000")


def server_init(width: int, height: int) -> bytes:
    return struct.pack(">HH", width, height) + FORMAT + struct.pack(">I", 4) + b"QEMU"


def greeting(width: int = 4, height: int = 3) -> bytes:
    """All that a server says until the first update, in one piece."""
    return VERSION + b"\x01\x01" + bytes(4) + server_init(width, height)


def raw(x: int, y: int, width: int, height: int, pixels: bytes) -> bytes:
    assert len(pixels) == width * height * 4
    return struct.pack(">HHHHi", x, y, width, height, 0) + pixels


def new_size(width: int, height: int) -> bytes:
    return struct.pack(">HHHHi", 0, 0, width, height, -223)


def update(*rectangles: bytes) -> bytes:
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


def connected(width: int = 4, height: int = 3) -> RfbClient:
    client = RfbClient()
    assert client.receive(greeting(width, height)) == [RfbReady("QEMU")]
    client.data_to_send()
    return client


def test_the_handshake_says_what_we_can() -> None:
    client = RfbClient()
    assert client.receive(VERSION) == []
    assert client.data_to_send() == VERSION
    assert client.receive(b"\x02\x02\x01") == []
    assert client.data_to_send() == b"\x01"
    assert client.receive(bytes(4)) == []
    assert client.data_to_send() == b"\x01"
    assert client.receive(server_init(720, 400)) == [RfbReady("QEMU")]
    assert client.data_to_send() == (
        bytes(4) + bytes.fromhex("2018000100ff00ff00ff100800000000") + struct.pack(">BxHii", 2, 2, 0, -223)
    )
    assert (client.width_px, client.height_px, len(client.framebuffer)) == (720, 400, 720 * 400 * 4)


def test_an_update_request_covers_the_picture() -> None:
    client = connected(720, 400)
    client.request_update(incremental=True)
    client.request_update(incremental=False)
    assert client.data_to_send() == struct.pack(">BBHHHH", 3, 1, 0, 0, 720, 400) + struct.pack(
        ">BBHHHH", 3, 0, 0, 0, 720, 400
    )


SESSION = (
    greeting(4, 3)
    + update(raw(0, 0, 4, 3, bytes(range(48))))
    + b"\x02"  # bell
    + b"\x03\0\0\0"
    + struct.pack(">I", 5)
    + b"hello"  # cut text
    + update(raw(1, 1, 2, 2, b"\xaa" * 16), raw(0, 0, 0, 0, b""))
    + update()
    + update(new_size(2, 2))
    + update(raw(1, 0, 1, 2, b"\xbb" * 8), raw(0, 1, 1, 1, b"\xcc" * 4))
)
EVENTS: list[RfbEvent] = [
    RfbReady("QEMU"),
    RfbUpdated(pixels=True),
    RfbUpdated(pixels=True),
    RfbUpdated(pixels=False),
    RfbResized(2, 2),
    RfbUpdated(pixels=False),
    RfbUpdated(pixels=True),
]
LAST_PICTURE = bytes(4) + b"\xbb" * 4 + b"\xcc" * 4 + b"\xbb" * 4


def test_a_session_split_at_every_byte() -> None:
    for cut in range(len(SESSION) + 1):
        client = RfbClient()
        assert client.receive(SESSION[:cut]) + client.receive(SESSION[cut:]) == EVENTS
        assert client.framebuffer == LAST_PICTURE
        assert not client.in_update


def test_a_session_byte_by_byte() -> None:
    client = RfbClient()
    assert [event for byte in SESSION for event in client.receive(bytes([byte]))] == EVENTS
    assert client.framebuffer == LAST_PICTURE


def test_the_picture_is_marked_while_it_is_between_two_states() -> None:
    client = connected(4, 3)
    message = update(raw(0, 0, 4, 1, bytes(16)), raw(0, 1, 4, 1, bytes(16)))
    for position, byte in enumerate(message):
        assert client.in_update == (position >= 4), position
        client.receive(bytes([byte]))
    assert not client.in_update


@dataclass
class Rectangle:
    x: int
    y: int
    width: int
    height: int
    fill: int


@st.composite
def rectangles(draw: st.DrawFn) -> Rectangle:
    x, y = draw(st.integers(0, 15)), draw(st.integers(0, 11))
    return Rectangle(
        x, y, draw(st.integers(0, 16 - x)), draw(st.integers(0, 12 - y)), draw(st.integers(0, 255))
    )


@settings(max_examples=200)
@given(st.lists(st.lists(rectangles(), max_size=4), max_size=4), st.data())
def test_the_framebuffer_equals_a_naive_model(updates: list[list[Rectangle]], data: st.DataObject) -> None:
    model = [[0] * 16 for _ in range(12)]
    stream = greeting(16, 12)
    for each in updates:
        stream += update(
            *(raw(r.x, r.y, r.width, r.height, bytes([r.fill]) * (r.width * r.height * 4)) for r in each)
        )
        for r in each:
            for row in model[r.y : r.y + r.height]:
                row[r.x : r.x + r.width] = [r.fill] * r.width
    client = RfbClient()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        client.receive(stream[start:end])
    assert client.framebuffer == b"".join(bytes([value]) * 4 for row in model for value in row)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"RFB 003.003\n", "expected the RFB version"),
        (b"HTTP/1.1 400", "expected the RFB version"),
        (VERSION + b"\0" + struct.pack(">I", 4) + b"busy", "refused us: busy"),
        (VERSION + b"\0" + struct.pack(">I", 1 << 30), "expected a reason of"),
        (VERSION + b"\x01\x01\0\0\0\x01" + struct.pack(">I", 2) + b"no", "refused us: no"),
        (VERSION + b"\x01\x01" + bytes(4) + server_init(0, 480), "expected a picture of 1x1 to 4096x4096"),
        (VERSION + b"\x01\x01" + bytes(4) + server_init(640, 4097), "got 640x4097"),
        (
            VERSION + b"\x01\x01" + bytes(4) + server_init(4, 4)[:20] + struct.pack(">I", 1 << 30),
            "expected a name of",
        ),
        (greeting() + b"\x01", "got type 1"),
        (greeting() + b"\xff", "got type 255"),
        (greeting() + b"\x03\0\0\0" + struct.pack(">I", 1 << 30), "cut text"),
        (greeting() + update(struct.pack(">HHHHi", 0, 0, 1, 1, 16)), "got encoding 16"),
        (greeting() + update(struct.pack(">HHHHi", 3, 0, 2, 1, 0)), "inside 4x3, got 2x1 at 3,0"),
        (greeting() + update(struct.pack(">HHHHi", 0, 3, 1, 1, 0)), "inside 4x3, got 1x1 at 0,3"),
        (greeting() + update(new_size(65535, 65535)), "got 65535x65535"),
        (greeting() + update(new_size(640, 0)), "got 640x0"),
    ],
)
def test_a_server_that_breaks_the_protocol_is_a_bad_reply(bad: bytes, message: str) -> None:
    with pytest.raises(BadReplyError, match=message):
        RfbClient().receive(bad)


def test_a_server_that_wants_a_password_is_not_supported() -> None:
    with pytest.raises(NotSupportedError, match="without authentication"):
        RfbClient().receive(VERSION + b"\x01\x02")


@given(st.binary(max_size=200))
def test_any_bytes_after_the_greeting_are_taken_or_refused(noise: bytes) -> None:
    client = connected()
    try:
        client.receive(noise)
    except BadReplyError:
        return
    assert len(client.framebuffer) == client.width_px * client.height_px * 4
