"""The virtual machine behind a whole appliance is killed: it is told, and comes back by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]

DEADLINE_S = 120
POLL_S = 0.1


def qemu_of(appliance: Any) -> int:
    """The process that the appliance has started."""
    children = (
        Path(f"/proc/{appliance.process.pid}/task/{appliance.process.pid}/children").read_text().split()
    )
    (pid,) = [int(pid) for pid in children if "qemu" in Path(f"/proc/{pid}/comm").read_text()]
    return pid


def wait_for(what: str, happened: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < end, f"expected {what}"
        time.sleep(POLL_S)


def result(client: httpx.Client, path: str, method: str = "GET") -> Any:
    answer = client.request(method, path)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


@pytest.mark.fault("QEMU", "killed", "vanishes", "returns")
def test_a_killed_machine_is_told_and_comes_back(start_appliance: Callable[..., Any]) -> None:
    appliance = start_appliance("--board", "qemu", "--http", "127.0.0.1:0", "--https", "", "--", "-m", "64")
    with appliance.client() as client:

        def task() -> dict[str, Any]:
            found: dict[str, Any] = result(client, "/api/supervisor")["tasks"]["board.qemu"]
            return found

        def turn_on() -> None:
            result(client, "/api/atx/power?action=on&wait=1", "POST")
            wait_for("a lamp that is on", lambda: result(client, "/api/atx")["leds"]["power"])

        wait_for("a machine", lambda: task()["phase"] == "online")
        turn_on()
        killed = qemu_of(appliance)
        os.kill(killed, signal.SIGKILL)
        wait_for("the fault", lambda: task()["faults"] == 1)
        assert "was ended by SIGKILL" in task()["last_error"]
        wait_for("a machine again", lambda: task()["phase"] == "online")
        wait_for("a front panel", lambda: result(client, "/api/atx")["online"])
        assert qemu_of(appliance) != killed
        assert result(client, "/api/atx")["leds"]["power"] is False, "as after a power cut"
        turn_on()
        assert task()["bugs"] == 0
