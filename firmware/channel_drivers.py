"""Which driver a type of `kvmd/gpio/drivers` means: the one table that a new driver is added to.

A factory takes the driver's configuration and what it is made with; it starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from drivers.channels.amt import AmtDriver
from drivers.channels.anelpwr import AnelpwrDriver
from drivers.channels.cmd import CmdDriver
from drivers.channels.cmdret import CmdretDriver
from drivers.channels.extron import ExtronDriver
from drivers.channels.ezcoo import EzcooDriver
from drivers.channels.hidrelay import HidRelayDriver
from drivers.channels.hue import HueDriver
from drivers.channels.ipmi import IpmiDriver
from drivers.channels.lines import LinesDriver
from drivers.channels.locator import LocatorDriver
from drivers.channels.noop import NoopDriver
from drivers.channels.noyito import NoyitoDriver
from drivers.channels.otgconf import OtgconfDriver
from drivers.channels.pway import PwayDriver
from drivers.channels.pwm import Duties, PwmDriver
from drivers.channels.servo import ServoRange
from drivers.channels.tesmart import TesmartDriver
from drivers.channels.wol import WolDriver
from drivers.channels.xh_hk4401 import XhHk4401Driver
from drivers.gpio.line import LineSource
from drivers.hidraw import HidrawNode
from drivers.ports import ChannelDriver, ChannelInput, ChannelOutput
from firmware.boards.board import Board
from firmware.subsystems.gpio.driver_config import (
    AmtDriverConfig,
    AnelpwrDriverConfig,
    CmdDriverConfig,
    CmdretDriverConfig,
    ExtronDriverConfig,
    EzcooDriverConfig,
    HidrelayDriverConfig,
    HueDriverConfig,
    IpmiDriverConfig,
    LineDriverConfig,
    LocatorDriverConfig,
    NoopDriverConfig,
    NoyitoDriverConfig,
    OtgconfDriverConfig,
    PwayDriverConfig,
    PwmDriverConfig,
    ServoDriverConfig,
    TesmartDriverConfig,
    WolDriverConfig,
    XhHk4401DriverConfig,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNeeds:
    """What a driver is made with, besides its configuration."""

    name: str
    """The driver's name in the configuration."""
    inputs: tuple[ChannelInput, ...]
    outputs: tuple[ChannelOutput, ...]
    board: Board
    device_is_given: bool
    """Whether the configuration names its `device`, or that is our default."""


type Factory = Callable[[Any, ChannelNeeds], ChannelDriver]
"""The first argument is the configuration of the type that the table has it for."""


def make_channel_driver(config: Any, needs: ChannelNeeds) -> ChannelDriver:
    """Make the driver of *config*; every type of the configuration has one."""
    return FACTORIES[type(config)](config, needs)


def _chip(config: LineDriverConfig | LocatorDriverConfig, needs: ChannelNeeds) -> LineSource:
    # The default names a chip by a number that depends on the kernel; the board knows its chip's label.
    return needs.board.gpio_chip(str(config.device) if needs.device_is_given else None)


