"""From the configuration to what it asks of the board (`firmware.boards.needs`); decides nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from drivers.gadget.lun_inquiry import DriveInquiry, InquiryString
from drivers.gadget.spec import (
    AudioFunction,
    EthernetFunction,
    Function,
    GadgetSpec,
    Lun,
    MassStorageFunction,
    SerialFunction,
    keyboard,
    mouse,
)
from firmware.boards.needs import AtxNeeds, BoardNeeds, LineNeeds, SerialHidNeeds
from firmware.core.errors import SetupError
from firmware.settings import LoadedSettings
from firmware.settings.otg import OtgConfig, OtgDrivesDefaultConfig, OtgInquiriesConfig, OtgMsdDefaultConfig
from firmware.subsystems.atx.config import AtxConfig
from firmware.subsystems.hid.config import HidConfig, HidKeyboardConfig, HidMouseAltConfig, HidMouseConfig

DRIVE: Final = "mass_storage.usb0"
"""The function of the one drive that the API knows (contract subsystems.md 2.6)."""


def board_needs(loaded: LoadedSettings, arguments: Sequence[str] = ()) -> BoardNeeds:
    """Return what *loaded* asks of the board, and the command line by *arguments*. Raises SetupError."""
    kvmd = loaded.settings.kvmd
    otg = loaded.settings.otg
    return BoardNeeds(
        arguments=tuple(arguments),
        absolute_first=kvmd.hid.mouse.absolute,
        gadget=gadget_spec(otg, kvmd.hid, drive=kvmd.msd.type == "otg"),
        drives=_inquiries(otg),
        serial_hid=_serial_hid(kvmd.hid, chip_is_given="kvmd/hid/gpio_device" in loaded.sources),
        atx=_atx(kvmd.atx, chip_is_given="kvmd/atx/device" in loaded.sources),
        video_device=loaded.settings.farhand.video.device,
        edid_file=loaded.settings.farhand.video.edid,
        vcgencmd=kvmd.info.hw.vcgencmd_cmd,
        switch_device=kvmd.switch.device,
        emulated_switch_units=loaded.settings.farhand.emulated.switch_units,
        emulated_time_stripe=loaded.settings.farhand.emulated.time_stripe,
        emulated_hid_trace=loaded.settings.farhand.emulated.hid_trace,
        emulated_motion=loaded.settings.farhand.emulated.motion,
    )


def gadget_spec(otg: OtgConfig, hid: HidConfig, *, drive: bool) -> GadgetSpec:
    """Return the gadget of config.md 4, functions in the order of subsystems.md 2.6."""
    return GadgetSpec(
        functions=tuple(_functions(otg, hid, drive=drive)),
        vendor_id=otg.vendor_id,
        product_id=otg.product_id,
        manufacturer=otg.manufacturer,
        product=otg.product,
        serial=otg.serial,
        configuration=otg.config,
        device_version=otg.device_version if otg.device_version >= 0 else None,
        usb_version=otg.usb_version,
        max_power_ma=otg.max_power,
        remote_wakeup=otg.remote_wakeup,
        udc=otg.udc,
        endpoint_budget=otg.endpoints,
    )


def _functions(otg: OtgConfig, hid: HidConfig, *, drive: bool) -> Iterator[Function]:
    devices = otg.devices
    if hid.type == "otg":
        default = HidKeyboardConfig().device
        given = hid.keyboard.device
        yield keyboard("usb0", start=devices.hid.keyboard.start, device=given if given != default else None)
        first, second = hid.mouse, hid.mouse_alt
        yield mouse(
            "usb1",
            absolute=first.absolute,
            horizontal_wheel=first.horizontal_wheel,
            start=devices.hid.mouse.start,
            device=first.device if first.device != HidMouseConfig().device else None,
        )
        if second.device is not None:
            yield mouse(
                "usb2",
                absolute=not first.absolute,
                horizontal_wheel=second.horizontal_wheel,
                start=devices.hid.mouse_alt.start,
                device=second.device if second.device != HidMouseAltConfig().device else None,
            )
    if drive:
        msd = devices.msd
        yield MassStorageFunction("usb0", (_lun(msd.default),), stall=msd.default.stall, start=msd.start)
    if devices.drives.enabled:
        extra = devices.drives
        for number in range(1, extra.count + 1):
            yield MassStorageFunction(
                f"usb{number}", (_lun(extra.default),), stall=extra.default.stall, start=extra.start
            )
    if devices.ethernet.enabled:
        link = devices.ethernet
        yield EthernetFunction("usb0", link.driver, link.host_mac, link.kvm_mac, start=link.start)
    if devices.serial.enabled:
        yield SerialFunction("usb0", start=devices.serial.start)
    if devices.audio.enabled:
        audio = devices.audio
        yield AudioFunction("usb0", mic=audio.mic.enabled, speakers=audio.speakers.enabled, start=audio.start)


def _lun(default: OtgMsdDefaultConfig | OtgDrivesDefaultConfig) -> Lun:
    inquiry = _inquiry(default.inquiry_string)
    return Lun(
        cdrom=default.cdrom,
        ro=default.cdrom or not default.rw,
        removable=default.removable,
        nofua=not default.fua,
        inquiry=inquiry.of(cdrom=default.cdrom),
    )


def _inquiries(otg: OtgConfig) -> dict[str, DriveInquiry]:
    drives = otg.devices.drives
    extra = {f"mass_storage.usb{number}": drives.default for number in range(1, drives.count + 1)}
    return {
        DRIVE: _inquiry(otg.devices.msd.default.inquiry_string),
        **{name: _inquiry(default.inquiry_string) for name, default in extra.items() if drives.enabled},
    }


def _inquiry(strings: OtgInquiriesConfig) -> DriveInquiry:
    try:
        return DriveInquiry(
            *(InquiryString(one.vendor, one.product, one.revision) for one in (strings.cdrom, strings.flash))
        )
    except ValueError as exc:
        raise SetupError(f"{exc} - at otg/devices (inquiry_string, manufacturer)") from None


def _serial_hid(hid: HidConfig, *, chip_is_given: bool) -> SerialHidNeeds | None:
    if hid.type not in ("serial", "ch9329"):
        return None
    return SerialHidNeeds(
        kind="serial" if hid.type == "serial" else "ch9329",
        device=hid.device,
        speed=hid.speed,
        read_timeout_s=hid.read_timeout,
        read_retries=hid.read_retries,
        common_retries=hid.common_retries,
        retries_delay_s=hid.retries_delay,
        errors_threshold=hid.errors_threshold,
        reset=LineNeeds(hid.reset_pin, hid.reset_inverted) if hid.reset_pin >= 0 else None,
        reset_chip=str(hid.gpio_device) if chip_is_given else None,
    )


def _atx(atx: AtxConfig, *, chip_is_given: bool) -> AtxNeeds | None:
    if atx.type == "disabled":
        return None
    return AtxNeeds(
        # The default names a chip by a number that depends on the kernel; the board knows its chip's label.
        chip=str(atx.device) if chip_is_given else None,
        power_led=LineNeeds(atx.power_led_pin, atx.power_led_inverted),
        hdd_led=LineNeeds(atx.hdd_led_pin, atx.hdd_led_inverted),
        power_switch=LineNeeds(atx.power_switch_pin),
        reset_switch=LineNeeds(atx.reset_switch_pin),
    )
