"""Section `kvmd/gpio` (config.md 2, subsystems.md 6): channels, the drivers behind them, and their view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, override

import msgspec

from firmware.core.config.kinds import (
    BOOLEAN,
    Checked,
    Interval,
    Kind,
    MismatchError,
    NonEmptyText,
    Nullable,
    Seconds,
    Text,
)
from firmware.core.config.section import Keys, Notes, Section
from firmware.core.config.tree import Node
from firmware.core.errors import ValidatorError
from firmware.core.validators import valid_gpio_channel, valid_gpio_driver
from firmware.subsystems.gpio.driver_config import DRIVER_TRAITS, GpioDriverConfig, LineDriverConfig

BUILT_IN_DRIVER = "__gpio__"
"""The driver that exists without being configured: the lines of the board's own chip."""

type DriverName = Annotated[str, Checked(valid_gpio_driver, as_text=True)]


class GpioPulseConfig(Section, frozen=True):
    """`pulse`, in seconds; `pulse: false` stands for delay 0: the channel cannot pulse."""

    delay: Seconds = 0.1
    min_delay: Interval = 0.1
    max_delay: Interval = 0.1


class GpioInputConfig(Section, frozen=True, kw_only=True):
    """A channel that is read."""

    mode: Literal["input"] = "input"
    driver: DriverName = BUILT_IN_DRIVER
    pin: NonEmptyText
    inverted: bool = False
    debounce: Seconds = 0.1


class GpioOutputConfig(Section, frozen=True, kw_only=True):
    """A channel that is switched or pulsed; with neither it is a constant."""

    mode: Literal["output"] = "output"
    driver: DriverName = BUILT_IN_DRIVER
    pin: NonEmptyText
    inverted: bool = False
    switch: bool = True
    initial: Annotated[bool | None, Nullable(BOOLEAN)] = False
    """The level at start; None leaves it alone."""
    busy_delay: Interval = 0.2
    pulse: GpioPulseConfig = GpioPulseConfig()


type GpioChannelConfig = GpioInputConfig | GpioOutputConfig


@dataclass(frozen=True, slots=True)
class _Title(Kind):
    """Text, or a list of text."""

    @override
    def parse(self, node: Node) -> str | tuple[str, ...]:
        if isinstance(node.value, list):
            return tuple(_item(item) for item in node.value)
        return Text(empty=True).parse(node)


@dataclass(frozen=True, slots=True)
class _Table(Kind):
    """A list of rows, each a list of text; an empty row or null separates."""

    @override
    def parse(self, node: Node) -> tuple[tuple[str, ...], ...]:
        if not isinstance(node.value, list):
            raise MismatchError("a list of rows, each a list of text", node)
        rows: list[tuple[str, ...]] = []
        wrong: list[tuple[int, MismatchError]] = []
        for index, row in enumerate(node.value):
            try:
                rows.append(_row(row))
            except MismatchError as exc:
                wrong.append((index, exc))
        if wrong:
            raise MismatchError.of_list(wrong, node)
        return tuple(rows)


def _row(node: Node) -> tuple[str, ...]:
    if node.value is None:
        return ()
    if not isinstance(node.value, list):
        raise MismatchError("a row, which is a list of text", node)
    return tuple(_item(item) for item in node.value)


def _item(node: Node) -> str:
    return Text(empty=True).parse(node)


class GpioHeaderConfig(Section, frozen=True):
    """`view/header`."""

    title: Annotated[str | tuple[str, ...], _Title()] = "GPIO"


class GpioViewConfig(Section, frozen=True):
    """`view`: what the menu shows; the items' syntax is subsystems.md 6.2."""

    header: GpioHeaderConfig = GpioHeaderConfig()
    table: Annotated[tuple[tuple[str, ...], ...], _Table()] = ()


class GpioConfig(Section, frozen=True):
    """`kvmd/gpio`. `drivers` always holds `__gpio__`; `pin`s are text, checked for their driver."""

    state_poll: Interval = 0.1
    """Accepted for compatibility, without effect."""
    drivers: Annotated[Mapping[str, GpioDriverConfig], Keys(Checked(valid_gpio_driver))] = MappingProxyType(
        {BUILT_IN_DRIVER: LineDriverConfig()}
    )
    scheme: Annotated[Mapping[str, GpioChannelConfig], Keys(Checked(valid_gpio_channel))] = MappingProxyType(
        {}
    )
    view: GpioViewConfig = GpioViewConfig()

    @override
    def settle(self, notes: Notes) -> Self:
        scheme: dict[str, Any] = {}
        for name, channel in self.scheme.items():
            scheme[name] = self._settled(f"scheme/{name}", channel, notes)
        return msgspec.structs.replace(self, scheme=MappingProxyType(scheme))

    def _settled(self, where: str, channel: GpioChannelConfig, notes: Notes) -> GpioChannelConfig:
        driver = self.drivers.get(channel.driver)
        if driver is None:
            names = ", ".join(sorted(self.drivers))
            notes.error(f"{where}/driver", f"expected one of the drivers {names}, got {channel.driver!r}")
            return channel
        traits = DRIVER_TRAITS[driver.type]
        valid_pin = traits.input if channel.mode == "input" else traits.output
        if valid_pin is None:
            other = "output" if channel.mode == "input" else "input"
            notes.error(f"{where}/mode", f"expected {other} (driver type {driver.type}), got {channel.mode}")
            return channel
        try:
            pin = valid_pin(channel.pin, "pin")
        except ValidatorError as exc:
            notes.error(f"{where}/pin", f"{str(exc).removesuffix(' - at pin')} (driver type {driver.type})")
            return channel
        return msgspec.structs.replace(channel, pin=pin)
