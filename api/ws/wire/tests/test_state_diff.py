from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from api.ws.wire.state_diff import Shape, State, difference

STREAMER = Shape(companions=(("params", "limits"), ("applied", "limits")), only_whole=frozenset({"features"}))
GPIO = Shape(deeper=frozenset({"state"}), only_whole=frozenset({"model"}))
MSD = Shape(deep=frozenset({"storage"}), only_whole=frozenset({"online"}))


def test_a_client_that_knows_nothing_gets_everything() -> None:
    assert difference(None, {"a": 1}, Shape()) == {"a": 1}


def test_nothing_changed_is_no_event() -> None:
    assert difference({"a": 1}, {"a": 1}, Shape()) is None
    assert difference({"a": 1}, {"a": 1}, Shape(whole=True)) is None
    assert difference({"a": 1}, {"a": 1}, Shape(whole=True, repeats=True)) == {"a": 1}


def test_companions_travel_along() -> None:
    old = {"features": {}, "limits": {"fps": 1}, "params": {"fps": 30}, "streamer": None}
    assert difference(old, {**old, "params": {"fps": 20}}, STREAMER) == {
        "params": {"fps": 20},
        "limits": {"fps": 1},
    }
    assert difference(old, {**old, "streamer": {"x": 1}}, STREAMER) == {"streamer": {"x": 1}}
    assert difference({**old, "streamer": {"x": 1}}, old, STREAMER) == {"streamer": None}


def test_a_change_of_the_model_makes_the_event_complete() -> None:
    old = {"features": {"quality": True}, "limits": {}, "params": {}}
    new = {**old, "features": {"quality": False}}
    assert difference(old, new, STREAMER) == new


def test_deep_members_tell_only_what_changed_in_them() -> None:
    old = {"online": True, "storage": {"uploading": None, "images": {"a": 1}}, "busy": False}
    new = {**old, "storage": {"uploading": {"written": 1}, "images": {"a": 1}}}
    assert difference(old, new, MSD) == {"storage": {"uploading": {"written": 1}}}
    gone = {**old, "storage": None}
    assert difference(old, gone, MSD) == {"storage": None}
    assert difference(gone, old, MSD) == {"storage": old["storage"]}


def test_deeper_members_tell_only_what_changed_in_theirs() -> None:
    off, on = {"online": True, "state": False}, {"online": True, "state": True}
    old = {"model": {}, "state": {"inputs": {"a": off, "b": off}, "outputs": {"c": off, "d": on}}}
    new = {"model": {}, "state": {"inputs": {"a": off, "b": off}, "outputs": {"c": on, "d": on}}}
    assert difference(old, new, GPIO) == {"state": {"outputs": {"c": on}}}
    both = {"model": {}, "state": {"inputs": {"a": off, "b": on}, "outputs": {"c": off, "d": on}}}
    assert difference(new, both, GPIO) == {"state": {"inputs": {"b": on}, "outputs": {"c": off}}}
    assert difference(new, {**both, "model": {"scheme": 1}}, GPIO) == {**both, "model": {"scheme": 1}}


def merge_member(old: object, value: object, levels: int) -> object:
    if not levels or not isinstance(old, Mapping) or not isinstance(value, Mapping):
        return value
    return {
        **old,
        **{key: merge_member(old.get(key), one, levels - 1) for key, one in value.items()},
    }


def merge(known: State | None, event: State, shape: Shape) -> State:
    """Return what a client knows after *event*: the client's half of the rule."""
    if known is None or shape.whole:
        return event
    merged = dict(known)
    for key, value in event.items():
        merged[key] = merge_member(
            merged.get(key), value, 2 if key in shape.deeper else int(key in shape.deep)
        )
    return merged


# The members of a deep key are a fixed set (websocket.md 1.4): none of them vanishes alone.
leaf = st.none() | st.integers(0, 2)
inner = leaf | st.fixed_dictionaries({"x": leaf, "y": st.fixed_dictionaries({"z": leaf})})
members = st.fixed_dictionaries({"p": inner, "q": inner})
values = st.one_of(st.none(), st.integers(0, 3), members)
states = st.fixed_dictionaries({"a": values, "b": values, "c": values}, optional={"d": values})
shapes = st.builds(
    Shape,
    whole=st.booleans(),
    repeats=st.booleans(),
    deep=st.frozensets(st.sampled_from("abcd")),
    deeper=st.frozensets(st.sampled_from("abcd")),
    companions=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=3).map(tuple),
    only_whole=st.frozensets(st.sampled_from("abcd")),
)


@given(st.lists(states, min_size=1, max_size=8), shapes)
def test_a_client_that_merges_every_event_knows_the_state(
    history: list[dict[str, object]], shape: Shape
) -> None:
    sent, known = None, None
    for state in history:
        event = difference(sent, state, shape)
        if event is not None:
            gone: set[str] = set() if sent is None else sent.keys() - state.keys()
            known = event if gone else merge(known, event, shape)
            sent = state
        assert known == state
