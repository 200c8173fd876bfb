"""One capture device made ready: looks at the signal, sets everything up for it, starts and stops.

Responsible for the order of the steps that the kernel demands (timings, format, buffers, stream; and all of
it back before the timings change). Every method blocks and is called through `Node.run`; a lock keeps a
call that was abandoned in its thread from meeting the next one.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import Protocol

from drivers.errors import DeviceGoneError, DriverError
from drivers.ports import NoSignal
from drivers.video.v4l2 import device
from drivers.video.v4l2.buffers import Buffers
from drivers.video.v4l2.formats import Mode, Wanted, choose_format, choose_mode
from drivers.video.v4l2.node import Node
from drivers.video.v4l2.timings import DvTimings, unusable


class SignalPath(Protocol):
    """The chain of sub-devices between the receiver and the video node, where we must set it up (`media`)."""

    @property
    def receiver(self) -> Node:
        """The sub-device that knows the signal."""
        ...

    def set_up(self, video: Node, buffer_type: int, timings: DvTimings, wanted: Wanted) -> str:
        """Set formats along the path and return the four-character code for the video node. Blocking."""
        ...


class Capture:
    """A video node, and whoever knows the signal: itself, or the receiver at the end of its path."""

    def __init__(
        self, video: Node, capabilities: device.Capabilities, path: SignalPath | None, wanted: Wanted
    ) -> None:
        self.video = video
        self.receiver = path.receiver if path is not None else video
        self._type = capabilities.buffer_type
        self._path = path
        self._wanted = wanted
        self._lock = threading.Lock()
        self._closed = False
        self._buffers: Buffers | None = None
        self.timings: DvTimings | None = None
        """The signal that it is set up for; None without one, and for devices that make their own (USB)."""
        self.mode: Mode | None = None
        """How it captures."""

    def start(self, max_fps: int) -> Buffers | NoSignal:
        """Set up for what arrives now and start the stream, or say why there is nothing to capture.

        Raises DriverError; the device is left without buffers then.
        """
        with self._lock:
            if self._closed:
                raise DeviceGoneError(f"{self.video.path}: the capture has been closed")
            found = device.query_timings(self.receiver)
            if isinstance(found, NoSignal):
                return found
            ready = self._follow(found) if found is not None else self._choose(max_fps)
            if isinstance(ready, NoSignal):
                return ready
            picture = device.set_format(self.video, self._type, ready.fourcc, ready.width, ready.height)
            if found is None:
                rate = min(ready.fps or self._wanted.fps, max_fps or self._wanted.fps)
                fps = device.set_rate(self.video, self._type, rate)
                ready = Mode(ready.fourcc, ready.width, ready.height, fps)
            self.timings, self.mode = found, ready
            self._buffers = Buffers(self.video, self._type, picture)
            try:
                self._buffers.start()
            except BaseException:
                self._buffers.retire()
                self._stop()
                raise
            return self._buffers

    def stop(self, *, close: bool = False) -> None:
        """Stop the stream, and free its buffers; *close* lets no other start follow. Raises DriverError.

        The caller has retired the buffers (`Buffers.retire`).
        """
        with self._lock:
            self._closed = self._closed or close
            self._stop()

    def signal_has_changed(self) -> bool:
        """Whether what arrives now is not what it was set up for. Raises DriverError."""
        with self._lock:
            if self.timings is None:
                return device.input_status(self.video) is not None
            found = device.query_timings(self.receiver)
            return not isinstance(found, DvTimings) or not found.same_signal(self.timings)

    def _follow(self, timings: DvTimings) -> Mode | NoSignal:
        """Set up for the signal of a digital input."""
        refusal = unusable(timings) or device.set_timings(self.receiver, timings)
        if refusal is not None:
            return refusal
        if self._path is not None:
            name = self._path.set_up(self.video, self._type, timings, self._wanted)
        else:
            offered = device.formats(self.video, self._type)
            name = choose_format(offered, self._wanted, str(self.video.path))
        return Mode(name, timings.width, timings.height, timings.fps)

    def _choose(self, max_fps: int) -> Mode | NoSignal:
        """Choose among the modes of a device that makes its own."""
        refusal = device.input_status(self.video)
        if refusal is not None:
            return refusal
        wanted = self._wanted
        if max_fps:
            wanted = dataclasses.replace(wanted, fps=min(wanted.fps, max_fps))
        return choose_mode(device.modes(self.video, self._type, wanted), wanted, str(self.video.path))

    def _stop(self) -> None:
        buffers, self._buffers, self.timings = self._buffers, None, None
        if buffers is None:
            return
        try:
            buffers.stop()
        except DeviceGoneError:
            # Unplugged: there is nothing left to stop, and whoever uses it next finds that out.
            return


async def stop_quietly(capture: Capture) -> None:
    """Stop for good; an error here would hide the one that led here, or come after the last use."""
    try:
        await capture.video.run(lambda: capture.stop(close=True))
    except DriverError:
        return
