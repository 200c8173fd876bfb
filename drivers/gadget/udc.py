"""The USB device controller: what it knows of the host, and waking the host.

Waits for the `state` attribute's notifications. What the kernel does not notify (`suspended`, being unbound
by somebody else) is looked at on each notification and once a second. A controller may keep saying
"configured" after the host has gone, so the HID ports report what writes tell (`host_left`, `host_took`).
Sources: Documentation/ABI/testing/sysfs-class-udc, Documentation/ABI/stable/sysfs-class-udc.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import trio

from drivers.errors import DeviceGoneError, DeviceTimeoutError, NotSupportedError, os_errors
from drivers.fanout import Fanout
from drivers.gadget.configfs import UDC_CLASS
from drivers.ports import LinkCondition
from drivers.readiness import PriorityReadiness

RECHECK_INTERVAL_S: Final = 1.0
"""Nobody minds a second between a host's falling asleep and our showing it; a look costs microseconds."""

WAKE_DEADLINE_S: Final = 0.5
"""Controllers signal resume for 1 to 15 ms (USB 2.0, 7.1.7.7); one that has not after this hangs."""

_STATE_BYTES: Final = 64
_NO_DEVICE_STATES: Final = frozenset({"not attached", ""})
_CONFIGURED: Final = "configured"
_SUSPENDED: Final = "suspended"


