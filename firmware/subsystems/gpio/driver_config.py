"""Sections `kvmd/gpio/drivers/<name>`: the options of each driver type, and its modes and pins.

Source: subsystems.md 6.3. Only values: no driver is known here, and a type in this table need not have one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple, Self, override

from firmware.core.config.kinds import (
    AbsolutePath,
    Checked,
    Command,
    CommandKind,
    Interval,
    NonEmptyText,
    OptionalPath,
    OptionalText,
    Seconds,
    integer,
    number,
)
from firmware.core.config.section import Notes, Section
from firmware.core.validators import valid_gpio_pin, valid_http_url, valid_mac, valid_tty_speed
from firmware.core.validators.basic import fail, stripped, valid_choice, valid_int


def _valid_ipv4(raw: object, name: str) -> str:
    expected = "an IPv4 address such as 192.0.2.1"
    text = stripped(raw, name, expected=expected, max_chars=16)
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        fail(expected, raw, name)


type Port = Annotated[int, integer(1, 65535)]
type TtySpeed = Annotated[int, Checked(valid_tty_speed)]
type HttpUrl = Annotated[str, Checked(valid_http_url, as_text=True)]
type Duration = Annotated[int, integer(0)]
type Angle = Annotated[float, number(-360, 360)]
type OptionalCommand = Annotated[tuple[str, ...], CommandKind(empty=True)]
type OptionalMac = Annotated[str, Checked(valid_mac, as_text=True, empty="")]
type Ipv4 = Annotated[str, Checked(_valid_ipv4)]


def _within_period(period_ns: int, notes: Notes, **duties_ns: int) -> None:
    for name, duty_ns in duties_ns.items():
        if duty_ns > period_ns:
            notes.error(f"duty_cycle_{name}", f"expected at most the period ({period_ns}), got {duty_ns}")


class LineDriverConfig(Section, frozen=True):
    """Lines of a GPIO chip."""

    type: Literal["gpio"] = "gpio"
    device: AbsolutePath = Path("/dev/gpiochip0")


class LocatorDriverConfig(Section, frozen=True):
    """A line that blinks while on."""

    type: Literal["locator"] = "locator"
    device: AbsolutePath = Path("/dev/gpiochip0")


class HidrelayDriverConfig(Section, frozen=True, kw_only=True):
    """A USB HID relay board."""

    type: Literal["hidrelay"] = "hidrelay"
    device: AbsolutePath
    state_poll: Interval = 5.0


class NoyitoDriverConfig(Section, frozen=True, kw_only=True):
    """A NOYITO HID relay board."""

    type: Literal["noyito"] = "noyito"
    device: AbsolutePath


class PwmDriverConfig(Section, frozen=True):
    """PWM channels; times in nanoseconds."""

    type: Literal["pwm"] = "pwm"
    chip: Annotated[int, integer(0)] = 0
    period: Duration = 20000000
    duty_cycle_push: Duration = 1500000
    duty_cycle_release: Duration = 1000000

    @override
    def settle(self, notes: Notes) -> Self:
        _within_period(self.period, notes, push=self.duty_cycle_push, release=self.duty_cycle_release)
        return self


class ServoDriverConfig(Section, frozen=True):
    """Servos on PWM channels; times in nanoseconds, angles in degrees."""

    type: Literal["servo"] = "servo"
    chip: Annotated[int, integer(0)] = 0
    period: Duration = 20000000
    duty_cycle_min: Duration = 1000000
    duty_cycle_max: Duration = 2000000
    angle_min: Angle = 0.0
    angle_max: Angle = 180.0
    angle_push: Angle = 100.0
    angle_release: Angle = 120.0

    @override
    def settle(self, notes: Notes) -> Self:
        _within_period(self.period, notes, min=self.duty_cycle_min, max=self.duty_cycle_max)
        if self.angle_min >= self.angle_max:
            notes.error("angle_max", f"expected more than angle_min ({self.angle_min}), got {self.angle_max}")
        for name, angle in (("angle_push", self.angle_push), ("angle_release", self.angle_release)):
            if not self.angle_min <= angle <= self.angle_max:
                notes.error(name, f"expected {self.angle_min} to {self.angle_max}, got {angle}")
        return self


class CmdDriverConfig(Section, frozen=True, kw_only=True):
    """A command that runs on "on"."""

    type: Literal["cmd"] = "cmd"
    cmd: Command


class CmdretDriverConfig(Section, frozen=True, kw_only=True):
    """A command whose exit status is the state."""

    type: Literal["cmdret"] = "cmdret"
    cmd: Command


class WolDriverConfig(Section, frozen=True):
    """Wake-on-LAN."""

    type: Literal["wol"] = "wol"
    ip: Ipv4 = "255.255.255.255"
    port: Port = 9
    mac: OptionalMac = ""


class NoopDriverConfig(Section, frozen=True):
    """Nothing."""

    type: Literal["noop"] = "noop"


class OtgconfDriverConfig(Section, frozen=True):
    """The USB gadget and its functions; `udc` "" = the first found."""

    type: Literal["otgconf"] = "otgconf"
    udc: OptionalText = ""
    init_delay: Interval = 3.0


class IpmiDriverConfig(Section, frozen=True, kw_only=True):
    """Another machine's IPMI; `cmd` () = the driver's own command line."""

    type: Literal["ipmi"] = "ipmi"
    host: NonEmptyText
    port: Port = 623
    cipher: Annotated[int, integer(0)] = 17
    user: OptionalText = ""
    passwd: OptionalText = ""
    passwd_env: OptionalText = "IPMI_PASSWORD"  # noqa: S105 - the name of a variable
    cmd: OptionalCommand = ()
    state_poll: Interval = 1.0


class AmtDriverConfig(Section, frozen=True, kw_only=True):
    """Another machine's AMT; `cmd` () = the driver's own command line."""

    type: Literal["amt"] = "amt"
    host: NonEmptyText
    user: OptionalText = ""
    passwd: OptionalText = ""
    tls: bool = True
    passwd_env: OptionalText = "AMT_PASSWORD"  # noqa: S105 - the name of a variable
    cmd: OptionalCommand = ()
    state_poll: Interval = 1.0


class TesmartDriverConfig(Section, frozen=True):
    """A TESmart KVM over TCP (`host`) or serial (`device`)."""

    type: Literal["tesmart"] = "tesmart"
    host: OptionalText = ""
    port: Port = 5000
    device: OptionalPath = None
    speed: TtySpeed = 9600
    timeout: Interval = 5.0
    switch_delay: Seconds = 1.0
    state_poll: Interval = 10.0

    @override
    def settle(self, notes: Notes) -> Self:
        if not self.host.strip() and self.device is None:
            notes.error("host", "expected a host, or a device, got neither")
        return self


class EzcooDriverConfig(Section, frozen=True, kw_only=True):
    """An ezCoo KVM."""

    type: Literal["ezcoo"] = "ezcoo"
    device: AbsolutePath
    speed: TtySpeed = 115200
    read_timeout: Interval = 2.0
    protocol: Annotated[int, integer(1, 2)] = 1


class XhHk4401DriverConfig(Section, frozen=True, kw_only=True):
    """An XH-HK4401 KVM."""

    type: Literal["xh_hk4401"] = "xh_hk4401"
    device: AbsolutePath
    speed: TtySpeed = 19200
    read_timeout: Interval = 2.0
    protocol: Annotated[int, integer(1)] = 1


class PwayDriverConfig(Section, frozen=True, kw_only=True):
    """A PWAY KVM."""

    type: Literal["pway"] = "pway"
    device: AbsolutePath
    speed: TtySpeed = 19200
    read_timeout: Interval = 2.0
    protocol: Annotated[int, integer(1)] = 1


class ExtronDriverConfig(Section, frozen=True, kw_only=True):
    """An Extron USB switch."""

    type: Literal["extron"] = "extron"
    device: AbsolutePath
    speed: TtySpeed = 9600
    read_timeout: Interval = 2.0
    protocol: Annotated[int, integer(1)] = 1


class HueDriverConfig(Section, frozen=True, kw_only=True):
    """Philips Hue lights."""

    type: Literal["hue"] = "hue"
    url: HttpUrl
    token: NonEmptyText
    verify: bool = True
    state_poll: Interval = 5.0
    timeout: Interval = 5.0


class AnelpwrDriverConfig(Section, frozen=True, kw_only=True):
    """ANEL NET-PwrCtrl sockets."""

    type: Literal["anelpwr"] = "anelpwr"
    url: HttpUrl
    user: OptionalText = ""
    passwd: OptionalText = ""
    verify: bool = True
    state_poll: Interval = 5.0
    timeout: Interval = 5.0


type GpioDriverConfig = (
    LineDriverConfig
    | LocatorDriverConfig
    | HidrelayDriverConfig
    | NoyitoDriverConfig
    | PwmDriverConfig
    | ServoDriverConfig
    | CmdDriverConfig
    | CmdretDriverConfig
    | WolDriverConfig
    | NoopDriverConfig
    | OtgconfDriverConfig
    | IpmiDriverConfig
    | AmtDriverConfig
    | TesmartDriverConfig
    | EzcooDriverConfig
    | XhHk4401DriverConfig
    | PwayDriverConfig
    | ExtronDriverConfig
    | HueDriverConfig
    | AnelpwrDriverConfig
)


type PinCheck = Callable[[str, str], str]
"""Takes a pin and a name for messages; returns the pin as text or raises ValidatorError."""


class DriverTraits(NamedTuple):
    """How the pins of a driver type's inputs and outputs are checked; None: it has no such channels."""

    input: PinCheck | None = None
    output: PinCheck | None = None


