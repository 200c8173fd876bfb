"""The kernel's video interface in numbers: structures and ioctl requests of <linux/videodev2.h>.

Responsible for saying what lies where in memory; it performs nothing. 64-bit little-endian kernels only,
which all boards have. Source: the V4L2 user-space API documentation (Documentation/userspace-api/media/v4l);
the tests hold every size and number against the values of the ABI.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Final

_WRITE, _READ = 1, 2


def request(direction: int, kind: str, number: int, argument: type[ctypes.Structure | c_uint32]) -> int:
    """Return an ioctl request number (asm-generic/ioctl.h): direction, size, type letter, number."""
    return direction << 30 | ctypes.sizeof(argument) << 16 | ord(kind) << 8 | number


def _r(number: int, argument: type[ctypes.Structure | c_uint32]) -> int:
    return request(_READ, "V", number, argument)


def _w(number: int, argument: type[ctypes.Structure | c_uint32]) -> int:
    return request(_WRITE, "V", number, argument)


def _wr(number: int, argument: type[ctypes.Structure | c_uint32]) -> int:
    return request(_READ | _WRITE, "V", number, argument)


class Capability(ctypes.Structure):
    """v4l2_capability."""

    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FormatDescription(ctypes.Structure):
    """v4l2_fmtdesc; mbus_code is read by media-controller devices only."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("description", c_char * 32),
        ("pixelformat", c_uint32),
        ("mbus_code", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class PixFormat(ctypes.Structure):
    """v4l2_pix_format."""

    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixelformat", c_uint32),
        ("field", c_uint32),
        ("bytesperline", c_uint32),
        ("sizeimage", c_uint32),
        ("colorspace", c_uint32),
        ("priv", c_uint32),
        ("flags", c_uint32),
        ("ycbcr_enc", c_uint32),
        ("quantization", c_uint32),
        ("xfer_func", c_uint32),
    )


class PlanePixFormat(ctypes.Structure):
    """v4l2_plane_pix_format."""

    _fields_ = (("sizeimage", c_uint32), ("bytesperline", c_uint32), ("reserved", c_uint16 * 6))


class PixFormatMplane(ctypes.Structure):
    """v4l2_pix_format_mplane."""

    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixelformat", c_uint32),
        ("field", c_uint32),
        ("colorspace", c_uint32),
        ("plane_fmt", PlanePixFormat * 8),
        ("num_planes", c_uint8),
        ("flags", c_uint8),
        ("ycbcr_enc", c_uint8),
        ("quantization", c_uint8),
        ("xfer_func", c_uint8),
        ("reserved", c_uint8 * 7),
    )


class _FormatUnion(ctypes.Union):
    # The kernel's union has members with pointers, which align it to 8 bytes.
    _fields_ = (("pix", PixFormat), ("pix_mp", PixFormatMplane), ("raw", c_uint8 * 200), ("align", c_uint64))


class Format(ctypes.Structure):
    """v4l2_format."""

    _fields_ = (("type", c_uint32), ("fmt", _FormatUnion))


