"""Section `otg` (config.md 4): the USB gadget that the target sees."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated, Literal, Self, override

import msgspec

from firmware.core.config.kinds import (
    AbsolutePath,
    Checked,
    HexInteger,
    Interval,
    Nullable,
    OptionalText,
    Text,
    UserName,
    integer,
)
from firmware.core.config.section import Notes, Section
from firmware.core.validators import valid_mac

VENDOR_MAX_CHARS = 8

type Word16 = Annotated[int, HexInteger(integer(0, 65535))]
type NullableText = Annotated[str | None, Nullable(Text(empty=True))]
type OptionalMac = Annotated[str, Checked(valid_mac, as_text=True, empty="")]


class OtgHidFunctionConfig(Section, frozen=True):
    """One of `otg/devices/hid/*`."""

    start: bool = True


class OtgHidConfig(Section, frozen=True):
    """`otg/devices/hid`."""

    keyboard: OtgHidFunctionConfig = OtgHidFunctionConfig()
    mouse: OtgHidFunctionConfig = OtgHidFunctionConfig()
    mouse_alt: OtgHidFunctionConfig = OtgHidFunctionConfig()


class OtgInquiryConfig(Section, frozen=True):
    """What a drive calls itself (SCSI INQUIRY); `vendor` "" stands for `otg/manufacturer`, cut."""

    vendor: Annotated[str, Text(empty=True, max_chars=VENDOR_MAX_CHARS)] = ""
    product: Annotated[str, Text(empty=True, max_chars=16)] = ""
    revision: Annotated[str, Text(empty=True, max_chars=4)] = "1.00"


class OtgInquiriesConfig(Section, frozen=True):
    """`inquiry_string`: as an optical and as a flash drive."""

    cdrom: OtgInquiryConfig = OtgInquiryConfig(product="Optical Drive")
    flash: OtgInquiryConfig = OtgInquiryConfig(product="Flash Drive")

    def of_vendor(self, vendor: str) -> Self:
        """Return the same with *vendor* where none is given."""
        cdrom, flash = (
            msgspec.structs.replace(one, vendor=one.vendor or vendor) for one in (self.cdrom, self.flash)
        )
        return msgspec.structs.replace(self, cdrom=cdrom, flash=flash)


class OtgMsdDefaultConfig(Section, frozen=True):
    """`otg/devices/msd/default`: how the drive starts."""

    file: OptionalText = ""
    stall: bool = False
    cdrom: bool = True
    rw: bool = False
    removable: bool = True
    fua: bool = True
    inquiry_string: OtgInquiriesConfig = OtgInquiriesConfig()


class OtgMsdConfig(Section, frozen=True):
    """`otg/devices/msd`: the virtual drive."""

    start: bool = True
    default: OtgMsdDefaultConfig = OtgMsdDefaultConfig()


class OtgDrivesDefaultConfig(Section, frozen=True):
    """`otg/devices/drives/default`: how the extra drives start."""

    stall: bool = False
    cdrom: bool = False
    rw: bool = True
    removable: bool = True
    fua: bool = True
    inquiry_string: OtgInquiriesConfig = OtgInquiriesConfig()


class OtgDrivesConfig(Section, frozen=True):
    """`otg/devices/drives`: extra drives."""

    enabled: bool = False
    start: bool = True
    count: Annotated[int, integer(1)] = 1
    default: OtgDrivesDefaultConfig = OtgDrivesDefaultConfig()


class OtgEthernetConfig(Section, frozen=True):
    """`otg/devices/ethernet`: a network link to the target."""

    enabled: bool = False
    start: bool = True
    driver: Literal["ecm", "eem", "ncm", "rndis", "rndis5"] = "ecm"
    host_mac: OptionalMac = ""
    kvm_mac: OptionalMac = ""


class OtgSerialConfig(Section, frozen=True):
    """`otg/devices/serial`: a serial port at the target."""

    enabled: bool = False
    start: bool = True


class OtgSpeakersConfig(Section, frozen=True):
    """`otg/devices/audio/speakers`."""

    enabled: bool = False


class OtgMicConfig(Section, frozen=True):
    """`otg/devices/audio/mic`."""

    enabled: bool = True


class OtgAudioConfig(Section, frozen=True):
    """`otg/devices/audio`: a sound card at the target."""

    enabled: bool = False
    start: bool = True
    speakers: OtgSpeakersConfig = OtgSpeakersConfig()
    mic: OtgMicConfig = OtgMicConfig()


class OtgCameraConfig(Section, frozen=True):
    """`otg/devices/camera`: a camera at the target."""

    enabled: bool = False
    start: bool = True


class OtgDevicesConfig(Section, frozen=True):
    """`otg/devices`: the gadget's functions."""

    hid: OtgHidConfig = OtgHidConfig()
    msd: OtgMsdConfig = OtgMsdConfig()
    drives: OtgDrivesConfig = OtgDrivesConfig()
    ethernet: OtgEthernetConfig = OtgEthernetConfig()
    serial: OtgSerialConfig = OtgSerialConfig()
    audio: OtgAudioConfig = OtgAudioConfig()
    camera: OtgCameraConfig = OtgCameraConfig()


class OtgConfig(Section, frozen=True):
    """`otg`."""

    vendor_id: Word16 = 0x1D6B
    product_id: Word16 = 0x0104
    manufacturer: OptionalText = "PiKVM"
    product: OptionalText = "PiKVM Composite Device"
    serial: NullableText = "CAFEBABE"
    config: NullableText = None
    device_version: Annotated[int, integer(-1, 65535)] = -1
    """bcdDevice; -1 = by the functions in use."""
    usb_version: Word16 = 0x0200
    max_power: Annotated[int, integer(50, 500)] = 250
    """Milliamperes."""
    remote_wakeup: bool = True
    udc: OptionalText = ""
    """The USB device controller; "" = the first found."""
    endpoints: Annotated[int, integer(0)] = 9
    init_delay: Interval = 3.0
    user: UserName = "kvmd"
    meta: AbsolutePath = Path("/run/kvmd/otg")
    devices: OtgDevicesConfig = OtgDevicesConfig()

    @override
    def settle(self, notes: Notes) -> Self:
        vendor = _as_vendor(self.manufacturer)
        replace = msgspec.structs.replace
        msd, drives = self.devices.msd, self.devices.drives
        msd_strings = msd.default.inquiry_string.of_vendor(vendor)
        drives_strings = drives.default.inquiry_string.of_vendor(vendor)
        devices = replace(
            self.devices,
            msd=replace(msd, default=replace(msd.default, inquiry_string=msd_strings)),
            drives=replace(drives, default=replace(drives.default, inquiry_string=drives_strings)),
        )
        return replace(self, devices=devices)


def _as_vendor(manufacturer: str) -> str:
    """Return the SCSI vendor for a manufacturer of any script: at most eight characters, ASCII (SPC-4)."""
    plain = unicodedata.normalize("NFKD", manufacturer).encode("ascii", "ignore").decode("ascii")
    printable = "".join(character for character in plain if character.isprintable())
    return printable[:VENDOR_MAX_CHARS].strip()
