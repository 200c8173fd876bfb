"""The HDMI source: the kernel's virtual video driver, a capture node for us, the target's end for tests.

Responsible for loading vivid in the shapes that tests need, for playing the target (signal, mode, picture,
cable, faults) and for leaving the kernel as it was. Uses ioctls of its own, not the driver under test.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import fcntl
import mmap
import os
import select
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from drivers.video.v4l2 import uapi
from peers import modules

DRIVER: Final = "vivid"
_NODES: Final = Path("/sys/class/video4linux")
_CLOSE_DEADLINE_S: Final = 20.0


class Signal(enum.IntEnum):
    """What arrives at the input: items of the control "DV Timings Signal Mode"."""

    CURRENT = 0
    """What the capture is set up for, whatever that is."""
    NONE = 1
    UNSTABLE = 2
    OUT_OF_RANGE = 3
    SELECTED = 4
    """What `Vivid.select` has chosen."""


class Pattern(enum.StrEnum):
    """Test pictures of one colour, and one that moves no pixel."""

    BLACK = "100% Black"
    WHITE = "100% White"
    RED = "100% Red"
    GREEN = "100% Green"
    BLUE = "100% Blue"
    BARS = "75% Colorbar"


class Connection(enum.IntEnum):
    """What the input's cable leads to (in loop mode)."""

    GENERATOR = 0
    NOTHING = 1
    OUTPUT = 2


class _Device:
    """An open node with its controls by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._controls = {name: number for number, name in self._list_controls()}

    def ioctl(self, request: int, argument: ctypes.Structure | ctypes.c_uint32) -> None:
        fcntl.ioctl(self.fd, request, argument, True)

    def _list_controls(self) -> Iterator[tuple[int, str]]:
        number = 0
        while True:
            entry = uapi.ControlDescription(id=number | uapi.CTRL_FLAG_NEXT_CTRL)
            try:
                self.ioctl(uapi.QUERY_EXT_CTRL, entry)
            except OSError as exc:
                if exc.errno == errno.EINVAL:
                    return
                raise
            number = entry.id
            yield number, uapi.text(entry.name)

    def control(self, name: str) -> int:
        answer = uapi.Control(id=self._controls[name])
        self.ioctl(uapi.G_CTRL, answer)
        return int(answer.value)

    def set_control(self, name: str, value: int) -> None:
        self.ioctl(uapi.S_CTRL, uapi.Control(id=self._controls[name], value=value))

    def has_control(self, name: str) -> bool:
        return name in self._controls

    def menu_item(self, control: str, label: str) -> int:
        """Return the index of a menu's item."""
        labels: list[str] = []
        for index in range(256):
            item = uapi.MenuItem(id=self._controls[control], index=index)
            try:
                self.ioctl(uapi.QUERYMENU, item)
            except OSError:
                if labels and index > len(labels) + 8:
                    break
                continue
            labels.append(uapi.text(item.name))
            if labels[-1] == label:
                return index
        raise LookupError(f"expected one of {labels}, got {label!r} - at control {control}")

    def close(self) -> None:
        os.close(self.fd)


class Vivid:
    """A loaded driver: `capture` is the node of the appliance, everything else is the target."""

    def __init__(self) -> None:
        nodes = {
            (node / "name").read_text().strip(): Path("/dev", node.name) for node in _NODES.glob("video*")
        }
        self.capture = next(path for name, path in nodes.items() if name.endswith("-vid-cap"))
        self._output_path = next((path for name, path in nodes.items() if name.endswith("-vid-out")), None)
        self._device = _Device(self.capture)
        self._output = _Device(self._output_path) if self._output_path is not None else None
        if self._device.has_control("OSD Text Mode"):
            # Nothing drawn over the picture.
            self._device.set_control("OSD Text Mode", 2)

    def close(self) -> None:
        """Let go of the driver."""
        self._device.close()
        if self._output is not None:
            self._output.close()

    def signal(self, signal: Signal) -> None:
        """Change what arrives at the input."""
        self._device.set_control("DV Timings Signal Mode", signal)

    def select(self, mode: str) -> None:
        """Have the target put out a mode, named as "1920x1080p60" (see `modes`)."""
        self._device.set_control("DV Timings", self._device.menu_item("DV Timings", mode))
        self.signal(Signal.SELECTED)

    def pattern(self, pattern: Pattern) -> None:
        """Have the target show a picture."""
        self._device.set_control("Test Pattern", self._device.menu_item("Test Pattern", pattern))

    def drop_buffers(self, percent: int) -> None:
        """Deliver only a part of the pictures; 100: a source that stalls."""
        self._device.set_control("Percentage of Dropped Buffers", percent)

    def flag_error(self) -> None:
        """Mark the next picture as damaged."""
        self._device.set_control("Inject V4L2_BUF_FLAG_ERROR", 1)

    def fail_streaming(self) -> None:
        """Let the stream fail for good, until it is stopped."""
        self._device.set_control("Inject Fatal Streaming Error", 1)

    def fail_next(self, request: str) -> None:
        """Let the next "REQBUFS", "QBUF" or "STREAMON" fail."""
        self._device.set_control(f"Inject VIDIOC_{request} Error", 1)

    def disconnect(self) -> None:
        """Pull the device out; only reloading the driver brings it back."""
        self._device.set_control("Disconnect", 1)

    def connect(self, connection: Connection) -> None:
        """Plug the input's cable into something (loop mode)."""
        self._device.set_control("HDMI 000-0 Is Connected To", connection)

    @contextmanager
    def play(self, mode: tuple[int, int, float], fourcc: str, *pictures: bytes) -> Iterator[Player]:
        """Put out *pictures* in turns (packed, no padding) on the output that the input is connected to.

        One, two or four of them. The capture has to be told of the mode too (`select`): the driver does not
        measure it in loop mode.
        """
        assert self._output is not None, "expected loop mode"
        player = Player(self._output, mode, fourcc, pictures)
        try:
            yield player
        finally:
            player.close()


