"""Questions and commands of one video device, as plain functions on an open node.

Responsible for turning the kernel's structures into values and back. Every function may block (a USB device
answers by control transfers): call them through `Node.run`. They raise DriverErrors that name the node.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.errors import BadReplyError, NotSupportedError
from drivers.ports import NoSignal
from drivers.video.frame import Colour, PixelFormat
from drivers.video.v4l2 import uapi
from drivers.video.v4l2.colour import colour_of
from drivers.video.v4l2.formats import PIXEL_FORMATS, Mode, Wanted, is_usable
from drivers.video.v4l2.node import Node, node_errors
from drivers.video.v4l2.timings import DvTimings, no_signal_of_errno, no_signal_of_status

# Enumerations end with EINVAL; a driver whose enumeration does not end is not followed for ever.
_MAX_ENUMERATED = 256

# "Not this input" and "not this driver": neither has digital video timings (VIDIOC_QUERY_DV_TIMINGS).
_NO_TIMINGS = frozenset({errno.ENOTTY, errno.ENODATA, errno.EINVAL})
_NO_SUCH = frozenset({errno.ENOTTY, errno.EINVAL})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a video device says of itself."""

    driver: str
    card: str
    bus_info: str
    flags: int

    @property
    def captures(self) -> bool:
        """Whether it gives pictures into mapped buffers."""
        wanted = uapi.CAP_VIDEO_CAPTURE | uapi.CAP_VIDEO_CAPTURE_MPLANE
        return bool(self.flags & wanted) and bool(self.flags & uapi.CAP_STREAMING)

    @property
    def multiplanar(self) -> bool:
        """Whether only the multi-planar interface gives its pictures."""
        return not self.flags & uapi.CAP_VIDEO_CAPTURE

    @property
    def media_controlled(self) -> bool:
        """Whether its input is a chain of sub-devices that we must set up (`media`)."""
        return bool(self.flags & uapi.CAP_IO_MC)

    @property
    def buffer_type(self) -> int:
        """The type of its capture queue."""
        return uapi.BUF_TYPE_CAPTURE_MPLANE if self.multiplanar else uapi.BUF_TYPE_CAPTURE


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """How pictures lie in the buffers. *stride_bytes* is 0 for compressed ones."""

    fourcc: str
    width: int
    height: int
    stride_bytes: int
    buffer_bytes: int
    """What the driver wants a buffer to hold; of compressed pictures the largest one."""
    colour: Colour


def capabilities(node: Node) -> Capabilities:
    """Ask what the device is. Raises NotSupportedError if it is no video device."""
    answer = uapi.Capability()
    try:
        node.ioctl(uapi.QUERYCAP, answer)
    except OSError as exc:
        if exc.errno in _NO_SUCH:
            raise NotSupportedError(f"{node.path}: expected a video device, got something else") from exc
        with node_errors(node, "asking for its capabilities"):
            raise
    flags = answer.capabilities
    if flags & uapi.CAP_DEVICE_CAPS:
        flags = answer.device_caps
    return Capabilities(uapi.text(answer.driver), uapi.text(answer.card), uapi.text(answer.bus_info), flags)


def formats(node: Node, buffer_type: int, bus_code: int = 0) -> list[str]:
    """Return the four-character codes offered.

    *bus_code* limits the answer to those that a media-controlled device makes of that bus format.
    """
    names = []
    for index in range(_MAX_ENUMERATED):
        entry = uapi.FormatDescription(index=index, type=buffer_type, mbus_code=bus_code)
        if not _next(node, uapi.ENUM_FMT, entry):
            break
        names.append(uapi.fourcc_name(entry.pixelformat))
    return names


def modes(node: Node, buffer_type: int, wanted: Wanted) -> list[Mode]:
    """Return the modes of a device that sets size and rate itself (USB cameras and grabbers).

    Of a range of sizes: its ends, and the largest one that is not above the one *wanted*. Formats that are of
    no use are left out unless there is no other: each costs dozens of questions, seconds on a small board.
    """
    found = []
    names = formats(node, buffer_type)
    for name in [name for name in names if is_usable(name, wanted)] or names:
        for width, height in list(_sizes(node, name, wanted)) or [_present_size(node, buffer_type)]:
            found.append(Mode(name, width, height, _highest_fps(node, name, width, height)))
    return found


