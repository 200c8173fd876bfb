"""Sizes, places and numbers of the kernel's interface, as its headers give them on 64-bit machines."""

from __future__ import annotations

import ctypes

import pytest

from drivers.video.v4l2 import uapi
from drivers.video.v4l2 import uapi_media as media

SIZES = {
    uapi.Capability: 104,
    uapi.FormatDescription: 64,
    uapi.PixFormat: 48,
    uapi.PlanePixFormat: 20,
    uapi.PixFormatMplane: 192,
    uapi.Format: 208,
    uapi.RequestBuffers: 20,
    uapi.Plane: 64,
    uapi.Buffer: 88,
    uapi.CaptureParameters: 204,
    uapi.FrameSize: 44,
    uapi.FrameInterval: 52,
    uapi.Input: 80,
    uapi.Control: 8,
    uapi.ControlDescription: 232,
    uapi.MenuItem: 44,
    uapi.BtTimings: 124,
    uapi.DvTimingsStruct: 132,
    uapi.EnumDvTimings: 148,
    uapi.EdidStruct: 40,
    uapi.Event: 136,
    uapi.EventSubscription: 32,
    media.DeviceInfo: 256,
    media.Topology: 72,
    media.EntityStruct: 96,
    media.InterfaceStruct: 112,
    media.PadStruct: 32,
    media.LinkStruct: 40,
    media.PadDescription: 20,
    media.LinkDescription: 52,
    media.BusFormat: 48,
    media.SubdevFormat: 88,
    media.BusCode: 48,
}
OFFSETS = [
    (uapi.Buffer, "timestamp_s", 0x18),
    (uapi.Buffer, "sequence", 0x38),
    (uapi.Buffer, "memory", 0x3C),
    (uapi.Buffer, "m", 0x40),
    (uapi.Buffer, "length", 0x48),
    (uapi.Format, "fmt", 0x8),
    (uapi.Plane, "m", 0x8),
    (uapi.Plane, "data_offset", 0x10),
    (uapi.PixFormatMplane, "plane_fmt", 0x14),
    (uapi.PixFormatMplane, "num_planes", 0xB4),
    (uapi.DvTimingsStruct, "bt", 0x4),
    (uapi.BtTimings, "pixelclock", 0x10),
    (uapi.BtTimings, "il_vfrontporch", 0x30),
    (uapi.BtTimings, "flags", 0x40),
    (uapi.Input, "status", 0x38),
    (uapi.EdidStruct, "edid", 0x20),
    (uapi.Event, "data", 0x8),
    (uapi.Event, "pending", 0x48),
    (uapi.Event, "id", 0x60),
    (uapi.FormatDescription, "pixelformat", 0x2C),
    (uapi.FormatDescription, "mbus_code", 0x30),
    (uapi.ControlDescription, "minimum", 0x28),
    (uapi.ControlDescription, "flags", 0x48),
    (media.Topology, "ptr_entities", 0x10),
]
REQUESTS = {
    "QUERYCAP": 0x80685600,
    "ENUM_FMT": 0xC0405602,
    "G_FMT": 0xC0D05604,
    "S_FMT": 0xC0D05605,
    "REQBUFS": 0xC0145608,
    "QUERYBUF": 0xC0585609,
    "QBUF": 0xC058560F,
    "DQBUF": 0xC0585611,
    "STREAMON": 0x40045612,
    "STREAMOFF": 0x40045613,
    "G_PARM": 0xC0CC5615,
    "S_PARM": 0xC0CC5616,
    "ENUMINPUT": 0xC050561A,
    "G_CTRL": 0xC008561B,
    "S_CTRL": 0xC008561C,
    "QUERYMENU": 0xC02C5625,
    "G_INPUT": 0x80045626,
    "S_INPUT": 0xC0045627,
    "G_EDID": 0xC0285628,
    "S_EDID": 0xC0285629,
    "ENUM_FRAMESIZES": 0xC02C564A,
    "ENUM_FRAMEINTERVALS": 0xC034564B,
    "S_DV_TIMINGS": 0xC0845657,
    "G_DV_TIMINGS": 0xC0845658,
    "DQEVENT": 0x80885659,
    "SUBSCRIBE_EVENT": 0x4020565A,
    "ENUM_DV_TIMINGS": 0xC0945662,
    "QUERY_DV_TIMINGS": 0x80845663,
    "QUERY_EXT_CTRL": 0xC0E85667,
}
MEDIA_REQUESTS = {
    "MEDIA_DEVICE_INFO": 0xC1007C00,
    "MEDIA_SETUP_LINK": 0xC0347C03,
    "MEDIA_G_TOPOLOGY": 0xC0487C04,
    "SUBDEV_ENUM_MBUS_CODE": 0xC0305602,
    "SUBDEV_G_FMT": 0xC0585604,
    "SUBDEV_S_FMT": 0xC0585605,
}


@pytest.mark.parametrize(
    ("structure", "size"), SIZES.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_sizes(structure: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(structure) == size


@pytest.mark.parametrize(("structure", "field", "offset"), OFFSETS)
def test_offsets(structure: type[ctypes.Structure], field: str, offset: int) -> None:
    assert getattr(structure, field).offset == offset


def test_request_numbers() -> None:
    assert {name: getattr(uapi, name) for name in REQUESTS} == REQUESTS
    assert {name: getattr(media, name) for name in MEDIA_REQUESTS} == MEDIA_REQUESTS


def test_four_character_codes() -> None:
    assert uapi.fourcc("RGB3") == 0x33424752
    assert uapi.fourcc_name(0x33424752) == "RGB3"
    assert uapi.fourcc_name(uapi.fourcc("Y16 ") | 1 << 31) == "Y16 -BE"
