"""State of the HID subsystem; the shape of `GET /api/hid` (contract http.md 4.2)."""

from __future__ import annotations

import msgspec


class Leds(msgspec.Struct, frozen=True):
    """Lock LEDs as the host last reported them."""

    caps: bool = False
    scroll: bool = False
    num: bool = False


class Outputs(msgspec.Struct, frozen=True):
    """Selectable outputs; both members empty means that there is nothing to select."""

    available: tuple[str, ...] = ()
    active: str = ""


class KeyboardState(msgspec.Struct, frozen=True):
    """Keyboard."""

    online: bool = True
    leds: Leds = Leds()
    outputs: Outputs = Outputs()


class MouseState(msgspec.Struct, frozen=True):
    """The active mouse."""

    online: bool = True
    absolute: bool = True
    outputs: Outputs = Outputs()


class JigglerState(msgspec.Struct, frozen=True):
    """Jiggler: `enabled` says whether it may be switched on; `interval` is in seconds."""

    enabled: bool = True
    active: bool = False
    interval: int = 60


class HidState(msgspec.Struct, frozen=True):
    """The whole; `connected` is None where the backend cannot unplug itself."""

    enabled: bool = True
    online: bool = True
    busy: bool = False
    connected: bool | None = None
    keyboard: KeyboardState = KeyboardState()
    mouse: MouseState = MouseState()
    jiggler: JigglerState = JigglerState()


class KeymapNames(msgspec.Struct, frozen=True):
    """Keymaps for typing text: which there are, and which is used if none is asked for."""

    default: str
    available: tuple[str, ...]


class KeymapsState(msgspec.Struct, frozen=True):
    """The shape of `GET /api/hid/keymaps` and of the event `hid_keymaps`."""

    keymaps: KeymapNames
