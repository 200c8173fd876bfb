"""A hardware watchdog, /dev/watchdogN: it resets the board unless it is fed in time.

For machines where systemd does not own it (RuntimeWatchdogSec=). Opening it arms it. It is disarmed only by
an orderly end; a process that dies, or an end by an error, leaves it counting, which is its purpose. Never
feeds by itself: whoever calls `feed` has made sure that the appliance works.
Source: the kernel's Documentation/watchdog/watchdog-api.rst and the ABI of <linux/watchdog.h>.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import struct
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from drivers.errors import DeviceBusyError, DeviceGoneError, DriverError, os_errors
from drivers.system.blocking import BlockingCalls

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S: Final = 15
"""Within what the hardware of small boards can count to (Raspberry Pi: 15 s, RK3399 and i.MX: more)."""

CALL_DEADLINE_S: Final = 2.0
"""A register write; behind an I2C power controller tenths of a second. Its feeder has others to feed."""

SYSFS: Final = Path("/sys")

# _IOR('W', n, ...) and _IOWR('W', n, int) of <linux/watchdog.h>, as every architecture but MIPS, PowerPC,
# SPARC has them.
WDIOC_GETSUPPORT: Final = 0x80285700
WDIOC_GETBOOTSTATUS: Final = 0x80045702
WDIOC_SETTIMEOUT: Final = 0xC0045706
WDIOC_GETTIMEOUT: Final = 0x80045707

WDIOF_CARDRESET: Final = 0x0020
WDIOF_SETTIMEOUT: Final = 0x0080
WDIOF_MAGICCLOSE: Final = 0x0100

# struct watchdog_info: options, firmware version, identity.
_INFO: Final = struct.Struct("=II32s")
_INT: Final = struct.Struct("=i")
_MAGIC_CLOSE: Final = b"V"
# Any other byte feeds, which every driver knows; WDIOC_KEEPALIVE is optional.
_KEEP_ALIVE: Final = b"\0"


@dataclass(frozen=True, slots=True)
class WatchdogFacts:
    """What an armed watchdog is.

    `timeout_s` is what it counts to, which need not be what was asked for. `can_disarm` is None where the
    kernel does not tell. `has_reset_us` is whether the last start of this board was its doing.
    """

    identity: str
    timeout_s: int
    can_disarm: bool | None
    has_reset_us: bool


class HardwareWatchdog:
    """An armed watchdog; `open_watchdog` makes it."""

    def __init__(self, device: _Device, calls: BlockingCalls, facts: WatchdogFacts) -> None:
        self._device = device
        self._calls = calls
        self.facts: Final = facts

    async def feed(self) -> None:
        """Let it count from the start again. Raises DriverError."""
        await self._calls.run(self._device.name, self._device.feed)


@asynccontextmanager
async def open_watchdog(
    path: Path, *, timeout_s: int = DEFAULT_TIMEOUT_S, sysfs: Path = SYSFS
) -> AsyncGenerator[HardwareWatchdog]:
    """Arm the watchdog at *path*, to reset the board *timeout_s* (or what it can) after the last `feed`.

    Leaving the context by an exception of the body leaves it armed; leaving it in any other way, cancellation
    included, disarms it. One that cannot be disarmed ("nowayout") is fed a last time, which the log tells.
    Raises DeviceGoneError (no such watchdog), DeviceBusyError (systemd or another process owns it),
    NotSupportedError (not a watchdog), DriverError (not allowed, bad timeout).
    """
    calls = BlockingCalls(threads=1, deadline_s=CALL_DEADLINE_S)
    device = _Device(path, sysfs)
    try:
        facts = await calls.run(device.name, lambda: device.open(timeout_s))
        if facts.timeout_s != timeout_s:
            logger.info("%s counts to %d s instead of %d s", device.name, facts.timeout_s, timeout_s)
        yield HardwareWatchdog(device, calls, facts)
    except Exception:
        await _close(device, device.abandon)
        raise
    except BaseException:  # cancellation
        await _close(device, device.disarm)
        raise
    else:
        await _close(device, device.disarm)


async def _close(device: _Device, how: Callable[[], None]) -> None:
    """Close *device*, also when cancelled: what is left armed by mistake resets the board."""
    # Shielded for at most CALL_DEADLINE_S, in threads of its own, since one that hangs may hold the others.
    with trio.CancelScope(shield=True):
        try:
            await BlockingCalls(threads=1, deadline_s=CALL_DEADLINE_S).run(device.name, how)
        except DriverError as exc:
            logger.warning("closing it failed, it may reset this machine: %s", exc)


class _Device:
    """The open file. Its methods block; `feed` comes from one thread at a time, closing from any."""

    def __init__(self, path: Path, sysfs: Path) -> None:
        self.name: Final = f"the watchdog {path}"
        self._path = path
        self._sysfs = sysfs
        self._lock = threading.Lock()
        self._fd = -1
        self._is_over = False
        self._can_disarm: bool | None = None

    def open(self, timeout_s: int) -> WatchdogFacts:
        """Open, which arms it, and set it up."""
        fd = self._open_node()
        is_watchdog = False
        try:
            with os_errors(self.name):
                info = bytearray(_INFO.size)
                fcntl.ioctl(fd, WDIOC_GETSUPPORT, info)
                is_watchdog = True
                options, _, identity = _INFO.unpack(info)
                facts = WatchdogFacts(
                    identity=identity.partition(b"\0")[0].decode("utf-8", errors="replace"),
                    timeout_s=_set_timeout(
                        fd, timeout_s, can_set=bool(options & WDIOF_SETTIMEOUT), name=self.name
                    ),
                    can_disarm=self._read_can_disarm(fd),
                    has_reset_us=bool(_get_int(fd, WDIOC_GETBOOTSTATUS, unsupported=0) & WDIOF_CARDRESET),
                )
        except BaseException:
            _release(fd, disarm=is_watchdog)
            raise
        with self._lock:
            if not self._is_over:
                self._fd, self._can_disarm = fd, facts.can_disarm
                return facts
        # Whoever asked has given up waiting: nobody would feed it.
        _release(fd, disarm=True)
        raise DeviceGoneError(f"{self.name} was opened too late")

    def feed(self) -> None:
        """Keep alive."""
        with self._lock:
            if self._fd < 0:
                raise DeviceGoneError(f"{self.name} is closed")
            os.write(self._fd, _KEEP_ALIVE)

    def disarm(self) -> None:
        """Close and disarm, if it can be."""
        fd = self._take()
        if fd < 0:
            return
        if self._can_disarm is False:
            # What starts in our place has the whole time to take over.
            with suppress(OSError):
                os.write(fd, _KEEP_ALIVE)
            logger.warning(
                "%s cannot be disarmed (nowayout): it resets this machine unless it is fed", self.name
            )
        _release(fd, disarm=True)

    def abandon(self) -> None:
        """Close and leave it counting."""
        fd = self._take()
        if fd >= 0:
            logger.warning("%s is left armed: it resets this machine unless it is fed again", self.name)
            _release(fd, disarm=False)

    def _take(self) -> int:
        self._is_over = True
        # A feed that hangs in the kernel holds the lock, and closing would hang behind it as well.
        if not self._lock.acquire(timeout=CALL_DEADLINE_S / 2):
            return -1
        try:
            fd, self._fd = self._fd, -1
            return fd
        finally:
            self._lock.release()

    def _open_node(self) -> int:
        try:
            with os_errors(self.name):
                return os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        except DeviceBusyError as exc:
            raise DeviceBusyError(
                f"{self.name} is in use by another program - leave it to it if that is systemd "
                "(RuntimeWatchdogSec=)"
            ) from exc

    def _read_can_disarm(self, fd: int) -> bool | None:
        """Whether the kernel lets it be stopped; /dev/watchdog, the old name, has no attributes to tell."""
        number = os.fstat(fd).st_rdev
        attribute = self._sysfs / f"dev/char/{os.major(number)}:{os.minor(number)}/nowayout"
        try:
            return attribute.read_text().strip() == "0"
        except OSError:
            return None


def _set_timeout(fd: int, timeout_s: int, *, can_set: bool, name: str) -> int:
    """Return what it counts to now."""
    wanted = bytearray(_INT.pack(timeout_s))
    if can_set:
        try:
            fcntl.ioctl(fd, WDIOC_SETTIMEOUT, wanted)
        except OSError as exc:
            if exc.errno == errno.EINVAL:
                present_s = _get_int(fd, WDIOC_GETTIMEOUT, unsupported=0)
                raise DriverError(
                    f"expected a timeout that it can count to (as {present_s} s), got {timeout_s} s "
                    f"- at {name}"
                ) from exc
            if exc.errno != errno.EOPNOTSUPP:
                raise
    timeout: int = _INT.unpack(wanted)[0]
    return _get_int(fd, WDIOC_GETTIMEOUT, unsupported=timeout)


def _get_int(fd: int, request: int, *, unsupported: int) -> int:
    answer = bytearray(_INT.size)
    try:
        fcntl.ioctl(fd, request, answer)
    except OSError as exc:
        if exc.errno not in (errno.EOPNOTSUPP, errno.ENOTTY):
            raise
        return unsupported
    value: int = _INT.unpack(answer)[0]
    return value


def _release(fd: int, *, disarm: bool) -> None:
    try:
        if disarm:
            os.write(fd, _MAGIC_CLOSE)
    finally:
        os.close(fd)
