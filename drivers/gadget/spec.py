"""What the target shall see: the USB gadget as values, before anything is written.

Knows the contract's defaults and rules (config.md 4, subsystems.md 2.3 and 2.6), which attributes each
function has (the kernel's Documentation/ABI/testing/configfs-usb-gadget-*), and which functions fit the
endpoints. Does no I/O and knows nothing of what is composed now.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from drivers.gadget.lun_inquiry import InquiryString
from drivers.wire.hid_descriptor import (
    KEYBOARD_REPORT_BYTES,
    keyboard_descriptor,
    pointer_descriptor,
    pointer_report_bytes,
)

LANGUAGE: Final = "strings/0x409"
"""US English, the one language of our strings."""
CONFIGURATION: Final = "configs/c.1"
STRING_CHARS: Final = 126
"""The most that a string descriptor holds, in UTF-16 units (USB 2.0, 9.6.7)."""
KIND_ORDER: Final = ("hid", "mass_storage", "ecm", "eem", "ncm", "rndis", "acm", "uac2")
"""The kinds of functions in the order in which the host sees them (contract subsystems.md 2.6)."""

_BUS_POWERED: Final = 0x80
_REMOTE_WAKEUP: Final = 0x20
_AUDIO_RATE_HZ: Final = 48000
_AUDIO_SAMPLE_BYTES: Final = 2
_STEREO: Final = 0x03
_BOOT_SUBCLASS: Final = 1


@dataclass(frozen=True, slots=True)
class Attribute:
    """A file of the gadget's directory and what shall be in it."""

    path: str
    """Relative to the gadget's directory."""
    value: bytes
    optional: bool = False
    """Some kernels do not have it; then it is left out."""
    initial: bool = False
    """Belongs to the drive's driver, or the kernel, from the moment when a host may see it, and is then left
    alone."""


class HidRole(enum.StrEnum):
    """What a HID function is for."""

    KEYBOARD = "keyboard"
    ABSOLUTE_MOUSE = "absolute mouse"
    RELATIVE_MOUSE = "relative mouse"


@dataclass(frozen=True, slots=True)
class HidFunction:
    """A keyboard or a mouse; use `keyboard` and `mouse` to make one."""

    instance: str
    role: HidRole
    descriptor: bytes
    report_bytes: int
    protocol: int = 0
    subclass: int = 0
    no_out_endpoint: bool = True
    """LED reports come as SET_REPORT on the control pipe, which every firmware knows, and no endpoint is used
    for them."""
    horizontal_wheel: bool = False
    start: bool = True
    device: Path | None = None
    """The node to open instead of the one that the kernel names, such as a udev link."""

    @property
    def name(self) -> str:
        """Its directory, such as hid.usb0."""
        return f"hid.{self.instance}"

    @property
    def module(self) -> str:
        """The kernel module that implements it."""
        return "usb_f_hid"

    @property
    def endpoints(self) -> int:
        """How many endpoints it takes."""
        return 1 if self.no_out_endpoint else 2

    def directories(self) -> tuple[str, ...]:
        """Return what is to be made inside its directory."""
        return ()

    def attributes(self) -> tuple[Attribute, ...]:
        """Return its attributes in the order in which they must be written, paths inside its directory."""
        return (
            _number("protocol", self.protocol),
            _number("subclass", self.subclass),
            _number("report_length", self.report_bytes),
            # Kernels before 5.16 always use an endpoint.
            _number("no_out_endpoint", int(self.no_out_endpoint), optional=True),
            # A patch of some vendors' kernels: a report wakes the host by itself.
            _number("wakeup_on_write", 1, optional=True),
            Attribute("report_desc", self.descriptor),
        )


def keyboard(
    instance: str, *, start: bool = True, no_out_endpoint: bool = True, device: Path | None = None
) -> HidFunction:
    """Return a boot keyboard (contract subsystems.md 2.3)."""
    return HidFunction(
        instance,
        HidRole.KEYBOARD,
        keyboard_descriptor(),
        KEYBOARD_REPORT_BYTES,
        protocol=1,
        subclass=_BOOT_SUBCLASS,
        no_out_endpoint=no_out_endpoint,
        start=start,
        device=device,
    )


def mouse(
    instance: str,
    *,
    absolute: bool,
    horizontal_wheel: bool = True,
    start: bool = True,
    device: Path | None = None,
) -> HidFunction:
    """Return a mouse: an absolute one of no boot protocol, or a relative boot mouse (subsystems.md 2.3)."""
    return HidFunction(
        instance,
        HidRole.ABSOLUTE_MOUSE if absolute else HidRole.RELATIVE_MOUSE,
        pointer_descriptor(absolute=absolute, horizontal_wheel=horizontal_wheel),
        pointer_report_bytes(absolute=absolute, horizontal_wheel=horizontal_wheel),
        protocol=0 if absolute else 2,
        subclass=0 if absolute else _BOOT_SUBCLASS,
        horizontal_wheel=horizontal_wheel,
        start=start,
        device=device,
    )


