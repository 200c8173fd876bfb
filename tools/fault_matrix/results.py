"""What became of marked tests: one line of JSON each, the last one of a test counts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import msgspec

type Outcome = Literal["passed", "failed", "skipped"]

RIG: Final = "rig"
QEMU: Final = "QEMU"
HOST: Final = "host"


class Result(msgspec.Struct, frozen=True):
    """What became of one test, in one kind of run."""

    test: str
    """Its node, as pytest names it."""
    kind: str
    """Where it ran: `RIG` (a kernel plays the hardware), `QEMU` (with a real machine in QEMU) or `HOST`."""
    driver: str
    faults: tuple[str, ...]
    outcome: Outcome

    @property
    def file(self) -> str:
        """The file that the test stands in."""
        return self.test.partition("::")[0]


def append(path: Path, results: Iterable[Result]) -> None:
    """Add *results* to the file at *path*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.writelines(msgspec.json.encode(result) + b"\n" for result in results)


def read(paths: Iterable[Path]) -> list[Result]:
    """Return the last results of all tests in the files. Raises ValueError for one that is no such file."""
    last: dict[tuple[str, str, str, tuple[str, ...]], Result] = {}
    for path in paths:
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                result = msgspec.json.decode(line, type=Result)
            except msgspec.MsgspecError as exc:
                raise ValueError(f"{path}:{number}: {exc}") from exc
            last[result.test, result.kind, result.driver, result.faults] = result
    return list(last.values())
