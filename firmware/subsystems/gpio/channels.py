"""What the configuration says of the channels, as values: scheme, first states, pins of each driver.

Pure. A channel's level is logical, a pin's level is the device's own: `inverted` lies between the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.ports import ChannelInput, ChannelOutput
from firmware.state.gpio import (
    GpioHardware,
    GpioInputScheme,
    GpioOutputScheme,
    GpioPulseScheme,
    GpioScheme,
)
from firmware.subsystems.gpio.config import GpioConfig, GpioInputConfig, GpioOutputConfig


@dataclass(frozen=True, slots=True)
class ChannelPins:
    """The pins that the channels use of one driver."""

    inputs: tuple[ChannelInput, ...] = ()
    outputs: tuple[ChannelOutput, ...] = ()


def inputs_of(config: GpioConfig) -> dict[str, GpioInputConfig]:
    """Return the inputs by channel."""
    return {name: one for name, one in config.scheme.items() if isinstance(one, GpioInputConfig)}


def outputs_of(config: GpioConfig) -> dict[str, GpioOutputConfig]:
    """Return the outputs by channel, constants included."""
    return {name: one for name, one in config.scheme.items() if isinstance(one, GpioOutputConfig)}


def pins_by_driver(config: GpioConfig) -> dict[str, ChannelPins]:
    """Return the pins that are used of each driver; drivers without any are left out."""
    inputs, outputs = inputs_of(config).values(), outputs_of(config).values()
    return {
        name: ChannelPins(
            inputs=tuple(ChannelInput(one.pin, one.debounce) for one in inputs if one.driver == name),
            outputs=tuple(
                ChannelOutput(one.pin, None if one.initial is None else one.initial is not one.inverted)
                for one in outputs
                if one.driver == name
            ),
        )
        for name in config.drivers
        if any(one.driver == name for one in config.scheme.values())
    }


def can_pulse(output: GpioOutputConfig) -> bool:
    """Return whether an output can be pulsed at all."""
    return output.pulse.delay > 0


def is_constant(output: GpioOutputConfig) -> bool:
    """Return whether an output is set at start and never again, which hides it."""
    return not output.switch and not can_pulse(output)


def pulse_seconds(output: GpioOutputConfig, wanted_s: float) -> float:
    """Return how long a pulse of *wanted_s* (0 = as configured) is, clamped to the limits."""
    pulse = output.pulse
    return min(max(wanted_s or pulse.delay, pulse.min_delay), pulse.max_delay)


def make_scheme(config: GpioConfig) -> GpioScheme:
    """Return what clients are told about the channels."""
    return GpioScheme(
        inputs={
            name: GpioInputScheme(GpioHardware(one.driver, one.pin))
            for name, one in inputs_of(config).items()
        },
        outputs={
            name: GpioOutputScheme(
                switch=one.switch,
                pulse=_pulse_scheme(one),
                hw=GpioHardware(one.driver, one.pin),
            )
            for name, one in outputs_of(config).items()
            if not is_constant(one)
        },
    )


def _pulse_scheme(output: GpioOutputConfig) -> GpioPulseScheme:
    if not can_pulse(output):
        return GpioPulseScheme()
    pulse = output.pulse
    return GpioPulseScheme(pulse.delay, pulse.min_delay, pulse.max_delay)
