"""A target's keyboard as Linux sees it: libxkbcommon's layouts, key states and compose rules, by ctypes.

Used by the tests, to read back what was typed, and by `tools/generate_keymaps.py`, which makes our keymaps of
the same library's layouts. The appliance itself never needs it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import weakref
from collections.abc import Iterable
from enum import IntEnum
from typing import Any

# X keycodes are the kernel's plus eight, since X11's first eight are reserved.
_KEYCODE_OFFSET = 8
_KEYMAP_FORMAT_TEXT_V1 = 1
_COMPOSE_FORMAT_TEXT_V1 = 1
_KEY_UP, _KEY_DOWN = 0, 1
_FEED_IGNORED = 0
_COMPOSE_COMPOSING, _COMPOSE_COMPOSED, _COMPOSE_CANCELLED = 1, 2, 3
_DEAD_KEYSYMS = range(0xFE50, 0xFE94)
_ISO_LEVEL3_SHIFT = 0xFE03
_NAME_BYTES = 64

# Debian's packages of library, layouts and compose rules; `justw` installs them for the tests.
_LIBRARY = "libxkbcommon.so.0"


class LinuxKey(IntEnum):
    """The kernel's codes of the two modifiers that select a level."""

    LEFT_SHIFT = 42
    RIGHT_ALT = 100


class XkbError(Exception):
    """libxkbcommon knows no such layout, or could not read what it was given."""


class _RuleNames(ctypes.Structure):
    _fields_ = (
        ("rules", ctypes.c_char_p),
        ("model", ctypes.c_char_p),
        ("layout", ctypes.c_char_p),
        ("variant", ctypes.c_char_p),
        ("options", ctypes.c_char_p),
    )


_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "xkb_context_new": (ctypes.c_void_p, (ctypes.c_int,)),
    "xkb_context_unref": (None, (ctypes.c_void_p,)),
    "xkb_context_set_log_level": (None, (ctypes.c_void_p, ctypes.c_int)),
    "xkb_keymap_new_from_names": (
        ctypes.c_void_p,
        (ctypes.c_void_p, ctypes.POINTER(_RuleNames), ctypes.c_int),
    ),
    "xkb_keymap_new_from_string": (
        ctypes.c_void_p,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    ),
    # Not c_char_p: the text is ours to free.
    "xkb_keymap_get_as_string": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_int)),
    "xkb_keymap_unref": (None, (ctypes.c_void_p,)),
    "xkb_state_new": (ctypes.c_void_p, (ctypes.c_void_p,)),
    "xkb_state_unref": (None, (ctypes.c_void_p,)),
    "xkb_state_update_key": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int)),
    "xkb_state_key_get_one_sym": (ctypes.c_uint32, (ctypes.c_void_p, ctypes.c_uint32)),
    "xkb_keysym_to_utf32": (ctypes.c_uint32, (ctypes.c_uint32,)),
    "xkb_keysym_get_name": (ctypes.c_int, (ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t)),
    "xkb_compose_table_new_from_locale": (
        ctypes.c_void_p,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
    ),
    "xkb_compose_table_new_from_buffer": (
        ctypes.c_void_p,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    ),
    "xkb_compose_table_unref": (None, (ctypes.c_void_p,)),
    "xkb_compose_state_new": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_int)),
    "xkb_compose_state_unref": (None, (ctypes.c_void_p,)),
    "xkb_compose_state_feed": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_uint32)),
    "xkb_compose_state_reset": (None, (ctypes.c_void_p,)),
    "xkb_compose_state_get_status": (ctypes.c_int, (ctypes.c_void_p,)),
    "xkb_compose_state_get_utf8": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
    ),
}


class Xkb:
    """The library: where layouts and compose rules come from."""

    def __init__(self) -> None:
        self._calls = ctypes.CDLL(_LIBRARY)
        for name, (result, arguments) in _SIGNATURES.items():
            call = getattr(self._calls, name)
            call.restype, call.argtypes = result, arguments
        self._context = self._calls.xkb_context_new(0)
        self._own(self, "xkb_context_unref", self._context)
        # Unresolved symbols of exotic keys are no news to anybody.
        self._calls.xkb_context_set_log_level(self._context, 10)

    def _own(self, owner: object, release: str, pointer: int | None, what: str = "the context") -> int:
        if not pointer:
            raise XkbError(f"libxkbcommon could not make {what}")
        weakref.finalize(owner, getattr(self._calls, release), pointer)
        return pointer

    def layout(self, name: str, variant: str = "") -> Layout:
        """Compile one of the installed layouts for a PC keyboard of 105 keys."""
        names = _RuleNames(b"evdev", b"pc105", name.encode(), variant.encode(), b"")
        pointer = self._calls.xkb_keymap_new_from_names(self._context, ctypes.byref(names), 0)
        return Layout(self, pointer, f"the layout {name}({variant})")

    def layout_of_text(self, text: str) -> Layout:
        """Read a layout that was compiled before."""
        pointer = self._calls.xkb_keymap_new_from_string(
            self._context, text.encode(), _KEYMAP_FORMAT_TEXT_V1, 0
        )
        return Layout(self, pointer, "the compiled layout")

    def compose_rules(self, text: str) -> ComposeRules:
        """Read compose rules in the format of Xlib's Compose files."""
        data = text.encode()
        pointer = self._calls.xkb_compose_table_new_from_buffer(
            self._context, data, len(data), b"en_US.UTF-8", _COMPOSE_FORMAT_TEXT_V1, 0
        )
        return ComposeRules(self, pointer)

    def character_of(self, keysym: int) -> str:
        """Return the character that a key symbol stands for by itself, "" if none."""
        code = 0 if keysym in _DEAD_KEYSYMS else self._calls.xkb_keysym_to_utf32(keysym)
        return chr(code) if code else ""

    def name_of(self, keysym: int) -> str:
        """Return the name of a key symbol."""
        buffer = ctypes.create_string_buffer(_NAME_BYTES)
        self._calls.xkb_keysym_get_name(keysym, buffer, _NAME_BYTES)
        return buffer.value.decode()