def _lines(config: LineDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return LinesDriver(_chip(config, needs), needs.inputs, needs.outputs)


def _locator(config: LocatorDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return LocatorDriver(_chip(config, needs), needs.outputs)


def _hidrelay(config: HidrelayDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return HidRelayDriver(
        str(config.device), HidrawNode(config.device), needs.outputs, poll_s=config.state_poll
    )


def _noyito(config: NoyitoDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return NoyitoDriver(str(config.device), HidrawNode(config.device), needs.outputs)


def _pwm(config: PwmDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    duties = Duties(config.period, config.duty_cycle_push, config.duty_cycle_release)
    return PwmDriver(config.chip, duties, needs.outputs)


def _servo(config: ServoDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    servo = ServoRange(
        period_ns=config.period,
        low_ns=config.duty_cycle_min,
        high_ns=config.duty_cycle_max,
        low_deg=config.angle_min,
        high_deg=config.angle_max,
    )
    duties = servo.duties(on_deg=config.angle_push, off_deg=config.angle_release)
    return PwmDriver(config.chip, duties, needs.outputs)


def _cmd(config: CmdDriverConfig, _needs: ChannelNeeds) -> ChannelDriver:
    return CmdDriver(config.cmd)


def _cmdret(config: CmdretDriverConfig, _needs: ChannelNeeds) -> ChannelDriver:
    return CmdretDriver(config.cmd)


def _otgconf(config: OtgconfDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    pins = [*(one.pin for one in needs.inputs), *(one.pin for one in needs.outputs)]
    return OtgconfDriver(needs.board.gadget, pins, udc=config.udc, init_delay_s=config.init_delay)


def _noop(_config: NoopDriverConfig, _needs: ChannelNeeds) -> ChannelDriver:
    return NoopDriver()


def _wol(config: WolDriverConfig, _needs: ChannelNeeds) -> ChannelDriver:
    return WolDriver(ip=config.ip, port=config.port, mac=config.mac)


def _tesmart(config: TesmartDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return TesmartDriver(
        needs.outputs,
        host=config.host.strip(),
        port=config.port,
        device="" if config.device is None else str(config.device),
        speed_baud=config.speed,
        timeout_s=config.timeout,
        switch_delay_s=config.switch_delay,
        state_poll_s=config.state_poll,
    )


def _ezcoo(config: EzcooDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return EzcooDriver(
        needs.outputs,
        device=str(config.device),
        speed_baud=config.speed,
        read_timeout_s=config.read_timeout,
        protocol=config.protocol,
    )


def _serial_switch(
    make: type[XhHk4401Driver | PwayDriver | ExtronDriver],
    config: XhHk4401DriverConfig | PwayDriverConfig | ExtronDriverConfig,
    needs: ChannelNeeds,
) -> ChannelDriver:
    # Each has one protocol only.
    return make(
        needs.outputs,
        device=str(config.device),
        speed_baud=config.speed,
        read_timeout_s=config.read_timeout,
    )


def _hue(config: HueDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return HueDriver(
        needs.inputs,
        needs.outputs,
        url=config.url,
        token=config.token,
        verify=config.verify,
        state_poll_s=config.state_poll,
        timeout_s=config.timeout,
    )


def _anelpwr(config: AnelpwrDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return AnelpwrDriver(
        needs.outputs,
        url=config.url,
        user=config.user,
        passwd=config.passwd,
        verify=config.verify,
        state_poll_s=config.state_poll,
        timeout_s=config.timeout,
    )


def _ipmi(config: IpmiDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return IpmiDriver(
        needs.inputs,
        host=config.host,
        port=config.port,
        cipher=config.cipher,
        user=config.user,
        passwd=config.passwd,
        passwd_env=config.passwd_env,
        command=config.cmd,
        state_poll_s=config.state_poll,
    )


def _amt(config: AmtDriverConfig, needs: ChannelNeeds) -> ChannelDriver:
    return AmtDriver(
        needs.inputs,
        host=config.host,
        user=config.user,
        passwd=config.passwd,
        tls=config.tls,
        passwd_env=config.passwd_env,
        command=config.cmd,
        state_poll_s=config.state_poll,
    )


FACTORIES: Final[Mapping[type, Factory]] = MappingProxyType(
    {
        LineDriverConfig: _lines,
        LocatorDriverConfig: _locator,
        HidrelayDriverConfig: _hidrelay,
        NoyitoDriverConfig: _noyito,
        PwmDriverConfig: _pwm,
        ServoDriverConfig: _servo,
        CmdDriverConfig: _cmd,
        CmdretDriverConfig: _cmdret,
        OtgconfDriverConfig: _otgconf,
        NoopDriverConfig: _noop,
        WolDriverConfig: _wol,
        TesmartDriverConfig: _tesmart,
        EzcooDriverConfig: _ezcoo,
        XhHk4401DriverConfig: partial(_serial_switch, XhHk4401Driver),
        PwayDriverConfig: partial(_serial_switch, PwayDriver),
        ExtronDriverConfig: partial(_serial_switch, ExtronDriver),
        HueDriverConfig: _hue,
        AnelpwrDriverConfig: _anelpwr,
        IpmiDriverConfig: _ipmi,
        AmtDriverConfig: _amt,
    }
)
