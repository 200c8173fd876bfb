"""What the API shows of RAUC's status. Pure."""

from __future__ import annotations

import msgspec

from drivers.system.rauc import RaucStatus, Slot
from firmware.core.json_documents import read_json
from firmware.state.update import (
    GivenUp,
    Installation,
    InstallPhase,
    SlotCondition,
    SlotState,
    UpdateState,
)

ELSEWHERE = "elsewhere"


def view(
    status: RaucStatus,
    *,
    before: UpdateState,
    version: str,
    confirmed: bool,
    given_up: GivenUp | None,
    installation: Installation | None,
) -> UpdateState:
    """Return the state of a machine whose running *version* is *confirmed* or not, after that *before*."""
    own = installation is not None and installation.phase in (InstallPhase.RECEIVING, InstallPhase.INSTALLING)
    if status.installing and not own:
        # Somebody has begun it with RAUC's own command.
        installation = Installation(
            phase=InstallPhase.INSTALLING,
            source=ELSEWHERE,
            percent=status.progress.percent,
            message=status.progress.message,
        )
    known = msgspec.structs.replace(
        before,
        supported=True,
        reason="",
        version=version,
        board=status.compatible,
        given_up=given_up,
        installation=installation,
    )
    if status.slots is None:
        return known
    slots = tuple(_slot(slot, status, version=version, confirmed=confirmed) for slot in status.slots)
    return msgspec.structs.replace(
        known,
        running=next((slot.name for slot in slots if slot.running), None),
        next=status.primary,
        restart_needed=any(slot.condition is SlotCondition.WAITING for slot in slots),
        slots=slots,
    )


def _slot(slot: Slot, status: RaucStatus, *, version: str, confirmed: bool) -> SlotState:
    if slot.booted:
        condition = SlotCondition.CONFIRMED if confirmed else SlotCondition.PROBATION
    elif not slot.boot_good:
        # RAUC marks a slot so before it writes to it as well.
        condition = SlotCondition.GIVEN_UP if slot.installed_at else SlotCondition.EMPTY
    elif status.primary == slot.name:
        condition = SlotCondition.WAITING
    else:
        condition = SlotCondition.STANDBY
    return SlotState(
        name=slot.name,
        condition=condition,
        running=slot.booted,
        version=version if slot.booted else slot.version,
        installed_at=slot.installed_at,
    )


class _Setback(msgspec.Struct, frozen=True):
    """What the image's gate has noted of the last start that went wrong."""

    slot: str
    version: str
    reason: str
    noticed: str = ""


def given_up_of(data: bytes | None) -> GivenUp | None:
    """Return what the gate's note says; nothing of one that cannot be read."""
    if data is None:
        return None
    try:
        note = read_json(data, _Setback)
    except ValueError:
        return None
    return GivenUp(slot=note.slot, version=note.version, reason=note.reason, noticed=note.noticed)
