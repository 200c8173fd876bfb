"""What the appliance says of its own parts, for the gate that confirms a new version. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import msgspec

from firmware.core.json_documents import read_json

GADGET: Final = "USB gadget"
CAPTURE: Final = "capture"
STATE: Final = "state"
PARTS: Final = (GADGET, CAPTURE, STATE)
"""What every version has to say something of."""


class Condition(enum.StrEnum):
    """How a part is."""

    WORKS = "works"
    """This includes that there is nothing to do: no video signal, no gadget configured."""
    MISSING = "missing"
    """The device is not there, which no software can mend."""
    BROKEN = "broken"


class Part(msgspec.Struct, frozen=True):
    """One part: its condition, and a sentence."""

    condition: Condition
    text: str


class SelfReport(msgspec.Struct, frozen=True):
    """All parts by name, as the version that runs sees them."""

    version: str
    parts: Mapping[str, Part]


def decode(data: bytes) -> SelfReport | None:
    """Return the report in *data*, None if it is none."""
    try:
        return read_json(data, SelfReport)
    except ValueError:
        return None


def objections(report: SelfReport | None, before: SelfReport | None) -> list[str]:
    """Return what speaks against the version that wrote *report*.

    *before* is the report of the version that was confirmed last: what worked there must not be missing now,
    unless it can be unplugged, as a capture adapter can.
    """
    if report is None:
        return ["the appliance has not told how it is"]
    found = []
    for name in PARTS:
        part = report.parts.get(name)
        if part is None:
            found.append(f"{name}: nothing was said of it")
        elif part.condition is Condition.BROKEN:
            found.append(f"{name}: {part.text}")
        elif name == GADGET and part.condition is Condition.MISSING and before is not None:
            earlier = before.parts.get(name)
            if earlier is not None and earlier.condition is Condition.WORKS:
                found.append(f"{name}: {part.text}; with version {before.version} it worked")
    return found