@contextmanager
def loaded(
    *, webcam: bool = False, loop: bool = False, multiplanar: bool = False, error_injection: bool = True
) -> Iterator[Vivid]:
    """Load the driver with one capture, HDMI by default, and unload it afterwards.

    *webcam*: an input without signal timings, as USB grabbers have. *loop*: with an output to play
    pictures on. *multiplanar*: only the multi-planar interface, as CSI receivers may have.
    """
    modules.load(
        DRIVER,
        n_devs=1,
        node_types="0x101" if loop else "0x1",
        num_inputs=1,
        input_types="0x0" if webcam else "0x3",
        num_outputs=1,
        output_types="0x1",
        multiplanar=2 if multiplanar else 1,
        # No cropping, composing or scaling: a receiver gives what arrives.
        ccs_cap_mode=0,
        ccs_out_mode=0,
        no_error_inj=int(not error_injection),
    )
    try:
        vivid = Vivid()
        try:
            yield vivid
        finally:
            vivid.close()
    finally:
        modules.unload(DRIVER)


class Player:
    """Shows pictures on the output in turns for as long as it is open, in a thread of its own."""

    _BUFFERS: Final = 4

    def __init__(
        self, device: _Device, mode: tuple[int, int, float], fourcc: str, pictures: Sequence[bytes]
    ) -> None:
        self._device = device
        self._stop = threading.Event()
        self._maps: list[mmap.mmap] = []
        device.ioctl(uapi.S_DV_TIMINGS, _timings(device, *mode))
        setting = uapi.Format(type=uapi.BUF_TYPE_OUTPUT)
        device.ioctl(uapi.G_FMT, setting)
        pix = setting.fmt.pix
        pix.width, pix.height, pix.pixelformat = mode[0], mode[1], uapi.fourcc(fourcc)
        pix.bytesperline = pix.sizeimage = 0
        device.ioctl(uapi.S_FMT, setting)
        sizes = {len(picture) for picture in pictures}
        assert sizes == {pix.sizeimage}, f"expected {pix.sizeimage} bytes, got {sizes}"
        self._bytes = pix.sizeimage
        self._queued: deque[int] = deque()
        wanted = uapi.RequestBuffers(count=self._BUFFERS, type=uapi.BUF_TYPE_OUTPUT, memory=uapi.MEMORY_MMAP)
        device.ioctl(uapi.REQBUFS, wanted)
        for index in range(wanted.count):
            buffer = uapi.Buffer(index=index, type=uapi.BUF_TYPE_OUTPUT, memory=uapi.MEMORY_MMAP)
            device.ioctl(uapi.QUERYBUF, buffer)
            mapped = mmap.mmap(device.fd, buffer.length, offset=buffer.m & 0xFFFFFFFF, trackfd=False)
            mapped[: self._bytes] = pictures[index % len(pictures)]
            self._maps.append(mapped)
            self._queue(index)
        device.ioctl(uapi.STREAMON, ctypes.c_uint32(uapi.BUF_TYPE_OUTPUT))
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def shown(self) -> list[mmap.mmap]:
        """Return the memory of what is on the screen now and of what comes next: it can be written."""
        return [self._maps[index] for index in tuple(self._queued)[:2]]

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        self._thread.join(_CLOSE_DEADLINE_S)
        assert not self._thread.is_alive()
        self._device.ioctl(uapi.STREAMOFF, ctypes.c_uint32(uapi.BUF_TYPE_OUTPUT))
        for mapped in self._maps:
            mapped.close()
        self._device.ioctl(
            uapi.REQBUFS,
            uapi.RequestBuffers(count=0, type=uapi.BUF_TYPE_OUTPUT, memory=uapi.MEMORY_MMAP),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _queue(self, index: int) -> None:
        self._queued.append(index)
        self._device.ioctl(
            uapi.QBUF,
            uapi.Buffer(
                index=index,
                type=uapi.BUF_TYPE_OUTPUT,
                memory=uapi.MEMORY_MMAP,
                bytesused=self._bytes,
                field=uapi.FIELD_NONE,
            ),
        )

    def _feed(self) -> None:
        """Queue each buffer again, with the picture that is in it."""
        poll = select.poll()
        poll.register(self._device.fd, select.POLLOUT)
        while not self._stop.is_set():
            if not poll.poll(100):
                continue
            buffer = uapi.Buffer(type=uapi.BUF_TYPE_OUTPUT, memory=uapi.MEMORY_MMAP)
            try:
                self._device.ioctl(uapi.DQBUF, buffer)
            except BlockingIOError:
                continue
            self._queued.remove(buffer.index)
            self._queue(buffer.index)


def _timings(device: _Device, width: int, height: int, fps: float) -> uapi.DvTimingsStruct:
    for index in range(256):
        entry = uapi.EnumDvTimings(index=index)
        device.ioctl(uapi.ENUM_DV_TIMINGS, entry)
        bt = entry.timings.bt
        pixels = (bt.width + bt.hfrontporch + bt.hsync + bt.hbackporch) * (
            bt.height + bt.vfrontporch + bt.vsync + bt.vbackporch
        )
        if (bt.width, bt.height, bt.interlaced) == (width, height, 0) and abs(
            bt.pixelclock / pixels - fps
        ) < 0.5:
            return uapi.DvTimingsStruct.from_buffer_copy(bytes(entry.timings))
    raise LookupError((width, height, fps))
