"""The watchdog's rules over files and a scripted ioctl; the kernel's own is in hil/kernel/system.

A plain file stands for the device, so that what was written to it, a byte for each feeding and the V that
disarms, can be read back.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import trio.testing

from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    NotSupportedError,
)
from drivers.system.hardware_watchdog import (
    CALL_DEADLINE_S,
    WDIOC_GETBOOTSTATUS,
    WDIOC_GETSUPPORT,
    WDIOC_GETTIMEOUT,
    WDIOC_SETTIMEOUT,
    WDIOF_CARDRESET,
    WDIOF_MAGICCLOSE,
    WDIOF_SETTIMEOUT,
    WatchdogFacts,
    open_watchdog,
)


class Card:
    """A driver's answers to ioctl; the errno of a request makes it fail."""

    def __init__(self) -> None:
        self.options = WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE
        self.timeout_s = 60
        self.longest_s = 30
        self.boot_status = 0
        self.fails: dict[int, int] = {}

    def ioctl(self, fd: int, request: int, argument: bytearray) -> int:
        if request in self.fails:
            raise OSError(self.fails[request], os.strerror(self.fails[request]))
        if request == WDIOC_GETSUPPORT:
            argument[:] = struct.pack("=II32s", self.options, 1, b"Scripted Card")
        elif request == WDIOC_SETTIMEOUT:
            (wanted,) = struct.unpack("=i", argument)
            if not 0 < wanted <= self.longest_s:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            self.timeout_s = wanted
        elif request == WDIOC_GETTIMEOUT:
            argument[:] = struct.pack("=i", self.timeout_s)
        elif request == WDIOC_GETBOOTSTATUS:
            argument[:] = struct.pack("=i", self.boot_status)
        else:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        return 0


def written(node: Path) -> bytes:
    return node.read_bytes()


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "watchdog7"
    path.touch()
    return path


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    card = Card()
    monkeypatch.setattr(fcntl, "ioctl", card.ioctl)
    return card


@pytest.fixture
def set_nowayout(tmp_path: Path, node: Path) -> Callable[[str], Path]:
    def setter(value: str) -> Path:
        number = node.stat().st_rdev
        attributes = tmp_path / f"sys/dev/char/{os.major(number)}:{os.minor(number)}"
        attributes.mkdir(parents=True)
        (attributes / "nowayout").write_text(value)
        return tmp_path / "sys"

    return setter


def test_the_numbers_are_those_of_the_kernel() -> None:
    # <linux/watchdog.h>: _IOR('W', 0, struct watchdog_info), _IOR('W', 2, int), _IOWR('W', 6, int) and so on.
    def number(direction: int, size: int, command: int) -> int:
        return direction << 30 | size << 16 | ord("W") << 8 | command

    assert number(2, 40, 0) == WDIOC_GETSUPPORT
    assert number(2, 4, 2) == WDIOC_GETBOOTSTATUS
    assert number(3, 4, 6) == WDIOC_SETTIMEOUT
    assert number(2, 4, 7) == WDIOC_GETTIMEOUT


async def test_an_orderly_end_disarms_it(node: Path, card: Card, set_nowayout: Callable[[str], Path]) -> None:
    card.boot_status = WDIOF_CARDRESET
    async with open_watchdog(node, timeout_s=20, sysfs=set_nowayout("0\n")) as watchdog:
        assert watchdog.facts == WatchdogFacts("Scripted Card", 20, can_disarm=True, has_reset_us=True)
        await watchdog.feed()
        await watchdog.feed()
        assert written(node) == b"\0\0"
    assert written(node) == b"\0\0V"
    with pytest.raises(DeviceGoneError, match="is closed"):
        await watchdog.feed()


async def test_cancellation_is_an_orderly_end(node: Path, card: Card) -> None:
    with trio.CancelScope() as scope:
        async with open_watchdog(node) as watchdog:
            await watchdog.feed()
            scope.cancel()
            await trio.sleep_forever()
    assert written(node) == b"\0V"


