"""The pytest plugin: knows the marker, refuses wrong ones, and records what became of marked tests.

It works the same on the host and inside the rig. `--fault-results FILE` says where the lines are added.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tools.fault_matrix import marks
from tools.fault_matrix.results import HOST, QEMU, RIG, Outcome, Result, append

MARKER = "fault"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.addoption(
        "--fault-results", type=Path, help="add the results of tests marked `fault` to this file"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and record if told to."""
    config.addinivalue_line(
        "markers",
        "fault(driver, *faults): shows that a driver survives faults; see docs/reliability.md",
    )
    path: Path | None = config.getoption("--fault-results")
    if path is not None:
        config.pluginmanager.register(_Recorder(path), "fault-results")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse marks of cells that there are not."""
    for item in items:
        for mark in item.iter_markers(MARKER):
            driver, *faults = mark.args or (None,)
            if (wrong := marks.check(driver, faults)) is not None:
                raise pytest.UsageError(f"{item.nodeid}: {wrong}")


class _Recorder:
    """Adds a line for each mark of each test as it ends, so that a run that is cut off leaves something."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, Outcome] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take note of each phase; the worst of them is the test's."""
        report = yield
        if report.outcome != "passed" and self._outcomes.get(item.nodeid) != "failed":
            self._outcomes[item.nodeid] = report.outcome
        if report.when == "teardown":
            outcome = self._outcomes.pop(item.nodeid, "passed")
            append(self._path, [_of(item, mark, outcome) for mark in item.iter_markers(MARKER)])
        return report


def _of(item: pytest.Item, mark: pytest.Mark, outcome: Outcome) -> Result:
    driver, *faults = mark.args
    return Result(item.nodeid, _kind(item), driver, tuple(faults), outcome)


def _kind(item: pytest.Item) -> str:
    # Tests from outside boot the rig themselves.
    if "FARHAND_RIG" in os.environ or "booted_rig" in getattr(item, "fixturenames", ()):
        return RIG
    return QEMU if item.get_closest_marker("qemu") is not None else HOST
