"""A V4L2 capture device as a video source of the appliance (`drivers.ports.VideoSource`).

Responsible for finding and opening the device anew for each capture, so that a device that was unplugged
and came back under another number is found again, and for lending itself to whoever must have the device
without its buffers for a moment (the EDID). Owns the nodes that it opens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from drivers.errors import DeviceBusyError
from drivers.video.v4l2.capture import Capture, SignalPath
from drivers.video.v4l2.device import require_capture
from drivers.video.v4l2.find import DeviceChoice, OpenNode, VideoDevice, find_device
from drivers.video.v4l2.formats import Wanted
from drivers.video.v4l2.media import open_path
from drivers.video.v4l2.node import Node, open_node
from drivers.video.v4l2.stream import V4l2Stream


class V4l2Source:
    """Captures from the device that *choice* names; at most as large and fast as *wanted*."""

    def __init__(
        self, choice: DeviceChoice, wanted: Wanted | None = None, *, opener: OpenNode = open_node
    ) -> None:
        self._choice = choice
        self._wanted = wanted or Wanted()
        self._opener = opener
        self._device: VideoDevice | None = None
        self._stream: V4l2Stream | None = None

    @property
    def name(self) -> str:
        """The device as it was found last, or else the one that is looked for."""
        return str(self._device or self._choice)

    @asynccontextmanager
    async def open(self, *, max_fps: int, size: tuple[int, int] | None = None) -> AsyncGenerator[V4l2Stream]:
        """Start capturing; see `drivers.ports.VideoSource.open`.

        *size* chooses among the modes of a device that makes its own (USB grabbers). Of a receiver that
        follows the target's DV timings (TC358743) the target sets the size: there the EDID is the way to
        ask for another one.

        Raises DeviceGoneError if there is no such device, DeviceBusyError naming who captures from it,
        NotSupportedError naming what it offers if it has no format that we encode, DriverError otherwise.
        """
        if self._stream is not None:
            raise DeviceBusyError(f"{self.name}: expected one capture at a time, got a second one")
        failure: Exception | None = None
        async with AsyncExitStack() as stack:
            capture = await self._open_capture(stack, size)
            self._stream = stream = V4l2Stream(capture, max_fps)
            stack.callback(self._forget_stream)
            stack.push_async_callback(stream.aclose)
            await stream.start()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.run)
                nursery.start_soon(stream.watch_events)
                try:
                    yield stream
                except Exception as exc:  # noqa: BLE001 - raised again below, outside of the nursery's group
                    failure = exc
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    @asynccontextmanager
    async def receiver(self) -> AsyncGenerator[Node]:
        """Open the node that knows the signal and its EDID, beside a capture that may be running."""
        async with AsyncExitStack() as stack:
            yield (await self._open_capture(stack)).receiver

    @asynccontextmanager
    async def paused(self) -> AsyncGenerator[None]:
        """Let go of the device's buffers meanwhile, if there is a capture; its reader just waits."""
        if self._stream is None:
            yield
            return
        async with self._stream.paused():
            yield

    def statistics(self) -> dict[str, int]:
        """Return the counters of the present capture (`V4l2Stream.statistics`); empty without one."""
        return self._stream.statistics() if self._stream is not None else {}

    async def _open_capture(self, stack: AsyncExitStack, size: tuple[int, int] | None = None) -> Capture:
        self._device = found = await find_device(self._choice, opener=self._opener)
        video = await self._opener(found.path)
        stack.push_async_callback(video.aclose)
        require_capture(video, found.capabilities)
        path: SignalPath | None = None
        if found.capabilities.media_controlled:
            path = await open_path(video, stack, opener=self._opener)
        wanted = self._wanted
        if size is not None:
            width, height = size
            wanted = dataclasses.replace(wanted, width=width, height=height, exact=True)
        return Capture(video, found.capabilities, path, wanted)

    def _forget_stream(self) -> None:
        self._stream = None
