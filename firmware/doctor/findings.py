"""What the doctor finds, and how it is told to people and to programs."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

import msgspec


class Verdict(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """Works without it; somebody may want to know."""
    BAD = "bad"
    """Something that the appliance is for does not work."""


class Finding(msgspec.Struct, frozen=True):
    """One line: what was looked at (`about`), what is the matter, and what to do (`mend`, if anything)."""

    verdict: Verdict
    about: str
    text: str
    mend: str = ""


def ok(about: str, text: str) -> Finding:
    """It works."""
    return Finding(Verdict.OK, about, text)


def note(about: str, text: str, mend: str = "") -> Finding:
    """It works without."""
    return Finding(Verdict.NOTE, about, text, mend)


def bad(about: str, text: str, mend: str) -> Finding:
    """It does not work; *mend* says what to do."""
    return Finding(Verdict.BAD, about, text, mend)


_SIGNS: Final = {Verdict.OK: "ok  ", Verdict.NOTE: "note", Verdict.BAD: "BAD "}


def as_text(findings: Sequence[Finding]) -> str:
    """Return the findings for a terminal, with what to do below each, and a last line that counts."""
    lines = []
    for finding in findings:
        lines.append(f"{_SIGNS[finding.verdict]}  {finding.about}: {finding.text}")
        if finding.mend:
            lines.extend(f"      -> {line}" for line in finding.mend.splitlines())
    count = sum(finding.verdict is Verdict.BAD for finding in findings)
    total = f"{len(findings)} looked at"
    lines.append(f"{total}, all is well" if count == 0 else f"{total}, {count} to mend")
    return "\n".join(lines) + "\n"


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings as one JSON document."""
    return msgspec.json.format(msgspec.json.encode({"findings": findings})).decode() + "\n"
