"""The kernel's media-controller interface in numbers: <linux/media.h> and <linux/v4l2-subdev.h>.

Responsible for saying what lies where in memory; it performs nothing. Source: the media controller and
sub-device parts of Documentation/userspace-api/media; the tests hold every size and number against the ABI.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Final

from drivers.video.v4l2.uapi import request


class DeviceInfo(ctypes.Structure):
    """media_device_info."""

    _fields_ = (
        ("driver", c_char * 16),
        ("model", c_char * 32),
        ("serial", c_char * 40),
        ("bus_info", c_char * 32),
        ("media_version", c_uint32),
        ("hw_revision", c_uint32),
        ("driver_version", c_uint32),
        ("reserved", c_uint32 * 31),
    )


class Topology(ctypes.Structure):
    """media_v2_topology: counts, and addresses of arrays (0: only the counts are wanted)."""

    _fields_ = (
        ("topology_version", c_uint64),
        ("num_entities", c_uint32),
        ("reserved1", c_uint32),
        ("ptr_entities", c_uint64),
        ("num_interfaces", c_uint32),
        ("reserved2", c_uint32),
        ("ptr_interfaces", c_uint64),
        ("num_pads", c_uint32),
        ("reserved3", c_uint32),
        ("ptr_pads", c_uint64),
        ("num_links", c_uint32),
        ("reserved4", c_uint32),
        ("ptr_links", c_uint64),
    )


class EntityStruct(ctypes.Structure):
    """media_v2_entity."""

    _pack_ = 1
    _fields_ = (
        ("id", c_uint32),
        ("name", c_char * 64),
        ("function", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 5),
    )


class InterfaceStruct(ctypes.Structure):
    """media_v2_interface."""

    _pack_ = 1
    _fields_ = (
        ("id", c_uint32),
        ("intf_type", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 9),
        ("major", c_uint32),
        ("minor", c_uint32),
        ("tail", c_uint32 * 14),
    )


class PadStruct(ctypes.Structure):
    """media_v2_pad."""

    _pack_ = 1
    _fields_ = (
        ("id", c_uint32),
        ("entity_id", c_uint32),
        ("flags", c_uint32),
        ("index", c_uint32),
        ("reserved", c_uint32 * 4),
    )


class LinkStruct(ctypes.Structure):
    """media_v2_link: of two pads, or (interface links) of an interface and its entity."""

    _pack_ = 1
    _fields_ = (
        ("id", c_uint32),
        ("source_id", c_uint32),
        ("sink_id", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 6),
    )


class PadDescription(ctypes.Structure):
    """media_pad_desc."""

    _fields_ = (("entity", c_uint32), ("index", c_uint16), ("flags", c_uint32), ("reserved", c_uint32 * 2))


class LinkDescription(ctypes.Structure):
    """media_link_desc."""

    _fields_ = (
        ("source", PadDescription),
        ("sink", PadDescription),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 2),
    )


class BusFormat(ctypes.Structure):
    """v4l2_mbus_framefmt."""

    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("code", c_uint32),
        ("field", c_uint32),
        ("colorspace", c_uint32),
        ("ycbcr_enc", c_uint16),
        ("quantization", c_uint16),
        ("xfer_func", c_uint16),
        ("flags", c_uint16),
        ("reserved", c_uint16 * 10),
    )


class SubdevFormat(ctypes.Structure):
    """v4l2_subdev_format."""

    _fields_ = (
        ("which", c_uint32),
        ("pad", c_uint32),
        ("format", BusFormat),
        ("stream", c_uint32),
        ("reserved", c_uint32 * 7),
    )


class BusCode(ctypes.Structure):
    """v4l2_subdev_mbus_code_enum."""

    _fields_ = (
        ("pad", c_uint32),
        ("index", c_uint32),
        ("code", c_uint32),
        ("which", c_uint32),
        ("flags", c_uint32),
        ("stream", c_uint32),
        ("reserved", c_uint8 * 24),
    )


_WRITE, _READ = 1, 2

MEDIA_DEVICE_INFO: Final = request(_READ | _WRITE, "|", 0, DeviceInfo)
MEDIA_SETUP_LINK: Final = request(_READ | _WRITE, "|", 3, LinkDescription)
MEDIA_G_TOPOLOGY: Final = request(_READ | _WRITE, "|", 4, Topology)
SUBDEV_ENUM_MBUS_CODE: Final = request(_READ | _WRITE, "V", 2, BusCode)
SUBDEV_G_FMT: Final = request(_READ | _WRITE, "V", 4, SubdevFormat)
SUBDEV_S_FMT: Final = request(_READ | _WRITE, "V", 5, SubdevFormat)

SUBDEV_FORMAT_ACTIVE: Final = 1

INTERFACE_VIDEO: Final = 0x200
INTERFACE_SUBDEV: Final = 0x203
PAD_SINK: Final = 1
PAD_SOURCE: Final = 2
LINK_ENABLED: Final = 1
LINK_IMMUTABLE: Final = 2
LINK_TYPE_MASK: Final = 0xF0000000
LINK_TYPE_DATA: Final = 0x00000000
LINK_TYPE_INTERFACE: Final = 0x10000000

BUS_UYVY8_1X16: Final = 0x200F
BUS_YUYV8_1X16: Final = 0x2011
BUS_RGB888_1X24: Final = 0x100A
BUS_BGR888_1X24: Final = 0x1013
