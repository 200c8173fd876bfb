"""EDID: what a monitor tells the graphics card about itself.

Responsible for reading the identity out of one (contract subsystems.md 9.4), for saying what is wrong with
one before it is given to a capture chip, and for building the one that is shown if none is configured.
Sources: VESA E-EDID 1.3 and 1.4 (base block), CTA-861 (extension block, timings and their codes).
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BLOCK_BYTES: Final = 128
HEADER: Final = bytes.fromhex("00FFFFFFFFFFFF00")
MAX_BLOCKS: Final = 256
"""The extension count is one byte."""

_EXTENSION_COUNT = 126
_DESCRIPTORS = (54, 72, 90, 108)
_NAME, _SERIAL, _RANGES, _DUMMY = 0xFC, 0xFF, 0xFD, 0x10
_CTA_TAG, _CTA_REVISION = 0x02, 0x03
_AUDIO, _VIDEO, _VENDOR, _SPEAKERS = 1, 2, 3, 4
_BASIC_AUDIO = 0x40


@dataclass(frozen=True, slots=True)
class EdidIdentity:
    """Whose monitor it says to be, and whether it plays sound."""

    mfc_id: str
    product_id: int
    serial: int
    monitor_name: str | None
    monitor_serial: str | None
    audio: bool


def header_valid(data: bytes) -> bool:
    """Whether *data* starts as an EDID does."""
    return data.startswith(HEADER)


def parse_edid(data: bytes) -> EdidIdentity | None:
    """Read the identity of an EDID of 128 or 256 bytes; None if its structure is not one.

    Neither header nor checksums are looked at (contract subsystems.md 9.4).
    """
    if len(data) == BLOCK_BYTES:
        audio: bool | None = False
    elif len(data) == 2 * BLOCK_BYTES and data[_EXTENSION_COUNT] == 1:
        audio = _plays_audio(data[BLOCK_BYTES:])
    else:
        return None
    if audio is None:
        return None
    letters = int.from_bytes(data[8:10], "big")
    return EdidIdentity(
        mfc_id="".join(chr(0x40 + (letters >> shift & 0x1F)) for shift in (10, 5, 0)),
        product_id=int.from_bytes(data[10:12], "little"),
        serial=int.from_bytes(data[12:16], "little"),
        monitor_name=_descriptor_text(data, _NAME),
        monitor_serial=_descriptor_text(data, _SERIAL),
        audio=audio,
    )


def _descriptor_text(data: bytes, kind: int) -> str | None:
    for at in _DESCRIPTORS:
        if data[at + 3] == kind:
            return data[at + 5 : at + 18].decode("cp437").strip()
    return None


def _plays_audio(block: bytes) -> bool | None:
    """Look for sound in a CTA-861 block; None if it is none or its data blocks overrun."""
    if block[:2] != bytes((_CTA_TAG, _CTA_REVISION)):
        return None
    # Where the detailed timings begin: right behind the data blocks; 0 means that there are neither.
    end = block[2] or 4
    if not 4 <= end < BLOCK_BYTES:
        return None
    tags, at = set(), 4
    while at < end:
        tags.add(block[at] >> 5)
        at += 1 + (block[at] & 0x1F)
    if at != end:
        return None
    return {_AUDIO, _SPEAKERS} <= tags and bool(block[3] & _BASIC_AUDIO)


def edid_problem(data: bytes) -> str | None:
    """Say what is wrong with an EDID that shall be shown to a graphics card; None if nothing is.

    Empty data, which takes the EDID away, is right.
    """
    if len(data) % BLOCK_BYTES or len(data) > MAX_BLOCKS * BLOCK_BYTES:
        return f"expected an EDID of blocks of {BLOCK_BYTES} bytes, got {len(data)} bytes"
    if not data:
        return None
    if not header_valid(data):
        return f"expected an EDID that starts with {HEADER.hex(' ')}, got {data[:8].hex(' ')}"
    blocks = len(data) // BLOCK_BYTES
    if data[_EXTENSION_COUNT] != blocks - 1:
        return f"expected an EDID of {data[_EXTENSION_COUNT] + 1} blocks as byte 126 says, got {blocks}"
    for number in range(blocks):
        block = data[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES]
        if sum(block) & 0xFF:
            right = _checksum(block)
            return f"expected checksum {right:02x} of EDID block {number}, got {block[-1]:02x}"
    return None


def preferred_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of the first detailed timing, which is the preferred one; None without it."""
    timing = data[_DESCRIPTORS[0] : _DESCRIPTORS[1]]
    if len(data) < BLOCK_BYTES or timing[:2] == b"\0\0":  # no pixel clock: another descriptor
        return None
    width = timing[2] | (timing[4] & 0xF0) << 4
    height = timing[5] | (timing[7] & 0xF0) << 4
    return (width, height) if width and height else None


