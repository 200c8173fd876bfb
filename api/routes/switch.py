"""The KVM switch (contract http.md 4.7)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, cast

import msgspec
from quart import Response

from api.params import Param
from api.routing import Access, Answer, Call, Route, envelope
from drivers.wire.switch_protocol import COLOUR_ROLES, Colour
from firmware.core.errors import ValidatorError
from firmware.core.validators import (
    valid_atx_action,
    valid_atx_button,
    valid_bool,
    valid_int,
    valid_switch_atx_delay,
    valid_switch_colour,
    valid_switch_edid_data,
    valid_switch_edid_id,
    valid_switch_edid_name,
    valid_switch_port,
    valid_switch_port_name,
)
from firmware.core.validators.switch import DEFAULT
from firmware.state.switch import SwitchState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.switch.service import Action, SwitchService
from firmware.subsystems.switch.settings import (
    BUTTONS,
    Button,
    SwitchTooManyEdidsError,
    SwitchUnknownEdidError,
)

_PORT_MEANING: Final = "a 0-based port, or unit.channel counted from 1; one that is not there is ignored"
_valid_unit: Final = partial(valid_int, minimum=0)

PORT: Final = Param("port", valid_switch_port, description=_PORT_MEANING)
BEACON_PORT: Final = Param[float | None]("port", valid_switch_port, None, _PORT_MEANING)
BEACON_STATE: Final = Param("state", valid_bool, description="whether it blinks")
UPLINK: Final = Param[int | None]("uplink", _valid_unit, None, "a 0-based unit whose uplink is meant")
DOWNLINK: Final = Param[int | None]("downlink", _valid_unit, None, "a 0-based unit whose downlink is meant")
UNIT: Final = Param("unit", _valid_unit, description="a 0-based unit; one that is not there is ignored")
BOOTLOADER: Final = Param("bootloader", valid_bool, False, "let it wait for new firmware")
PORT_EDID: Final = Param[str | None](
    "edid_id",
    partial(valid_switch_edid_id, default_allowed=True),
    None,
    "an EDID's identifier, or default",
)
DUMMY: Final = Param[bool | None](
    "dummy", valid_bool, None, "whether a display is simulated while the port is not shown"
)
PORT_NAME: Final = Param[str | None](
    "name", valid_switch_port_name, None, "what the port is called; may be empty"
)
DELAYS: Final[dict[Button, Param[float | None]]] = {
    button: Param[float | None](
        f"atx_click_{button}_delay",
        valid_switch_atx_delay,
        None,
        "seconds that the button is pressed; 0 is the default",
    )
    for button in BUTTONS
}
COLOURS: Final = tuple(
    Param[str | None](role, valid_switch_colour, None, "RRGGBB:BB:TTTT or default; absent leaves it as it is")
    for role in COLOUR_ROLES
)
EDID_ID: Final = Param("id", valid_switch_edid_id, description="an EDID's identifier")
NEW_NAME: Final = Param("name", valid_switch_edid_name, description="what it is called")
NEW_DATA: Final = Param("data", valid_switch_edid_data, description="256 or 512 hexadecimal digits")
CHANGED_NAME: Final = Param[str | None](
    "name", valid_switch_port_name, None, "another name; an empty one leaves it as it is"
)
CHANGED_DATA: Final = Param[str | None]("data", valid_switch_edid_data, None, "256 or 512 hexadecimal digits")
ACTION: Final = Param("action", valid_atx_action, description="the power state to bring it into")
BUTTON: Final = Param("button", valid_atx_button, description="the button, and how long it is pressed")


class CreatedEdid(msgspec.Struct, frozen=True):
    """The identifier of an EDID that was made."""

    id: str


def switch_routes(switch: SwitchService) -> list[Route]:
    """List the routes of the KVM switch."""
    return [*_shown(switch), *_ports(switch), *_edids(switch), *_front_panels(switch)]


def _shown(switch: SwitchService) -> list[Route]:
    async def state(_call: Call) -> Response:
        return envelope(switch.state.value)

    async def set_active_prev(_call: Call) -> Response:
        await switch.set_active_prev()
        return envelope()

    async def set_active_next(_call: Call) -> Response:
        await switch.set_active_next()
        return envelope()

    async def set_active(call: Call) -> Response:
        await switch.set_active(call[PORT])
        return envelope()

    async def set_beacon(call: Call) -> Response:
        on = call[BEACON_STATE]
        # The first one that is given counts, and the others are not looked at.
        if (port := call[BEACON_PORT]) is not None:
            await switch.set_port_beacon(port, on)
        elif (uplink := call[UPLINK]) is not None:
            await switch.set_uplink_beacon(uplink, on)
        elif (downlink := call[DOWNLINK]) is not None:
            await switch.set_downlink_beacon(downlink, on)
        else:
            raise ValidatorError("expected one of the parameters port, uplink and downlink, got none")
        return envelope()

    async def reset(call: Call) -> Response:
        await switch.reset_unit(call[UNIT], bootloader=call[BOOTLOADER])
        return envelope()

    post = partial(Route, "POST", access=Access.USER, needs=Capability.SWITCH)
    return [
        Route(
            "GET",
            "/api/switch",
            Access.USER,
            Capability.VIEW,
            state,
            summary="the chain, its ports and what they are like",
            answers=(Answer(SwitchState),),
        ),
        post("/api/switch/set_active_prev", handler=set_active_prev, summary="show the port before"),
        post("/api/switch/set_active_next", handler=set_active_next, summary="show the next port"),
        post("/api/switch/set_active", handler=set_active, params=(PORT,), summary="show a port"),
        post(
            "/api/switch/set_beacon",
            handler=set_beacon,
            params=(BEACON_STATE, BEACON_PORT, UPLINK, DOWNLINK),
            summary="let a LED blink so that somebody finds it",
        ),
        post(
            "/api/switch/reset",
            handler=reset,
            params=(UNIT, BOOTLOADER),
            summary="start a unit anew",
        ),
    ]


def _ports(switch: SwitchService) -> list[Route]:
    async def set_port_params(call: Call) -> Response:
        delays = {button: call[param] for button, param in DELAYS.items()}
        await switch.set_port_params(
            call[PORT],
            edid_id=call[PORT_EDID],
            dummy=call[DUMMY],
            name=call[PORT_NAME],
            click_delays={button: delay_s for button, delay_s in delays.items() if delay_s is not None},
        )
        return envelope()

    async def set_colors(call: Call) -> Response:
        given = {param.name: call[param] for param in COLOURS}
        await switch.set_colours(
            {
                role: None if text == DEFAULT else Colour.parse(text)
                for role, text in given.items()
                if text is not None
            }
        )
        return envelope()

    post = partial(Route, "POST", access=Access.USER, needs=Capability.SWITCH)
    return [
        post(
            "/api/switch/set_port_params",
            handler=set_port_params,
            params=(PORT, PORT_EDID, DUMMY, PORT_NAME, *DELAYS.values()),
            summary="change a port's settings",
            errors=(SwitchUnknownEdidError,),
        ),
        post(
            "/api/switch/set_colors",
            handler=set_colors,
            params=COLOURS,
            summary="change the colours of all LEDs",
        ),
    ]


def _edids(switch: SwitchService) -> list[Route]:
    async def create(call: Call) -> Response:
        return envelope(CreatedEdid(await switch.create_edid(call[NEW_NAME], call[NEW_DATA])))

    async def change(call: Call) -> Response:
        await switch.change_edid(call[EDID_ID], name=call[CHANGED_NAME], data=call[CHANGED_DATA])
        return envelope()

    async def remove(call: Call) -> Response:
        await switch.remove_edid(call[EDID_ID])
        return envelope()

    post = partial(Route, "POST", access=Access.USER, needs=Capability.SWITCH)
    unknown = (SwitchUnknownEdidError,)
    return [
        post(
            "/api/switch/edids/create",
            handler=create,
            params=(NEW_NAME, NEW_DATA),
            summary="keep an EDID",
            answers=(Answer(CreatedEdid),),
            errors=(SwitchTooManyEdidsError,),
        ),
        post(
            "/api/switch/edids/change",
            handler=change,
            params=(EDID_ID, CHANGED_NAME, CHANGED_DATA),
            summary="change an EDID, and so that of its ports",
            errors=unknown,
        ),
        post(
            "/api/switch/edids/remove",
            handler=remove,
            params=(EDID_ID,),
            summary="forget an EDID; its ports have the default one then",
            errors=unknown,
        ),
    ]


def _front_panels(switch: SwitchService) -> list[Route]:
    async def power(call: Call) -> Response:
        await switch.atx_power(call[PORT], cast("Action", call[ACTION]))
        return envelope()

    async def click(call: Call) -> Response:
        await switch.atx_click(call[PORT], cast("Button", call[BUTTON]))
        return envelope()

    post: Callable[..., Route] = partial(Route, "POST", access=Access.USER, needs=Capability.POWER)
    return [
        post(
            "/api/switch/atx/power",
            handler=power,
            params=(PORT, ACTION),
            summary="bring a port's computer into a power state, if its LED says that it is not in it",
        ),
        post(
            "/api/switch/atx/click",
            handler=click,
            params=(PORT, BUTTON),
            summary="press a button of a port's computer",
        ),
    ]
