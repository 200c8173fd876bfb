"""Sessions: how long they live, what ends them, and how many there can be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from firmware.subsystems.auth.sessions import SessionStore, effective_lifetime_s

_CONTRACT = Path(__file__).parents[3] / "core/tests/data/vectors.json"
_VECTORS: dict[str, Any] = json.loads(_CONTRACT.read_text(encoding="utf-8"))


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> SessionStore:
    return SessionStore(clock)


@pytest.mark.parametrize("vector", _VECTORS["session_expire"])
def test_lifetimes_of_the_contract(vector: dict[str, int], store: SessionStore, clock: Clock) -> None:
    lifetime_s = effective_lifetime_s(vector["requested"], vector["configured"])
    assert lifetime_s == vector["effective"]
    token = store.open("admin", lifetime_s)
    clock.now += (lifetime_s or 10**9) - 0.001
    assert store.user_of(token) == "admin"
    clock.now += 0.001
    assert store.user_of(token) == (None if lifetime_s else "admin")


def test_negative_lifetimes_are_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        effective_lifetime_s(-1, 0)


def test_tokens_have_the_contracts_form_and_differ(store: SessionStore) -> None:
    tokens = {store.open("admin", 0) for _ in range(50)}
    assert len(tokens) == 50
    assert all(re.fullmatch(r"[0-9a-f]{64}", token) for token in tokens)


def test_requests_do_not_prolong_a_session(store: SessionStore, clock: Clock) -> None:
    token = store.open("admin", 60)
    for _ in range(59):
        clock.now += 1
        assert store.user_of(token) == "admin"
    clock.now += 1
    assert store.user_of(token) is None


def test_an_expired_session_is_removed_at_the_next_check(store: SessionStore, clock: Clock) -> None:
    token = store.open("admin", 60)
    clock.now += 60
    assert store.statistics()["sessions"] == 1
    assert store.user_of(token) is None
    assert store.statistics()["sessions"] == 0


def test_expired_sessions_that_nobody_checks_go_at_the_next_login(store: SessionStore, clock: Clock) -> None:
    for _ in range(10):
        store.open("admin", 60)
    clock.now += 60
    store.open("admin", 60)
    assert store.statistics()["sessions"] == 1


@pytest.mark.parametrize("token", ["", "0" * 64, "\ud800", "x" * 100_000])
def test_unknown_tokens_are_nobodys(store: SessionStore, token: str) -> None:
    store.open("admin", 0)
    assert store.user_of(token) is None


def test_logout_ends_all_sessions_of_that_user_only(store: SessionStore) -> None:
    first, second, other = store.open("admin", 0), store.open("admin", 60), store.open("guest", 0)
    assert store.close_all_of("admin") == 2
    assert [store.user_of(token) for token in (first, second, other)] == [None, None, "guest"]
    assert store.close_all_of("admin") == 0


def test_a_held_session_does_not_expire_and_then_starts_over(store: SessionStore, clock: Clock) -> None:
    token = store.open("admin", 60)
    clock.now += 59
    with store.hold(token):
        clock.now += 10_000
        assert store.user_of(token) == "admin"
        with store.hold(token):
            clock.now += 10_000
        clock.now += 10_000
        assert store.user_of(token) == "admin"
    clock.now += 59.9
    assert store.user_of(token) == "admin"
    clock.now += 0.1
    assert store.user_of(token) is None


def test_a_session_of_unlimited_lifetime_stays_so_after_a_hold(store: SessionStore, clock: Clock) -> None:
    token = store.open("admin", 0)
    with store.hold(token):
        pass
    clock.now += 10**9
    assert store.user_of(token) == "admin"


def test_holding_revives_nothing(store: SessionStore, clock: Clock) -> None:
    token = store.open("admin", 60)
    clock.now += 60
    with store.hold(token):
        assert store.user_of(token) is None
    with store.hold("0" * 64):
        assert store.user_of("0" * 64) is None
    ended = store.open("admin", 60)
    with store.hold(ended):
        store.close_all_of("admin")
        assert store.user_of(ended) is None
    assert store.user_of(ended) is None
    assert store.statistics()["held"] == 0


def test_a_holder_that_fails_lets_go(store: SessionStore, clock: Clock) -> None:
    token = store.open("admin", 60)
    with pytest.raises(RuntimeError, match="gone"), store.hold(token):
        raise RuntimeError("gone")
    clock.now += 60
    assert store.user_of(token) is None


async def test_a_cancelled_holder_lets_go(mock_clock: MockClock) -> None:
    store = SessionStore(trio.current_time)
    token = store.open("admin", 60)

    async def websocket() -> None:
        with store.hold(token):
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(websocket)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(3600)
        assert store.user_of(token) == "admin"
        nursery.cancel_scope.cancel()
    mock_clock.jump(59)
    assert store.user_of(token) == "admin"
    mock_clock.jump(1)
    assert store.user_of(token) is None


def test_a_crowd_of_one_user_leaves_the_others_alone(clock: Clock) -> None:
    store = SessionStore(clock, capacity=10, capacity_per_user=4)
    guest = store.open("guest", 0)
    browser, *rest = [store.open("admin", 0) for _ in range(4)]
    for _ in range(50):
        assert store.user_of(browser) == "admin"
        store.open("admin", 0)
    assert store.user_of(guest) == "guest"
    assert store.user_of(browser) == "admin", "the session in use was ended before idle ones"
    assert {store.user_of(token) for token in rest} == {None}
    assert store.statistics()["sessions"] == 5
    assert store.statistics()["crowded_out"] == 50


def test_the_whole_table_is_bounded_and_held_sessions_go_last(clock: Clock) -> None:
    store = SessionStore(clock, capacity=3, capacity_per_user=2)
    watched = store.open("watcher", 0)
    with store.hold(watched):
        tokens = [store.open(f"user{number}", 0) for number in range(20)]
        assert store.statistics()["sessions"] == 3
        assert store.user_of(watched) == "watcher"
        assert [store.user_of(token) for token in tokens[-2:]] == ["user18", "user19"]


def test_the_representation_shows_no_token(store: SessionStore) -> None:
    token = store.open("admin", 0)
    assert token not in repr(vars(store))


def test_sessions_can_be_named_and_ended_one_by_one(store: SessionStore, clock: Clock) -> None:
    tokens = [store.open("admin", 0), store.open("admin", 60), store.open("guest", 0)]
    infos = store.infos()
    assert [info.user for info in infos] == ["admin", "admin", "guest"]
    assert len({info.id for info in infos}) == 3
    assert [store.info_of(token) for token in tokens] == infos
    assert not any(token.startswith(info.id) for token in tokens for info in infos)
    assert store.close(infos[0].id) == infos[0]
    assert store.close(infos[0].id) is None
    assert [store.user_of(token) for token in tokens] == [None, "admin", "guest"]
    assert store.info_of(tokens[0]) is None
    clock.now += 60
    assert [(info.id, info.age_s, info.left_s) for info in store.infos()] == [(infos[2].id, 60, None)]
