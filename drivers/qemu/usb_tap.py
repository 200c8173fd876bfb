"""What the guest does with one emulated USB input device, read from QEMU's own recording of its traffic.

QEMU takes input events without a word, queues 16 and drops the rest. The recording (`pcap=` of its USB
devices) tells what no command does: when the guest has set the device up, when it has fetched a report, and
which LEDs it set. It travels through a FIFO whose name is gone as soon as QEMU has opened it. Owns the FIFO;
must never be left unread while QEMU runs, since QEMU would wait.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from pathlib import Path

import trio

from drivers.errors import DeviceGoneError, os_errors
from drivers.fanout import Fanout
from drivers.wire.usb_pcap import Configured, OutputReport, ReportTaken, UsbPcapDecoder

# Half a megabyte holds half a minute of the busiest recording, so that QEMU does not wait when we are busy.
_PIPE_BYTES = 512 << 10
_RECEIVE_BYTES = 64 << 10


class UsbTap:
    """The guest's view of one device.

    `configured` tells whether the guest has set it up since the last reset; `report` is the last report that
    it fetched, `reports_taken` how many it has fetched. `generation` changes whenever the device starts
    afresh, that is with nothing pressed.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lot = trio.lowlevel.ParkingLot()
        self._leds = Fanout[int](bound=1)
        self._led_byte: int | None = None
        self.configured = False
        self.report = b""
        self.reports_taken = 0
        self.generation = 0

    def forget(self) -> None:
        """Forget the guest's set-up: the machine was reset or is gone."""
        self.configured = False
        self._start_afresh()
        if self._led_byte:
            self._leds.publish(0)
        self._led_byte = None

    def leds(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[int]]:
        """LED bytes that the guest sets, the last one at once; bound 1, the newest wins."""
        return self._leds.listen(*(() if self._led_byte is None else (self._led_byte,)))

    async def changed(self) -> None:
        """Wait for the next thing that the guest does with the device."""
        await self._lot.park()

    @contextmanager
    def fifo(self) -> Generator[tuple[Path, trio.lowlevel.FdStream]]:
        """Make the FIFO; yield its path, which QEMU has to open before this ends, and our end for `run`."""
        with os_errors("a FIFO for QEMU's USB recording"):
            directory = Path(tempfile.mkdtemp(prefix="farhand-qemu-"))
            path = directory / self._name
            try:
                os.mkfifo(path, 0o600)
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                # A user may be out of pipe memory; the default 64 KiB still is seconds of recording.
                with suppress(OSError):
                    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
                stream = trio.lowlevel.FdStream(descriptor)
            except OSError:
                path.unlink(missing_ok=True)
                directory.rmdir()
                raise
        try:
            yield path, stream
        finally:
            path.unlink(missing_ok=True)
            directory.rmdir()

    async def run(self, stream: trio.lowlevel.FdStream) -> None:
        """Read the recording until QEMU closes it, which raises DeviceGoneError. Closes *stream*."""
        decoder = UsbPcapDecoder()
        self.forget()
        try:
            async with stream:
                while data := await stream.receive_some(_RECEIVE_BYTES):
                    for transfer in decoder.receive(bytes(data)):
                        match transfer:
                            case ReportTaken(report):
                                self.report = report
                                self.reports_taken += 1
                            case Configured(value):
                                self.configured = value != 0
                                self._start_afresh()
                            # What was still in the pipe when the machine was reset is no longer true.
                            case OutputReport(report) if self.configured:
                                self._led_byte = report[0]
                                self._leds.publish(report[0])
                    self._lot.unpark_all()
        finally:
            self.forget()
        raise DeviceGoneError(f"QEMU closed the recording of its {self._name}")

    def statistics(self) -> dict[str, int]:
        """Return how many reports the guest has taken since the device started afresh."""
        return {"reports_taken": self.reports_taken, "generation": self.generation}

    def _start_afresh(self) -> None:
        self.report = b""
        self.reports_taken = 0
        self.generation += 1
        self._lot.unpark_all()
