"""Types text: the key events of a keymap, one after the other, through the ordinary way of key events.

It never leaves a key down, however it ends, and never mixes two texts: whoever comes while one is being typed
waits until that is done, in the order of coming. What people press meanwhile is not held back.
"""

from __future__ import annotations

from typing import ClassVar

import trio

from firmware.core.errors import OperationError
from firmware.subsystems.hid.keymap_files import Keymaps
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.hid.text_events import KeyEvent, LeftOut, TextEvents

# A piece takes about a millisecond: a mebibyte that no key types must not hold up everything else.
PIECE_CHARS = 1024


class HidTypingInterruptedError(OperationError):
    """Everything was released meanwhile: a part of the text was lost, and the rest was not typed."""

    status: ClassVar[int] = 409


class Typist:
    """Types texts on the target's keyboard."""

    def __init__(self, hid: HidService, keymaps: Keymaps) -> None:
        self._hid = hid
        self._turn = trio.StrictFIFOLock()
        self.keymaps = keymaps
        self.events_sent = 0
        self.texts = 0

    async def type_text(self, text: str, keymap: str, *, delay_s: float = 0.0) -> None:
        """Type *text* on a host whose layout is the available *keymap*; return when all of it is queued.

        *delay_s* passes before each event, those of Shift and AltGr too. Whoever is cancelled stops typing
        and releases what it holds. Raises HidTypingInterruptedError.
        """
        typing = TextEvents(await self.keymaps.get(keymap))
        async with self._turn:
            self.texts += 1
            discarded = self._hid.key_events_discarded
            held: list[str] = []
            try:
                for start in range(0, len(text), PIECE_CHARS):
                    events = typing.feed(text[start : start + PIECE_CHARS])
                    await self._send(events, held, delay_s, discarded)
                await self._send(typing.end(), held, delay_s, discarded)
            finally:
                self._hid.release_nowait(reversed(held))

    async def left_out(self, text: str, keymap: str) -> list[LeftOut]:
        """Return what typing *text* with the available *keymap* would leave out; types nothing."""
        typing = TextEvents(await self.keymaps.get(keymap))
        for start in range(0, len(text), PIECE_CHARS):
            typing.feed(text[start : start + PIECE_CHARS])
            await trio.lowlevel.checkpoint()
        typing.end()
        return typing.left_out

    async def _send(self, events: list[KeyEvent], held: list[str], delay_s: float, discarded: int) -> None:
        """Send *events*; *held* is what typing holds down, for whoever has to release it."""
        hid = self._hid
        await trio.lowlevel.checkpoint()
        for key, pressed in events:
            if delay_s:
                await trio.sleep(delay_s)
            if pressed:
                # A release-all between two keys must not make the rest of a text small letters.
                for modifier in held:
                    if not hid.holds(modifier):
                        await hid.send_key(modifier, True)
                held.append(key)
            else:
                held.remove(key)
            await hid.send_key(key, pressed)
            self.events_sent += 1
            if hid.key_events_discarded != discarded:
                raise HidTypingInterruptedError(
                    "expected nobody to release all keys meanwhile, got a reset, or a session that opened or"
                    " closed: the text was typed in part"
                )

    def statistics(self) -> dict[str, int]:
        """Return counts since the start: texts, and the key events that they were."""
        return {"texts": self.texts, "events": self.events_sent}
