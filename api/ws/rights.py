"""What a client of a WebSocket must be allowed to do, for each kind of message that it can send.

A kind that is not in the table is nobody's: its message is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from api.ws.wire.input_events import ButtonInput, KeyInput, MoveInput, Ping, RelativeInput, WheelInput
from api.ws.wire.media import ClockWanted, KeyFrameWanted, Painted, Start
from firmware.subsystems.auth.rights import Capability

TO_OPEN: Final = Capability.VIEW
"""What opening either socket takes."""
NEEDS: Final[Mapping[type, Capability]] = MappingProxyType(
    {
        Ping: Capability.VIEW,
        KeyInput: Capability.TYPE,
        ButtonInput: Capability.POINT,
        MoveInput: Capability.POINT,
        RelativeInput: Capability.POINT,
        WheelInput: Capability.POINT,
        Start: Capability.VIEW,
        KeyFrameWanted: Capability.VIEW,
        ClockWanted: Capability.VIEW,
        Painted: Capability.VIEW,
    }
)

type May = Callable[[Capability], bool]
"""Whether the client may, now."""


def allowed(message: object, may: May) -> bool:
    """Return whether the client may send *message*."""
    needed = NEEDS.get(type(message))
    return needed is not None and may(needed)
