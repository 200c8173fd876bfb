"""Keyboard and mouse (contract http.md 4.2)."""

from __future__ import annotations

from quart import Response

from api.params import Param
from api.routing import Access, Call, Route, envelope
from firmware.core.validators import (
    valid_bool,
    valid_coord,
    valid_delta,
    valid_key_name,
    valid_keyboard_output,
    valid_mouse_button,
    valid_mouse_output,
    valid_shortcut_keys,
)
from firmware.subsystems.hid.service import HidService

KEYBOARD_OUTPUT = Param[str | None]("keyboard_output", valid_keyboard_output, None)
MOUSE_OUTPUT = Param[str | None]("mouse_output", valid_mouse_output, None)
JIGGLER = Param[bool | None]("jiggler", valid_bool, None)
CONNECTED = Param("connected", valid_bool)
KEYS = Param("keys", valid_shortcut_keys)
KEY = Param("key", valid_key_name)
STATE = Param[bool | None]("state", valid_bool, None, "absent: press and release")
FINISH = Param("finish", valid_bool, False, "release a non-modifier key right after its press")
BUTTON = Param("button", valid_mouse_button)
TO_X, TO_Y = Param("to_x", valid_coord), Param("to_y", valid_coord)
DELTA_X, DELTA_Y = Param("delta_x", valid_delta), Param("delta_y", valid_delta)


def hid_routes(hid: HidService) -> list[Route]:
    """List the routes of keyboard and mouse."""

    async def state(_call: Call) -> Response:
        return envelope(hid.state.value)

    async def set_params(call: Call) -> Response:
        keyboard_output, mouse_output, jiggler = call[KEYBOARD_OUTPUT], call[MOUSE_OUTPUT], call[JIGGLER]
        if keyboard_output is not None:
            await hid.set_keyboard_output(keyboard_output)
        if mouse_output is not None:
            await hid.set_mouse_output(mouse_output)
        if jiggler is not None:
            hid.set_jiggler(jiggler)
        return envelope()

    async def set_connected(call: Call) -> Response:
        # Without effect where the backend cannot, as the contract says.
        await hid.set_connected(call[CONNECTED])
        return envelope()

    async def reset(_call: Call) -> Response:
        await hid.reset()
        return envelope()

    async def inactivity(_call: Call) -> Response:
        return envelope({"inactivity": int(hid.inactivity_s())})

    async def send_shortcut(call: Call) -> Response:
        await hid.send_shortcut(call[KEYS])
        return envelope()

    async def send_key(call: Call) -> Response:
        key, pressed, finish = call[KEY], call[STATE], call[FINISH]
        if pressed is None:
            await hid.send_key(key, True, finish=True)
        else:
            await hid.send_key(key, pressed, finish=finish)
        return envelope()

    async def send_mouse_button(call: Call) -> Response:
        button, pressed = call[BUTTON], call[STATE]
        if pressed is None:
            await hid.click_mouse_button(button)
        else:
            await hid.send_mouse_button(button, pressed)
        return envelope()

    async def send_mouse_move(call: Call) -> Response:
        await hid.send_mouse_move(call[TO_X], call[TO_Y])
        return envelope()

    async def send_mouse_relative(call: Call) -> Response:
        await hid.send_mouse_relative([(call[DELTA_X], call[DELTA_Y])])
        return envelope()

    async def send_mouse_wheel(call: Call) -> Response:
        await hid.send_mouse_wheel([(call[DELTA_X], call[DELTA_Y])])
        return envelope()

    events = "/api/hid/events"
    user = Access.USER
    return [
        Route("GET", "/api/hid", user, state),
        Route("POST", "/api/hid/set_params", user, set_params, (KEYBOARD_OUTPUT, MOUSE_OUTPUT, JIGGLER)),
        Route("POST", "/api/hid/set_connected", user, set_connected, (CONNECTED,)),
        Route("POST", "/api/hid/reset", user, reset),
        Route("GET", "/api/hid/inactivity", user, inactivity),
        Route("POST", f"{events}/send_shortcut", user, send_shortcut, (KEYS,)),
        Route("POST", f"{events}/send_key", user, send_key, (KEY, STATE, FINISH)),
        Route("POST", f"{events}/send_mouse_button", user, send_mouse_button, (BUTTON, STATE)),
        Route("POST", f"{events}/send_mouse_move", user, send_mouse_move, (TO_X, TO_Y)),
        Route("POST", f"{events}/send_mouse_relative", user, send_mouse_relative, (DELTA_X, DELTA_Y)),
        Route("POST", f"{events}/send_mouse_wheel", user, send_mouse_wheel, (DELTA_X, DELTA_Y)),
    ]
