"""The service manager, played by a real datagram socket."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from drivers.system.sd_notify import MAX_STATUS_BYTES, ServiceManager, encode, watchdog_timeout_s

Opener = Callable[[str], socket.socket]


@pytest.fixture
def listen() -> Iterator[Opener]:
    with ExitStack() as stack:

        def opener(address: str) -> socket.socket:
            sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            sock.bind("\0" + address[1:] if address.startswith("@") else address)
            sock.setblocking(False)
            return sock

        yield opener


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@farhand-test-{uuid.uuid4()}"


async def test_each_call_is_one_datagram(address: str, listen: Opener) -> None:
    manager_side = listen(address)
    manager = ServiceManager(address)
    assert manager.is_present
    await manager.ready()
    await manager.ready("serving\nall")
    await manager.status("half way")
    await manager.watchdog()
    await manager.extend_timeout(2.5)
    await manager.stopping("until next time")
    assert [manager_side.recv(4096) for _ in range(6)] == [
        b"READY=1",
        b"READY=1\nSTATUS=serving all",
        b"STATUS=half way",
        b"WATCHDOG=1",
        b"EXTEND_TIMEOUT_USEC=2500000",
        b"STOPPING=1\nSTATUS=until next time",
    ]
    assert manager.statistics() == {"sent": 6, "lost": 0}


async def test_reloading_tells_the_monotonic_clock(tmp_path: Path, listen: Opener) -> None:
    manager_side = listen(str(tmp_path / "notify"))
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    await ServiceManager(str(tmp_path / "notify")).reloading()
    first, _, stamp = manager_side.recv(4096).partition(b"\nMONOTONIC_USEC=")
    assert first == b"RELOADING=1"
    assert before_us <= int(stamp) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@pytest.mark.fault("service manager", "missing")
async def test_without_a_socket_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager.from_environment({"WATCHDOG_USEC": "1000000"})
    await manager.ready("nobody hears this")
    await manager.watchdog()
    assert not manager.is_present
    # To be watched without a way to answer is not to be watched.
    assert manager.watchdog_timeout_s is None
    assert manager.statistics() == {"sent": 0, "lost": 0}
    assert not caplog.records


async def test_an_address_of_another_kind_is_told_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager("vsock:2:1234")
    await manager.ready()
    assert not manager.is_present
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "vsock:2:1234" in caplog.text


@pytest.mark.fault("service manager", "vanishes", "returns")
async def test_a_manager_that_is_gone_is_logged_once_per_outage(
    tmp_path: Path, listen: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "notify"
    manager = ServiceManager(str(path))
    for _ in range(3):
        await manager.watchdog()
    assert len(caplog.records) == 1
    assert str(path) in caplog.text
    first = listen(str(path))
    await manager.watchdog()
    assert first.recv(100) == b"WATCHDOG=1"
    # systemd replaced by its next version, which binds anew.
    path.unlink()
    await manager.watchdog()
    assert len(caplog.records) == 2
    second = listen(str(path))
    await manager.watchdog()
    assert second.recv(100) == b"WATCHDOG=1"
    assert manager.statistics() == {"sent": 2, "lost": 4}


@pytest.mark.fault("service manager", "stalls")
async def test_a_manager_that_does_not_read_costs_a_bounded_wait(
    tmp_path: Path, listen: Opener, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    manager_side = listen(str(tmp_path / "notify"))
    manager = ServiceManager(str(tmp_path / "notify"))
    # The clock only jumps while nothing can run, so this ends only if a full queue is waited for, not spun
    # on.
    while not manager.statistics()["lost"]:
        await manager.watchdog()
    assert "within 1.0 s" in caplog.text
    waiting = manager.statistics()["sent"]
    assert [manager_side.recv(100) for _ in range(waiting)] == [b"WATCHDOG=1"] * waiting
    await manager.watchdog()
    assert manager_side.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "77"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "78"}, None),
        ({"WATCHDOG_PID": "77"}, None),
    ],
)
def test_watchdog_timeout(variables: dict[str, str], expected: float | None) -> None:
    assert watchdog_timeout_s(variables, 77) == expected


@pytest.mark.parametrize("text", ["0", "-1", "soon", "1.5", " 3", "\N{ARABIC-INDIC DIGIT TWO}"])
def test_a_watchdog_timeout_that_is_none_is_told(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert watchdog_timeout_s({"WATCHDOG_USEC": text}, 77) is None
    assert "WATCHDOG_USEC" in caplog.text


def test_the_environment_of_this_process_counts_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/none")
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert ServiceManager.from_environment().watchdog_timeout_s == 4.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getppid()))
    assert ServiceManager.from_environment().watchdog_timeout_s is None


@given(st.text())
def test_a_status_is_one_line_of_utf_8_whatever_it_was(status: str) -> None:
    datagram = encode({"READY": "1"}, status)
    assert datagram.startswith(b"READY=1\nSTATUS=")
    assert datagram.count(b"\n") == 1
    assert len(datagram) <= len(b"READY=1\nSTATUS=") + MAX_STATUS_BYTES
    datagram.decode()


def test_a_long_status_is_cut_between_characters() -> None:
    assert encode({}, "\N{EURO SIGN}" * 1000) == b"STATUS=" + b"\xe2\x82\xac" * (MAX_STATUS_BYTES // 3)
