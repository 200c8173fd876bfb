"""The table of docs/reliability.md: made of the declaration and results, and read back to be compared."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from tools.fault_matrix.declaration import DRIVERS, FAULTS
from tools.fault_matrix.results import Result

BEGIN: Final = "<!-- fault matrix: written by `just fault-matrix` -->"
END: Final = "<!-- end of the fault matrix -->"
NOT_APPLICABLE: Final = "n/a"
_NOTE: Final = re.compile(rf"{NOT_APPLICABLE} <sup>(\d+)</sup>")
_LEGEND: Final = """The last run: {when}. Each cell says where its tests passed: `rig`, in a kernel that plays
the hardware; `QEMU`, with a real machine in QEMU; `host`, with pseudo-terminals, sockets and processes, or
with a fault that is injected at the port."""

type Cells = dict[tuple[str, str], str]


def render(results: Sequence[Result], when: str) -> str:
    """Return the table with its notes; *when* the tests ran last."""
    notes: dict[str, int] = {}
    lines = [
        *textwrap.wrap(_LEGEND.format(when=when), 126),
        "",
        "| driver | " + " | ".join(FAULTS) + " |",
        "|---|" + "---|" * len(FAULTS),
    ]
    for name, driver in DRIVERS.items():
        cells = []
        for fault in FAULTS:
            if fault in driver.tested:
                cells.append(_outcome(_of_cell(results, name, fault)))
            else:
                cells.append(
                    f"{NOT_APPLICABLE} <sup>{notes.setdefault(driver.exempt[fault], len(notes) + 1)}</sup>"
                )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", *(f"- **{fault}**: {meaning}." for fault, meaning in FAULTS.items())]
    lines += ["", f"{NOT_APPLICABLE}: the fault does not apply, because the driver", ""]
    lines += [f"{number}. {phrase}" for phrase, number in notes.items()]
    return "\n".join(lines)


def _of_cell(results: Iterable[Result], driver: str, fault: str) -> list[Result]:
    return [result for result in results if result.driver == driver and fault in result.faults]


def _outcome(results: Sequence[Result]) -> str:
    failed = sorted({result.kind for result in results if result.outcome == "failed"})
    if failed:
        return f"**fails**: {', '.join(failed)}"
    passed = sorted({result.kind for result in results if result.outcome == "passed"})
    return f"✓ {', '.join(passed)}" if passed else "not run"


def put(document: str, table: str) -> str:
    """Return *document* with *table* between its markers. Raises ValueError if it has none."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and {END} in the document")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def cells(document: str) -> Cells:
    """Read the cells of the table in *document*; one that does not apply is followed by its note's words."""
    table = document.partition(BEGIN)[2].partition(END)[0]
    notes = dict(re.findall(r"^(\d+)\. (.*)$", table, re.MULTILINE))
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| ")
    ]
    if not rows:
        return {}
    faults = rows[0][1:]
    found: Cells = {}
    for driver, *texts in rows[1:]:
        for fault, text in zip(faults, texts, strict=True):
            note = _NOTE.fullmatch(text)
            found[driver, fault] = text if note is None else f"{NOT_APPLICABLE} {notes.get(note[1])}"
    return found


def expected() -> Cells:
    """The declared cells: empty where a test's result belongs, and the words of what does not apply."""
    return {
        (name, fault): "" if fault in driver.tested else f"{NOT_APPLICABLE} {driver.exempt[fault]}"
        for name, driver in DRIVERS.items()
        for fault in FAULTS
    }
