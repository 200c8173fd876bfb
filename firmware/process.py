"""What our own process has in use: what grows there for ever is a leak."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import trio


def process_statistics() -> dict[str, int]:
    """Return how many Trio tasks, threads and open files there are, and the resident memory in KiB.

    Call it within the event loop. Source: proc_pid_statm(5).
    """
    resident_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "trio_tasks": trio.lowlevel.current_statistics().tasks_living,
        "threads": threading.active_count(),
        "open_files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "resident_kib": resident_pages * os.sysconf("SC_PAGE_SIZE") // 1024,
    }
