"""The gadget's keyboard and mice: report bytes to the host, LED bytes back.

Each node holds one report in flight. `write` returns once the host has fetched the report, and not before:
the kernel says so by POLLOUT. A report not fetched in time cannot be taken back from the endpoint; it is
fetched before anything newer, so order is never lost. One that the controller threw away because the host
left is told by the link's `epoch`, and never counted as taken. Left to chance: a host that leaves in the very
moment between two looks at one report; it forgets all keys in doing so.
Must never look into a report beyond what a resting device would answer. Source: Documentation/usb/gadget_hid.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import select
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Final

import trio

from drivers.errors import DeviceGoneError, DriverError, HostNotReadyError, from_os_error
from drivers.fanout import Fanout
from drivers.gadget.spec import HidFunction, HidRole
from drivers.gadget.udc import UdcLink
from drivers.ports import LinkCondition

logger = logging.getLogger(__name__)

TAKE_DEADLINE_S: Final = 0.1
"""A host polls every 1 to 10 ms: after this it does not listen, and a newer report should get its chance
(contract subsystems.md 2.5, `select_timeout`)."""

STALLED_DEADLINE_S: Final = 0.05
STALLED_INTERVAL_S: Final = 0.005
"""How long, and how often, another thread tries to write: short, since the loop may go on meanwhile, and the
thread comes again if it does not."""

LED_RETRY_INTERVAL_S: Final = 5.0
"""While no host is there the node claims to be readable for ever: wait for the link, and look rarely."""

LED_SPURIOUS_INTERVAL_S: Final = 0.1
"""POLLIN followed by EAGAIN: another program reads our node, which must not make a busy loop of it."""

MAX_ATTEMPTS: Final = 8
"""POLLOUT followed by EAGAIN means that somebody else writes to our node; not worth more rounds."""

_GONE: Final = frozenset({errno.ENODEV, errno.ENXIO, errno.EBADF})
_NO_HOST: Final = frozenset(
    {errno.ESHUTDOWN, errno.ENOMEM, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE}
)
"""What reading or writing says while no host has us configured (ENOMEM: reading without an OUT endpoint)."""

# GADGET_HID_WRITE_GET_REPORT of linux/usb/g_hid.h (6.12): what a GET_REPORT of the host is answered with.
_WRITE_GET_REPORT: Final = 0x40486742
_GET_REPORT: Final = struct.Struct("<BBH64s4x")


class _Node:
    """An open node."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        status = path.stat()
        self.identity = (status.st_dev, status.st_ino)
        self._closing = threading.Lock()
        self._closed = False

    def exists(self) -> bool:
        """Whether the node is still the one that was opened: it is made anew by each binding."""
        try:
            status = self.path.stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity

    def writable(self) -> bool:
        """Whether nothing is in flight."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        return bool(poll.poll(0))

    def offer(self, report: bytes) -> bool:
        """Write *report*, from any thread; return whether there was room. Raises OSError."""
        with self._closing:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            try:
                os.write(self.descriptor, report)
            except BlockingIOError:
                return False
            return True

    def close(self) -> None:
        """Close it and let go of who waits for it."""
        trio.lowlevel.notify_closing(self.descriptor)
        # Another thread must not write to whatever gets the descriptor's number next. It holds this for one
        # write that does not wait.
        with self._closing:
            self._closed = True
            os.close(self.descriptor)


class _HidPort:
    """What keyboard and mice share."""

    def __init__(self, function: HidFunction, link: UdcLink) -> None:
        self._function = function
        self._link = link
        self._what = f"the USB {function.role} {function.name}"
        self._node: _Node | None = None
        self._why_not: DriverError = DeviceGoneError(
            f"{self._what} is not there: the USB gadget does not run"
        )
        # One report in flight: a second writer waits for the first one's deadline.
        self._lock = trio.Lock()
        self._in_flight: tuple[bytes, int] | None = None
        self._answer = b""
        self._answers_get_report = True
        self.counts = dict.fromkeys(("written", "not_taken", "lost"), 0)

    @property
    def function(self) -> HidFunction:
        """What it is."""
        return self._function

    async def write(self, report: bytes) -> None:
        """Give one report to the host; see `KeyboardPort.write`. Raises ValueError for a wrong length."""
        if len(report) != self._function.report_bytes:
            # A bug of the caller, not a fault of the device.
            expected = self._function.report_bytes
            raise ValueError(f"expected a report of {expected} bytes, got {len(report)} - at {self._what}")
        async with self._lock:
            self._require_node()
            if asleep := self._link.condition is LinkCondition.SUSPENDED:
                await self._wake_host()
            node = self._require_node()
            with trio.move_on_after(TAKE_DEADLINE_S):
                await self._give(node, bytes(report))
                return
            self.counts["not_taken"] += 1
            self._probe(node)
            if not asleep:
                await self._wake_host()
        raise HostNotReadyError(f"{self._what}: the host fetches no reports ({self._link.condition})")

    def write_from_thread(self, report: bytes) -> bool:
        """Give *report* to the controller while the event loop stands still; see `ThreadWritable`."""
        node = self._node
        give_up = time.monotonic() + STALLED_DEADLINE_S
        try:
            while node is not None and time.monotonic() < give_up:
                if node.offer(report):
                    return True
                time.sleep(STALLED_INTERVAL_S)
        except OSError as exc:
            logger.info("%s: could not release all keys and buttons: %s", self._what, exc.strerror)
        return False

    def statistics(self) -> dict[str, int]:
        """Return how many reports were taken, were not in time, and were lost with a host that left."""
        return dict(self.counts)

    @contextmanager
    def attached(self, path: Path) -> Iterator[None]:
        """Use the node at *path* meanwhile. Raises DriverError if it cannot be opened."""
        try:
            node = _Node(path)
        except OSError as exc:
            if exc.errno in {errno.EACCES, errno.EPERM}:
                raise DriverError(
                    f"{path}: permission denied - run as root, or give this user the node"
                ) from exc
            raise from_os_error(exc, f"{self._what} at {path}") from exc
        self._node, self._in_flight, self._answer = node, None, b""
        self._answers_get_report = True
        self._prepare_answer(bytes(self._function.report_bytes))
        try:
            yield
        finally:
            self._node = None
            self.detach(DeviceGoneError(f"{self._what} is not there: the USB gadget does not run"))
            node.close()

    def detach(self, why_not: DriverError) -> None:
        """Say why there is no device while `attached` is not in use."""
        self._why_not = why_not

    def pause(self) -> None:
        """Say that the device will be back in a moment: what comes meanwhile is worth trying again."""
        self._why_not = HostNotReadyError(f"{self._what}: the USB gadget is being changed")

    def _require_node(self) -> _Node:
        if self._node is None:
            # A new exception each time: a raised one carries its caller's traceback.
            raise type(self._why_not)(str(self._why_not))
        return self._node

    async def _give(self, node: _Node, report: bytes) -> None:
        """Write *report* and wait until the host has it."""
        if self._in_flight is not None:
            pending, epoch = self._in_flight
            if epoch == self._link.epoch:
                await self._writable(node)
            self._in_flight = None
            if epoch != self._link.epoch:
                self.counts["lost"] += 1
            elif pending == report:
                # The caller repeats what the host has just fetched: a mouse would move twice.
                self._taken(report)
                return
        for _ in range(MAX_ATTEMPTS):
            try:
                os.write(node.descriptor, report)
            except BlockingIOError:
                await self._writable(node)
                continue
            except OSError as exc:
                raise self._sort(exc, node) from exc
            break
        else:
            raise HostNotReadyError(f"{self._what}: another program keeps writing to {node.path}")
        self._in_flight = report, self._link.epoch
        await self._writable(node)
        if self._in_flight[1] != self._link.epoch:
            # POLLOUT came because the host left or reset us: what was in the endpoint is gone.
            self._in_flight = None
            self.counts["lost"] += 1
            raise HostNotReadyError(f"{self._what}: the host left before it took the report")
        self._in_flight = None
        self._taken(report)

    def _taken(self, report: bytes) -> None:
        self.counts["written"] += 1
        self._link.host_took()
        self._prepare_answer(report)

    def _probe(self, node: _Node) -> None:
        """Find out whether a report that was not fetched still waits, or its host has gone without a word."""
        if self._node is not node or node.writable():
            return
        try:
            # Empty, and not writable: the kernel tells why and queues nothing.
            os.write(node.descriptor, b"")
        except BlockingIOError:
            return
        except OSError as exc:
            if not isinstance(error := self._sort(exc, node), HostNotReadyError):
                raise error from exc

    async def _writable(self, node: _Node) -> None:
        try:
            await trio.lowlevel.wait_writable(node.descriptor)
            # Ready for a moment only: the host is leaving, and what was in flight is being dropped.
            while not node.writable():
                await trio.lowlevel.wait_writable(node.descriptor)
        except trio.ClosedResourceError:
            raise HostNotReadyError(f"{self._what} was taken away meanwhile") from None
        except OSError as exc:
            raise self._sort(exc, node) from exc

    def _sort(self, exc: OSError, node: _Node) -> DriverError:
        if exc.errno in _GONE or not node.exists():
            self._link.look_again()
            return DeviceGoneError(f"{self._what} has gone: {node.path} was unbound - {exc.strerror}")
        if exc.errno in _NO_HOST:
            self._link.host_left()
            return HostNotReadyError(f"{self._what}: no host has configured it ({self._link.condition})")
        return from_os_error(exc, self._what)

    async def _wake_host(self) -> None:
        try:
            self._link.refresh()
            await self._link.wake()
        except DeviceGoneError:
            raise
        except DriverError as exc:
            # A host that cannot be woken is one that is not ready, and no fault of this device.
            logger.debug("%s", exc)

    def _prepare_answer(self, report: bytes) -> None:
        """Tell the kernel what to answer to a host that asks (GET_REPORT): the last report, at rest.

        Without one the kernel lets the host wait for 2.5 s (6.12 on); older ones answer zeros by themselves.
        """
        answer = self._at_rest(report)
        if answer == self._answer or not self._answers_get_report or self._node is None:
            return
        # Report id 0, and 0 for "do not ask again": the kernel keeps it until the next one.
        request = _GET_REPORT.pack(0, 0, len(answer), answer)
        try:
            fcntl.ioctl(self._node.descriptor, _WRITE_GET_REPORT, request)
        except OSError as exc:
            self._answers_get_report = False
            logger.debug("%s: this kernel answers GET_REPORT by itself: %s", self._what, exc)
        self._answer = answer

    def _at_rest(self, report: bytes) -> bytes:
        return report


class GadgetKeyboard(_HidPort):
    """The keyboard; implements `drivers.ports.KeyboardPort`. `read_leds` must run beside it."""

    def __init__(self, function: HidFunction, link: UdcLink) -> None:
        super().__init__(function, link)
        self._leds: int | None = None
        # Bound 1: the newest byte is the whole truth.
        self._fanout = Fanout[int](1)

    def leds(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[int]]:
        """LED output reports of the host; see `KeyboardPort.leds`."""
        return self._fanout.listen(*(() if self._leds is None else (self._leds,)))

    async def read_leds(self) -> None:
        """Read LED reports until cancelled. Raises DeviceGoneError when the node goes."""
        node = self._require_node()
        while True:
            pause_s = LED_RETRY_INTERVAL_S
            try:
                await trio.lowlevel.wait_readable(node.descriptor)
                report = os.read(node.descriptor, self._function.report_bytes)
            except BlockingIOError:
                report, pause_s = b"", LED_SPURIOUS_INTERVAL_S
            except OSError as exc:
                error = self._sort(exc, node)
                if not isinstance(error, HostNotReadyError):
                    raise error from exc
                report = b""
            if report:
                self._leds = report[0]
                self._fanout.publish(self._leds)
                continue
            # POLLIN cannot be trusted now, so something else has to say when to look again.
            with trio.move_on_after(pause_s):
                await self._link.changed()


class GadgetPointer(_HidPort):
    """A mouse; implements `drivers.ports.PointerPort`."""

    @property
    def absolute(self) -> bool:
        """Whether its descriptor declares absolute X and Y."""
        return self._function.role is HidRole.ABSOLUTE_MOUSE

    @property
    def horizontal_wheel(self) -> bool:
        """Whether its report ends with an AC Pan byte."""
        return self._function.horizontal_wheel

    def _at_rest(self, report: bytes) -> bytes:
        # Buttons and position last; movements and wheels were over with the report that told them.
        lasting = 5 if self.absolute else 1
        return report[:lasting] + bytes(len(report) - lasting)
