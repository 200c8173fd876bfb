"""Power and reset (contract http.md 4.3)."""

from __future__ import annotations

from typing import cast

from quart import Response

from api.params import Param
from api.routing import Access, Answer, Call, Route, envelope
from firmware.core.validators import valid_atx_action, valid_atx_button, valid_bool
from firmware.state.atx import AtxState
from firmware.subsystems.atx.service import Action, AtxDisabledError, AtxIsBusyError, AtxService, Button
from firmware.subsystems.auth.rights import Capability

ACTION = Param("action", valid_atx_action, description="what to bring about, if the power LED says so")
BUTTON = Param("button", valid_atx_button, description="which button, and how long")
WAIT = Param("wait", valid_bool, False, "answer after the click is finished")


def atx_routes(atx: AtxService) -> list[Route]:
    """List the routes of the front panel."""

    async def state(_call: Call) -> Response:
        return envelope(atx.state.value)

    async def power(call: Call) -> Response:
        await atx.power(cast("Action", call[ACTION]), wait=call[WAIT])
        return envelope()

    async def click(call: Call) -> Response:
        await atx.click(cast("Button", call[BUTTON]), wait=call[WAIT])
        return envelope()

    refusals = (AtxDisabledError, AtxIsBusyError)
    return [
        Route(
            "GET",
            "/api/atx",
            Access.USER,
            Capability.VIEW,
            state,
            summary="the front panel: LEDs, and buttons in use",
            answers=(Answer(AtxState),),
        ),
        Route(
            "POST",
            "/api/atx/power",
            Access.USER,
            Capability.POWER,
            power,
            (ACTION, WAIT),
            summary="change the power state",
            errors=refusals,
        ),
        Route(
            "POST",
            "/api/atx/click",
            Access.USER,
            Capability.POWER,
            click,
            (BUTTON, WAIT),
            summary="click a button whatever the LEDs say",
            errors=refusals,
        ),
    ]
