"""Writes the fault matrix into docs/reliability.md: `python -m tools.fault_matrix RESULTS...`.

It fails if a cell fails or has no result, after the table was written.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.fault_matrix import marks, results, table

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/reliability.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it, and return the exit status."""
    parser = argparse.ArgumentParser(prog="fault_matrix", description="Write the fault matrix.")
    parser.add_argument("results", nargs="+", type=Path, help="files that `pytest --fault-results` wrote")
    options = parser.parse_args(arguments)
    marked = {(mark.file, mark.driver, mark.faults) for mark in marks.find(ROOT)}
    known = [one for one in results.read(options.results) if (one.file, one.driver, one.faults) in marked]
    when = dt.datetime.now(tz=dt.UTC).date().isoformat()
    document = table.put(DOCUMENT.read_text("utf-8"), table.render(known, when))
    DOCUMENT.write_text(document, "utf-8")
    bad = [
        f"{driver}, {fault}: {text}"
        for (driver, fault), text in table.cells(document).items()
        if not text.startswith(("✓", table.NOT_APPLICABLE))
    ]
    print(f"{len(known)} results in {DOCUMENT.relative_to(ROOT)}; {len(bad)} cells are not as they should be")
    for line in bad:
        print(f"  {line}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
