"""Both dialects against the contract's vectors; nothing a client sends may raise anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ws.wire import binary_dialect, json_dialect
from api.ws.wire.input_events import (
    BadMessageError,
    ButtonInput,
    Input,
    KeyInput,
    MoveInput,
    Ping,
    RelativeInput,
    WheelInput,
)
from drivers.wire.hid_usages import KEYS

ROOT = Path(__file__).parents[4]
VECTORS: dict[str, Any] = json.loads((ROOT / "firmware/core/tests/data/vectors.json").read_text())


def expected(meaning: dict[str, Any]) -> Input:
    match meaning["event"]:
        case "key":
            return KeyInput(meaning["key"], meaning["state"], meaning["finish"])
        case "mouse_button":
            return ButtonInput(meaning["button"], meaning["state"])
        case "mouse_move":
            return MoveInput(meaning["x"], meaning["y"])
        case "mouse_relative":
            return RelativeInput([(x, y) for x, y in meaning["deltas"]], meaning["squash"])
        case "mouse_wheel":
            return WheelInput([(x, y) for x, y in meaning["deltas"]], meaning["squash"])
        case other:
            pytest.fail(f"unknown event {other}")


@pytest.mark.parametrize("row", VECTORS["ws_binary"], ids=lambda row: row["hex"])
def test_binary_vectors(row: dict[str, Any]) -> None:
    message, meaning = bytes.fromhex(row["hex"]), row["meaning"]
    if meaning.get("ping"):
        assert binary_dialect.decode(message) == Ping()
        assert binary_dialect.PONG.hex() == row["reply_hex"]
    elif meaning.get("ignored"):
        with pytest.raises(BadMessageError):
            binary_dialect.decode(message)
    else:
        assert binary_dialect.decode(message) == expected(meaning)


@pytest.mark.parametrize("row", VECTORS["ws_json"], ids=lambda row: row["text"])
def test_json_vectors(row: dict[str, Any]) -> None:
    if row.get("ignored"):
        with pytest.raises(BadMessageError):
            json_dialect.decode(row["text"])
    elif "reply" in row:
        assert json_dialect.decode(row["text"]) == Ping()
        assert json.loads(json_dialect.encode("pong", {})) == row["reply"]
    else:
        assert json_dialect.decode(row["text"]) == expected(row["meaning"])


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_every_key_by_name_and_by_code(key: Any) -> None:
    by_name = binary_dialect.decode(b"\x01\x01" + key.name.encode())
    by_code = binary_dialect.decode(b"\x01\x81" + key.linux_code.to_bytes(2, "big"))
    assert by_name == by_code == KeyInput(key.name, True)


@pytest.mark.parametrize("message", ["", "0181ffff", "02810000", "01", "0101", "04", "05", "050101"])
def test_messages_that_close_the_reference_are_only_refused(message: str) -> None:
    with pytest.raises(BadMessageError):
        binary_dialect.decode(bytes.fromhex(message))


@given(st.binary(max_size=64))
def test_no_binary_message_is_more_than_bad(message: bytes) -> None:
    try:
        binary_dialect.decode(message)
    except BadMessageError as exc:
        assert str(exc)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
event_types = st.sampled_from(
    ["ping", "key", "mouse_button", "mouse_move", "mouse_relative", "mouse_wheel", "x"]
)
members = st.dictionaries(
    st.sampled_from(["key", "state", "finish", "button", "to", "delta", "squash", "x"]),
    json_values,
    max_size=5,
)


@given(st.one_of(json_values, st.fixed_dictionaries({"event_type": event_types, "event": members})))
def test_no_json_message_is_more_than_bad(message: object) -> None:
    try:
        json_dialect.decode(json.dumps(message))
    except BadMessageError as exc:
        assert str(exc)


def test_a_deeply_nested_message_is_bad() -> None:
    with pytest.raises(BadMessageError):
        json_dialect.decode("[" * 100_000)
