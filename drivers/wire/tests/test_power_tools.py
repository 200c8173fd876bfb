"""What ipmitool and meshcmd say of power, as they print it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire.power_tools import power_level, says_failed


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Chassis Power is on\n", True),
        ("Chassis Power is off\n", False),
        ("IANA PEN registry open failed: No such file or directory\nChassis Power is on\n", True),
        ("Current power state: Power on\r\n", True),
        ("Current power state: Soft off\n", False),
        ("Current power state: Light sleep\n", False),
        ("Current power state: Hibernate (Off - Soft)\n", False),
        ("Current power state: Power cycle (Off-hard)\n", False),
        ("on\n", True),
        (" OFF ", False),
    ],
)
def test_states(text: str, level: bool) -> None:
    assert power_level(text) is level
    assert not says_failed(text)


@pytest.mark.parametrize(
    "text",
    ["", "Power\n", "power is oncoming", "Chassis Power Control: Up/On\n", "on off", "Current power state:"],
)
def test_no_state(text: str) -> None:
    with pytest.raises(ValueError, match="expected a power state"):
        power_level(text)


@pytest.mark.parametrize(
    "text",
    ["Error, status 600\n", "MeshCmd v1\r\nUnable to connect\n", 'No or invalid "password" specified\n'],
)
def test_failures(text: str) -> None:
    assert says_failed(text)


@given(st.text())
def test_any_text_is_a_level_or_a_value_error(text: str) -> None:
    try:
        assert power_level(text) in (True, False)
    except ValueError:
        assert text.strip().lower() not in {"on", "off"}
