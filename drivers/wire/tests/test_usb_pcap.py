from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BadReplyError
from drivers.wire.usb_pcap import Configured, OutputReport, ReportTaken, UsbPcapDecoder

# What QEMU 7.2 writes first: magic, version 2.4, limit, link type 220.
FILE_HEADER = bytes.fromhex("d4c3b2a102000400000000000000000040100000dc000000")


def record(
    kind: str, transfer_type: int, endpoint: int, *, setup: bytes | None = None, data: bytes = b""
) -> bytes:
    """A record as usbmon lays it out: 64 bytes of header, then the data."""
    header = struct.pack(
        "<QBBBBHBBqiiII",
        0xE8500,
        ord(kind),
        transfer_type,
        endpoint,
        1,
        0,
        0 if setup is not None else 45,
        0 if data else 1,
        1_700_000_000,
        5,
        0,
        len(data),
        64 + len(data),
    )
    packet = header + (setup or bytes(8)) + struct.pack("<iiII", 0, 0, 0, 0) + data
    return struct.pack("<IIII", 1, 2, len(packet), len(packet)) + packet


SET_ADDRESS = record("S", 2, 0x00, setup=bytes.fromhex("0005010000000000"))
GET_DESCRIPTOR = record("S", 2, 0x80, setup=bytes.fromhex("8006000100001200"))
DESCRIPTOR = record("C", 2, 0x80, data=bytes.fromhex("120100020000004027060100000001040b01"))
SET_CONFIGURATION = record("S", 2, 0x00, setup=bytes.fromhex("0009010000000000"))
SET_CAPS_LED = record("S", 2, 0x00, setup=bytes.fromhex("2109000200000100"), data=b"\x02")
SET_FEATURE_REPORT = record("S", 2, 0x00, setup=bytes.fromhex("2109000300000100"), data=b"\x02")
ASK_REPORT = record("S", 1, 0x81)
KEY_A = record("C", 1, 0x81, data=bytes.fromhex("0000040000000000"))
NO_REPORT = record("C", 1, 0x81)

SESSION = (
    FILE_HEADER
    + SET_ADDRESS
    + GET_DESCRIPTOR
    + DESCRIPTOR
    + SET_CONFIGURATION
    + ASK_REPORT
    + KEY_A
    + SET_CAPS_LED
    + SET_FEATURE_REPORT
    + NO_REPORT
)
TRANSFERS = [Configured(1), ReportTaken(bytes.fromhex("0000040000000000")), OutputReport(b"\x02")]


def test_a_session_split_at_every_byte() -> None:
    for cut in range(len(SESSION) + 1):
        decoder = UsbPcapDecoder()
        assert decoder.receive(SESSION[:cut]) + decoder.receive(SESSION[cut:]) == TRANSFERS


@given(st.lists(st.binary(min_size=1, max_size=8), max_size=20), st.data())
def test_reports_come_out_whole_and_in_order(reports: list[bytes], data: st.DataObject) -> None:
    stream = FILE_HEADER + b"".join(record("C", 1, 0x81, data=report) for report in reports)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    decoder = UsbPcapDecoder()
    transfers = [
        transfer
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for transfer in decoder.receive(stream[start:end])
    ]
    assert transfers == [ReportTaken(report) for report in reports]


def test_another_kind_of_recording_is_refused() -> None:
    ethernet = FILE_HEADER[:20] + struct.pack("<I", 1)
    with pytest.raises(BadReplyError, match="link type 220"):
        UsbPcapDecoder().receive(ethernet)
    with pytest.raises(BadReplyError, match="got magic 0x0a0d0d0a"):
        UsbPcapDecoder().receive(bytes.fromhex("0a0d0d0a") + FILE_HEADER[4:])


@pytest.mark.parametrize("length", [0, 63, 1 << 21, 0xFFFFFFFF])
def test_an_impossible_record_length_is_refused(length: int) -> None:
    with pytest.raises(BadReplyError, match="pcap record"):
        UsbPcapDecoder().receive(FILE_HEADER + struct.pack("<IIII", 0, 0, length, length))
