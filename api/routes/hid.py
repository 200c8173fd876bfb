"""Keyboard and mouse (contract http.md 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from quart import Response

from api.params import Param
from api.routing import Access, Answer, Body, Call, Handler, Route, Traced, envelope
from api.text_body import text_of
from firmware.core.validators import (
    valid_bool,
    valid_coord,
    valid_delta,
    valid_key_name,
    valid_keyboard_output,
    valid_mouse_button,
    valid_mouse_output,
    valid_print_delay,
    valid_print_limit,
    valid_shortcut_keys,
)
from firmware.state.hid import HidState, KeymapsState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.hid.typist import HidTypingInterruptedError, Typist

PRINT_BODY_LIMIT_BYTES = 1 << 20
SLOW_DELAY_S = 0.02

KEYBOARD_OUTPUT = Param[str | None](
    "keyboard_output", valid_keyboard_output, None, "one that the backend lacks is ignored"
)
MOUSE_OUTPUT = Param[str | None](
    "mouse_output", valid_mouse_output, None, "one that the backend lacks is ignored"
)
JIGGLER = Param[bool | None]("jiggler", valid_bool, None, "whether it moves the mouse while nobody does")
CONNECTED = Param("connected", valid_bool, description="whether the devices are plugged in")
KEYS = Param("keys", valid_shortcut_keys, description="names of keys, by commas, in the order of pressing")
KEY = Param("key", valid_key_name, description="the name of a key; case matters")
STATE = Param[bool | None]("state", valid_bool, None, "press or release; absent: press and release")
FINISH = Param("finish", valid_bool, False, "release a non-modifier key right after its press")
BUTTON = Param("button", valid_mouse_button, description="the name of a mouse button")
TO_X = Param("to_x", valid_coord, description="to the right of the screen's centre")
TO_Y = Param("to_y", valid_coord, description="below the screen's centre")
DELTA_X = Param("delta_x", valid_delta, description="to the right")
DELTA_Y = Param("delta_y", valid_delta, description="down; for the wheel, up")
LEFT_OUT_SHOWN: Final = 100
"""People read no longer list."""
LIMIT = Param("limit", valid_print_limit, 1024, "the most characters to type; 0: all")
SLOW = Param("slow", valid_bool, False, f"makes {SLOW_DELAY_S} the default of delay")
DELAY = Param[float | None]("delay", valid_print_delay, None, "seconds before each key event")


class Inactivity(msgspec.Struct, frozen=True):
    """Whole seconds since the last event."""

    inactivity: int


def hid_routes(hid: HidService, typist: Typist) -> list[Route]:
    """List the routes of keyboard and mouse."""
    return [*_device_routes(hid), *_text_routes(typist), *_event_routes(hid)]


def _device_routes(hid: HidService) -> list[Route]:
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
        return envelope(Inactivity(int(hid.inactivity_s())))

    user = Access.USER
    return [
        Route(
            "GET",
            "/api/hid",
            user,
            Capability.VIEW,
            state,
            summary="keyboard, mouse, jiggler: what is online and active",
            answers=(Answer(HidState),),
        ),
        Route(
            "POST",
            "/api/hid/set_params",
            user,
            Capability.TYPE,
            set_params,
            (KEYBOARD_OUTPUT, MOUSE_OUTPUT, JIGGLER),
            summary="choose outputs, switch the jiggler",
        ),
        Route(
            "POST",
            "/api/hid/set_connected",
            user,
            Capability.TYPE,
            set_connected,
            (CONNECTED,),
            summary="plug or unplug the devices, where the backend can",
        ),
        Route(
            "POST",
            "/api/hid/reset",
            user,
            Capability.TYPE,
            reset,
            summary="release everything, reset the devices",
        ),
        Route(
            "GET",
            "/api/hid/inactivity",
            user,
            Capability.VIEW,
            inactivity,
            summary="seconds since the last event",
            answers=(Answer(Inactivity),),
        ),
    ]


class Legends(msgspec.Struct, frozen=True):
    """What stands on the keys of a keymap: by itself, with Shift, with AltGr, with both.

    A character, the name of a dead key, or "" for nothing; missing ones at the end are nothing.
    """

    keymap: str
    keys: Mapping[str, Sequence[str]]


class LeftOutCharacter(msgspec.Struct, frozen=True):
    """A character that the keymap cannot type; *at* counts from 0."""

    at: int
    character: str


class TextCheck(msgspec.Struct, frozen=True):
    """How long a text is, and how many of its characters cannot be typed; *left_out* has the first ones."""

    characters: int
    left_out_count: int
    left_out: list[LeftOutCharacter]


def _text_routes(typist: Typist) -> list[Route]:
    keymaps = typist.keymaps
    keymap = Param[str | None](
        "keymap",
        keymaps.valid_name,
        None,
        "the layout of the target; absent: the configured one",
        schema={"type": "string", "enum": list(keymaps.state.value.keymaps.available)},
    )

    async def available(_call: Call) -> Response:
        return envelope(keymaps.state.value)

    async def legends(call: Call) -> Response:
        name = call[keymap] or keymaps.default
        return envelope(Legends(name, (await keymaps.get(name)).legends))

    async def type_text(call: Call) -> Response:
        limit, name, slow, delay_s = call[LIMIT], call[keymap], call[SLOW], call[DELAY]
        text = text_of(call.request, await call.request.body)
        call.noted["characters"] = len(text[:limit] if limit else text)
        if delay_s is None:
            delay_s = SLOW_DELAY_S if slow else 0.0
        await typist.type_text(text[:limit] if limit else text, name or keymaps.default, delay_s=delay_s)
        return envelope()

    async def check_text(call: Call) -> Response:
        text = text_of(call.request, await call.request.body)
        left_out = await typist.left_out(text, call[keymap] or keymaps.default)
        shown = [LeftOutCharacter(at, character) for at, character in left_out[:LEFT_OUT_SHOWN]]
        return envelope(TextCheck(len(text), len(left_out), shown))

    return [
        Route(
            "GET",
            "/api/hid/keymaps",
            Access.USER,
            Capability.VIEW,
            available,
            summary="the keymaps for typing text",
            answers=(Answer(KeymapsState),),
        ),
        Route(
            "GET",
            "/api/hid/keymaps/legends",
            Access.USER,
            Capability.VIEW,
            legends,
            (keymap,),
            summary="what stands on the keys of a keymap",
            answers=(Answer(Legends),),
        ),
        Route(
            "POST",
            "/api/hid/print",
            Access.USER,
            Capability.TYPE,
            type_text,
            traced=Traced.INPUT,
            params=(LIMIT, keymap, SLOW, DELAY),
            summary="type a text; answers when all of it is queued",
            body_limit_bytes=PRINT_BODY_LIMIT_BYTES,
            body=Body("text/plain", description="the text, in the charset of Content-Type or UTF-8"),
            errors=(HidTypingInterruptedError,),
        ),
        Route(
            "POST",
            "/api/hid/print/check",
            Access.USER,
            Capability.TYPE,
            check_text,
            (keymap,),
            traced=Traced.NOTHING,
            summary="tell what typing a text would leave out; types nothing",
            answers=(Answer(TextCheck),),
            body_limit_bytes=PRINT_BODY_LIMIT_BYTES,
            body=Body("text/plain", description="the text, in the charset of Content-Type or UTF-8"),
        ),
    ]


def _event_routes(hid: HidService) -> list[Route]:
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

    def event(name: str, handler: Handler, params: tuple[Param[Any], ...], summary: str) -> Route:
        needs = Capability.POINT if name.startswith("send_mouse_") else Capability.TYPE
        return Route(
            "POST",
            f"/api/hid/events/{name}",
            Access.USER,
            needs,
            handler,
            params,
            summary,
            traced=Traced.INPUT,
        )

    return [
        event("send_shortcut", send_shortcut, (KEYS,), "press keys in order, release them in reverse"),
        event("send_key", send_key, (KEY, STATE, FINISH), "press, release or click a key"),
        event("send_mouse_button", send_mouse_button, (BUTTON, STATE), "press, release or click a button"),
        event("send_mouse_move", send_mouse_move, (TO_X, TO_Y), "move an absolute mouse"),
        event("send_mouse_relative", send_mouse_relative, (DELTA_X, DELTA_Y), "move a relative mouse"),
        event("send_mouse_wheel", send_mouse_wheel, (DELTA_X, DELTA_Y), "turn the wheel"),
    ]
