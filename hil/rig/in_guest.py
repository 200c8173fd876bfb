"""Runs pytest inside of the guest: output streamed, exit status exact, reports and coverage brought out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from coverage import CoverageData

from rig import cache, step
from rig.errors import GuestRefusedError
from rig.guest.system import TREE
from rig.rig import Rig

DEFAULT_SELECTION = ("hil/kernel",)
ARTEFACTS = cache.CACHE / "last"
"""Where the junit report and the console's text of the last run are, unless told otherwise."""

# A fast selection takes a minute, all of them some minutes, on a busy machine thrice that.
DEADLINE_S = 3600.0

_JUNIT = "/tmp/rig/junit.xml"
_COVERAGE = "/tmp/rig/coverage"
_FAULTS = "/tmp/rig/faults.jsonl"
_LIST_DEADLINE_S = 60
# A word behind one of these is no path, even if there is one of that name.
_WITH_VALUE = frozenset({"-k", "-m", "-p", "-o", "-W", "-r"})
_TOO_LATE = 124
"""The status of a run that did not end in time, as of timeout(1)."""


@dataclass(frozen=True)
class PytestRun:
    """What to run."""

    arguments: tuple[str, ...]
    """Arguments of pytest. Without any path in them, it is `hil/kernel`."""
    coverage: bool = False
    """Whether to measure coverage, for the host's `coverage combine`."""
    fault_results: Path | None = None
    """The host's file to which the results of tests marked `fault` are added; None keeps none."""
    artefacts: Path = ARTEFACTS
    deadline_s: float = DEADLINE_S
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, project: Path = cache.TREE) -> list[str]:
        """The command in the guest."""
        selection = () if names_path(self.arguments, project) else DEFAULT_SELECTION
        pytest = [
            *("-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={_JUNIT}"),
            # It comes with an HTTP client; loading it takes a second of every run.
            *("-p", "no:anyio"),
            *(() if self.fault_results is None else (f"--fault-results={_FAULTS}",)),
            *self.arguments,
            *selection,
        ]
        measure = (
            ["-m", "coverage", "run", f"--data-file={_COVERAGE}/data", "--parallel-mode"]
            if self.coverage
            else []
        )
        return ["python3", "-u", *measure, *pytest]


def names_path(arguments: Sequence[str], project: Path) -> bool:
    """Whether one of the arguments is a file or directory of the project, maybe with `::test` behind it."""
    words = [
        word.partition("::")[0]
        for before, word in pairwise(["", *arguments])
        if not word.startswith("-") and before not in _WITH_VALUE
    ]
    return any(word and (project / word).exists() for word in words)


def run_pytest(rig: Rig, what: PytestRun, on_output: Callable[[str], None]) -> int:
    """Run it, fetch what it left, and return its exit status as a shell would."""
    rig.run(["mkdir", "-p", _COVERAGE]).check()
    try:
        result = rig.run(
            what.command(rig.project),
            directory=TREE,
            environment={"PY_COLORS": os.environ.get("PY_COLORS", "0"), **what.environment},
            timeout_s=what.deadline_s,
            on_output=on_output,
        )
        _fetch(rig, what)
    finally:
        _keep_console(rig, what.artefacts)
    if result.timed_out:
        step.say(f"expected the tests to end within {what.deadline_s:.0f} s: they were stopped")
        return _TOO_LATE
    return result.status if result.status >= 0 else 128 - result.status


def _fetch(rig: Rig, what: PytestRun) -> None:
    what.artefacts.mkdir(parents=True, exist_ok=True)
    report = what.artefacts / "junit.xml"
    report.unlink(missing_ok=True)
    try:
        report.write_bytes(rig.get(_JUNIT))
    except GuestRefusedError:
        # Pytest ended before it could write one, which its output and its status say.
        step.say("the run left no junit report")
    if what.fault_results is not None:
        what.fault_results.parent.mkdir(parents=True, exist_ok=True)
        with what.fault_results.open("ab") as file:
            file.write(rig.get(_FAULTS))
    if what.coverage:
        names = rig.run(["ls", _COVERAGE], timeout_s=_LIST_DEADLINE_S).check().output.split()
        for name in names:
            keep_coverage(rig.get(f"{_COVERAGE}/{name}"), rig.project)
        step.say(f"fetched {len(names)} coverage files for `coverage combine`")


def keep_coverage(data: bytes, project: Path) -> None:
    """Save the guest's coverage *data* beside the host's, with the project's own paths in it."""
    with tempfile.NamedTemporaryFile(prefix="farhand-rig-") as file:
        file.write(data)
        file.flush()
        guest = CoverageData(file.name)
        guest.read()
        ours = CoverageData(str(project / ".coverage"), suffix=f"rig.{os.urandom(6).hex()}")
        ours.update(guest, map_path=lambda path: host_path(path, project))
        ours.close()
        guest.close()


def host_path(path: str, project: Path) -> str:
    """The project's own path of a file that the guest has below its tree."""
    return str(project / path.removeprefix(f"{TREE}/")) if path.startswith(f"{TREE}/") else path


def _keep_console(rig: Rig, artefacts: Path) -> None:
    artefacts.mkdir(parents=True, exist_ok=True)
    rig.keep_console(artefacts / "console.log")