@dataclass(frozen=True, slots=True)
class Lun:
    """One drive, as it is before a medium was in; from then on its driver keeps it."""

    cdrom: bool = True
    ro: bool = True
    removable: bool = True
    nofua: bool = False
    inquiry: InquiryString | None = None
    """What it calls itself; None = the kernel's own words."""


@dataclass(frozen=True, slots=True)
class MassStorageFunction:
    """A mass-storage function and its drives."""

    instance: str
    luns: tuple[Lun, ...] = (Lun(),)
    stall: bool = False
    start: bool = True

    @property
    def name(self) -> str:
        """Its directory, such as mass_storage.usb0."""
        return f"mass_storage.{self.instance}"

    @property
    def module(self) -> str:
        """The kernel module that implements it."""
        return "usb_f_mass_storage"

    @property
    def endpoints(self) -> int:
        """How many endpoints it takes."""
        return 2

    def directories(self) -> tuple[str, ...]:
        """Return what is to be made inside its directory; the kernel makes lun.0 by itself."""
        return tuple(f"lun.{number}" for number in range(1, len(self.luns)))

    def attributes(self) -> tuple[Attribute, ...]:
        """Return its attributes: `cdrom` before `ro`, because setting the one sets the other."""
        attributes = [_number("stall", int(self.stall))]
        for number, lun in enumerate(self.luns):
            at = f"lun.{number}"
            attributes += [
                _number(f"{at}/cdrom", int(lun.cdrom), initial=True),
                _number(f"{at}/ro", int(lun.ro), initial=True),
                _number(f"{at}/removable", int(lun.removable)),
                _number(f"{at}/nofua", int(lun.nofua), initial=True),
            ]
            if lun.inquiry is not None:
                path = f"{at}/inquiry_string"
                attributes.append(Attribute(path, lun.inquiry.encode(), optional=True, initial=True))
        return tuple(attributes)


type EthernetDriver = Literal["ecm", "eem", "ncm", "rndis", "rndis5"]


@dataclass(frozen=True, slots=True)
class EthernetFunction:
    """A network link between target and appliance; `rndis5` is RNDIS without the hint for newer Windows."""

    instance: str
    driver: EthernetDriver = "ecm"
    host_mac: str = ""
    """The target's end; "" = the kernel invents one."""
    kvm_mac: str = ""
    start: bool = True

    @property
    def name(self) -> str:
        """Its directory, such as ecm.usb0."""
        return f"{self.kind}.{self.instance}"

    @property
    def kind(self) -> str:
        """The kernel's name of the function."""
        return "rndis" if self.driver == "rndis5" else self.driver

    @property
    def module(self) -> str:
        """The kernel module that implements it."""
        return f"usb_f_{self.kind}"

    @property
    def endpoints(self) -> int:
        """How many endpoints it takes."""
        return 3

    @property
    def windows_ids(self) -> tuple[str, str] | None:
        """Compatible and sub-compatible id of Microsoft's OS descriptors, or None for a driver without."""
        return {"rndis": ("RNDIS", "5162001"), "ncm": ("WINNCM", "")}.get(self.driver)

    def directories(self) -> tuple[str, ...]:
        """Return what is to be made inside its directory."""
        return ()

    def attributes(self) -> tuple[Attribute, ...]:
        """Return its attributes."""
        attributes = []
        if self.host_mac:
            attributes.append(Attribute("host_addr", self.host_mac.encode()))
        if self.kvm_mac:
            attributes.append(Attribute("dev_addr", self.kvm_mac.encode()))
        if self.windows_ids is not None:
            at = f"os_desc/interface.{self.kind}"
            compatible, sub_compatible = self.windows_ids
            attributes.append(Attribute(f"{at}/compatible_id", compatible.encode(), optional=True))
            if sub_compatible:
                attributes.append(
                    Attribute(f"{at}/sub_compatible_id", sub_compatible.encode(), optional=True)
                )
        return tuple(attributes)


@dataclass(frozen=True, slots=True)
class SerialFunction:
    """A serial port (CDC ACM)."""

    instance: str
    start: bool = True

    @property
    def name(self) -> str:
        """Its directory, such as acm.usb0."""
        return f"acm.{self.instance}"

    @property
    def module(self) -> str:
        """The kernel module that implements it."""
        return "usb_f_acm"

    @property
    def endpoints(self) -> int:
        """How many endpoints it takes."""
        return 3

    def directories(self) -> tuple[str, ...]:
        """Return what is to be made inside its directory."""
        return ()

    def attributes(self) -> tuple[Attribute, ...]:
        """Return its attributes."""
        return ()


