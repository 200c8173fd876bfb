"""A model of the kernel's video interface: devices that answer ioctls from a table, in this process."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from drivers.video.v4l2 import uapi

type Handler = Callable[[Any], None]


def timings_struct(width: int, height: int, fps: int, *, interlaced: bool = False) -> uapi.DvTimingsStruct:
    """Timings with a tenth of each direction for blanking."""
    answer = uapi.DvTimingsStruct()
    bt = answer.bt
    bt.width, bt.height, bt.interlaced = width, height, int(interlaced)
    bt.hfrontporch, bt.vfrontporch = width // 10, height // 10
    bt.pixelclock = (width + width // 10) * (height + height // 10) * fps
    return answer


class ModelNode:
    """One open node; requests without a handler are answered as by a driver that does not know them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ready = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.handlers: dict[int, Handler] = {}
        self.requests: list[int] = []
        self.users = 0

    @property
    def path(self) -> Path:
        return self._path

    def fileno(self) -> int:
        return self._ready

    def ioctl(self, request: int, argument: ctypes.Structure | ctypes.c_uint32) -> None:
        if request not in self.handlers:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        self.requests.append(request)
        self.handlers[request](argument)

    def map(self, offset: int, length: int) -> mmap.mmap:
        return mmap.mmap(-1, length)

    async def run[T](self, call: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        return call()

    async def aclose(self) -> None:
        self.users -= 1

    def set_ready(self, ready: bool) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._ready)
        if ready:
            os.eventfd_write(self._ready, 1)


def fail(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class ModelCapture(ModelNode):
    """A video node with one queue of buffers; `fill` plays the hardware."""

    def __init__(
        self,
        path: Path,
        formats: dict[int, list[str]],
        *,
        flags: int = 0,
        signal: Any = None,
        sizes: list[tuple[int, int]] | None = None,
    ) -> None:
        """*formats* are by bus code (0: asked without one), *signal* timings, an errno, or None.

        *sizes* are those of a device without a signal of its own, such as a USB grabber.
        """
        super().__init__(path)
        self.formats = formats
        self.flags = flags
        self.signal = signal
        self.sizes = sizes or []
        self.buffers = 0
        self.queued: list[int] = []
        self.filled: list[tuple[int, int, int]] = []
        self.streaming = False
        self.format: tuple[str, int, int] | None = None
        self.sequence = 0
        self.colour = (0, 0, 0, 0)
        """Of each format that is set: colour space, priv, encoding, quantisation."""
        self.maps: dict[int, mmap.mmap] = {}
        self.handlers = {
            uapi.QUERYCAP: self._capability,
            uapi.ENUM_FMT: self._enumerate,
            uapi.ENUM_FRAMESIZES: self._enumerate_sizes,
            uapi.S_FMT: self._set_format,
            uapi.REQBUFS: self._request_buffers,
            uapi.QUERYBUF: self._query_buffer,
            uapi.QBUF: self._queue,
            uapi.DQBUF: self._dequeue,
            uapi.STREAMON: self._start,
            uapi.STREAMOFF: self._stop,
        }
        if signal is not None:
            self.handlers[uapi.QUERY_DV_TIMINGS] = self._query_timings
            self.handlers[uapi.S_DV_TIMINGS] = self._set_timings

    def map(self, offset: int, length: int) -> mmap.mmap:
        self.maps[offset >> 12] = super().map(offset, length)
        return self.maps[offset >> 12]

    def fill(self, *, flags: int = 0, used_bytes: int | None = None, picture: bytes = b"") -> None:
        """Fill the next queued buffer, if there is one; the number counts on in any case."""
        self.sequence += 1
        if picture:
            used_bytes = len(picture)
        if self.queued:
            self.maps[self.queued[0]][: len(picture)] = picture
            self.filled.append(
                (self.queued.pop(0), flags, self._size() if used_bytes is None else used_bytes)
            )
        self.set_ready(bool(self.filled))

    def _size(self) -> int:
        assert self.format is not None
        return 2 * self.format[1] * self.format[2]

    def _capability(self, answer: Any) -> None:
        answer.driver, answer.card, answer.bus_info = b"model", b"Model capture", b"model:0"
        answer.capabilities = uapi.CAP_VIDEO_CAPTURE | uapi.CAP_STREAMING | self.flags

    def _enumerate(self, entry: Any) -> None:
        names = self.formats.get(entry.mbus_code, [])
        if entry.index >= len(names):
            raise fail(errno.EINVAL)
        entry.pixelformat = uapi.fourcc(names[entry.index])

    def _enumerate_sizes(self, entry: Any) -> None:
        if entry.index >= len(self.sizes):
            raise fail(errno.EINVAL)
        entry.type = uapi.FRMSIZE_TYPE_DISCRETE
        entry.size[0], entry.size[1] = self.sizes[entry.index]

    def _set_format(self, setting: Any) -> None:
        if self.buffers:
            raise fail(errno.EBUSY)
        pix = setting.fmt.pix
        self.format = (uapi.fourcc_name(pix.pixelformat), pix.width, pix.height)
        pix.bytesperline, pix.sizeimage = pix.width * 2, pix.width * 2 * pix.height
        pix.colorspace, pix.priv, pix.ycbcr_enc, pix.quantization = self.colour

    def _query_timings(self, answer: Any) -> None:
        if isinstance(self.signal, int):
            raise fail(self.signal)
        ctypes.memmove(ctypes.addressof(answer), bytes(self.signal), ctypes.sizeof(answer))

    def _set_timings(self, setting: Any) -> None:
        if self.buffers:
            raise fail(errno.EBUSY)

    def _request_buffers(self, wanted: Any) -> None:
        self.buffers = wanted.count
        self.queued, self.filled = [], []

    def _query_buffer(self, buffer: Any) -> None:
        buffer.length, buffer.m = self._size(), buffer.index << 12

    def _queue(self, buffer: Any) -> None:
        assert buffer.index not in self.queued, "queued twice"
        self.queued.append(buffer.index)

    def _dequeue(self, buffer: Any) -> None:
        if not self.filled:
            raise fail(errno.EAGAIN)
        buffer.index, flags, buffer.bytesused = self.filled.pop(0)
        buffer.flags, buffer.sequence = flags, self.sequence
        self.set_ready(bool(self.filled))

    def _start(self, _: Any) -> None:
        self.streaming = True

    def _stop(self, _: Any) -> None:
        self.streaming = False
        self.queued, self.filled = [], []
        self.set_ready(False)


class Model:
    """Nodes by path; `open` is an `OpenNode`."""

    def __init__(self) -> None:
        self.nodes: dict[Path, ModelNode] = {}

    def add[N: ModelNode](self, node: N) -> N:
        self.nodes[node.path] = node
        return node

    async def open(self, path: Path) -> ModelNode:
        await trio.lowlevel.checkpoint()
        self.nodes[path].users += 1
        return self.nodes[path]


@pytest.fixture
def model() -> Iterator[Model]:
    """An empty machine."""
    made = Model()
    yield made
    for node in made.nodes.values():
        os.close(node.fileno())


@pytest.fixture
def new_capture() -> type[ModelCapture]:
    """A video node."""
    return ModelCapture


@pytest.fixture
def new_node() -> type[ModelNode]:
    """A node that knows nothing yet."""
    return ModelNode


@pytest.fixture
def new_timings() -> Callable[..., uapi.DvTimingsStruct]:
    """Timings of a signal."""
    return timings_struct