async def test_an_error_leaves_it_armed(node: Path, card: Card, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the error is that of the body
        async with open_watchdog(node) as watchdog:
            await watchdog.feed()
            raise ZeroDivisionError
    assert written(node) == b"\0"
    assert "left armed" in caplog.text


async def test_one_that_cannot_be_disarmed_is_fed_a_last_time(
    node: Path, card: Card, set_nowayout: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    async with open_watchdog(node, sysfs=set_nowayout("1\n")) as watchdog:
        assert watchdog.facts.can_disarm is False
    assert written(node) == b"\0V"
    assert "cannot be disarmed (nowayout)" in caplog.text


async def test_a_kernel_that_does_not_tell_whether_it_can_be_disarmed(
    node: Path, card: Card, tmp_path: Path
) -> None:
    async with open_watchdog(node, sysfs=tmp_path) as watchdog:
        assert watchdog.facts.can_disarm is None
    assert written(node) == b"V"


async def test_a_timeout_that_it_cannot_count_to_is_refused_and_it_is_disarmed(
    node: Path, card: Card
) -> None:
    with pytest.raises(
        DriverError, match=r"expected a timeout that it can count to \(as 60 s\), got 31 s - at the"
    ):
        async with open_watchdog(node, timeout_s=31):
            pytest.fail("it opened")
    assert written(node) == b"V"


@pytest.mark.parametrize("how", ["option", "errno"])
async def test_a_fixed_timeout_is_taken_as_it_is(
    node: Path, card: Card, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    if how == "option":
        card.options = WDIOF_MAGICCLOSE
    else:
        card.fails[WDIOC_SETTIMEOUT] = errno.EOPNOTSUPP
    async with open_watchdog(node, timeout_s=20) as watchdog:
        assert watchdog.facts.timeout_s == 60
    assert "counts to 60 s instead of 20 s" in caplog.text


async def test_a_driver_without_the_optional_questions_is_enough(node: Path, card: Card) -> None:
    card.fails = {WDIOC_GETBOOTSTATUS: errno.EOPNOTSUPP, WDIOC_GETTIMEOUT: errno.EOPNOTSUPP}
    async with open_watchdog(node, timeout_s=20) as watchdog:
        assert watchdog.facts.timeout_s == 20
        assert not watchdog.facts.has_reset_us


@pytest.mark.fault("hardware watchdog", "garbage")
async def test_a_plain_file_is_no_watchdog_and_not_written_to(node: Path) -> None:
    with pytest.raises(NotSupportedError, match="watchdog7"):
        async with open_watchdog(node):
            pytest.fail("it opened")
    assert written(node) == b""


@pytest.mark.fault("hardware watchdog", "missing")
async def test_no_such_device(tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError, match="watchdog9"):
        async with open_watchdog(tmp_path / "watchdog9"):
            pytest.fail("it opened")


async def test_one_in_use_says_by_whom_it_may_be(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(path: Path, flags: int) -> int:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "open", busy)
    with pytest.raises(DeviceBusyError, match=r"watchdog7 is in use .*RuntimeWatchdogSec="):
        async with open_watchdog(node):
            pytest.fail("it opened")


@pytest.mark.fault("hardware watchdog", "stalls")
async def test_an_open_that_hangs_is_given_up_and_its_device_disarmed(
    tmp_path: Path, card: Card, mock_clock: trio.testing.MockClock
) -> None:
    # Opening a FIFO for writing blocks until somebody reads: a driver that hangs in open().
    path = tmp_path / "watchdog8"
    os.mkfifo(path)

    async def expire() -> None:
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(CALL_DEADLINE_S)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(expire)
        with pytest.raises(DeviceTimeoutError, match="watchdog8"):
            async with open_watchdog(path):
                pytest.fail("it opened")
    # The late open comes through after all: what it armed is disarmed at once.
    assert await trio.to_thread.run_sync(path.read_bytes) == b"V"


@pytest.mark.fault("hardware watchdog", "EIO")
async def test_an_error_of_the_device_is_told_and_the_next_feeding_may_work(
    tmp_path: Path, card: Card
) -> None:
    # Nothing is mapped at the address 0, and the kernel says so by EIO.
    node = tmp_path / "watchdog8"
    node.symlink_to("/proc/self/mem")
    card.fails[WDIOC_GETTIMEOUT] = errno.EIO
    with pytest.raises(DriverError, match="watchdog8: Input/output error"):
        async with open_watchdog(node):
            pytest.fail("it opened")
    card.fails.clear()
    async with open_watchdog(node) as watchdog:
        with pytest.raises(DriverError, match="watchdog8: Input/output error"):
            await watchdog.feed()
