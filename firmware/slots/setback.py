"""A start that went wrong, as the start after it finds it: which version it was, and why.

The reason comes from the last words on the disk; without any (a kernel that hangs says none) from what RAUC
and the boot loader know of the other slot. Pure but for `load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from firmware.core.files import observe
from firmware.core.json_documents import read_json
from firmware.slots.last_words import LastWords

FILE: Final = Path("/data/rauc/setback.json")
BAD: Final = "bad"
WRITTEN: Final = "ok"
SILENT: Final = "it was started three times, did not come up, and left no word"
CUT_OFF: Final = "its installation was cut off; install it again"


class Setback(msgspec.Struct, frozen=True):
    """Which version in which slot did not work, why, and when that was noticed (UTC, ISO 8601)."""

    slot: str
    version: str
    reason: str
    noticed: str

    def same_as(self, other: Setback | None) -> bool:
        """Return whether it is the same setback, whenever it was noticed."""
        return other is not None and msgspec.structs.replace(other, noticed=self.noticed) == self


class Event(msgspec.Struct, frozen=True):
    """When something was done to a slot last, as RAUC writes it (ISO 8601, so that texts compare)."""

    timestamp: str | None = None


class Bundle(msgspec.Struct, frozen=True):
    """Where a slot's contents came from."""

    version: str | None = None


class SlotStatus(msgspec.Struct, frozen=True):
    """What RAUC did with a slot; nothing of this is there where it never wrote one."""

    bundle: Bundle = Bundle()
    installed: Event = Event()
    activated: Event = Event()
    status: str | None = None


class Slot(msgspec.Struct, frozen=True):
    """One slot, as `rauc status` shows it; `bootname` is there for root file systems alone."""

    bootname: str | None = None
    boot_status: str | None = None
    slot_status: SlotStatus = SlotStatus()


class RaucStatus(msgspec.Struct, frozen=True):
    """What `rauc status --detailed --output-format=json` says, as far as it is needed."""

    slots: tuple[Mapping[str, Slot], ...] = ()

    def named(self, name: str) -> Slot:
        """Return the slot that the boot loader calls *name*."""
        slots = [slot for group in self.slots for slot in group.values()]
        return next((slot for slot in slots if slot.bootname == name), Slot())


def other_slot(name: str) -> str:
    """Return the slot beside *name*."""
    return "B" if name == "A" else "A"


def find(status: RaucStatus, words: LastWords | None, own_slot: str, now: str) -> Setback | None:
    """Return what went wrong before this start in *own_slot*, None if nothing is known of."""
    if words is not None:
        known = status.named(words.slot).slot_status.bundle.version
        return Setback(words.slot, words.version or known or "", words.reason, now)
    name = other_slot(own_slot)
    other = status.named(name)
    done = other.slot_status
    if other.boot_status != BAD or done.status is None:
        return None
    if done.status != WRITTEN:
        return Setback(name, "", CUT_OFF, now)
    if (done.activated.timestamp or "") >= (done.installed.timestamp or "") != "":
        return Setback(name, done.bundle.version or "", SILENT, now)
    return None


def load(path: Path = FILE) -> Setback | None:
    """Return the setback that was noted, None if there is none. Blocks."""
    data = observe(path).data
    if data is None:
        return None
    try:
        return read_json(data, Setback)
    except ValueError:
        return None


def tell(setback: Setback, running: str) -> str:
    """Return a sentence for people; *running* is the version that runs."""
    name = f"version {setback.version}" if setback.version else "what was being installed"
    if setback.version == running:
        return f"an earlier start of {name} in slot {setback.slot} went wrong: {setback.reason}"
    return f"{name} in slot {setback.slot} was given up: {setback.reason}"
