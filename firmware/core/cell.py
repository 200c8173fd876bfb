"""A state cell: the latest value of something, and a way to wait for the next one.

State flows up through cells. A cell has one writer and any number of readers; a reader sees the newest
value, may miss the ones in between, and never misses the last. There is no queue, so a slow reader costs
nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio


class Cell[T]:
    """The latest value of one subsystem's state.

    `version` counts the publications, so that a reader can wait for what it has not yet seen.
    """

    def __init__(self, value: T) -> None:
        self._value = value
        self._version = 1
        self._lot = trio.lowlevel.ParkingLot()

    @property
    def value(self) -> T:
        """The latest value."""
        return self._value

    @property
    def version(self) -> int:
        """How often a value was published, the initial one included."""
        return self._version

    def publish(self, value: T, *, even_if_equal: bool = False) -> bool:
        """Make *value* the latest; readers wake unless it equals the present one. Return whether they do."""
        if value == self._value and not even_if_equal:
            return False
        self._value = value
        self._version += 1
        self._lot.unpark_all()
        return True

    async def wait_newer(self, version: int) -> int:
        """Wait until the version is above *version* and return it; a checkpoint in any case."""
        await trio.lowlevel.checkpoint()
        while self._version <= version:
            await self._lot.park()
        return self._version

    async def changes(self) -> AsyncIterator[T]:
        """Yield the present value and then each newer one that there is time to see."""
        seen = 0
        while True:
            seen = await self.wait_newer(seen)
            yield self._value

    def statistics(self) -> dict[str, int]:
        """Return the number of publications and of waiting readers."""
        return {"version": self._version, "readers_waiting": len(self._lot)}
