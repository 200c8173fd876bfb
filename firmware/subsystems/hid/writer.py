"""The writer of one HID device: takes reports from its queue and gives them to the port.

It never decides what a report says; it decides what to do when the host does not take one (contract
subsystems.md 2.5): repeat it, let a newer one replace it, give up after `write_retries`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import trio

from drivers.errors import DeviceTimeoutError, HostNotReadyError
from drivers.ports import ThreadWritable
from firmware.subsystems.hid.report_queue import ReportQueue

logger = logging.getLogger(__name__)

# A release-all at the end must not hold up a shutdown; a host that is awake takes a report in milliseconds.
LAST_REPORT_DEADLINE_S = 0.5
# A port gives up by itself after about 0.1 s (`KeyboardPort.write`), a microcontroller that lost a request
# after 2 s and one repetition; a port that has not after this is stuck.
WRITE_DEADLINE_S = 5.0
_UNSURE = b""


class ReportPort(Protocol):
    """What a writer needs of a keyboard or pointer port."""

    async def write(self, report: bytes) -> None:
        """Give one report to the host."""
        ...


class DeviceWriter:
    """Writes the reports of one device for as long as it is there.

    *present_report* gives the report of the state as it is now, *clear_report* one with everything released;
    *on_online* is told whenever the device turns out to be online or not.
    """

    def __init__(
        self,
        name: str,
        port: ReportPort,
        *,
        write_retries: int,
        retry_interval_s: float,
        present_report: Callable[[], bytes],
        clear_report: Callable[[], bytes],
        on_online: Callable[[bool], None],
    ) -> None:
        self.name = name
        self._port = port
        self._write_retries = write_retries
        self._retry_interval_s = retry_interval_s
        self._present_report = present_report
        self._clear_report = clear_report
        self._on_online = on_online
        self.queue = ReportQueue()
        self._host_knows: bytes | None = None
        self._failing = False
        self.written = 0
        self.given_up = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until cancelled; a DriverError of the port other than "host not ready" ends it.

        It starts with the present state, since after a restart the host may still hold what we no longer do.
        """
        self.queue.start_accepting()
        # Reports queued before the start are older than the present state.
        self.queue.replace([self._present_report()])
        task_status.started()
        try:
            while True:
                await self._deliver(await self.queue.get())
        except trio.Cancelled:
            await self.release_all()
            raise
        except BaseException:
            # A fault or a bug: there is nobody to write for a while, so nobody may wait for room either.
            self._on_online(False)
            self.queue.stop_accepting()
            raise

    async def _deliver(self, report: bytes) -> None:
        retries = 0
        while True:
            next_try = trio.current_time() + self._retry_interval_s
            try:
                await self._write(report)
            except HostNotReadyError as exc:
                self._failing = True
                self._on_online(False)
                # Some ports know at once that there is no host: the repetitions keep their pace all the same.
                with trio.move_on_at(next_try):
                    await self.queue.wait()
                newer = self.queue.take_newest()
                if newer is not None:
                    report, retries = newer, 0
                    continue
                retries += 1
                if retries >= self._write_retries:
                    logger.info("%s: the host took no report in %d attempts: %s", self.name, retries, exc)
                    self.given_up += 1
                    return
            else:
                self._failing = False
                self._on_online(True)
                return

    async def _write(self, report: bytes) -> None:
        # Until the port returns, nobody can say what the host has seen; nor if it gives up, since a report
        # that waits in a controller for a sleeping host is taken when that wakes.
        self._host_knows = _UNSURE
        with trio.move_on_after(WRITE_DEADLINE_S) as scope:
            await self._port.write(report)
            self.written += 1
            self._host_knows = report
        if scope.cancelled_caught:
            raise DeviceTimeoutError(f"the device took no report for {WRITE_DEADLINE_S} s")

    def host_is_new(self) -> None:
        """Tell a host that has just configured us what is held; it knows of nothing yet."""
        self._host_knows = None
        if not self.queue.accepting:
            # The device has failed: its next start tells the host.
            return
        self._on_online(True)
        if self._failing:
            # Only writing shows whether this host takes reports of the device; it may not even see it.
            self.queue.put_nowait([self._present_report()])
        else:
            self.tell_held()

    def tell_held(self) -> None:
        """Queue the report of what is held, if anything is."""
        report = self._present_report()
        if report != self._clear_report():
            self.queue.put_nowait([report])

    async def release_all(self) -> None:
        """Release everything on the host, unless it knows already; for the end of the writer or its owner."""
        clear_report = self._clear_report()
        if self._host_knows in (None, clear_report):
            return
        # Shielded, because the tree is being cancelled and a key that stays down outlives us on the host.
        with trio.move_on_after(LAST_REPORT_DEADLINE_S, shield=True):
            try:
                await self._port.write(clear_report)
                self._host_knows = clear_report
            except Exception as exc:  # noqa: BLE001 - whatever the port does, the other devices are next
                logger.info("%s: could not release all keys and buttons at the end: %s", self.name, exc)

    def release_from_thread(self) -> bool:
        """Release everything on the host while the event loop stands still; for another thread.

        Return whether there was something to release, and the host will see it.
        """
        clear_report = self._clear_report()
        if self._host_knows in (None, clear_report) or not isinstance(self._port, ThreadWritable):
            return False
        if released := self._port.write_from_thread(clear_report):
            self._host_knows = clear_report
        return released

    def statistics(self) -> dict[str, int]:
        """Return counts of written, abandoned, waiting and dropped reports."""
        return {"written": self.written, "given_up": self.given_up, **self.queue.statistics()}