def with_checksums(data: bytes) -> bytes:
    """Return *data* with the right checksum in each whole block."""
    repaired = bytearray(data)
    for end in range(BLOCK_BYTES, len(data) + 1, BLOCK_BYTES):
        repaired[end - 1] = _checksum(data[end - BLOCK_BYTES : end])
    return bytes(repaired)


def _checksum(block: bytes) -> int:
    return -sum(block[: BLOCK_BYTES - 1]) & 0xFF


def read_edid_file(content: bytes) -> bytes:
    """Return the EDID in a file: binary if it starts as one, hex text with any whitespace else (config.md).

    Raises ValueError if it is neither. Its content is not checked (`edid_problem`).
    """
    if header_valid(content):
        return content
    digits = b"".join(content.split())
    try:
        return binascii.unhexlify(digits)
    except binascii.Error:
        raise ValueError(
            f"expected an EDID as hex digits or binary, got {content[:16]!r} "
            f"- at an EDID file of {len(content)} bytes"
        ) from None


@dataclass(frozen=True, slots=True)
class EdidMode:
    """A mode of CTA-861: its video identification code, and blanking as (front porch, sync, back porch)."""

    vic: int
    width: int
    height: int
    fps: int
    pixel_clock_khz: int
    horizontal_px: tuple[int, int, int]
    vertical_lines: tuple[int, int, int]
    size_mm: tuple[int, int] = (509, 286)
    """Of a 23 inch screen with an aspect ratio of 16:9."""


MODE_1080P60: Final = EdidMode(16, 1920, 1080, 60, 148_500, (88, 44, 148), (4, 5, 36))
MODE_1080P50: Final = EdidMode(31, 1920, 1080, 50, 148_500, (528, 44, 148), (4, 5, 36))
MODE_1080P30: Final = EdidMode(34, 1920, 1080, 30, 74_250, (88, 44, 148), (4, 5, 36))
MODE_720P60: Final = EdidMode(4, 1280, 720, 60, 74_250, (110, 40, 220), (5, 5, 20))
MODE_720P50: Final = EdidMode(19, 1280, 720, 50, 74_250, (440, 40, 220), (5, 5, 20))
DEFAULT_MODES: Final = (MODE_1080P60, MODE_720P60, MODE_1080P50, MODE_1080P30, MODE_720P50)

_VGA_VIC = 1
# sRGB: gamma 2.2 and the chromaticities of its primaries and white, as VESA packs them.
_GAMMA_2_2 = 120
_SRGB = bytes.fromhex("EE91A3544C99260F5054")
# 640x480, 800x600 and 1024x768 at 60 Hz: what firmware set-ups and boot loaders fall back to.
_ESTABLISHED = bytes((0x21, 0x08, 0x00))
_UNUSED_STANDARD = bytes((1, 1))


