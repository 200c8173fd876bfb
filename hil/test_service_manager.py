"""What a service manager is told by an appliance that it starts and watches."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

DEADLINE_S = 60
WATCHDOG_S = 2


class Manager:
    """The notification socket of a service manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.told: list[str] = []

    def next_with(self, line: str) -> str:
        """Return the next message that has *line*."""
        end = time.monotonic() + DEADLINE_S
        while True:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                message = self.socket.recv(4096).decode()
            except TimeoutError:
                pytest.fail(f"expected to be told {line}, was told {self.told}")
            self.told.append(message)
            if line in message.splitlines():
                return message


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A service manager that watches whoever is started from here."""
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_S * 1_000_000))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with manager.socket:
        yield manager


def test_it_is_told_of_readiness_of_life_and_of_the_end(
    manager: Manager, start_appliance: Callable[..., Any]
) -> None:
    appliance = start_appliance("--board", "emulated", "--http", "127.0.0.1:0", "--https", "")
    ready = manager.next_with("READY=1")
    assert appliance.url.rstrip("/") in ready
    for _ in range(3):
        manager.next_with("WATCHDOG=1")
    assert appliance.stop() == 0
    manager.next_with("STOPPING=1")


HANG_ON_SIGNAL = """
import signal
import time

def hang_here(*_):
    while True:
        time.sleep(1)

signal.signal(signal.SIGUSR1, hang_here)
"""


@pytest.mark.parametrize("watched", [True, False])
def test_when_it_hangs_its_stacks_are_told_and_it_ends_for_somebody_who_restarts_it(
    tmp_path: Path,
    manager: Manager,
    start_appliance: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    watched: bool,
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(HANG_ON_SIGNAL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    if not watched:
        monkeypatch.delenv("WATCHDOG_USEC")
    config = tmp_path / "appliance0" / "config"
    config.mkdir(parents=True)
    (config / "override.yaml").write_text("farhand: {watchdog: {stall: 2}}\n")
    appliance = start_appliance("--board", "emulated", "--http", "127.0.0.1:0", "--https", "")
    manager.next_with("READY=1")
    appliance.process.send_signal(signal.SIGUSR1)
    if watched:
        assert appliance.process.wait(DEADLINE_S) == 1
    end = time.monotonic() + DEADLINE_S
    while not any("hang_here" in line for line in appliance.output):
        assert time.monotonic() < end, f"expected its stacks, got {appliance.output}"
        time.sleep(0.05)
    assert any("Timeout" in line for line in appliance.output)
    if not watched:
        assert appliance.process.poll() is None
        appliance.process.kill()
        appliance.process.wait()


def test_in_the_journal_it_writes_no_times_and_reads_its_log_from_there(tmp_path: Path) -> None:
    """As under systemd: its output is named in JOURNAL_STREAM, and journalctl is in the path."""
    journalctl = tmp_path / "bin/journalctl"
    journalctl.parent.mkdir()
    record = json.dumps(
        {"__REALTIME_TIMESTAMP": "1749595088000000", "UNIT": "farhand.service", "MESSAGE": "hi"}
    )
    journalctl.write_text(f"#!/bin/sh\necho '{record}'\n")
    journalctl.chmod(0o755)
    written = tmp_path / "stream"
    with written.open("w") as stream:
        status = os.fstat(stream.fileno())
        environment = {
            **os.environ,
            "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}",
            "PATH": f"{journalctl.parent}:{os.environ['PATH']}",
        }
        command = [str(Path(sys.executable).with_name("farhand")), "run", "--board", "emulated"]
        command += ["--http", "127.0.0.1:0", "--https", "", "--state", str(tmp_path / "state")]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stream, text=True, env=environment
        ) as process:
            try:
                assert process.stdout is not None
                (url,) = re.findall(r"http://\S+", process.stdout.readline())
                headers = {"X-KVMD-User": "admin", "X-KVMD-Passwd": "admin"}
                answer = httpx.get(f"{url}api/log", headers=headers, timeout=DEADLINE_S)
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(DEADLINE_S) == 0
    assert re.fullmatch(r"\[2025-06-1\d \d\d:\d\d:08 farhand\.service\] --- hi\r\n", answer.text)
    assert (
        "firmware.appliance                INFO --- stopping on SIGTERM" in written.read_text().splitlines()
    )
