"""The numbers by which the microcontroller HID calls its keys.

Responsible for one table. The protocol numbers keys in an order of its own, from 1 on; these numbers are part
of the protocol, as the commands are, and hold for all its firmwares.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from drivers.wire.hid_usages import KEYS

# First number of a run, and the keys of the run.
_RUNS: Final[tuple[tuple[int, str], ...]] = (
    (1, "KeyA KeyB KeyC KeyD KeyE KeyF KeyG KeyH KeyI KeyJ KeyK KeyL KeyM"),
    (14, "KeyN KeyO KeyP KeyQ KeyR KeyS KeyT KeyU KeyV KeyW KeyX KeyY KeyZ"),
    (27, "Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0"),
    (37, "Enter Escape Backspace Tab Space Minus Equal BracketLeft BracketRight Backslash"),
    (47, "Semicolon Quote Backquote Comma Period Slash CapsLock"),
    (54, "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12"),
    (66, "PrintScreen Insert Home PageUp Delete End PageDown"),
    (73, "ArrowRight ArrowLeft ArrowDown ArrowUp"),
    (77, "ControlLeft ShiftLeft AltLeft MetaLeft ControlRight ShiftRight AltRight MetaRight"),
    (85, "Pause ScrollLock NumLock ContextMenu"),
    (89, "NumpadDivide NumpadMultiply NumpadSubtract NumpadAdd NumpadEnter"),
    (94, "Numpad1 Numpad2 Numpad3 Numpad4 Numpad5 Numpad6 Numpad7 Numpad8 Numpad9 Numpad0 NumpadDecimal"),
    (105, "Power IntlBackslash IntlYen IntlRo KanaMode Convert NonConvert"),
    (112, "AudioVolumeMute AudioVolumeUp AudioVolumeDown"),
    (115, "F20 F21 F22 F23 F24"),
    (120, "F13 F14 F15 F16 F17 F18 F19"),
)

MCU_KEYS: Final[Mapping[int, int]] = MappingProxyType(
    {KEYS[name].usage: first + index for first, names in _RUNS for index, name in enumerate(names.split())}
)
"""The microcontroller's number of each key, by the key's usage on page 0x07."""