def _present_size(node: Node, buffer_type: int) -> tuple[int, int]:
    """Return the size that is set now, of devices that list none."""
    setting = uapi.Format(type=buffer_type)
    with node_errors(node, "asking for its format"):
        node.ioctl(uapi.G_FMT, setting)
    pix = setting.fmt.pix_mp if buffer_type == uapi.BUF_TYPE_CAPTURE_MPLANE else setting.fmt.pix
    return pix.width, pix.height


def _sizes(node: Node, name: str, wanted: Wanted) -> Iterator[tuple[int, int]]:
    for index in range(_MAX_ENUMERATED):
        entry = uapi.FrameSize(index=index, pixel_format=uapi.fourcc(name))
        if not _next(node, uapi.ENUM_FRAMESIZES, entry):
            return
        if entry.type == uapi.FRMSIZE_TYPE_DISCRETE:
            yield entry.size[0], entry.size[1]
            continue
        (least_width, most_width, step_x), (least_height, most_height, step_y) = (
            entry.size[:3],
            entry.size[3:],
        )
        yield from {
            (least_width, least_height),
            (
                _within(wanted.width, least_width, most_width, step_x),
                _within(wanted.height, least_height, most_height, step_y),
            ),
            (most_width, most_height),
        }
        return


def _within(wanted: int, least: int, most: int, step: int) -> int:
    """Return the largest value of a range that is not above *wanted*, else the least one."""
    reached = max(least, min(wanted, most))
    # A continuous range has the step 1; some drivers leave it at 0.
    return reached - (reached - least) % max(step, 1)


def _highest_fps(node: Node, name: str, width: int, height: int) -> float:
    """Return the highest rate of a mode; 0.0 if the device does not tell."""
    best = 0.0
    for index in range(_MAX_ENUMERATED):
        entry = uapi.FrameInterval(index=index, pixel_format=uapi.fourcc(name), width=width, height=height)
        if not _next(node, uapi.ENUM_FRAMEINTERVALS, entry):
            break
        interval = entry.interval[0]
        if interval.numerator:
            best = max(best, interval.denominator / interval.numerator)
        if entry.type != uapi.FRMSIZE_TYPE_DISCRETE:
            break
    return best


def set_format(node: Node, buffer_type: int, name: str, width: int, height: int) -> PictureFormat:
    """Set the pictures' format, progressive, and return what came of it.

    *name* is one of `formats.PIXEL_FORMATS`. Raises BadReplyError if the device takes another format or size;
    DeviceBusyError while somebody else captures.
    """
    setting = uapi.Format(type=buffer_type)
    multiplanar = buffer_type == uapi.BUF_TYPE_CAPTURE_MPLANE
    pix = setting.fmt.pix_mp if multiplanar else setting.fmt.pix
    pix.width, pix.height, pix.pixelformat, pix.field = width, height, uapi.fourcc(name), uapi.FIELD_NONE
    if multiplanar:
        pix.num_planes = 1
    with node_errors(node, f"setting the format {name} {width}x{height}"):
        node.ioctl(uapi.S_FMT, setting)
    got, planes = uapi.fourcc_name(pix.pixelformat), pix.num_planes if multiplanar else 1
    if (got, pix.width, pix.height, planes) != (name, width, height, 1):
        raise BadReplyError(
            f"expected {name} {width}x{height} in one plane, got {got} {pix.width}x{pix.height} in {planes} "
            f"- at {node.path}"
        )
    plane = pix.plane_fmt[0] if multiplanar else pix
    pixel_format = PIXEL_FORMATS[name]
    stride_bytes = 0 if pixel_format is PixelFormat.JPEG else plane.bytesperline
    return PictureFormat(name, width, height, stride_bytes, plane.sizeimage, _colour(pix, pixel_format))


def _colour(pix: uapi.PixFormat | uapi.PixFormatMplane, pixel_format: PixelFormat) -> Colour:
    if isinstance(pix, uapi.PixFormat) and pix.priv != uapi.PIX_FMT_PRIV_MAGIC:
        return colour_of(pixel_format, colorspace=pix.colorspace)
    return colour_of(
        pixel_format,
        colorspace=pix.colorspace,
        ycbcr_enc=pix.ycbcr_enc,
        quantization=pix.quantization,
    )


