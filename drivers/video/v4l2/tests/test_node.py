"""The descriptor's life around calls that hang, and who holds a device."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from drivers.errors import DeviceBusyError, DeviceGoneError, DeviceTimeoutError, NotSupportedError
from drivers.video.v4l2 import node as module
from drivers.video.v4l2 import uapi
from drivers.video.v4l2.device import capabilities
from drivers.video.v4l2.node import DeviceNode, holders, open_node


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file, which knows no video requests."""
    path = tmp_path / "video0"
    path.write_bytes(bytes(4096))
    return path


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


async def test_what_is_no_video_device_says_so(path: Path) -> None:
    node = await open_node(path)
    with pytest.raises(NotSupportedError, match=f"{path}: expected a video device"):
        await node.run(lambda: capabilities(node))
    fd = node.fileno()
    await node.aclose()
    await node.aclose()
    assert not is_open(fd)
    with pytest.raises(OSError, match="closed"):
        node.ioctl(uapi.QUERYCAP, uapi.Capability())


async def test_a_missing_node_is_gone(tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError, match="video9"):
        await open_node(tmp_path / "video9")


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Requests that hang until the event is set."""
    event = threading.Event()

    def hang(*_: object) -> int:
        assert event.wait(60)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", hang)
    yield event
    event.set()


@pytest.mark.fault("V4L2 capture", "stalls")
async def test_a_hanging_request_is_given_up_and_keeps_its_descriptor(
    path: Path, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALL_DEADLINE_S", 0.05)
    node = DeviceNode(path, os.open(path, os.O_RDWR))
    fd = node.fileno()
    with pytest.raises(DeviceTimeoutError, match=str(path)):
        await node.run(lambda: node.ioctl(uapi.STREAMON, ctypes.c_uint32(1)))
    await node.aclose()
    # Somebody else would get this number otherwise, and the hanging call would be his.
    assert is_open(fd)
    hanging.set()
    with trio.fail_after(10):
        while is_open(fd):
            await trio.sleep(0.01)


async def test_a_node_is_closed_although_all_its_calls_hang(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a start that hangs and the stop that waits for it: the descriptor must not be lost for ever."""
    monkeypatch.setattr(module, "CALL_DEADLINE_S", 0.05)
    monkeypatch.setattr(module, "CLOSE_DEADLINE_S", 2.0)
    node = DeviceNode(path, os.open(path, os.O_RDWR))
    fd = node.fileno()
    release = threading.Event()
    try:
        for _ in range(3):
            with pytest.raises(DeviceTimeoutError):
                await node.run(lambda: release.wait(60))
        await node.aclose()
        assert not is_open(fd)
    finally:
        release.set()


async def test_a_busy_device_names_who_has_it(path: Path) -> None:
    program = "import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(  # noqa: ASYNC220 - the other program only has to exist
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        await trio.to_thread.run_sync(other.stdout.readline)
        node = await open_node(path)

        def busy() -> None:
            raise OSError(errno.EBUSY, "Device or resource busy")

        try:
            with pytest.raises(DeviceBusyError, match=rf"in use by python.* \(pid {other.pid}\)"):
                await node.run(busy)
        finally:
            await node.aclose()
            other.communicate()
    assert holders(path) == []


async def test_an_interrupted_request_is_repeated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def interrupted(*_: object) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise InterruptedError
        return 0

    node = await open_node(path)
    monkeypatch.setattr(fcntl, "ioctl", interrupted)
    node.ioctl(uapi.STREAMON, ctypes.c_uint32(1))
    assert len(tries) == 3
    await node.aclose()
