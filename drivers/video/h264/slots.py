"""Three places for pictures: one that is encoded or was last, one that waits, one that is being written.

Pure. The newest picture always wins: what waits is replaced by what comes. A picture that has not changed is
encoded some more times, because a codec that has a bit rate to keep makes it better with each of them, and
then rests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.video.frame import Colour

COUNT: Final = 3

MOST_REPEATS: Final = 300
"""How often a picture that stands still is encoded again at most: ten seconds at 30 frames a second, in
which a full page of text gets sharp at a low bit rate (docs/performance.md)."""
QUIET_REPEATS: Final = 6
"""So many small packets in a row say that it cannot get better. A codec that has just spent what the bit
rate allows also makes some, but not as many."""
_PIXELS_OF_A_QUIET_BYTE: Final = 2048


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a slot.

    *online* is False for a rendered one that says why there is none; times are seconds of the clock of
    `time.monotonic`.
    """

    slot: int
    width: int
    height: int
    colour: Colour
    online: bool
    grab_begin: float
    grab_end: float

    def alike(self, other: Picture) -> bool:
        """Whether the same bytes would be the same picture."""
        return (self.width, self.height, self.colour, self.online) == (
            other.width,
            other.height,
            other.colour,
            other.online,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be encoded next: a new picture, or one once more."""

    picture: Picture
    key: bool
    repeated: bool


class Slots:
    """Says which slot is written next, and which picture is encoded next."""

    def __init__(self, *, gop: int, fair_bytes: int) -> None:
        """Make every *gop*-th picture a key frame, 0 = only on demand.

        *fair_bytes* is what the bit rate allows for each picture.
        """
        self._gop = gop
        self._fair_bytes = fair_bytes
        self._since_key = 0
        self._quiet = 0
        self._last: Picture | None = None
        self._last_is_shown = False
        self._waiting: Picture | None = None
        self._repeats = 0
        self._key_wanted = False

    @property
    def newest(self) -> Picture | None:
        """The picture that clients see, or will see next."""
        return self._waiting or (self._last if self._last_is_shown else None)

    def free(self) -> int:
        """Return a slot that nobody reads; it stays free until a picture in it is `written`."""
        taken = {picture.slot for picture in (self._last, self._waiting) if picture is not None}
        return min(set(range(COUNT)) - taken)

    def written(self, picture: Picture) -> None:
        """Take a picture that differs from the newest."""
        self._waiting = picture
        self._repeats = MOST_REPEATS
        self._quiet = 0

    def encoded(self, length: int, *, key: bool) -> None:
        """Take how long the packet of the last job was: once nothing gets better, it is not repeated."""
        assert self._last is not None
        self._since_key = 1 if key else self._since_key + 1
        if key:
            # Coarser than what was there, since it may not be as large as it would have to be.
            self._repeats, self._quiet = (MOST_REPEATS if self._last_is_shown else 0), 0
        pixels = self._last.width * self._last.height
        small = length < min(pixels // _PIXELS_OF_A_QUIET_BYTE, self._fair_bytes // 2)
        self._quiet = self._quiet + 1 if small else 0
        if self._quiet >= QUIET_REPEATS:
            self._repeats = 0

    def want_key_frame(self) -> None:
        """Take that the next picture has to be a key frame, and that there has to be one soon."""
        self._key_wanted = True

    def forget(self) -> None:
        """Take that nobody watches: what is there will be old by the time somebody does."""
        self._waiting = None
        self._last_is_shown = False
        self._repeats = 0
        self._key_wanted = False

    def next(self) -> Job | None:
        """Return what is to be encoded at once; only while nothing is being encoded."""
        if self._waiting is not None:
            self._last, self._waiting = self._waiting, None
            self._last_is_shown = True
            # Due ones only with a new picture: whoever looks at one that stands still has it already.
            self._key_wanted = self._key_wanted or 0 < self._gop <= self._since_key
            return self._job(repeated=False)
        if not self._key_wanted or not self._last_is_shown:
            return None
        return self._job(repeated=True)

    @property
    def repeats(self) -> bool:
        """Whether the last picture is to be encoded once more, if nothing else comes in a while."""
        return self._repeats > 0

    def again(self) -> Job | None:
        """Return the last picture once more, if there is no newer one; None if there is no need."""
        job = self.next()
        if job is not None or not self.repeats:
            return job
        self._repeats -= 1
        return self._job(repeated=True)

    def _job(self, *, repeated: bool) -> Job:
        assert self._last is not None
        job = Job(self._last, self._key_wanted, repeated)
        self._key_wanted = False
        return job
