"""The key and button tables against the contract's vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.wire.hid_usages import (
    KEYS,
    KEYS_BY_LINUX_CODE,
    MOUSE_BUTTONS,
    MOUSE_BUTTONS_BY_LINUX_CODE,
    USAGE_PAGE,
    Key,
    MouseButton,
)

_REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def vectors() -> Any:
    return json.loads((_REPOSITORY / "firmware/core/tests/data/vectors.json").read_text(encoding="utf-8"))


def test_keys_are_exactly_those_of_the_contract(vectors: Any) -> None:
    expected = {
        row["web_name"]: Key(
            row["web_name"],
            row["usage"],
            row["linux_code"],
            row.get("modifier_bit", 0),
            row["finish_releases"],
        )
        for row in vectors["keys"]["table"]
    }
    assert len(expected) == vectors["keys"]["count"] == 126
    assert dict(KEYS) == expected
    assert vectors["keys"]["usage_page"] == USAGE_PAGE


def test_no_usage_or_code_is_used_twice() -> None:
    assert len({key.usage for key in KEYS.values()}) == len(KEYS)
    assert {code: key.name for code, key in KEYS_BY_LINUX_CODE.items()} == {
        key.linux_code: name for name, key in KEYS.items()
    }
    assert len(KEYS_BY_LINUX_CODE) == len(KEYS)


def test_modifier_bits_fill_one_byte_without_overlap() -> None:
    bits = [key.modifier_bit for key in KEYS.values() if key.modifier_bit]
    assert sorted(bits) == [1 << bit for bit in range(8)]


def test_mouse_buttons_are_exactly_those_of_the_contract(vectors: Any) -> None:
    expected = {
        row["name"]: MouseButton(row["name"], row["report_bit"], row["linux_code"])
        for row in vectors["mouse_buttons"]
    }
    assert dict(MOUSE_BUTTONS) == expected
    assert {code: button.name for code, button in MOUSE_BUTTONS_BY_LINUX_CODE.items()} == {
        row["linux_code"]: row["name"] for row in vectors["mouse_buttons"]
    }


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        KEYS["KeyA"] = KEYS["KeyB"]  # type: ignore[index] # that it is refused is the point
