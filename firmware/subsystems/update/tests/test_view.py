"""What is shown of the slots."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from drivers.system.rauc import Progress, RaucStatus, Slot
from firmware.state.update import GivenUp, Installation, InstallPhase, SlotCondition, SlotState, UpdateState
from firmware.subsystems.update.view import given_up_of, view

RUNNING = Slot("A", booted=True)
BEFORE = UpdateState(slots=(SlotState(name="A", condition=SlotCondition.CONFIRMED, running=True),))
OTHER = Slot("B", version="2.0.0", installed_at="2026-01-02T03:04:05Z")


def status(other: Slot = OTHER, *, primary: str | None = "A", installing: bool = False) -> RaucStatus:
    return RaucStatus("farhand-rpi4", (RUNNING, other), primary, installing, Progress(40, "Copying"), "")


def shown(
    given: RaucStatus, *, confirmed: bool = True, installation: Installation | None = None
) -> UpdateState:
    return view(
        given, before=BEFORE, version="1.0.0", confirmed=confirmed, given_up=None, installation=installation
    )


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        (status(), SlotCondition.STANDBY),
        (status(primary="B"), SlotCondition.WAITING),
        (status(dataclasses.replace(OTHER, boot_good=False)), SlotCondition.GIVEN_UP),
        (status(Slot("B", boot_good=False)), SlotCondition.EMPTY),
    ],
)
def test_the_other_slot_is_told_apart(given: RaucStatus, condition: SlotCondition) -> None:
    state = shown(given)
    assert state.slots[1].condition is condition
    assert state.restart_needed is (condition is SlotCondition.WAITING)


def test_what_runs_is_on_probation_until_it_is_confirmed() -> None:
    assert shown(status(), confirmed=False).slots[0].condition is SlotCondition.PROBATION
    running = shown(status()).slots[0]
    assert (running.condition, running.version, running.running) == (SlotCondition.CONFIRMED, "1.0.0", True)


def test_an_installation_that_somebody_else_began_is_shown() -> None:
    found = shown(status(installing=True)).installation
    assert found is not None
    assert (found.phase, found.source, found.percent) == (InstallPhase.INSTALLING, "elsewhere", 40)
    own = Installation(phase=InstallPhase.INSTALLING, source="upload", percent=41)
    assert shown(status(installing=True), installation=own).installation is own


def test_slots_stay_as_they_were_known_while_rauc_does_not_look_at_them() -> None:
    found = shown(dataclasses.replace(status(installing=True), slots=None))
    assert found.slots == BEFORE.slots
    assert found.installation is not None


def test_the_note_of_what_was_given_up_is_read() -> None:
    note = {"slot": "B", "version": "2.0.0", "reason": "HTTPS does not answer", "noticed": "2026-01-02"}
    assert given_up_of(msgspec.json.encode(note)) == GivenUp(**note)
    assert given_up_of(None) is None
    assert given_up_of(b"{") is None
