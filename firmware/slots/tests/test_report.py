"""What speaks against a new version, as the gate reads its report."""

from __future__ import annotations

import msgspec
import pytest

from firmware.slots.gate import NO_ANSWER, confirmed_lines, refusals
from firmware.slots.report import CAPTURE, GADGET, STATE, Condition, Part, SelfReport, decode, objections


def report(version: str = "2", **changes: Part) -> SelfReport:
    parts = {
        GADGET: Part(Condition.WORKS, "composed"),
        CAPTURE: Part(Condition.WORKS, "no video signal"),
        STATE: Part(Condition.WORKS, "/data/state can be written and read"),
    }
    names = {"gadget": GADGET, "capture": CAPTURE, "state": STATE}
    return SelfReport(version, parts | {names[name]: part for name, part in changes.items()})


def test_a_version_whose_parts_all_work_has_nothing_against_it() -> None:
    assert objections(report(), None) == []


def test_a_device_that_is_not_there_is_no_fault_of_a_version() -> None:
    absent = Part(Condition.MISSING, "expected a video capture, got none")
    assert objections(report(gadget=absent, capture=absent), None) == []


def test_a_broken_part_is_named_with_its_reason() -> None:
    (said,) = objections(report(state=Part(Condition.BROKEN, "/data/state cannot be used: no space")), None)
    assert said == "state: /data/state cannot be used: no space"


def test_a_gadget_that_worked_with_the_version_before_must_not_be_missing() -> None:
    now = report(gadget=Part(Condition.MISSING, "expected a USB device controller, got none"))
    (said,) = objections(now, report("1"))
    assert "USB device controller" in said
    assert "with version 1 it worked" in said


def test_a_capture_adapter_that_was_unplugged_meanwhile_is_no_objection() -> None:
    assert objections(report(capture=Part(Condition.MISSING, "none")), report("1")) == []


def test_a_part_that_is_not_mentioned_is_an_objection() -> None:
    (said,) = objections(
        SelfReport("2", {GADGET: Part(Condition.WORKS, ""), STATE: Part(Condition.WORKS, "")}), None
    )
    assert said.startswith("capture")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": 1, "parts": {}}', b"\xff"])
def test_a_report_that_cannot_be_read_is_none(data: bytes) -> None:
    assert decode(data) is None
    assert objections(None, None)


def test_what_was_written_is_what_is_read() -> None:
    assert decode(msgspec.json.encode(report())) == report()


def test_a_silent_api_refuses_every_version() -> None:
    for known in (False, True):
        assert NO_ANSWER in refusals(report(), None, answers=False, known=known)


def test_a_version_that_worked_before_is_not_refused_for_its_hardware() -> None:
    broken = report(capture=Part(Condition.BROKEN, "the capture does not answer"))
    assert refusals(broken, None, answers=True, known=False)
    assert refusals(broken, None, answers=True, known=True) == []


def test_state_that_cannot_be_kept_refuses_a_version_that_worked_before() -> None:
    broken = report(state=Part(Condition.BROKEN, "read-only"))
    assert refusals(broken, None, answers=True, known=True) == ["state: read-only"]


def test_a_confirmation_replaces_that_of_its_own_slot_alone() -> None:
    first = confirmed_lines([], "A", "1")
    assert first == "A 1\n"
    both = confirmed_lines(first.splitlines(), "B", "2")
    assert both == "A 1\nB 2\n"
    assert confirmed_lines(both.splitlines(), "A", "3") == "A 3\nB 2\n"
