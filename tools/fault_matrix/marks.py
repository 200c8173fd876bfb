"""Finds the tests that are marked with cells of the fault matrix.

It reads the sources, since the rig's tests cannot be loaded outside of the rig. A mark is
`@pytest.mark.fault("driver", "fault", ...)` with literal texts, wherever it stands in a test's file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.fault_matrix.declaration import DRIVERS, FAULTS

TREES: Final = ("drivers", "firmware", "api", "board-tests", "hil")


@dataclass(frozen=True, slots=True)
class Mark:
    """A test that is to show that a driver survives faults."""

    file: str
    line: int
    driver: str
    faults: tuple[str, ...]


def check(driver: object, faults: Iterable[object]) -> str | None:
    """Say what is wrong with a mark's arguments; None if nothing is."""
    if driver not in DRIVERS:
        return f"expected a driver of tools/fault_matrix/declaration.py, got {driver!r}"
    row = DRIVERS[str(driver)]
    named = list(faults)
    if not named:
        return f"expected at least one fault, got none - at {driver}"
    for fault in named:
        if fault not in FAULTS:
            return f"expected one of the faults {', '.join(FAULTS)}, got {fault!r} - at {driver}"
        if fault not in row.tested:
            return f"{driver}, {fault}: declared not to apply: {row.exempt.get(str(fault))}"
    return None


def find(root: Path) -> list[Mark]:
    """Return the marks of all tests below *root*. Raises ValueError for one that is wrong, with its place."""
    return [
        mark
        for tree in TREES
        for path in sorted((root / tree).rglob("test_*.py"))
        if "node_modules" not in path.parts
        for mark in in_source(path.read_text("utf-8"), str(path.relative_to(root)))
    ]


def in_source(text: str, file: str) -> Iterator[Mark]:
    """Yield the marks of one file's *text*."""
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault"):
            continue
        values = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        if node.keywords or len(values) != len(node.args):
            raise ValueError(f"{file}:{node.lineno}: expected literal texts in the mark")
        driver, *faults = values or [None]
        if (wrong := check(driver, faults)) is not None:
            raise ValueError(f"{file}:{node.lineno}: {wrong}")
        yield Mark(file, node.lineno, str(driver), tuple(map(str, faults)))
