from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from firmware.state.gpio import (
    GpioHardware,
    GpioInputScheme,
    GpioLabelItem,
    GpioOutputScheme,
    GpioPulseScheme,
    GpioScheme,
)
from firmware.subsystems.gpio.config import GpioHeaderConfig, GpioViewConfig
from firmware.subsystems.gpio.view import make_view, table_item, title_item

SCHEME = GpioScheme(
    {"IN": GpioInputScheme(GpioHardware("__gpio__", "1"))},
    {"OUT": GpioOutputScheme(switch=True, pulse=GpioPulseScheme(), hw=GpioHardware("__gpio__", "2"))},
)
CLICK = {"type": "output", "channel": "OUT", "confirm": False, "hide": False, "text": "Click"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#Hello", {"type": "label", "text": "Hello"}),
        ("  # <b>Hello</b> ", {"type": "label", "text": "<b>Hello</b>"}),
        ("", {"type": "label", "text": ""}),
        ("   ", {"type": "label", "text": ""}),
        ("#", {"type": "label", "text": ""}),
        ("IN", {"type": "input", "channel": "IN", "color": "green"}),
        ("IN|red", {"type": "input", "channel": "IN", "color": "red"}),
        ("IN | purple", {"type": "input", "channel": "IN", "color": "green"}),
        ("IN|", {"type": "input", "channel": "IN", "color": "green"}),
        ("OUT", CLICK),
        ("OUT|", CLICK),
        ("OUT|Boop", {**CLICK, "text": "Boop"}),
        ("OUT|confirm|Boop", {**CLICK, "confirm": True, "text": "Boop"}),
        ("OUT| hide , confirm |A|B", {**CLICK, "confirm": True, "hide": True, "text": "A|B"}),
        ("OUT|nonsense|Boop", {**CLICK, "text": "Boop"}),
        ("OUT|confirm", {**CLICK, "text": "confirm"}),
        ("nosuch", None),
        ("in", None),
    ],
)
def test_items_of_the_table(text: str, expected: dict[str, Any] | None) -> None:
    assert msgspec.to_builtins(table_item(text, SCHEME)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#Desk", {"type": "label", "text": "Desk"}),
        ("IN|blue", {"type": "input", "channel": "IN", "color": "blue"}),
        ("OUT", None),
        ("", None),
        ("Desk", None),
    ],
)
def test_the_title_takes_labels_and_inputs(text: str, expected: dict[str, Any] | None) -> None:
    assert msgspec.to_builtins(title_item(text, SCHEME)) == expected


def test_the_menu() -> None:
    config = GpioViewConfig(
        header=GpioHeaderConfig(title=("#Desk", "OUT", "IN")),
        table=(("#Test 1:", "IN", "gone", "OUT|hide|Go"), (), ("gone",)),
    )
    view = make_view(config, SCHEME)
    assert json.loads(msgspec.json.encode(view)) == {
        "header": {
            "title": [
                {"type": "label", "text": "Desk"},
                {"type": "input", "channel": "IN", "color": "green"},
            ]
        },
        "table": [
            [
                {"type": "label", "text": "Test 1:"},
                {"type": "input", "channel": "IN", "color": "green"},
                {"type": "output", "channel": "OUT", "confirm": False, "hide": True, "text": "Go"},
            ],
            None,
            [],
        ],
    }


def test_a_title_of_text_is_one_label_as_it_is() -> None:
    assert make_view(GpioViewConfig(), SCHEME).header.title == (GpioLabelItem("GPIO"),)
    config = GpioViewConfig(header=GpioHeaderConfig(title="#IN"))
    assert make_view(config, SCHEME).header.title == (GpioLabelItem("#IN"),)