def set_rate(node: Node, buffer_type: int, fps: float) -> float:
    """Ask the device for a rate and return the one that it chose; 0.0 if it has no choice."""
    parameters = uapi.CaptureParameters(type=buffer_type)
    try:
        node.ioctl(uapi.G_PARM, parameters)
    except OSError as exc:
        if exc.errno in _NO_SUCH:
            return 0.0
        with node_errors(node, "asking for its rate"):
            raise
    if not parameters.capability & uapi.PARM_CAP_TIMEPERFRAME:
        return 0.0
    parameters.timeperframe.numerator, parameters.timeperframe.denominator = 1000, round(fps * 1000)
    with node_errors(node, f"setting the rate {fps:.4g} fps"):
        node.ioctl(uapi.S_PARM, parameters)
    numerator, denominator = parameters.timeperframe.numerator, parameters.timeperframe.denominator
    return float(denominator / numerator) if numerator else 0.0


def input_status(node: Node) -> NoSignal | None:
    """Say why the present input has no signal; None if it has, or the device does not tell."""
    number = ctypes.c_uint32()
    try:
        node.ioctl(uapi.G_INPUT, number)
        answer = uapi.Input(index=number.value)
        node.ioctl(uapi.ENUMINPUT, answer)
    except OSError as exc:
        if exc.errno in _NO_SUCH:
            return None
        with node_errors(node, "asking for the state of its input"):
            raise
    return no_signal_of_status(answer.status)


def query_timings(node: Node) -> DvTimings | NoSignal | None:
    """Look what arrives at the input: timings, why there are none, or None without an input of that kind."""
    answer = uapi.DvTimingsStruct()
    try:
        node.ioctl(uapi.QUERY_DV_TIMINGS, answer)
    except OSError as exc:
        if exc.errno in _NO_TIMINGS:
            return None
        no_signal = no_signal_of_errno(exc.errno)
        if no_signal is not None:
            return no_signal
        with node_errors(node, "looking for a signal"):
            raise
    return DvTimings.parse(bytes(answer))


def set_timings(node: Node, timings: DvTimings) -> NoSignal | None:
    """Set the receiver up for *timings*; a reason if it cannot take them. Buffers must have been freed."""
    setting = uapi.DvTimingsStruct.from_buffer_copy(timings.raw)
    try:
        node.ioctl(uapi.S_DV_TIMINGS, setting)
    except OSError as exc:
        if exc.errno in {errno.ERANGE, errno.EINVAL}:
            return NoSignal(f"the capture cannot take {timings}: choose another resolution or rate")
        with node_errors(node, f"setting the timings {timings}"):
            raise
    return None


def subscribe_source_changes(node: Node) -> bool:
    """Ask to be told of changes of the signal; False if this device never tells."""
    subscription = uapi.EventSubscription(type=uapi.EVENT_SOURCE_CHANGE)
    try:
        node.ioctl(uapi.SUBSCRIBE_EVENT, subscription)
    except OSError as exc:
        if exc.errno in _NO_SUCH:
            return False
        with node_errors(node, "asking to be told of changes of the signal"):
            raise
    return True


def source_changed(node: Node) -> bool:
    """Take all events that wait; whether a change of the signal is among them. Does not block."""
    changed = False
    while True:
        event = uapi.Event()
        try:
            node.ioctl(uapi.DQEVENT, event)
        except OSError as exc:
            if exc.errno in {errno.ENOENT, errno.EAGAIN}:
                return changed
            with node_errors(node, "taking an event"):
                raise
        changed = changed or event.type == uapi.EVENT_SOURCE_CHANGE


def _next(node: Node, request: int, entry: ctypes.Structure) -> bool:
    """Fill in the next entry of an enumeration; False at its end, or if there is none."""
    try:
        node.ioctl(request, entry)
    except OSError as exc:
        if exc.errno in _NO_SUCH:
            return False
        with node_errors(node, "listing what it offers"):
            raise
    return True


def require_capture(node: Node, found: Capabilities) -> None:
    """Raise NotSupportedError if the device is none that gives pictures."""
    if not found.captures:
        raise NotSupportedError(
            f"expected a device that captures into mapped buffers, got {found.card} ({found.driver}) "
            f"- at {node.path}"
        )
