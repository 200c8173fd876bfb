"""`farhand audit verify`: tells whether the audit trail is what was once written."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from firmware.core.errors import SetupError
from firmware.settings import load
from firmware.subsystems.audit.chain import BrokenChainError
from firmware.subsystems.audit.trail_files import DIRECTORY, files_of, verify

WHOLE: Final = 0
BROKEN: Final = 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to *commands* and return its parser."""
    audit = commands.add_parser("audit", help="verify the audit trail")
    audit.add_argument("what", choices=["verify"], help="is every line what was once written, at its place?")
    audit.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="an export, instead of the trail in the state"
    )
    audit.add_argument("--state", type=Path, metavar="DIR", help="state directory (default: as for run)")
    audit.add_argument(
        "--expect", metavar="HASH", help="a hash that was kept elsewhere and has to be among the lines"
    )
    return audit


def command_verify(
    files: Sequence[Path], config_dir: Path, state: Path | None, expected: str | None, stdout: TextIO
) -> int:
    """Verify *files*, or those of the state directory; print the verdict and return the exit status.

    Raises SetupError if there is nothing to verify.
    """
    directory = (state or load(config_dir).settings.farhand.state) / DIRECTORY
    try:
        paths = list(files) or files_of(directory)
        if not paths:
            raise SetupError(f"there is no audit trail - at {directory}; give another place with --state")
        verdict = verify(paths, expected=expected)
    except OSError as exc:
        raise SetupError(f"cannot read the audit trail: {exc.strerror} - at {exc.filename}") from None
    except BrokenChainError as exc:
        print(f"BROKEN: {exc}", file=stdout)
        return BROKEN
    if not verdict.has_expected:
        print(f"BROKEN: none of the {verdict.lines} lines has the hash {expected}", file=stdout)
        return BROKEN
    print(
        f"whole: {verdict.lines} lines, {verdict.first} to {verdict.end.number}; "
        f"the last one has the hash {verdict.end.hash}",
        file=stdout,
    )
    return WHOLE
