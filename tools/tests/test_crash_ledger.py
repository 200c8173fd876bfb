from __future__ import annotations

from tools.crash.ledger import Ledger


def test_what_was_acknowledged_has_to_be_there() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.asked("a", "1")
    ledger.acknowledged("a", "1")
    assert ledger.compare({"a": "1"}) == []
    assert ledger.compare({}) == ["a: expected 1, found None"]


def test_what_was_cut_off_may_be_as_before_or_as_asked_and_nothing_else() -> None:
    for found, wrong in (("1", 0), ("2", 0), ("half", 0), ("3", 1), (None, 1)):
        ledger: Ledger[str] = Ledger()
        ledger.acknowledged("a", "1")
        ledger.asked("a", "half", "2")
        assert len(ledger.compare({} if found is None else {"a": found})) == wrong


def test_what_was_found_is_the_truth_from_then_on() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.asked("a", "1")
    assert ledger.compare({"a": "1"}) == []
    assert ledger.compare({}) == ["a: expected 1, found None"]
    assert ledger.compare({}) == []


def test_what_nobody_asked_for_must_not_be_there() -> None:
    ledger: Ledger[str] = Ledger()
    ledger.acknowledged("a", "1")
    ledger.refused("a", None)
    assert ledger.compare({"a": "1", "b": "2"}) == ["a: expected None, found 1", "b: expected None, found 2"]
