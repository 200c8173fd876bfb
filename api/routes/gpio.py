"""User-defined channels (contract http.md 4.4)."""

from __future__ import annotations

from functools import partial

from quart import Response

from api.params import Param
from api.routing import Access, Answer, Call, Route, envelope
from firmware.core.validators import valid_bool, valid_float, valid_gpio_channel
from firmware.state.gpio import GpioState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.gpio.service import (
    GpioChannelIsBusyError,
    GpioChannelNotFoundError,
    GpioDriverOfflineError,
    GpioPulseNotSupported,
    GpioService,
    GpioSwitchNotSupported,
)

CHANNEL = Param("channel", valid_gpio_channel, description="the name of an output")
STATE = Param("state", valid_bool, description="on or off")
WAIT = Param("wait", valid_bool, False, "answer after the action is finished, and say what went wrong")
DELAY = Param(
    "delay",
    partial(valid_float, minimum=0.0),
    0.0,
    "seconds; 0 = as configured, and what is outside the channel's limits is clamped",
)


def gpio_routes(gpio: GpioService) -> list[Route]:
    """List the routes of the user-defined channels."""

    async def state(_call: Call) -> Response:
        return envelope(gpio.state.value)

    async def switch(call: Call) -> Response:
        await gpio.switch(call[CHANNEL], call[STATE], wait=call[WAIT])
        return envelope()

    async def pulse(call: Call) -> Response:
        await gpio.pulse(call[CHANNEL], call[DELAY], wait=call[WAIT])
        return envelope()

    refusals = (GpioChannelNotFoundError, GpioChannelIsBusyError, GpioDriverOfflineError)
    return [
        Route(
            "GET",
            "/api/gpio",
            Access.USER,
            Capability.VIEW,
            state,
            summary="Scheme, menu and levels of the user-defined channels",
            answers=(Answer(GpioState),),
        ),
        Route(
            "POST",
            "/api/gpio/switch",
            Access.USER,
            Capability.GPIO,
            switch,
            (CHANNEL, STATE, WAIT),
            summary="Switch an output on or off",
            errors=(*refusals, GpioSwitchNotSupported),
        ),
        Route(
            "POST",
            "/api/gpio/pulse",
            Access.USER,
            Capability.GPIO,
            pulse,
            (CHANNEL, DELAY, WAIT),
            summary="Switch an output on for a moment",
            errors=(*refusals, GpioPulseNotSupported),
        ),
    ]
