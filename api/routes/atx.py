"""Power and reset (contract http.md 4.3)."""

from __future__ import annotations

from typing import cast

from quart import Response

from api.params import Param
from api.routing import Access, Call, Route, envelope
from firmware.core.validators import valid_atx_action, valid_atx_button, valid_bool
from firmware.subsystems.atx.service import Action, AtxService, Button

ACTION = Param("action", valid_atx_action)
BUTTON = Param("button", valid_atx_button)
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

    return [
        Route("GET", "/api/atx", Access.USER, state),
        Route("POST", "/api/atx/power", Access.USER, power, (ACTION, WAIT)),
        Route("POST", "/api/atx/click", Access.USER, click, (BUTTON, WAIT)),
    ]
