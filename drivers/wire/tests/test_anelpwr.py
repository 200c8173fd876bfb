"""The codec of ANEL's power strips: a captured strg.cfg, and everything else as an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire import anelpwr
from drivers.wire.anelpwr import SOCKETS, Strip

# As a NET-PwrCtrl HOME of firmware 4.5 answers, but for its names and addresses.
CAPTURED = (
    b"NET-PWRCTRL_04.5;NET-CONTROL    ;192.0.2.132;255.255.255.0;192.0.2.1;00:04:A3:00:00:00;80;;H;;"
    b"K\xfcche;Nr. 2;Nr. 3;Nr. 4;Nr. 5;Nr. 6;Nr. 7;Nr. 8;;;"
    b"1;0;1;0;0;0;0;0;;;"
    b"0;1;0;0;0;0;0;0;;;"
    b"Anfangsstatus;Anfangsstatus;;;;;;;;;"
    b"T;;W;;;;;;"
    b"end;NET - Power Control"
)


def test_a_captured_answer() -> None:
    strip = Strip.parse(CAPTURED)
    assert strip.levels == (True, False, True, False, False, False, False, False)
    assert strip.locked == (False, True, False, False, False, False, False, False)
    assert strip.waiting == (False, False, True, False, False, False, False, False)


def test_every_shorter_answer_is_none() -> None:
    end = CAPTURED.index(b"end")
    for length in range(end + len(b"end")):
        with pytest.raises(ValueError, match=r"word end as field 58"):
            Strip.parse(CAPTURED[:length])


@given(st.lists(st.booleans(), min_size=SOCKETS, max_size=SOCKETS), st.integers(0, SOCKETS - 1))
def test_levels_and_a_wrong_one(levels: list[bool], socket: int) -> None:
    fields = CAPTURED.split(b";")
    fields[20 : 20 + SOCKETS] = [b"%d" % level for level in levels]
    assert Strip.parse(b";".join(fields)).levels == tuple(levels)
    fields[20 + socket] = b"x"
    with pytest.raises(ValueError, match=f"expected 0 or 1 as the level of socket {socket}, got 'x'"):
        Strip.parse(b";".join(fields))


@given(st.binary())
def test_garbage_is_a_value_error(garbage: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its reason differs
        Strip.parse(garbage)


def test_forms() -> None:
    assert anelpwr.switch(0, True) == b"F0=1"
    assert anelpwr.switch(7, False) == b"F7=0"
    assert anelpwr.toggle(3) == b"F3=T"