@dataclass(frozen=True, slots=True)
class AudioFunction:
    """A sound card (UAC2): a microphone at the target, speakers at the target, or both; 48 kHz stereo."""

    instance: str
    mic: bool = True
    speakers: bool = False
    start: bool = True

    @property
    def name(self) -> str:
        """Its directory, such as uac2.usb0."""
        return f"uac2.{self.instance}"

    @property
    def module(self) -> str:
        """The kernel module that implements it."""
        return "usb_f_uac2"

    @property
    def endpoints(self) -> int:
        """How many endpoints it takes: one and one for each direction."""
        return 1 + self.mic + self.speakers

    def directories(self) -> tuple[str, ...]:
        """Return what is to be made inside its directory."""
        return ()

    def attributes(self) -> tuple[Attribute, ...]:
        """Return its attributes; the kernel plays (p) into the target's microphone and captures (c)."""
        return (
            _number("p_chmask", _STEREO if self.mic else 0),
            _number("p_srate", _AUDIO_RATE_HZ),
            _number("p_ssize", _AUDIO_SAMPLE_BYTES),
            _number("c_chmask", _STEREO if self.speakers else 0),
            _number("c_srate", _AUDIO_RATE_HZ),
            _number("c_ssize", _AUDIO_SAMPLE_BYTES),
        )


type Function = HidFunction | MassStorageFunction | EthernetFunction | SerialFunction | AudioFunction


@dataclass(frozen=True, slots=True)
class Selection:
    """Which functions the host is offered."""

    linked: tuple[Function, ...]
    left_out: Mapping[str, str]
    """By name, in words: the function is made, and the host does not see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GadgetSpec:
    """The whole gadget; the defaults are the contract's (config.md 4)."""

    functions: tuple[Function, ...]
    """In the order in which the host sees them (subsystems.md 2.6)."""
    name: str = "farhand"
    """Its directory in configfs, which is ours alone."""
    vendor_id: int = 0x1D6B
    product_id: int = 0x0104
    manufacturer: str = "PiKVM"
    product: str = "PiKVM Composite Device"
    serial: str | None = "CAFEBABE"
    configuration: str | None = None
    device_version: int | None = None
    """bcdDevice; None = by the functions in use."""
    usb_version: int = 0x0200
    max_power_ma: int = 250
    remote_wakeup: bool = True
    udc: str = ""
    """The USB device controller, by name or shell pattern; "" = any. The one that we are bound to is kept."""
    endpoint_budget: int = 9
    disabled: frozenset[str] = field(default_factory=frozenset)
    """Functions to leave unlinked, whatever their `start` says."""
    enabled: frozenset[str] = field(default_factory=frozenset)
    """Functions to link, whatever their `start` says."""
    bound: bool = True
    """Whether a host may see it at all; one that is not bound is there, like a cable that is pulled."""

    def __post_init__(self) -> None:
        """Refuse names that are taken twice. Raises ValueError."""
        names = [function.name for function in self.functions]
        if len(set(names)) != len(names):
            raise ValueError(f"expected each function once, got {names} - in the USB gadget's functions")

    def bcd_device(self) -> int:
        """Return the device version: 1.00, 1.01 with RNDIS, 1.02 with NCM (subsystems.md 2.6)."""
        if self.device_version is not None:
            return self.device_version
        kinds = {function.kind for function in self.functions if isinstance(function, EthernetFunction)}
        if "ncm" in kinds:
            return 0x0102
        return 0x0101 if "rndis" in kinds else 0x0100

    def configuration_attributes(self) -> int:
        """Return bmAttributes of the configuration (USB 2.0, table 9-10)."""
        return _BUS_POWERED | (_REMOTE_WAKEUP if self.remote_wakeup else 0)

    def select(self, missing: Collection[str] = ()) -> Selection:
        """Say which functions are linked: those that shall start, as far as the endpoints go.

        *missing* names functions that the kernel does not have.
        """
        linked: list[Function] = []
        left_out: dict[str, str] = {}
        free = self.endpoint_budget
        for function in self.functions:
            name = function.name
            if name in missing:
                left_out[name] = (
                    f"{name} is left out: this kernel has no module {function.module} - install or enable it"
                )
            elif name in self.disabled or not (function.start or name in self.enabled):
                left_out[name] = f"{name} is not linked: it is configured not to start"
            elif function.endpoints > free:
                left_out[name] = (
                    f"{name} is not linked: it takes {function.endpoints} endpoints, and {free} of "
                    f"{self.endpoint_budget} are left - start fewer functions, or raise otg/endpoints"
                )
            else:
                free -= function.endpoints
                linked.append(function)
        return Selection(tuple(linked), left_out)


def _number(path: str, value: int, *, optional: bool = False, initial: bool = False) -> Attribute:
    return Attribute(path, str(value).encode(), optional, initial)
