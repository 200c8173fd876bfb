"""The kernel's buffers of one capture: mapped once, filled by the device, lent out as pictures, given back.

Responsible for who has a buffer: the driver (queued), the stream (filled), or a reader (a borrowed frame).
A buffer that a reader has is never unmapped: when the capture stops or changes its format, the kernel lets
go of the set at once (orphaned buffers, Linux 5.0), and each mapping ends when its reader returns it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import math
import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.errors import DriverError
from drivers.video.frame import Frame, PixelFormat
from drivers.video.v4l2 import uapi
from drivers.video.v4l2.device import PictureFormat
from drivers.video.v4l2.formats import PIXEL_FORMATS, RateLimit, frame_bytes
from drivers.video.v4l2.node import Node, node_errors

try:
    from drivers.video.v4l2 import _watch
except ImportError:
    CAN_WATCH = False
else:
    CAN_WATCH = True

WANTED_BUFFERS: Final = 6
"""Two that the reader borrows (the last picture and the one it works on), one that waits for it, and three
for the driver: one being filled, and two behind it so that a late wake-up of ours loses no picture."""

FEWEST_BUFFERS: Final = 4
"""With fewer, the driver would have none to fill while a reader has two and one waits."""

SHOW_AFTER_S: Final = 1.0
"""So long pictures that look the same are left out, so that nobody takes them for older than they are."""

# What the kernel means by these when it starts a stream (VIDIOC_STREAMON); its own words, "No space left on
# device" and "Broken pipe", send people to look for something else.
_START_REFUSALS: Final = {
    errno.ENOSPC: "the USB bus has no room for this picture - plug the capture into a USB port of its own",
    errno.EPIPE: "the formats along the path from the receiver do not fit together - look at the kernel log",
}


@dataclass(frozen=True, slots=True)
class Filled:
    """A buffer that the driver has given us; times are those of `time.monotonic`."""

    index: int
    start: int
    used_bytes: int
    sequence: int
    error: bool
    time_s: float
    dequeued_s: float


@dataclass(frozen=True, slots=True)
class Watched:
    """What has come of waiting for a change.

    *filled* is None if there was none. *sequence* is the number of the last picture, and the others count
    those that looked the same, that were lost before us, and that were above the rate limit.
    """

    filled: Filled | None
    sequence: int | None
    unchanged: int
    missed: int
    limited: int


def _filled(  # noqa: PLR0917 - in the order in which the extension tells them
    index: int, start: int, used_bytes: int, sequence: int, flags: int, stamp_s: float, now_s: float
) -> Filled:
    monotonic = flags & uapi.BUF_FLAG_TIMESTAMP_MASK == uapi.BUF_FLAG_TIMESTAMP_MONOTONIC
    return Filled(
        index=index,
        start=start,
        used_bytes=used_bytes - start,
        sequence=sequence,
        error=bool(flags & uapi.BUF_FLAG_ERROR),
        # Other clocks than the monotonic one cannot be compared with ours; and a driver that computes its
        # times from an ideal rate may be ahead of the clock.
        time_s=min(stamp_s, now_s) if monotonic else now_s,
        dequeued_s=now_s,
    )


class Buffers:
    """One set of mapped buffers, from its allocation to `retire`."""

    def __init__(self, node: Node, buffer_type: int, picture: PictureFormat) -> None:
        self._node = node
        self._type = buffer_type
        self._multiplanar = buffer_type == uapi.BUF_TYPE_CAPTURE_MPLANE
        self._maps: dict[int, mmap.mmap] = {}
        self._lent: dict[int, Frame] = {}
        self._live = True
        self.picture = picture
        # Structures for the two requests that are made for each picture, used again and again.
        self._taken = self._structures(0)
        self._given = self._structures(0)
        self._pixel_format: PixelFormat = PIXEL_FORMATS[picture.fourcc]
        self.picture_bytes = frame_bytes(self._pixel_format, picture.stride_bytes, picture.height)
        """The least that a buffer with a picture has; of JPEG, what is used is the picture."""

    def start(self) -> None:
        """Allocate, map and queue all, and start the stream. Blocking. Raises DriverError.

        What it has done so far is undone by `stop`.
        """
        wanted = uapi.RequestBuffers(count=WANTED_BUFFERS, type=self._type, memory=uapi.MEMORY_MMAP)
        with node_errors(self._node, "allocating buffers"):
            self._node.ioctl(uapi.REQBUFS, wanted)
        if wanted.count < FEWEST_BUFFERS:
            raise DriverError(
                f"expected at least {FEWEST_BUFFERS} buffers of {self.picture.buffer_bytes} bytes, "
                f"got {wanted.count} - at {self._node.path}: there is not enough (contiguous) memory"
            )
        for index in range(wanted.count):
            with node_errors(self._node, "mapping a buffer"):
                self._map(index)
            with node_errors(self._node, "queueing a buffer"):
                self._queue(index)
        try:
            self._node.ioctl(uapi.STREAMON, ctypes.c_uint32(self._type))
        except OSError as exc:
            if exc.errno in _START_REFUSALS:
                raise DriverError(f"{self._node.path}: {_START_REFUSALS[exc.errno]}") from exc
            with node_errors(self._node, "starting the stream"):
                raise

    def retire(self) -> None:
        """Give up the set: from now on a returned frame ends its mapping, and is not queued again."""
        self._live = False
        for index in set(self._maps) - self._lent.keys():
            self._unmap(index)

    def stop(self) -> None:
        """Stop the stream and let the kernel free the buffers. Blocking. Raises DriverError."""
        with node_errors(self._node, "stopping the stream"):
            self._node.ioctl(uapi.STREAMOFF, ctypes.c_uint32(self._type))
        none = uapi.RequestBuffers(count=0, type=self._type, memory=uapi.MEMORY_MMAP)
        with node_errors(self._node, "freeing the buffers"):
            self._node.ioctl(uapi.REQBUFS, none)

    def dequeue(self) -> Filled | None:
        """Take the next filled buffer, None if there is none now. Does not block. Raises DriverError."""
        buffer, planes = self._taken
        try:
            self._node.ioctl(uapi.DQBUF, buffer)
        except OSError as exc:
            if exc.errno == errno.EAGAIN:
                return None
            with node_errors(self._node, "waiting for a picture"):
                raise
        return _filled(
            buffer.index,
            planes[0].data_offset if self._multiplanar else 0,
            planes[0].bytesused if self._multiplanar else buffer.bytesused,
            buffer.sequence,
            buffer.flags,
            buffer.timestamp_s + buffer.timestamp_us / 1e6,
            time.monotonic(),
        )

    def wait_for_change(
        self, last: Frame, stop_fd: int, *, sequence: int | None, limit: RateLimit, silence_s: float
    ) -> Watched:
        """Give pictures that look like *last* back to the driver at once, until one does not (blocking).

        Also ends with a damaged picture, with any picture after `SHOW_AFTER_S`, after *silence_s* without
        one, and when *stop_fd* becomes readable. *last* is a picture of this set that somebody still has;
        *limit* is carried on. Raises DriverError.
        """
        picture = self.picture
        maps = tuple(self._maps[index] for index in range(len(self._maps)))
        with node_errors(self._node, "waiting for a change"):
            found, reached, unchanged, missed, limited, due_s = _watch.wait_for_change(
                self._node.fileno(),
                stop_fd,
                self._type,
                self._multiplanar,
                maps,
                self.picture_bytes,
                last.data,
                picture.width,
                picture.height,
                picture.stride_bytes,
                self._pixel_format,
                -1 if sequence is None else sequence,
                limit.period_s,
                math.nan if limit.due_s is None else limit.due_s,
                SHOW_AFTER_S,
                silence_s,
            )
        limit.due_s = None if math.isnan(due_s) else due_s
        filled = None if found is None else _filled(*found)
        return Watched(filled, None if reached < 0 else reached, unchanged, missed, limited)

    def watchable(self, last: Frame | None) -> int | None:
        """Return the buffer of *last*, which a reader has, if `wait_for_change` can compare with it."""
        if not CAN_WATCH or self._pixel_format is PixelFormat.JPEG:
            return None
        return next((index for index, frame in self._lent.items() if frame is last), None)

    def requeue(self, index: int) -> None:
        """Give a buffer to the driver again. Does not block. Raises DriverError."""
        if self._live:
            try:
                self._queue(index)
            except OSError:
                with node_errors(self._node, "queueing a buffer"):
                    raise

    def lend(self, filled: Filled, returned: Callable[[], None], *, unchanged_before: int = 0) -> Frame:
        """Return the picture in a filled buffer; *returned* is called once, when the reader gives it back.

        *unchanged_before* is told with it (`Frame.unchanged_before`).
        The frame's `release` must be called in the task's own thread; calling it twice has no effect.
        """
        index, picture = filled.index, self.picture
        whole = memoryview(self._maps[index])
        compressed = self._pixel_format is PixelFormat.JPEG
        length = filled.used_bytes if compressed else self.picture_bytes
        view = whole[filled.start : filled.start + length]
        whole.release()
        lent = True

        def on_release() -> None:
            nonlocal lent
            if not lent:
                return
            lent = False
            # A late reader shall fail by a clear ValueError instead of seeing the next picture; if it is in
            # the middle of reading (an export of the view exists), its own view stays usable.
            with contextlib.suppress(BufferError):
                view.release()
            self._lent.pop(index, None)
            if not self._live:
                self._unmap(index)
            returned()

        self._lent[index] = frame = Frame(
            data=view,
            width=picture.width,
            height=picture.height,
            stride_bytes=picture.stride_bytes,
            format=self._pixel_format,
            grab_begin=filled.time_s,
            grab_end=filled.dequeued_s,
            on_release=on_release,
            colour=picture.colour,
            unchanged_before=unchanged_before,
        )
        return frame

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._maps)

    @property
    def lent(self) -> int:
        """How many readers have."""
        return len(self._lent)

    def _map(self, index: int) -> None:
        buffer, planes = self._structures(index)
        self._node.ioctl(uapi.QUERYBUF, buffer)
        plane = planes[0] if self._multiplanar else buffer
        self._maps[index] = self._node.map(plane.m & 0xFFFFFFFF, plane.length)
        if plane.length < self.picture_bytes:
            raise DriverError(
                f"expected buffers of at least {self.picture_bytes} bytes, got {plane.length} "
                f"- at {self._node.path}"
            )

    def _unmap(self, index: int) -> None:
        # With a reader still in it (BufferError), the mapping ends with the reader's last reference.
        with contextlib.suppress(BufferError):
            self._maps.pop(index).close()

    def _queue(self, index: int) -> None:
        buffer, _ = self._given
        buffer.index = index
        self._node.ioctl(uapi.QBUF, buffer)

    def _structures(self, index: int) -> tuple[uapi.Buffer, ctypes.Array[uapi.Plane]]:
        """Return a buffer structure, and the planes that it points to (which must stay alive with it)."""
        planes = (uapi.Plane * 1)()
        buffer = uapi.Buffer(index=index, type=self._type, memory=uapi.MEMORY_MMAP)
        if self._multiplanar:
            buffer.m, buffer.length = ctypes.addressof(planes), 1
        return buffer, planes
