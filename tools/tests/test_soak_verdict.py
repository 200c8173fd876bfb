from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.soak.verdict import SLACK, Use, leaks

REST: Use = {"trio_tasks": 90, "open_files": 13, "threads": 4, "resident_kib": 110_000}


def grown(by: dict[str, int]) -> Use:
    return {name: count + by.get(name, 0) for name, count in REST.items()}


def test_what_stays_as_it_is_does_not_leak() -> None:
    assert leaks([REST] * 3) == []


@pytest.mark.parametrize("name", SLACK)
def test_each_thing_that_grows_by_a_little_each_round_is_found(name: str) -> None:
    step = SLACK[name] // 10 + 1
    rounds = [grown({name: step * number}) for number in range(30)]
    (found,) = leaks(rounds)
    assert found.startswith(f"{name}: ")


def test_a_single_round_proves_nothing() -> None:
    rounds = [REST] * 9
    rounds[-1] = grown({"trio_tasks": 50})
    assert leaks(rounds) == []


@given(st.lists(st.integers(0, 2), min_size=3, max_size=40))
def test_what_goes_up_and_down_within_its_slack_does_not_leak(extra: list[int]) -> None:
    assert leaks([grown(dict.fromkeys(SLACK, more)) for more in extra]) == []


def test_too_few_rounds_are_no_answer() -> None:
    with pytest.raises(ValueError, match="3 rounds or more, got 2"):
        leaks([REST] * 2)
