"""A target's screen with a clock on it: the time stripe of now, on pictures that change as much as wanted.

Plays into the input of the virtual capture, which takes the picture as it is at that moment: so the stripe
tells when it was captured, to `PAINT_INTERVAL_S`. Never uses the driver under test. As a process (`python3 -m
peers.clock_screen 1920 1080 30`) it reads what is to change, `all`, `part` or `nothing`, one a line, says
`ready` once it plays that, and ends with its standard input.
"""

from __future__ import annotations

import enum
import functools
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from drivers.video import time_stripe
from drivers.video.frame import PixelFormat
from drivers.video.text import Run, TextRenderer
from peers import vivid

PAINT_INTERVAL_S: Final = 0.004
"""How old the time on the screen is at most, if this machine keeps up."""
# A terminal's colours and letters; many of them, as a picture is as dear as it has edges.
_COLOURS: Final = ((204, 204, 204), (204, 204, 204), (78, 154, 6), (114, 159, 207), (239, 41, 41))
_LETTERS: Final = "etaoinshrdlucmfwyp0123456789-_./:=[]()"
_WORDS: Final = 200
_END_DEADLINE_S: Final = 10.0


class Change(enum.StrEnum):
    """What of the picture changes from frame to frame."""

    ALL = "all"
    """Everything."""
    PART = "part"
    """The time stripe."""
    NOTHING = "nothing"
    """Nothing; there is no time on it either."""


@functools.cache
def terminal(width_px: int, height_px: int) -> bytes:
    """A screen full of coloured text as YUYV; always the same."""
    rng = random.Random(7)
    words = [
        Run("".join(rng.choices(_LETTERS, k=rng.randrange(1, 12))) + " ", rng.choice(_COLOURS))
        for _ in range(_WORDS)
    ]
    renderer = TextRenderer(PixelFormat.YUYV)
    rows = height_px // renderer.cell_height_px
    bands = [
        renderer.band(tuple(rng.choices(words, k=width_px // rng.randrange(60, 200))), width_px)
        for _ in range(rows)
    ]
    rest_px = height_px - rows * renderer.cell_height_px
    return b"".join((*bands, renderer.blank(width_px, rest_px)))


@contextmanager
def clock_screen(screen: vivid.Vivid, mode: tuple[int, int, float], change: Change) -> Iterator[None]:
    """Play on *screen*, a looped output, which is told of the mode (width, height, pictures per second)."""
    width_px, height_px, rate_hz = mode
    first = terminal(width_px, height_px)
    # Other rows of text everywhere, which fill the picture as the first ones do.
    shifts = [len(first) // 4 * number for number in range(4 if change is Change.ALL else 1)]
    screen.select(f"{width_px}x{height_px}p{rate_hz:.0f}")
    with screen.play(mode, "YUYV", *(first[at:] + first[:at] for at in shifts)) as player:
        if change is Change.NOTHING:
            yield
            return
        ended = threading.Event()
        painter = threading.Thread(target=_paint, args=[player, width_px * 2, ended])
        painter.start()
        try:
            yield
        finally:
            ended.set()
            painter.join(_END_DEADLINE_S)
            assert not painter.is_alive()


def _paint(player: vivid.Player, stride_bytes: int, ended: threading.Event) -> None:
    end = time_stripe.STRIPE_HEIGHT_PX * stride_bytes
    while not ended.wait(PAINT_INTERVAL_S):
        row = time_stripe.row_of(time.monotonic(), PixelFormat.YUYV)
        for picture in player.shown():
            for at in range(0, end, stride_bytes):
                picture[at : at + len(row)] = row


def main(arguments: list[str]) -> None:
    """Play what the standard input says until it ends."""
    width_px, height_px, rate_hz = map(int, arguments)
    with vivid.loaded(loop=True, error_injection=False) as screen:
        screen.connect(vivid.Connection.OUTPUT)
        line = sys.stdin.readline()
        while line:
            with clock_screen(screen, (width_px, height_px, rate_hz), Change(line.strip())):
                print("ready", flush=True)
                line = sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1:])
