"""The table of GPIO drivers, and what a configuration is told about them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import fields

from drivers.ports import ChannelInput, ChannelOutput
from firmware import usable
from firmware.board_needs import board_needs
from firmware.boards.data import read_board
from firmware.boards.load import compose_board
from firmware.channel_drivers import FACTORIES, ChannelNeeds, make_channel_driver
from firmware.core.config.errors import ConfigurationError
from firmware.settings import load
from firmware.subsystems.gpio.driver_config import DRIVER_TRAITS

OPTIONS = "{type: %s, device: /dev/x, host: x, url: 'http://x', token: t, cmd: [/x]}"


def made_types() -> set[str]:
    return {one.default for config in FACTORIES for one in fields(config) if one.name == "type"}


def test_every_type_of_the_configuration_has_a_driver() -> None:
    assert made_types() == set(DRIVER_TRAITS)


def test_every_type_in_the_table_is_made(tmp_path: Path) -> None:
    board = compose_board("emulated", read_board("emulated"), board_needs(load(tmp_path)))
    needs = ChannelNeeds(
        name="mine",
        inputs=(ChannelInput("1"),),
        outputs=(ChannelOutput("2"),),
        board=board,
        device_is_given=True,
    )
    for name in sorted(made_types()):
        options = OPTIONS % name
        (tmp_path / "override.yaml").write_text(f"kvmd: {{gpio: {{drivers: {{mine: {options}}}}}}}")
        driver = make_channel_driver(load(tmp_path).settings.kvmd.gpio.drivers["mine"], needs)
        assert type(driver).__module__.startswith("drivers.channels."), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("type: pwm, period: 1000, duty_cycle_push: 1001", r"duty_cycle_push: expected at most the period"),
        ("type: servo, angle_min: 90, angle_max: 90", r"angle_max: expected more than angle_min"),
        ("type: servo, angle_push: 181", r"angle_push: expected 0.0 to 180.0, got 181"),
    ],
)
def test_signals_that_cannot_be(tmp_path: Path, options: str, message: str) -> None:
    (tmp_path / "override.yaml").write_text(f"kvmd: {{gpio: {{drivers: {{mine: {{{options}}}}}}}}}")
    with pytest.raises(ConfigurationError, match=message):
        load(tmp_path)


def test_lines_that_are_taken_are_said(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").write_text("""
kvmd:
    gpio:
        drivers:
            beacon: {type: locator}
            expander: {type: gpio, device: /dev/gpiochip7}
        scheme:
            led: {pin: 24, mode: input}
            free: {pin: 5, mode: input}
            far: {driver: expander, pin: 24, mode: input}
            out: {pin: 6, mode: output}
            back: {pin: 6, mode: input}
            blinking: {driver: beacon, pin: 6, mode: output}
""")
    warnings = usable.check(load(tmp_path))
    assert [text.partition("kvmd/gpio/scheme/")[2] for text in warnings] == [
        "led/pin: is line 24, which kvmd/atx/power_led_pin holds; one of them will be offline",
        "blinking/pin: is line 6, which kvmd/gpio/scheme/out/pin holds; one of them will be offline",
    ]
    (tmp_path / "override.yaml").write_text(
        "kvmd: {atx: {type: disabled}, gpio: {scheme: {led: {pin: 24, mode: input}}}}"
    )
    assert usable.check(load(tmp_path)) == []
