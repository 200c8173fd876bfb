"""Appliances as a person starts them: real processes, found by the URLs that they print."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tools.log_secrets import secret_forms_in

# What stands in `kernel` needs the rig's kernel, and is run inside of it (`./justw rig`).
IN_RIG = "FARHAND_RIG" in os.environ
collect_ignore = [] if IN_RIG else ["kernel"]
if not IN_RIG:
    # The rig's guest has no browser.
    from browser_fixtures import browser, console, page, target

    __all__ = ["browser", "console", "page", "target"]

START_DEADLINE_S = 60
STOP_DEADLINE_S = 30


@dataclass
class RunningAppliance:
    """One `farhand run`; what it prints is kept for the messages of failing tests."""

    process: subprocess.Popen[str]
    url: str = ""
    urls: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    user: str = "admin"
    password: str = "admin"

    def client(self) -> httpx.Client:
        """An HTTP client that presents the credentials with each request."""
        headers = {"X-KVMD-User": self.user, "X-KVMD-Passwd": self.password}
        return httpx.Client(base_url=self.url, headers=headers, verify=False, timeout=60)

    def stop(self) -> int:
        """End it as a service manager does and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_DEADLINE_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


def _start(directory: Path, *arguments: str) -> RunningAppliance:
    command = [
        str(Path(sys.executable).with_name("farhand")),
        "run",
        *("--config", str(directory / "config"), "--state", str(directory / "state")),
        *arguments,
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=directory,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    running = RunningAppliance(process)
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            running.output.append(line)
            if "is ready:" in line:
                running.urls = re.findall(r"https?://\S+", line)
                running.url = running.urls[0]
                ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    if not ready.wait(START_DEADLINE_S) or not running.url:
        process.kill()
        process.wait()
        pytest.fail("the appliance did not start:\n" + "".join(running.output))
    return running


@pytest.fixture
def start_appliance(tmp_path: Path) -> Iterator[Callable[..., RunningAppliance]]:
    """A function that starts an appliance with arguments; all of them end with the test."""
    with _appliances(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_appliance(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., RunningAppliance]]:
    """The same for tests that leave an appliance as they found it; they end with the module."""
    with _appliances(tmp_path_factory.mktemp("shared")) as start:
        yield start


@contextmanager
def _appliances(root: Path) -> Iterator[Callable[..., RunningAppliance]]:
    running: list[RunningAppliance] = []

    def start(*arguments: str) -> RunningAppliance:
        directory = root / f"appliance{len(running)}"
        (directory / "config").mkdir(parents=True, exist_ok=True)
        running.append(_start(directory, *arguments))
        return running[-1]

    yield start
    for appliance in running:
        if appliance.process.poll() is None:
            appliance.stop()
        assert appliance.process.stdout is not None
        appliance.process.stdout.close()
        # Shown with a test that failed: what the appliance had to say, and how it ended.
        print("".join(appliance.output), f"exit status {appliance.process.returncode}", sep="")
        assert not secret_forms_in("".join(appliance.output)), "there are secrets in its log"


@pytest.fixture
def appliance(start_appliance: Callable[..., RunningAppliance]) -> RunningAppliance:
    """The emulated board on plain HTTP on loopback."""
    return start_appliance("--board", "emulated", "--http", "127.0.0.1:0", "--https", "")