class Layout:
    """One compiled layout."""

    def __init__(self, xkb: Xkb, pointer: int | None, what: str) -> None:
        self.xkb = xkb
        self.pointer = xkb._own(self, "xkb_keymap_unref", pointer, what)

    def text(self) -> str:
        """Return the layout in XKB's text format, which `Xkb.layout_of_text` reads."""
        pointer = self.xkb._calls.xkb_keymap_get_as_string(self.pointer, _KEYMAP_FORMAT_TEXT_V1)
        try:
            return ctypes.string_at(pointer).decode()
        finally:
            free = ctypes.CDLL(None).free
            free.restype, free.argtypes = None, (ctypes.c_void_p,)
            free(pointer)


class ComposeRules:
    """What dead keys make of the keys after them."""

    def __init__(self, xkb: Xkb, pointer: int | None) -> None:
        self.xkb = xkb
        self.pointer = xkb._own(self, "xkb_compose_table_unref", pointer, "the compose rules")


class HostKeyboard:
    """What a host makes of the keys that are pressed: the text, with dead keys composed by the rules."""

    LOST = "\N{REPLACEMENT CHARACTER}"
    """Stands in the text for a dead key whose sequence came to nothing."""

    def __init__(self, layout: Layout, rules: ComposeRules | None = None) -> None:
        self._xkb, self._calls = layout.xkb, layout.xkb._calls
        self._layout = layout
        self._state = layout.xkb._own(
            self, "xkb_state_unref", self._calls.xkb_state_new(layout.pointer), "a state"
        )
        self._rules = rules
        self._compose: int | None = None
        if rules is not None:
            pointer = self._calls.xkb_compose_state_new(rules.pointer, 0)
            self._compose = layout.xkb._own(self, "xkb_compose_state_unref", pointer, "a compose state")
        self.text = ""

    @property
    def has_altgr(self) -> bool:
        """Whether the right Alt key selects a level of this layout."""
        return self.keysym(LinuxKey.RIGHT_ALT) == _ISO_LEVEL3_SHIFT

    def keysym(self, linux_code: int) -> int:
        """Return the symbol that a key has with the modifiers that are held."""
        return int(self._calls.xkb_state_key_get_one_sym(self._state, linux_code + _KEYCODE_OFFSET))

    def press(self, linux_code: int) -> None:
        """Press a key by the kernel's code; what it types is added to the text."""
        keysym = self.keysym(linux_code)
        self._calls.xkb_state_update_key(self._state, linux_code + _KEYCODE_OFFSET, _KEY_DOWN)
        if self._compose is not None:
            self.text += self._composed(keysym)
        else:
            self.text += self._xkb.character_of(keysym)

    def release(self, linux_code: int) -> None:
        """Release a key."""
        self._calls.xkb_state_update_key(self._state, linux_code + _KEYCODE_OFFSET, _KEY_UP)

    def compose(self, keysyms: Iterable[int]) -> str:
        """Return what a sequence of symbols makes by the compose rules, "" if nothing."""
        text = "".join(self._composed(keysym) for keysym in keysyms)
        self._calls.xkb_compose_state_reset(self._compose)
        return "" if self.LOST in text else text

    def _composed(self, keysym: int) -> str:
        if self._calls.xkb_compose_state_feed(self._compose, keysym) == _FEED_IGNORED:
            # A modifier: what was composed before it is not composed again.
            return ""
        status = self._calls.xkb_compose_state_get_status(self._compose)
        if status == _COMPOSE_COMPOSING:
            return ""
        if status == _COMPOSE_COMPOSED:
            buffer = ctypes.create_string_buffer(_NAME_BYTES)
            self._calls.xkb_compose_state_get_utf8(self._compose, buffer, _NAME_BYTES)
            return buffer.value.decode()
        if status == _COMPOSE_CANCELLED:
            return self.LOST
        return self._xkb.character_of(keysym)


def is_dead(keysym: int) -> bool:
    """Return whether a key symbol is a dead key's."""
    return keysym in _DEAD_KEYSYMS
