"""The view from the target's side of the cables, as one protocol."""

from __future__ import annotations

from typing import Protocol


class CannotSeeError(Exception):
    """This target does not show that, and why; the test that asked is skipped with these words."""


class TargetView(Protocol):
    """What a target sees of the appliance. Every method may raise CannotSeeError."""

    async def listens(self) -> None:
        """Wait until the target, which is on, takes what is typed and pointed."""
        ...

    async def keys_become(self, usages: frozenset[int]) -> None:
        """Wait until exactly these keys (HID usages) are held. Raises trio.TooSlowError."""
        ...

    @property
    def pointer(self) -> tuple[int, int, int]:
        """Where the absolute mouse is (x and y, 0..32767), and its buttons (report bits)."""
        ...

    async def set_leds(self, leds: int) -> None:
        """Have the target light these lock LEDs (HID LED byte)."""
        ...

    async def read_medium(self, length: int) -> bytes:
        """Wait for a medium of that size and return its bytes."""
        ...

    async def write_medium(self, offset: int, data: bytes) -> None:
        """Write to the medium, and let it reach the drive."""
        ...

    async def eject_medium(self) -> None:
        """Eject it, as a desktop does."""
        ...

    def presses_s(self) -> list[float]:
        """How long the power button was held each time, oldest first; presses that have ended."""
        ...
