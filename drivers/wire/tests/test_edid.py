"""EDIDs: the contract's vectors, what is refused, and the one that is built."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire import edid
from drivers.wire.edid import (
    DEFAULT_MODES,
    build_edid,
    edid_problem,
    parse_edid,
    preferred_size,
    read_edid_file,
    with_checksums,
)

ROOT = Path(__file__).parents[3]
VECTORS: list[dict[str, Any]] = json.loads((ROOT / "firmware/core/tests/data/vectors.json").read_text())[
    "edid"
]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["title"])
def test_vectors(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["data"])
    parsed = parse_edid(data)
    assert (asdict(parsed) if parsed else None) == case["parsed"]
    assert edid.header_valid(data) == case["header_valid"]


@given(st.binary(min_size=256, max_size=256) | st.binary(max_size=300))
def test_anything_parses_or_does_not(data: bytes) -> None:
    parsed = parse_edid(data)
    assert parsed is None or len(parsed.mfc_id) == 3


@given(st.binary(min_size=124, max_size=124))
def test_any_extension_block_is_read_or_refused(rest: bytes) -> None:
    base = bytearray(build_edid()[:128])
    parsed = parse_edid(bytes(base) + b"\x02\x03" + rest + b"\0\0")
    assert parsed is None or parsed.monitor_name == "Farhand"


def test_data_blocks_that_overrun_are_refused() -> None:
    good = bytearray(build_edid())
    assert parse_edid(bytes(good)) is not None
    good[132] |= 0x1F
    assert parse_edid(bytes(good)) is None
    good[130] = 200
    assert parse_edid(bytes(good)) is None


def test_problems_are_named() -> None:
    good = build_edid()
    assert edid_problem(good) is None
    assert edid_problem(b"") is None
    for data, words in (
        (good[:-1], "255 bytes"),
        (bytes(128), "starts with 00 ff ff ff ff ff ff 00, got 00 00"),
        (good[:128], "of 2 blocks as byte 126 says, got 1"),
        (good[:200] + bytes((good[200] ^ 4,)) + good[201:], "of EDID block 1"),
        (good[:20] + bytes((good[20] ^ 4,)) + good[21:], "of EDID block 0"),
        (good * 200, f"got {256 * 200} bytes"),
    ):
        problem = edid_problem(data)
        assert problem is not None
        assert words in problem


@given(st.integers(0, 255), st.integers(0, 255))
def test_checksums_are_repaired(at: int, value: int) -> None:
    damaged = bytearray(build_edid())
    damaged[at] = value
    repaired = with_checksums(bytes(damaged))
    assert sum(repaired[:128]) % 256 == sum(repaired[128:]) % 256 == 0
    assert repaired[:127] == damaged[:127]


def test_files_are_hex_text_or_binary() -> None:
    good = build_edid()
    assert read_edid_file(good) == good
    assert read_edid_file(good.hex().encode()) == good
    lines = "\r\n".join(good.hex(" ").upper()[at : at + 48] for at in range(0, 768, 48))
    assert read_edid_file(lines.encode() + b"\n") == good
    assert read_edid_file(b" \n") == b""
    for wrong in (b"00f", b"<html>", b"\xff\xfe0\x000\x00"):
        with pytest.raises(ValueError, match="expected an EDID as hex digits or binary"):
            read_edid_file(wrong)


def test_the_built_one_names_us_and_prefers_the_first_mode() -> None:
    """(Its conformity was checked with edid-decode, which says PASS; here its facts are read back.)"""
    data = build_edid(name="Thirteen char", manufacturer="ABZ", product_id=0x1234, serial=7)
    assert edid_problem(data) is None
    assert parse_edid(data) == edid.EdidIdentity("ABZ", 0x1234, 7, "Thirteen char", None, audio=False)
    first = data[54:72]
    assert int.from_bytes(first[:2], "little") == 14850
    assert (first[2] | first[4] >> 4 << 8, first[5] | first[7] >> 4 << 8) == (1920, 1080)
    # Blanking: 2200 x 1125 in all at 60 Hz.
    assert 1920 + (first[3] | (first[4] & 15) << 8) == 2200
    assert 1080 + (first[6] | (first[7] & 15) << 8) == 1125
    # The video data block: the codes of the modes, VGA last.
    assert data[132] == 0x46
    assert tuple(data[133:139]) == (16, 4, 31, 34, 19, 1)
    small = build_edid(modes=[edid.MODE_720P60])
    assert edid_problem(small) is None
    assert small[54:56] == (7425).to_bytes(2, "little")


def test_what_cannot_be_built_is_said() -> None:
    wrong: list[dict[str, Any]] = [
        {"name": "fourteen chars"},
        {"name": ""},
        {"manufacturer": "abc"},
        {"modes": []},
    ]
    for arguments in wrong:
        with pytest.raises(ValueError, match="expected"):
            build_edid(**arguments)


def test_the_preferred_size_is_that_of_the_first_detailed_timing() -> None:
    for mode in DEFAULT_MODES:
        assert preferred_size(build_edid(modes=[mode])) == (mode.width, mode.height)
    first_is_a_text = bytearray(build_edid())
    first_is_a_text[54:56] = b"\0\0"
    for none in (bytes(first_is_a_text), b"", build_edid()[:70], bytes(128)):
        assert preferred_size(none) is None