class UdcLink:
    """The cable to the host; implements `drivers.ports.UsbLink`. `run` keeps it true."""

    def __init__(self, *, udc_class: Path = UDC_CLASS) -> None:
        self._udc_class = udc_class
        self._udc: str | None = None
        self._descriptor: int | None = None
        self._raw = ""
        self._suspended = False
        self._host_left = False
        self._published = LinkCondition.UNPLUGGED
        # Bound 1: only the newest condition matters.
        self._fanout = Fanout[LinkCondition](1)
        self._changed = trio.Event()
        self._look_again = trio.Event()
        self._wake_limiter = trio.CapacityLimiter(1)
        self.epoch = 0
        """Grows whenever the host may have forgotten us: what was in flight before is lost."""

    @property
    def condition(self) -> LinkCondition:
        """What is known now."""
        return self._published

    def conditions(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[LinkCondition]]:
        """The link's condition, now and after each change; see `UsbLink.conditions`."""
        return self._fanout.listen(self._published)

    async def changed(self) -> None:
        """Wait until the host may have come or gone, which a condition can be too coarse to show."""
        await self._changed.wait()

    async def wake(self) -> None:
        """Ask a sleeping host to wake up; see `UsbLink.wake`.

        The host must have allowed it (USB 2.0, 9.4.9, remote wake-up); otherwise the controller ignores us.
        """
        if self._udc is None:
            raise DeviceGoneError("the USB gadget is not bound to a controller: its driver does not run")
        self.refresh()
        if self._published is not LinkCondition.SUSPENDED:
            return
        path = self._udc_class / self._udc / "srp"
        if not path.exists():
            raise NotSupportedError(f"the USB device controller {self._udc} cannot wake a host: no {path}")
        try:
            with os_errors(f"waking the host through {path}"), trio.fail_after(WAKE_DEADLINE_S):
                # Abandoning is safe: a late wake-up call does no harm, and the limiter bounds them to one.
                await trio.to_thread.run_sync(
                    path.write_text, "1", abandon_on_cancel=True, limiter=self._wake_limiter
                )
        except trio.TooSlowError:
            raise DeviceTimeoutError(f"{path} did not return within {WAKE_DEADLINE_S} s") from None

    def host_left(self) -> None:
        """Take note that the host has deconfigured us, whatever the controller says (ESHUTDOWN)."""
        if not self._host_left:
            self._host_left = True
            self._bump()
        self._publish()

    def host_took(self) -> None:
        """Take note that the host took something: it is there, and awake."""
        if self._host_left or self._published is not LinkCondition.CONFIGURED:
            self._host_left = False
            self.refresh()

    def refresh(self) -> None:
        """Look now. Raises DeviceGoneError if the controller has gone."""
        if self._descriptor is None or self._udc is None:
            return
        self._raw = _read(self._descriptor)
        self._suspended = self._read_suspended()
        self._publish()

    def look_again(self) -> None:
        """Let `run` check at once what it otherwise looks at every second."""
        self._look_again.set()

    async def run(
        self,
        udc: str,
        check: Callable[[], None],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Watch *udc* until cancelled; *check* is called on every look and may raise DriverError."""
        path = self._udc_class / udc / "state"
        with ExitStack() as stack:
            # Two descriptors, since reading one takes the notification away from it.
            notified, read = (stack.enter_context(_opened(path)) for _ in range(2))
            readiness = stack.enter_context(PriorityReadiness(notified))
            try:
                self._udc, self._descriptor, self._host_left = udc, read, False
                self._bump()
                self.refresh()
                check()
                async with trio.open_nursery() as nursery:
                    await nursery.start(self._notified, notified, readiness, check)
                    nursery.start_soon(self._recheck, check)
                    task_status.started()
            finally:
                self._udc = self._descriptor = None
                self._raw, self._suspended, self._host_left = "", False, False
                self._bump()
                self._publish()

    async def _notified(
        self,
        descriptor: int,
        readiness: PriorityReadiness,
        check: Callable[[], None],
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        before = _read(descriptor)
        task_status.started()
        while True:
            await readiness.wait()
            now = _read(descriptor)
            self._host_left = False
            # Several changes may lie behind one notification: seen as none, it was a reset by the host.
            forgotten = now == before or not {before, now} <= {_CONFIGURED, _SUSPENDED}
            if forgotten:
                self._bump()
            before, shown = now, self._published
            self.refresh()
            if forgotten and shown is self._published is LinkCondition.CONFIGURED:
                # So that a host which was too quick to be seen leaving is told what is held.
                self._fanout.publish(self._published)
            check()

    async def _recheck(self, check: Callable[[], None]) -> None:
        while True:
            with trio.move_on_after(RECHECK_INTERVAL_S):
                await self._look_again.wait()
                # A bound on how often ports can make us look.
                await trio.sleep(RECHECK_INTERVAL_S / 10)
            self._look_again = trio.Event()
            self.refresh()
            check()

    def _read_suspended(self) -> bool:
        if self._raw == _SUSPENDED:
            return True
        if self._raw != _CONFIGURED or self._udc is None:
            return False
        # Beside the controller, as gadget or (since several gadgets can share one) gadget.N.
        device = (self._udc_class / self._udc).resolve().parent.parent
        for gadget in device.glob("gadget*"):
            try:
                return (gadget / "suspended").read_text().strip() == "1"
            except OSError:
                continue  # It is there only while a gadget is bound.
        return False

    def _bump(self) -> None:
        self.epoch += 1
        self._changed.set()
        self._changed = trio.Event()

    def _publish(self) -> None:
        condition = self._condition_now()
        if condition is not self._published:
            self._published = condition
            self._changed.set()
            self._changed = trio.Event()
            self._fanout.publish(condition)

    def _condition_now(self) -> LinkCondition:
        if self._udc is None or self._raw in _NO_DEVICE_STATES:
            return LinkCondition.UNPLUGGED
        if self._host_left or self._raw not in {_CONFIGURED, _SUSPENDED}:
            # What is certain after ESHUTDOWN: no host has us configured.
            return LinkCondition.CONNECTED
        return LinkCondition.SUSPENDED if self._suspended else LinkCondition.CONFIGURED


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    with os_errors(f"the USB device controller at {path}"):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> str:
    # An attribute of sysfs that only shows a variable: reading it does not block.
    with os_errors("reading the state of the USB device controller"):
        return os.pread(descriptor, _STATE_BYTES, 0).decode("ascii", "replace").strip("\n\0")
