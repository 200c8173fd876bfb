"""A running appliance for benchmarks: a real `farhand run` on loopback, and what it costs."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CREDENTIALS = {"X-KVMD-User": "admin", "X-KVMD-Passwd": "admin"}
HEADER_PAIRS = [(name.encode(), value.encode()) for name, value in CREDENTIALS.items()]
STOP_DEADLINE_S = 30


@dataclass
class BenchAppliance:
    """Where it listens, which process it is, and how long it took to the first answer."""

    process: subprocess.Popen[str]
    host: str
    port: int
    started_in_s: float
    directory: Path
    """Where its `state` is."""

    def cpu_s(self) -> float:
        """Processor seconds used so far, all threads together."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def bench_appliance(override: str = "") -> Iterator[BenchAppliance]:
    """Start an appliance on the emulated board, wait for its first answer, and end it.

    *override* is the text of its configuration.
    """
    directory = Path(tempfile.mkdtemp(prefix="farhand-bench-"))
    (directory / "config").mkdir()
    (directory / "config" / "override.yaml").write_text(override)
    command = [
        str(Path(sys.executable).with_name("farhand")),
        *("run", "--board", "emulated", "--http", "127.0.0.1:0", "--https", "", "--log-level", "warning"),
        *("--config", str(directory / "config"), "--state", str(directory / "state")),
    ]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        match = re.search(r"http://([\d.]+):(\d+)", process.stdout.readline())
        assert match is not None, "the appliance printed no address"
        connection = http.client.HTTPConnection(match[1], int(match[2]), timeout=30)
        connection.request("GET", "/api/auth/check", headers=CREDENTIALS)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == 200, answer.status
        yield BenchAppliance(process, match[1], int(match[2]), time.monotonic() - began, directory)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_DEADLINE_S)
        shutil.rmtree(directory)
