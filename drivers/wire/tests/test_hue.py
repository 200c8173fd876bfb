"""The codec of the Hue bridge: the documented answers, and everything else as an error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire import hue

STATES = st.dictionaries(st.text(min_size=1), st.tuples(st.booleans(), st.sampled_from([True, False, None])))


@given(STATES)
def test_lights_with_power_are_as_they_say(states: dict[str, tuple[bool, bool | None]]) -> None:
    document = {
        light: {"state": {"on": on, "bri": 1, **({} if power is None else {"reachable": power})}, "name": "x"}
        for light, (on, power) in states.items()
    }
    expected = {light: on and power is not False for light, (on, power) in states.items()}
    assert hue.lights(json.dumps(document).encode()) == expected


def test_an_error_says_its_number_and_what_the_bridge_says() -> None:
    answer = b'[{"error":{"type":1,"address":"/lights","description":"unauthorized user"}}]'
    for read in (hue.lights, hue.check_switched):
        with pytest.raises(hue.HueError, match=r"unauthorized user \(error 1\)") as error:
            read(answer)
        assert error.value.number == hue.HueErrorType.UNAUTHORIZED


def test_a_change_that_was_taken() -> None:
    assert json.loads(hue.switch(True)) == {"on": True}
    assert json.loads(hue.switch(False)) == {"on": False}
    hue.check_switched(b'[{"success":{"/lights/1/state/on":true}}]')


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b"[{}]", b"null", b"\xff", b'[{"error":{}}]'])
def test_what_is_no_outcome(answer: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is msgspec's
        hue.check_switched(answer)


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"[{}]", b"null", b'{"1":{}}', b'{"1":{"state":{"on":"yes"}}}']
)
def test_what_are_no_lights(answer: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is msgspec's
        hue.lights(answer)


@given(st.binary())
def test_garbage_is_a_value_error(garbage: bytes) -> None:
    for read in (hue.lights, hue.check_switched):
        try:
            read(garbage)
        except ValueError:
            continue
        assert json.loads(garbage) == {}
