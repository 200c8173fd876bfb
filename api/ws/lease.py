"""What one client holds pressed at the target, and whether it may go on: a lease that the client renews.

A key that is down when its client is gone goes on typing. A client that closes its socket is seen at once;
one whose network, tab or machine is gone says nothing. PiKVM's clients ping once a second, and whoever has
done so must go on while it holds something. Scripts that never ping, and may well sleep between press and
release, renew by their machine's acknowledgements, which its kernel gives. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

SILENCE_S: Final = 5.0
"""How long a client that pings may say nothing while it holds something: some pings may be late or lost."""
LINE_SILENCE_S: Final = 3.0
"""How long a client's machine may acknowledge nothing, which is asked once a second."""
type Held = Literal["key", "button"]

PINGS_OF_HABIT: Final = 3
"""After so many pings a client is one that pings."""


class InputLease:
    """The keys and buttons that one client holds. Times are seconds of any one clock."""

    def __init__(self, now: float) -> None:
        self._held: dict[tuple[Held, str], None] = {}
        self._heard = now
        self._pings = 0

    @property
    def holds(self) -> bool:
        """Whether anything is held."""
        return bool(self._held)

    def heard(self, now: float, *, ping: bool = False) -> None:
        """Note a message of the client."""
        self._heard = now
        self._pings += ping

    def press(self, kind: Held, name: str) -> None:
        """Note that the client presses the key or button *name*."""
        self._held[kind, name] = None

    def release(self, kind: Held, name: str) -> None:
        """Note that it releases one, held or not."""
        self._held.pop((kind, name), None)

    def lapse(self, now: float, line_silence_s: float) -> str | None:
        """Return why the client may hold nothing any more, None as long as it may."""
        if not self._held:
            return None
        if line_silence_s > LINE_SILENCE_S:
            return f"its machine has acknowledged nothing for {line_silence_s:.1f} s"
        if self._pings >= PINGS_OF_HABIT and now - self._heard > SILENCE_S:
            return f"it used to ping and has said nothing for {now - self._heard:.1f} s"
        return None

    def take(self, kind: Held) -> Iterable[str]:
        """Return the names of *kind* that are held, the last pressed first; they are not held any more."""
        names = [name for of_kind, name in reversed(self._held) if of_kind == kind]
        for name in names:
            del self._held[kind, name]
        return names
