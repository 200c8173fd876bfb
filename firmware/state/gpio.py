"""State of the user-defined channels; the shape of `GET /api/gpio` (contract http.md 4.4)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class GpioHardware(msgspec.Struct, frozen=True):
    """Where a channel is: the name of its driver, and the pin as text."""

    driver: str
    pin: str


class GpioInputScheme(msgspec.Struct, frozen=True):
    """What can be said of an input."""

    hw: GpioHardware


class GpioPulseScheme(msgspec.Struct, frozen=True):
    """Pulses of an output in seconds, all 0 if it cannot be pulsed."""

    delay: float = 0.0
    min_delay: float = 0.0
    max_delay: float = 0.0


class GpioOutputScheme(msgspec.Struct, frozen=True):
    """What can be done with an output."""

    switch: bool
    pulse: GpioPulseScheme
    hw: GpioHardware


class GpioScheme(msgspec.Struct, frozen=True):
    """Every channel but the constants, by name."""

    inputs: Mapping[str, GpioInputScheme] = {}
    outputs: Mapping[str, GpioOutputScheme] = {}


class GpioLabelItem(msgspec.Struct, frozen=True, tag_field="type", tag="label"):
    """Text in the menu."""

    text: str


class GpioInputItem(msgspec.Struct, frozen=True, tag_field="type", tag="input"):
    """A lamp in the menu."""

    channel: str
    color: str


class GpioOutputItem(msgspec.Struct, frozen=True, tag_field="type", tag="output"):
    """A switch, a button, or both in the menu; `hide` hides the switch of those that have both."""

    channel: str
    confirm: bool
    hide: bool
    text: str


type GpioItem = GpioLabelItem | GpioInputItem | GpioOutputItem


class GpioHeader(msgspec.Struct, frozen=True):
    """The head of the menu."""

    title: tuple[GpioItem, ...] = ()


class GpioView(msgspec.Struct, frozen=True):
    """The menu; None in the table is a separator."""

    header: GpioHeader = GpioHeader()
    table: tuple[tuple[GpioItem, ...] | None, ...] = ()


class GpioModel(msgspec.Struct, frozen=True):
    """What does not change while the appliance runs."""

    scheme: GpioScheme = GpioScheme()
    view: GpioView = GpioView()


class GpioInputState(msgspec.Struct, frozen=True):
    """The logical level of an input; False while its driver is offline."""

    online: bool = False
    state: bool = False


class GpioOutputState(msgspec.Struct, frozen=True):
    """The logical level of an output; False while its driver is offline, and while it is busy."""

    online: bool = False
    state: bool = False
    busy: bool = False


class GpioLevels(msgspec.Struct, frozen=True):
    """Every channel but the constants, by name; the names never change."""

    inputs: Mapping[str, GpioInputState] = {}
    outputs: Mapping[str, GpioOutputState] = {}


class GpioState(msgspec.Struct, frozen=True):
    """The whole."""

    model: GpioModel = GpioModel()
    state: GpioLevels = GpioLevels()
