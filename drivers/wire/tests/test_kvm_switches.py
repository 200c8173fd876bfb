"""The codecs of simple KVM switches: documented examples, and reports in any pieces and any company."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.wire import extron, ezcoo, pway, tesmart, xh_hk4401
from drivers.wire.kvm_switch import MAX_LINE_BYTES, LineCutter, PortDecoder, SwitchWire

WIRES: dict[str, SwitchWire] = {
    "tesmart": tesmart.WIRE,
    "ezcoo 1": ezcoo.wire(1),
    "ezcoo 2": ezcoo.wire(2),
    "xh_hk4401": xh_hk4401.WIRE,
    "pway": pway.WIRE,
    "extron": extron.WIRE,
}

type Report = Callable[[int], bytes]

REPORTS: dict[str, list[Report]] = {
    "tesmart": [
        lambda port: bytes((0xAA, 0xBB, 0x03, 0x11, port, 0xEE)),
        lambda port: bytes((0xAA, 0xBB, 0x03, 0x11, port, 0x16 + port)),
    ],
    "ezcoo 1": [lambda port: b"OUT1 VS IN%d\r\n" % (port + 1)],
    "ezcoo 2": [lambda port: b"A07OUT1 VS IN%d\n" % (port + 1)],
    "xh_hk4401": [lambda port: b"G0%dgA" % (port + 1), lambda port: b"AG0%dgA" % (port + 1)],
    "pway": [
        lambda port: b"VGA_SWITCH_CONTROL=%d\r\n" % port,
        lambda port: b"> PS %d\r\n" % (port + 1),
    ],
    "extron": [
        lambda port: b"Chn%d\r\n" % (port + 1),
        lambda port: b"Chn%d \xb7 InACT1000 \xb7 OutACT1000 \xb7 Emul11\r\n" % (port + 1),
    ],
}
# What comes between reports and cannot be the beginning of one.
NOISE = {
    "tesmart": [b"", b"\xaa", b"\xaa\xbb\x03", b"set ch is 1\r\n", b"\x00\xff", bytes(40)],
    "ezcoo 1": [b"", b"SET OUT1 VS IN3\r\n", b"OUT2 VS IN3\r\n", b"\xff\xfe\r\n", b"OUT1 VS IN5\n"],
    "ezcoo 2": [b"", b"EZS OUT1 VS IN3\r\n", b"EZG OUT1 VS\n", b"=" * 400 + b"\n"],
    "xh_hk4401": [b"", b"A", b"G0", b"G05gA", b"G0AG", b"SW2\r\n", b"\xff"],
    "pway": [b"", b"> DC_Port:0, Suspend\r\n", b"->state:1, set led0  0x8. \r\n", b"PS 17\r\n", b"PS x\r\n"],
    "extron": [b"", b"E01\r\n", b"(C) Copyright 2008, Extron Electronics\r\n", b"Chn12\r\n", b"xChn1\r\n"],
}


@st.composite
def conversations(draw: st.DrawFn, name: str) -> tuple[bytes, list[int]]:
    """A stream with reports and noise, and the reported ports."""
    parts: list[bytes] = []
    ports: list[int] = []
    for _ in range(draw(st.integers(0, 6))):
        parts.append(draw(st.sampled_from(NOISE[name])))
        port = draw(st.integers(0, WIRES[name].ports - 1))
        parts.append(draw(st.sampled_from(REPORTS[name]))(port))
        ports.append(port)
    return b"".join(parts), ports


def fed(decoder: PortDecoder, *pieces: bytes) -> list[int | None]:
    return [port for piece in pieces for port in decoder.feed(piece)]


@pytest.mark.parametrize("name", WIRES)
@settings(max_examples=50)
@given(data=st.data())
def test_every_report_is_found_once_however_the_stream_is_cut(name: str, data: st.DataObject) -> None:
    stream, ports = data.draw(conversations(name))
    assert fed(WIRES[name].decoder(), stream) == ports
    assert fed(WIRES[name].decoder(), *(bytes((byte,)) for byte in stream)) == ports
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert fed(WIRES[name].decoder(), *pieces) == ports


@pytest.mark.parametrize("name", WIRES)
def test_a_stream_cut_at_every_byte_says_the_same(name: str) -> None:
    stream = b"".join(report(port) for port in (1, 0, 3) for report in REPORTS[name])
    expected = [port for port in (1, 0, 3) for _ in REPORTS[name]]
    for cut in range(len(stream) + 1):
        assert fed(WIRES[name].decoder(), stream[:cut], stream[cut:]) == expected, cut


@pytest.mark.parametrize("name", WIRES)
@settings(max_examples=50)
@given(st.binary(max_size=600))
def test_any_garbage_is_survived_and_makes_no_port_that_there_is_not(name: str, garbage: bytes) -> None:
    decoder = WIRES[name].decoder()
    ports = fed(decoder, *(bytes((byte,)) for byte in garbage))
    assert all(port is None or 0 <= port < WIRES[name].ports for port in ports)
    # What follows is understood; a line that the garbage began has to end first.
    assert fed(decoder, b"\r\n", bytes(8), b"\n", REPORTS[name][0](2))[-1] == 2


def test_the_commands_are_those_of_the_documents() -> None:
    assert tesmart.WIRE.select(0).hex(" ") == "aa bb 03 01 01 ee"
    assert tesmart.WIRE.select(15).hex(" ") == "aa bb 03 01 10 ee"
    assert tesmart.WIRE.query.hex(" ") == "aa bb 03 10 00 ee"
    assert ezcoo.wire(1).select(2) == b"SET OUT1 VS IN3\n" * 2
    assert ezcoo.wire(1).query == b"GET OUT1 VS\n" * 2
    assert ezcoo.wire(2).select(0) == b"EZS OUT1 VS IN1\n" * 2
    assert ezcoo.wire(2).query == b"EZG OUT1 VS\n" * 2
    assert xh_hk4401.WIRE.select(3) == b"SW4\r\nAG04gA"
    assert pway.WIRE.select(1) == b"PS 2\r\n"
    assert extron.WIRE.select(1) == b"2!"
    assert extron.WIRE.query == b"I"


def test_captures_of_a_tesmart() -> None:
    """Published by users: ports 1, 2, 7 and 16 with their odd tails, and a switch without a port."""
    captures = "aabb03110016 aabb03110117 aabb0311061c aabb03110f25 aabb0311ffee"
    assert fed(tesmart.Decoder(), bytes.fromhex(captures)) == [0, 1, 6, 15, None]


def test_a_tesmart_report_with_a_changed_byte_is_none() -> None:
    for damaged in ("aabb03110017", "aabb0311101e", "aabb04110016", "aabb031100"):
        assert fed(tesmart.Decoder(), bytes.fromhex(damaged)) == []
    # And does not hide the report that begins in it.
    assert fed(tesmart.Decoder(), bytes.fromhex("aabb0311 aabb03110117")) == [1]


def test_what_a_pway_says_when_it_starts() -> None:
    boot = (
        b"AX6800x bootloader[0] v1.0.3\r\n\r\nRuntime checksum check.\r\n\r\n"
        b"AX68002 KVM S7F01H_9187, SDK:2.0.6.2 - Version:1.0.2,Date:2021-06-28\r\n"
        b"> DC_Port:0, VBUS Attached\r\n\r\nVGA_SWITCH_CONTROL=0\r\n\r\n->state:1, set led0  0x8. \r\n"
    )
    assert fed(pway.Decoder(), boot) == [0]


def test_a_number_is_not_cut_short() -> None:
    assert fed(pway.Decoder(), b"VGA_SWITCH_CONTROL=1") == []
    assert fed(pway.Decoder(), b"VGA_SWITCH_CONTROL=1", b"5\r\n") == [15]


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=2 * MAX_LINE_BYTES)))
def test_lines_beyond_the_bound_are_skipped_and_no_others(lines: list[str]) -> None:
    stream = "".join(line + "\r\n" for line in lines).encode()
    expected = [line for line in lines if line and len(line) <= MAX_LINE_BYTES]
    assert LineCutter().feed(stream) == expected
    cutter = LineCutter()
    assert [line for byte in stream for line in cutter.feed(bytes((byte,)))] == expected


def test_an_endless_line_takes_no_memory() -> None:
    cutter = LineCutter()
    for _ in range(1000):
        assert cutter.feed(b"x" * 1000) == []
    assert len(cutter._rest) <= MAX_LINE_BYTES
    assert cutter.feed(b"tail\nnext\n") == ["next"]
