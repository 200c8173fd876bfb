from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire.hid_relay import DCT_REPORT_BYTES, dct_levels, dct_switch, noyito_switch


def test_reports_of_dct_boards() -> None:
    assert dct_switch(0, True) == bytes.fromhex("00 ff 01 00 00 00 00 00 00")
    assert dct_switch(7, False) == bytes.fromhex("00 fd 08 00 00 00 00 00 00")
    # What a board with two relays said, the second one on.
    report = b"\0" + b"BITFT" + b"\0\0" + b"\x02"
    assert dct_levels(report) == (False, True, *[False] * 6)


def test_reports_of_noyito_boards() -> None:
    assert noyito_switch(0, True) == bytes.fromhex("00 a0 01 01 a2")
    assert noyito_switch(0, False) == bytes.fromhex("00 a0 01 00 a1")
    assert noyito_switch(7, True) == bytes.fromhex("00 a0 08 01 a9")


@pytest.mark.parametrize("relay", [-1, 8])
def test_a_board_has_eight_relays_at_most(relay: int) -> None:
    for switch in (dct_switch, noyito_switch):
        with pytest.raises(ValueError, match="0 to 7"):
            switch(relay, True)


@given(st.binary(max_size=12))
def test_whatever_a_device_says_is_levels_or_refused(report: bytes) -> None:
    try:
        levels = dct_levels(report)
    except ValueError as exc:
        assert "expected a relay board" in str(exc)
    else:
        assert len(report) == DCT_REPORT_BYTES
        assert sum(level << relay for relay, level in enumerate(levels)) == report[8]