def build_edid(
    *,
    name: str = "Farhand",
    manufacturer: str = "FRH",
    product_id: int = 1,
    serial: int = 0,
    modes: Sequence[EdidMode] = DEFAULT_MODES,
) -> bytes:
    """Build the EDID of a digital monitor without sound: 256 bytes, the first of *modes* preferred.

    *name* has at most 13 characters of ASCII, *manufacturer* three capital letters. Sources that look for
    it see an HDMI monitor (the HDMI vendor block), so that they send what a television may show.
    """
    if not (1 <= len(name) <= 13 and name.isascii() and name.isprintable()):
        raise ValueError(f"expected a monitor name of 1 to 13 ASCII characters, got {name!r}")
    if len(manufacturer) != 3 or not (manufacturer.isascii() and manufacturer.isupper()):
        raise ValueError(f"expected a manufacturer of three capital letters, got {manufacturer!r}")
    if not modes:
        raise ValueError("expected at least one mode, got none")
    first, second = modes[0], modes[1] if len(modes) > 1 else None
    letters = 0
    for letter in manufacturer:
        letters = letters << 5 | ord(letter) - 0x40
    base = bytearray()
    base += HEADER
    base += letters.to_bytes(2, "big") + product_id.to_bytes(2, "little") + serial.to_bytes(4, "little")
    # No week, the year 2026; EDID 1.3, which HDMI demands.
    base += bytes((0, 2026 - 1990, 1, 3))
    # Digital; the size in cm; RGB, sRGB is the default colour space, the first timing is the preferred one.
    base += bytes((0x80, first.size_mm[0] // 10, first.size_mm[1] // 10, _GAMMA_2_2, 0x0E))
    base += _SRGB + _ESTABLISHED
    base += _standard_timings(modes)
    base += _detailed_timing(first)
    base += _detailed_timing(second) if second is not None else _descriptor(_DUMMY, b"")
    base += _descriptor(_RANGES, _range_limits(modes))
    base += _descriptor(_NAME, name.encode("ascii") + (b"\n" if len(name) < 13 else b""), fill=b" ")
    base += bytes((1, 0))
    return with_checksums(bytes(base) + _cta_block(modes))


def _standard_timings(modes: Sequence[EdidMode]) -> bytes:
    """Return the eight entries: what of *modes* has 16:9 and 60 Hz, then the usual 4:3 and 5:4 ones."""
    # Aspect ratio in bits 6 and 7 (1: 4:3, 2: 5:4, 3: 16:9), rate above 60 Hz in the others.
    sizes = [(mode.width, 3) for mode in modes if mode.fps == 60] + [(1024, 1), (1280, 2)]
    entries = [bytes((width // 8 - 31, aspect << 6)) for width, aspect in dict.fromkeys(sizes)][:8]
    return b"".join(entries).ljust(16, _UNUSED_STANDARD[:1])


def _detailed_timing(mode: EdidMode) -> bytes:
    """Return an 18-byte descriptor: progressive, separate digital syncs, both positive (CTA-861 formats)."""
    blank_px, blank_lines = sum(mode.horizontal_px), sum(mode.vertical_lines)
    front_px, sync_px, _ = mode.horizontal_px
    front_lines, sync_lines, _ = mode.vertical_lines
    width_mm, height_mm = mode.size_mm
    return (mode.pixel_clock_khz // 10).to_bytes(2, "little") + bytes(
        (
            mode.width & 0xFF,
            blank_px & 0xFF,
            mode.width >> 8 << 4 | blank_px >> 8,
            mode.height & 0xFF,
            blank_lines & 0xFF,
            mode.height >> 8 << 4 | blank_lines >> 8,
            front_px & 0xFF,
            sync_px & 0xFF,
            (front_lines & 0xF) << 4 | sync_lines & 0xF,
            front_px >> 8 << 6 | sync_px >> 8 << 4 | front_lines >> 4 << 2 | sync_lines >> 4,
            width_mm & 0xFF,
            height_mm & 0xFF,
            width_mm >> 8 << 4 | height_mm >> 8,
            0,
            0,
            0x1E,
        )
    )


def _range_limits(modes: Sequence[EdidMode]) -> bytes:
    """Return vertical Hz, horizontal kHz and pixel clock in 10 MHz, over *modes* and VGA at 60 Hz."""
    rates = [mode.fps for mode in modes] + [60]
    lines = [mode.pixel_clock_khz / (mode.width + sum(mode.horizontal_px)) for mode in modes] + [31.5, 64.0]
    clock_khz = max(*(mode.pixel_clock_khz for mode in modes), 108_000)
    limits = (min(rates) - 1, max(rates) + 1, int(min(lines)), int(max(lines)) + 1, -(-clock_khz // 10_000))
    # No secondary timing formula.
    return bytes((*limits, 0x00, 0x0A)) + b" " * 6


def _descriptor(kind: int, content: bytes, *, fill: bytes = b"\0") -> bytes:
    return bytes((0, 0, 0, kind, 0)) + content.ljust(13, fill)


def _cta_block(modes: Sequence[EdidMode]) -> bytes:
    codes = bytes((*(mode.vic for mode in modes), _VGA_VIC))
    video = bytes((_VIDEO << 5 | len(codes),)) + codes
    # The HDMI vendor block: its identifier 00-0C-03, and the physical address 1.0.0.0 (the only sink).
    vendor = bytes((_VENDOR << 5 | 5,)) + bytes.fromhex("030C00") + bytes((0x10, 0x00))
    # The RGB range is selectable, and nothing is ever cut off at the edges (underscan, both kinds).
    capability = bytes((7 << 5 | 2, 0x00, 0x4A))
    data = video + vendor + capability
    # Underscan by default: a computer's picture is shown whole. One native timing.
    head = bytes((_CTA_TAG, _CTA_REVISION, 4 + len(data), 0x80 | 0x01))
    timings = b"".join(_detailed_timing(mode) for mode in modes[2:5])
    return (head + data + timings).ljust(BLOCK_BYTES, b"\0")
