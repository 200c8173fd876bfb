from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BadReplyError
from drivers.wire.qmp import (
    QmpAnswer,
    QmpDecoder,
    QmpEvent,
    QmpFailure,
    QmpGreeting,
    QmpMessage,
    encode_command,
)

# What QEMU 7.2 said, shortened; it ends its lines with CR LF.
GREETING = (
    b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, '
    b'"capabilities": ["oob"]}}\r\n'
)
SESSION = (
    GREETING
    + b'{"return": {}, "id": 1}\r\n'
    + b'{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESUME"}\r\n'
    + b'{"return": {"status": "running", "running": true}, "id": 2}\r\n'
    + b'{"timestamp": {"seconds": 1, "microseconds": 3}, "event": "RESET", "data": {"guest": false}}\r\n'
    + b'{"id": 3, "error": {"class": "GenericError", "desc": "No \xe2\x80\x9cbus\xe2\x80\x9d"}}\r\n'
    + b'{"error": {"class": "GenericError", "desc": "JSON parse error"}}\r\n'
)
MESSAGES: list[QmpMessage] = [
    QmpGreeting((7, 2, 22)),
    QmpAnswer(1, {}),
    QmpEvent("RESUME", {}),
    QmpAnswer(2, {"status": "running", "running": True}),
    QmpEvent("RESET", {"guest": False}),
    QmpFailure(3, "GenericError", "No \u201cbus\u201d"),
    QmpFailure(None, "GenericError", "JSON parse error"),
]


def test_a_session_split_at_every_byte() -> None:
    for cut in range(len(SESSION) + 1):
        decoder = QmpDecoder()
        assert decoder.receive(SESSION[:cut]) + decoder.receive(SESSION[cut:]) == MESSAGES


def test_a_session_byte_by_byte() -> None:
    decoder = QmpDecoder()
    assert [message for byte in SESSION for message in decoder.receive(bytes([byte]))] == MESSAGES


json_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=5), st.data())
def test_any_answers_survive_any_split(values: list[object], data: st.DataObject) -> None:
    stream = b"".join(
        json.dumps({"return": value, "id": number}).encode() + b"\n" for number, value in enumerate(values)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    decoder = QmpDecoder()
    messages = [
        message
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for message in decoder.receive(stream[start:end])
    ]
    assert messages == [QmpAnswer(number, value) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    "line",
    [
        b"hello\r\n",
        b"[1]\n",
        b'{"return": {}}\n',
        b'{"QMP": {}}\n',
        b'{"event": 5}\n',
        b'{"event": "STOP", "data": 7}\n',
        b'{"error": {"class": "X"}}\n',
        b"\xff\n",
        b'{"id": 1}\n',
    ],
)
def test_what_is_no_message_is_a_bad_reply(line: bytes) -> None:
    with pytest.raises(BadReplyError, match="expected a "):
        QmpDecoder().receive(line)


def test_a_line_without_end_is_refused_before_it_fills_memory() -> None:
    decoder = QmpDecoder(max_message_bytes=100)
    decoder.receive(b"x" * 100)
    with pytest.raises(BadReplyError, match="at most 100 bytes"):
        decoder.receive(b"x")


def test_the_limit_is_per_message() -> None:
    decoder = QmpDecoder(max_message_bytes=30)
    line = b'{"return": {}, "id": 1}\n'
    assert len(decoder.receive(line * 50)) == 50


@given(st.text(min_size=1), st.dictionaries(st.text(), st.integers() | st.text()), st.integers(0))
def test_a_command_is_one_line_of_json(name: str, arguments: dict[str, int | str], number: int) -> None:
    line = encode_command(name, arguments, number)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    expected = {"execute": name, "id": number} | ({"arguments": arguments} if arguments else {})
    assert json.loads(line) == expected
