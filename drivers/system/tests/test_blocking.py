"""Reading files and calling what may hang."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.system.blocking import MAX_FILE_BYTES, READ_DEADLINE_S, BlockingCalls


async def test_a_file_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "value"
    path.write_bytes("grün\xff".encode("latin-1") + "ü".encode())
    assert await BlockingCalls().read_text(path) == "gr\ufffdn\ufffdü"


async def test_a_missing_file_is_a_device_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError, match="nothing-here: No such file"):
        await BlockingCalls().read_text(tmp_path / "nothing-here")


async def test_a_directory_is_a_driver_error(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match=str(tmp_path)):
        await BlockingCalls().read_text(tmp_path)


async def test_a_file_that_does_not_end_is_refused() -> None:
    with pytest.raises(BadReplyError, match=f"at most {MAX_FILE_BYTES} bytes"):
        await BlockingCalls().read_text(Path("/dev/zero"))


@pytest.mark.fault("sensors", "stalls")
async def test_calls_that_hang_are_abandoned_and_bounded(mock_clock: trio.testing.MockClock) -> None:
    calls = BlockingCalls(threads=2)
    unblock = threading.Event()
    failures: list[str] = []

    async def ask(what: str) -> None:
        with pytest.raises(DeviceTimeoutError) as caught:
            await calls.run(what, partial(unblock.wait))
        failures.append(str(caught.value))

    try:
        async with trio.open_nursery() as nursery:
            for what in ("first", "second", "third"):
                nursery.start_soon(ask, what)
            await trio.testing.wait_all_tasks_blocked()
            assert calls.statistics() == {"threads_busy": 2, "calls_waiting": 1}
            mock_clock.jump(READ_DEADLINE_S)
        # The third never had a thread: the hanging ones keep theirs, and no others are taken.
        assert len(failures) == 3
        assert calls.statistics() == {"threads_busy": 2, "calls_waiting": 0}
        assert "expected second to answer within 2.0 s" in "".join(failures)
    finally:
        unblock.set()
    assert await calls.run("a later one", lambda: 5) == 5
