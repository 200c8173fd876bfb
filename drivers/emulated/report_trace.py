"""Writes down every HID report that the emulated PC takes, for benchmarks and tests in other processes.

A line for each: `keyboard` or `pointer`, the time in nanoseconds of CLOCK_MONOTONIC, the report in
hexadecimal digits. The file is begun anew, and open only while a line is written.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal


class ReportTrace:
    """A trace into the file at *path*."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_bytes(b"")

    def write(self, device: Literal["keyboard", "pointer"], report: bytes) -> None:
        """Write a report down as it is taken."""
        line = f"{device} {time.monotonic_ns()} {report.hex()}\n"
        with self._path.open("ab", buffering=0) as file:
            file.write(line.encode())
