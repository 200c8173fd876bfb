from __future__ import annotations

import pytest

from drivers.wire.wake_on_lan import magic_packet


def test_the_packet() -> None:
    packet = magic_packet("02:00:00:00:00:0a")
    assert packet[:6] == b"\xff" * 6
    assert packet[6:] == bytes.fromhex("02000000000a") * 16


@pytest.mark.parametrize("mac", ["", "02:00", "02:00:00:00:00:00:01", "zz:00:00:00:00:00"])
def test_what_is_no_address(mac: str) -> None:
    with pytest.raises(ValueError, match=r"expected|fromhex"):
        magic_packet(mac)
