"""The CH9329's codec: WCH's own example frames, and replies in any company and any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire import ch9329 as wire
from drivers.wire.hid_to_qmp import PointerReport, parse_pointer


def reply_frame(code: int, data: bytes) -> bytes:
    body = b"\x57\xab\x00" + bytes((code, len(data))) + data
    return body + bytes((sum(body) % 256,))


REPLIES = st.builds(
    lambda command, error, data: (command, error, data),
    st.sampled_from([int(command) for command in wire.Command]),
    st.booleans(),
    st.binary(max_size=64),
)

# WCH's published examples.
EXAMPLES = [
    (wire.Command.GET_INFO, "", "57 ab 00 01 00 03"),
    (wire.Command.SEND_KEYBOARD, "00 00 04 00 00 00 00 00", "57 ab 00 02 08 00 00 04 00 00 00 00 00 10"),
    (wire.Command.SEND_MEDIA, "02 04 00 00", "57 ab 00 03 04 02 04 00 00 0f"),
    (wire.Command.SEND_ABSOLUTE, "02 00 40 01 15 02 00", "57 ab 00 04 07 02 00 40 01 15 02 00 67"),
    (wire.Command.SEND_RELATIVE, "01 02 00 00 00", "57 ab 00 05 05 01 02 00 00 00 0f"),
]


@pytest.mark.parametrize(("command", "data", "frame"), EXAMPLES)
def test_frames_are_those_of_the_makers_examples(command: wire.Command, data: str, frame: str) -> None:
    assert wire.encode(command, bytes.fromhex(data)) == bytes.fromhex(frame)


def test_the_makers_example_of_chip_information_is_read() -> None:
    (reply,) = wire.Decoder().feed(bytes.fromhex("57 ab 00 81 08 30 01 03 00 00 00 00 00 bf"))
    assert (reply.command, reply.error, reply.status) == (wire.Command.GET_INFO, False, wire.Status.OK)
    info = wire.Info.parse(reply.data)
    assert info == wire.Info(version=0x30, enumerated=True, leds=0x03)
    assert info.version_text == "1.0"


def test_an_error_reply_names_the_status() -> None:
    (reply,) = wire.Decoder().feed(bytes.fromhex("57 ab 00 c5 01 e4 ac"))
    assert (reply.command, reply.error, reply.status) == (
        wire.Command.SEND_RELATIVE,
        True,
        wire.Status.BAD_SUM,
    )
    assert reply.status is not None
    assert reply.status.is_noise
    assert "checksum" in reply.status.meaning


def test_every_status_has_a_meaning_and_an_unknown_one_is_none() -> None:
    assert all(status.meaning for status in wire.Status)
    (reply,) = wire.Decoder().feed(reply_frame(0xC2, b"\x99"))
    assert reply.status is None


@given(st.lists(REPLIES, max_size=4), st.data())
def test_replies_come_out_whatever_the_pieces(
    replies: list[tuple[int, bool, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(
        reply_frame(command | (0xC0 if error else 0x80), body) for command, error, body in replies
    )
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    decoder = wire.Decoder()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += decoder.feed(stream[start:end])
    assert [(reply.command, reply.error, reply.data) for reply in found] == replies


@given(st.binary(max_size=300), REPLIES)
def test_a_reply_is_found_after_garbage(garbage: bytes, reply: tuple[int, bool, bytes]) -> None:
    command, error, body = reply
    frame = reply_frame(command | (0xC0 if error else 0x80), body)
    decoder = wire.Decoder()
    # Garbage may look like the beginning of a frame: enough silence-like bytes after it end that.
    decoder.feed(garbage + b"\x00" * wire.MAX_FRAME_BYTES)
    assert frame in [
        reply_frame(found.command | (0xC0 if found.error else 0x80), found.data)
        for found in decoder.feed(frame)
    ]


@given(REPLIES, st.integers(0, 69), st.integers(1, 255))
def test_a_damaged_reply_is_not_taken_for_a_good_one(
    reply: tuple[int, bool, bytes], where: int, change: int
) -> None:
    command, error, body = reply
    frame = bytearray(reply_frame(command | (0xC0 if error else 0x80), body))
    frame[where % len(frame)] ^= change
    # A changed byte changes the sum, so nothing that covers the whole frame may come out.
    assert all(len(found.data) < len(body) for found in wire.Decoder().feed(bytes(frame)))


@given(st.binary(max_size=5000))
def test_the_decoder_holds_at_most_two_frames(data: bytes) -> None:
    decoder = wire.Decoder()
    decoder.feed(data)
    assert len(decoder._buffer) <= 2 * wire.MAX_FRAME_BYTES


def test_a_reset_forgets_half_a_frame() -> None:
    decoder = wire.Decoder()
    frame = reply_frame(0x82, b"\x00")
    decoder.feed(frame[:4])
    decoder.reset()
    assert decoder.feed(frame[4:]) == []
    assert len(decoder.feed(frame)) == 1


@pytest.mark.parametrize(("value", "chip"), [(0, 0), (16383, 2047), (16384, 2048), (32767, 4095)])
def test_positions_are_scaled_to_the_chips_grid(value: int, chip: int) -> None:
    data = wire.absolute_data(PointerReport(0xFF, value, 32767 - value, 0, 0))
    assert data[:2] == b"\x02\x07"
    assert int.from_bytes(data[2:4], "little") == chip
    assert int.from_bytes(data[4:6], "little") == 4095 - chip


def test_a_relative_report_keeps_its_deltas_and_loses_the_byte_that_means_nothing() -> None:
    report = parse_pointer(bytes((0x19, 0x80, 0x7F, 0xFF, 5)), absolute=False)
    assert wire.relative_data(report) == bytes((0x01, 0x01, 0x81, 0x7F, 0xFF))
    assert wire.relative_data(wire.without_motion(report, absolute=False)) == bytes((1, 1, 0, 0, 0))


def test_an_absolute_report_without_motion_keeps_its_position() -> None:
    report = PointerReport(1, 100, 200, 3, 4)
    assert wire.without_motion(report, absolute=True) == PointerReport(1, 100, 200, 0, 0)


def test_parameters_are_read_and_changed_without_touching_the_rest() -> None:
    raw = bytes.fromhex("80 80 05 00 00 25 80") + bytes(range(43))
    parameters = wire.Parameters.parse(raw)
    assert (parameters.work_mode, parameters.serial_mode, parameters.address) == (0x80, 0x80, 5)
    assert parameters.speed_baud == 9600
    faster = parameters.with_speed(115200)
    assert faster.speed_baud == 115200
    assert (faster.raw[:3], faster.raw[7:]) == (raw[:3], raw[7:])
    with pytest.raises(ValueError, match="expected 50 bytes"):
        wire.Parameters.parse(b"")


def test_strings_are_bounded() -> None:
    assert wire.usb_string_data(wire.UsbString.PRODUCT, "Keys") == b"\x01\x04Keys"
    with pytest.raises(ValueError, match="23 ASCII"):
        wire.usb_string_data(wire.UsbString.PRODUCT, "x" * 24)


@pytest.mark.parametrize("length", [0, 7, 9])
def test_a_keyboard_report_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="expected a keyboard report of 8 bytes"):
        wire.keyboard_data(bytes(length))


def test_too_much_data_and_too_little_information_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 64"):
        wire.encode(wire.Command.SEND_CUSTOM_HID, bytes(65))
    with pytest.raises(ValueError, match="expected 8 bytes"):
        wire.Info.parse(b"\x30")