class RequestBuffers(ctypes.Structure):
    """v4l2_requestbuffers."""

    _fields_ = (
        ("count", c_uint32),
        ("type", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("flags", c_uint8),
        ("reserved", c_uint8 * 3),
    )


class Plane(ctypes.Structure):
    """v4l2_plane; `m` is the offset for mmap in its lower half."""

    _fields_ = (
        ("bytesused", c_uint32),
        ("length", c_uint32),
        ("m", c_uint64),
        ("data_offset", c_uint32),
        ("reserved", c_uint32 * 11),
    )


class Buffer(ctypes.Structure):
    """v4l2_buffer; `m` is an offset for mmap (lower half), or the address of an array of planes."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("bytesused", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("timestamp_s", c_int64),
        ("timestamp_us", c_int64),
        ("timecode", c_uint8 * 16),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("m", c_uint64),
        ("length", c_uint32),
        ("reserved2", c_uint32),
        ("request_fd", c_int32),
    )


class Fraction(ctypes.Structure):
    """v4l2_fract."""

    _fields_ = (("numerator", c_uint32), ("denominator", c_uint32))


class CaptureParameters(ctypes.Structure):
    """v4l2_streamparm with its v4l2_captureparm."""

    _fields_ = (
        ("type", c_uint32),
        ("capability", c_uint32),
        ("capturemode", c_uint32),
        ("timeperframe", Fraction),
        ("extendedmode", c_uint32),
        ("readbuffers", c_uint32),
        ("reserved", c_uint8 * 176),
    )


class FrameSize(ctypes.Structure):
    """v4l2_frmsizeenum: discrete sizes use the first two of `size` (width, height), others all six.

    (minimum width, maximum width, step, minimum height, maximum height, step)
    """

    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("type", c_uint32),
        ("size", c_uint32 * 6),
        ("reserved", c_uint32 * 2),
    )


class FrameInterval(ctypes.Structure):
    """v4l2_frmivalenum: the first of `interval` is the discrete one, or the shortest of a range."""

    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("type", c_uint32),
        ("interval", Fraction * 3),
        ("reserved", c_uint32 * 2),
    )


class Input(ctypes.Structure):
    """v4l2_input."""

    _fields_ = (
        ("index", c_uint32),
        ("name", c_char * 32),
        ("type", c_uint32),
        ("audioset", c_uint32),
        ("tuner", c_uint32),
        ("std", c_uint64),
        ("status", c_uint32),
        ("capabilities", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class Control(ctypes.Structure):
    """v4l2_control."""

    _fields_ = (("id", c_uint32), ("value", c_int32))


class ControlDescription(ctypes.Structure):
    """v4l2_query_ext_ctrl."""

    _fields_ = (
        ("id", c_uint32),
        ("type", c_uint32),
        ("name", c_char * 32),
        ("minimum", c_int64),
        ("maximum", c_int64),
        ("step", c_uint64),
        ("default_value", c_int64),
        ("flags", c_uint32),
        ("elem_size", c_uint32),
        ("elems", c_uint32),
        ("nr_of_dims", c_uint32),
        ("dims", c_uint32 * 4),
        ("reserved", c_uint32 * 32),
    )


class MenuItem(ctypes.Structure):
    """v4l2_querymenu, of menus with names."""

    _pack_ = 1
    _fields_ = (("id", c_uint32), ("index", c_uint32), ("name", c_char * 32), ("reserved", c_uint32))


class BtTimings(ctypes.Structure):
    """v4l2_bt_timings: pixels, lines and hertz of a digital video signal."""

    _pack_ = 1
    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("interlaced", c_uint32),
        ("polarities", c_uint32),
        ("pixelclock", c_uint64),
        ("hfrontporch", c_uint32),
        ("hsync", c_uint32),
        ("hbackporch", c_uint32),
        ("vfrontporch", c_uint32),
        ("vsync", c_uint32),
        ("vbackporch", c_uint32),
        ("il_vfrontporch", c_uint32),
        ("il_vsync", c_uint32),
        ("il_vbackporch", c_uint32),
        ("standards", c_uint32),
        ("flags", c_uint32),
        ("picture_aspect", Fraction),
        ("cea861_vic", c_uint8),
        ("hdmi_vic", c_uint8),
        ("reserved", c_uint8 * 46),
    )


class DvTimingsStruct(ctypes.Structure):
    """v4l2_dv_timings."""

    _pack_ = 1
    _fields_ = (("type", c_uint32), ("bt", BtTimings), ("tail", c_uint8 * 4))


class EnumDvTimings(ctypes.Structure):
    """v4l2_enum_dv_timings."""

    _fields_ = (
        ("index", c_uint32),
        ("pad", c_uint32),
        ("reserved", c_uint32 * 2),
        ("timings", DvTimingsStruct),
    )


class EdidStruct(ctypes.Structure):
    """v4l2_edid: `blocks` of 128 bytes at the address `edid`."""

    _fields_ = (
        ("pad", c_uint32),
        ("start_block", c_uint32),
        ("blocks", c_uint32),
        ("reserved", c_uint32 * 5),
        ("edid", c_uint64),
    )


class Event(ctypes.Structure):
    """v4l2_event; the first of `data` is `src_change.changes` or `ctrl.changes`."""

    _fields_ = (
        ("type", c_uint32),
        ("data", c_uint64 * 8),
        ("pending", c_uint32),
        ("sequence", c_uint32),
        ("timestamp_s", c_int64),
        ("timestamp_ns", c_int64),
        ("id", c_uint32),
        ("reserved", c_uint32 * 8),
    )


class EventSubscription(ctypes.Structure):
    """v4l2_event_subscription."""

    _fields_ = (("type", c_uint32), ("id", c_uint32), ("flags", c_uint32), ("reserved", c_uint32 * 5))


QUERYCAP: Final = _r(0, Capability)
ENUM_FMT: Final = _wr(2, FormatDescription)
G_FMT: Final = _wr(4, Format)
S_FMT: Final = _wr(5, Format)
REQBUFS: Final = _wr(8, RequestBuffers)
QUERYBUF: Final = _wr(9, Buffer)
QBUF: Final = _wr(15, Buffer)
DQBUF: Final = _wr(17, Buffer)
STREAMON: Final = _w(18, c_uint32)
STREAMOFF: Final = _w(19, c_uint32)
S_PARM: Final = _wr(22, CaptureParameters)
G_PARM: Final = _wr(21, CaptureParameters)
ENUMINPUT: Final = _wr(26, Input)
G_CTRL: Final = _wr(27, Control)
S_CTRL: Final = _wr(28, Control)
QUERYMENU: Final = _wr(37, MenuItem)
G_INPUT: Final = _r(38, c_uint32)
S_INPUT: Final = _wr(39, c_uint32)
G_EDID: Final = _wr(40, EdidStruct)
S_EDID: Final = _wr(41, EdidStruct)
ENUM_FRAMESIZES: Final = _wr(74, FrameSize)
ENUM_FRAMEINTERVALS: Final = _wr(75, FrameInterval)
S_DV_TIMINGS: Final = _wr(87, DvTimingsStruct)
G_DV_TIMINGS: Final = _wr(88, DvTimingsStruct)
DQEVENT: Final = _r(89, Event)
SUBSCRIBE_EVENT: Final = _w(90, EventSubscription)
ENUM_DV_TIMINGS: Final = _wr(98, EnumDvTimings)
QUERY_DV_TIMINGS: Final = _r(99, DvTimingsStruct)
QUERY_EXT_CTRL: Final = _wr(103, ControlDescription)

BUF_TYPE_CAPTURE: Final = 1
BUF_TYPE_OUTPUT: Final = 2
BUF_TYPE_CAPTURE_MPLANE: Final = 9
BUF_TYPE_OUTPUT_MPLANE: Final = 10
MEMORY_MMAP: Final = 1
FIELD_NONE: Final = 1

PIX_FMT_PRIV_MAGIC: Final = 0xFEEDCAFE
"""In `PixFormat.priv`: the fields behind it mean something."""
COLORSPACE_SMPTE240M: Final = 2
COLORSPACE_REC709: Final = 3
COLORSPACE_JPEG: Final = 7
COLORSPACE_BT2020: Final = 10
COLORSPACE_DCI_P3: Final = 12
YCBCR_ENC_601: Final = 1
YCBCR_ENC_709: Final = 2
YCBCR_ENC_XV601: Final = 3
YCBCR_ENC_XV709: Final = 4
YCBCR_ENC_BT2020: Final = 6
YCBCR_ENC_BT2020_CONST_LUM: Final = 7
YCBCR_ENC_SMPTE240M: Final = 8
QUANTIZATION_FULL_RANGE: Final = 1
QUANTIZATION_LIM_RANGE: Final = 2

CAP_VIDEO_CAPTURE: Final = 0x1
CAP_VIDEO_CAPTURE_MPLANE: Final = 0x1000
CAP_STREAMING: Final = 0x4000000
CAP_IO_MC: Final = 0x20000000
CAP_DEVICE_CAPS: Final = 0x80000000
PARM_CAP_TIMEPERFRAME: Final = 0x1000

FMT_FLAG_COMPRESSED: Final = 0x1

FRMSIZE_TYPE_DISCRETE: Final = 1

BUF_FLAG_ERROR: Final = 0x40
BUF_FLAG_TIMESTAMP_MASK: Final = 0xE000
BUF_FLAG_TIMESTAMP_MONOTONIC: Final = 0x2000

IN_ST_NO_POWER: Final = 0x1
IN_ST_NO_SIGNAL: Final = 0x2
IN_ST_NO_LOCK: Final = 0x100 | 0x400 | 0x10000 | 0x20000 | 0x40000
"""Horizontal, vertical or sync lock, equaliser or carrier missing."""
IN_CAP_DV_TIMINGS: Final = 0x2

DV_FL_REDUCED_FPS: Final = 0x4

EVENT_CTRL: Final = 3
EVENT_SOURCE_CHANGE: Final = 5

CTRL_FLAG_NEXT_CTRL: Final = 0x80000000


def fourcc(name: str) -> int:
    """Return the number of a four-character code."""
    return int.from_bytes(name.encode("ascii"), "little")


def fourcc_name(number: int) -> str:
    """Return the four characters of a code; a big-endian variant (bit 31) reads as "XXXX-BE"."""
    letters = (number & 0x7FFFFFFF).to_bytes(4, "little").decode("latin-1")
    return f"{letters}-BE" if number >> 31 else letters


def text(field: bytes) -> str:
    """Decode a name of the kernel."""
    return field.decode("utf-8", errors="replace")
