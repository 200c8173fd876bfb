"""Whatever bytes there are, they are a document of the type or a ValueError."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.json_documents import read_json


class Note(msgspec.Struct):
    text: str = ""
    more: dict[str, object] = {}


@pytest.mark.parametrize("data", [b"", b"[]", b'{"text": 1}', b'{"text": "\xb1"}', b'{"more":' * 100_000])
def test_what_is_wrong_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(data, Note)


@given(st.binary(), st.sampled_from([b"", b'{"text": "', b'{"more": {"']))
def test_any_bytes_are_read_or_refused(data: bytes, before: bytes) -> None:
    try:
        read = read_json(before + data + b'"}', Note)
    except ValueError:
        return
    assert isinstance(read, Note)


def test_a_document_is_read() -> None:
    assert read_json(b'{"text": "a"}', Note) == Note("a")