def _any_pin(raw: str, name: str) -> str:
    del name
    return raw


def _line(raw: str, name: str) -> str:
    return str(valid_gpio_pin(raw, name))


def _numbered(count: int) -> PinCheck:
    def valid(raw: str, name: str) -> str:
        return str(valid_int(raw, name, minimum=0, maximum=count - 1))

    return valid


def _words(*words: str) -> PinCheck:
    def valid(raw: str, name: str) -> str:
        return valid_choice(raw, name, allowed=words)

    return valid


def _both(check: PinCheck) -> DriverTraits:
    return DriverTraits(input=check, output=check)


_NUMBERS = ("1", "2", "3", "4", "5", "6")
_POWER_STATUS = _words("0", "status")
_IPMI_ACTION = _words(*_NUMBERS, "on", "off", "cycle", "reset", "diag", "soft")
_AMT_ACTION = _words(*_NUMBERS, "poweron", "poweroff", "powercycle", "reset", "sleep", "hibernate")

DRIVER_TRAITS: Final[Mapping[str, DriverTraits]] = MappingProxyType(
    {
        "gpio": _both(_line),
        "locator": DriverTraits(output=_line),
        "hidrelay": DriverTraits(output=_numbered(8)),
        "noyito": DriverTraits(output=_numbered(8)),
        "pwm": DriverTraits(output=_line),
        "servo": DriverTraits(output=_line),
        "cmd": DriverTraits(output=_any_pin),
        "cmdret": DriverTraits(input=_any_pin),
        "wol": _both(_any_pin),
        "noop": _both(_any_pin),
        "otgconf": _both(_any_pin),
        "ipmi": DriverTraits(input=_POWER_STATUS, output=_IPMI_ACTION),
        "amt": DriverTraits(input=_POWER_STATUS, output=_AMT_ACTION),
        "tesmart": _both(_numbered(16)),
        "ezcoo": _both(_numbered(4)),
        "xh_hk4401": _both(_numbered(4)),
        "pway": _both(_numbered(16)),
        "extron": _both(_numbered(4)),
        "hue": _both(_any_pin),
        "anelpwr": _both(_numbered(8)),
    }
)
"""The modes and pins of every driver type (subsystems.md 6.3)."""
