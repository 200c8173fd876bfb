"""The kernel's records, as they are and as they must not be."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire.inotify import IN_CREATE, IN_Q_OVERFLOW, InotifyEvent, parse_events

NAMES = st.binary(max_size=255).map(lambda name: name.replace(b"\0", b"x"))


def record(event: InotifyEvent) -> bytes:
    """Pad the name as the kernel does: to a multiple of the head's size, with a NUL at the end."""
    padded = event.name.ljust(-(-(len(event.name) + 1) // 16) * 16, b"\0") if event.name else b""
    return struct.pack("=iIII", event.watch, event.mask, 7, len(padded)) + padded


@given(
    st.lists(
        st.builds(
            InotifyEvent,
            st.integers(-1, 2**31 - 1),
            st.integers(0, 2**32 - 1),
            NAMES,
        )
    )
)
def test_events_come_out_as_they_went_in(events: list[InotifyEvent]) -> None:
    assert list(parse_events(b"".join(map(record, events)))) == events


def test_an_overflow_has_no_name() -> None:
    (event,) = parse_events(record(InotifyEvent(-1, IN_Q_OVERFLOW)))
    assert (event.watch, event.name) == (-1, b"")


def test_what_is_cut_is_no_event() -> None:
    data = record(InotifyEvent(1, IN_CREATE, b"a.img"))
    for length in range(1, len(data)):
        with pytest.raises(ValueError, match="expected"):
            list(parse_events(data[:length]))
