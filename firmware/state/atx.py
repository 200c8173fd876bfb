"""State of the ATX subsystem; the shape of `GET /api/atx` (contract http.md 4.3)."""

from __future__ import annotations

import msgspec


class AtxActs(msgspec.Struct, frozen=True):
    """Which button is being held, or was within the last second."""

    power: bool = False
    reset: bool = False


class AtxLeds(msgspec.Struct, frozen=True):
    """Debounced front-panel LEDs."""

    power: bool = False
    hdd: bool = False


class AtxState(msgspec.Struct, frozen=True):
    """The whole. `online` is ours, beyond the contract: whether the LED lines can be read."""

    enabled: bool = True
    busy: bool = False
    acts: AtxActs = AtxActs()
    leds: AtxLeds = AtxLeds()
    online: bool = True
