"""The far end of a serial line: plays a chip on a tty or pty, over a cable with a script of faults.

A chip is sans-I/O: bytes in, replies out, and a time after which half a frame is stale. The cable between
it and the driver can lose, change, delay and swallow what passes.
"""

from __future__ import annotations

import errno
import os
import termios
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import trio

DEADLINE_S = 30.0
"""Ample for anything that a test does over a line, on a busy machine; no test waits for it."""


class Runs(Protocol):
    """A driver's `run`."""

    def __call__(self, *, task_status: trio.TaskStatus[None]) -> Awaitable[None]:
        """Run until cancelled."""
        ...


class Chip(Protocol):
    """What is at the end of the line."""

    @property
    def stale_after_s(self) -> float:
        """When it gives up on the half frame that it has; infinite if it has none."""
        ...

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes in at the time *now* and return the replies."""
        ...

    def expire(self) -> list[bytes]:
        """Give up on half a frame."""
        ...


@dataclass
class Cable:
    """Faults to come; each counter counts down to none, `mute` stays until it is taken back."""

    mute: bool = False
    lose_requests: int = 0
    cut_requests: int = 0
    """Requests that lose their last byte."""
    spoil_requests: int = 0
    """Requests that have one bit changed."""
    lose_replies: int = 0
    spoil_replies: int = 0
    late_replies: int = 0
    late_s: float = 0.0
    noise: bytes = b""
    """What comes before each reply."""
    seen: list[str] = field(default_factory=list)
    """What happened, in order."""

    def _strikes(self, fault: str) -> bool:
        left: int = getattr(self, fault)
        if left:
            setattr(self, fault, left - 1)
            self.seen.append(fault)
        return left > 0

    def inwards(self, data: bytes) -> bytes:
        """Return what the chip gets of a request."""
        if self.mute or self._strikes("lose_requests"):
            return b""
        if self._strikes("cut_requests"):
            return data[:-1]
        if self._strikes("spoil_requests"):
            return data[:-2] + bytes((data[-2] ^ 0x10,)) + data[-1:]
        return data

    async def outwards(self, reply: bytes) -> bytes:
        """Return what the driver gets of a reply, when it is time."""
        if self._strikes("lose_replies"):
            return b""
        if self._strikes("spoil_replies"):
            reply = reply[:-2] + bytes((reply[-2] ^ 0x01,)) + reply[-1:]
        if self._strikes("late_replies"):
            await trio.sleep(self.late_s)
        return self.noise + reply


async def play(chip: Chip, fd: int, cable: Cable) -> None:
    """Play *chip* on an open, raw, non-blocking tty until cancelled or until the other end is gone."""
    try:
        while True:
            with trio.move_on_after(chip.stale_after_s) as scope:
                await trio.lowlevel.wait_readable(fd)
            if scope.cancelled_caught:
                replies = chip.expire()
            else:
                data = os.read(fd, 4096)
                if not data:  # A hang-up, as a gadget's own tty tells it.
                    return
                replies = chip.feed(cable.inwards(data), trio.current_time())
            for reply in replies:
                await _write(fd, await cable.outwards(reply))
    except trio.ClosedResourceError:
        return
    except OSError as exc:
        # The second one: pulled between its becoming ready and our getting to it.
        if exc.errno not in {errno.EIO, errno.EBADF}:
            raise


async def _write(fd: int, data: bytes) -> None:
    while data:
        await trio.lowlevel.wait_writable(fd)
        data = data[os.write(fd, data) :]


@contextmanager
def open_raw(path: str) -> Iterator[int]:
    """Open a tty raw and non-blocking."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        tty.setraw(fd)
        yield fd
    finally:
        os.close(fd)


class Pty:
    """A pty: `path` is the driver's end, `master` the chip's.

    Our own handle on the driver's end keeps the chip's readable while nobody has it open.
    """

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        os.set_blocking(self.master, False)
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)

    @property
    def baud_rate(self) -> int:
        """The speed that the driver's end is set to; a pty carries bytes at any."""
        speed = termios.tcgetattr(self._slave)[4]
        return next(baud for baud in _BAUD_RATES if getattr(termios, f"B{baud}") == speed)

    def unplug(self) -> None:
        """Pull the device: the driver's end hangs up."""
        if self.master >= 0:
            with suppress(RuntimeError):  # Outside of Trio nobody waits for it.
                trio.lowlevel.notify_closing(self.master)
            os.close(self.master)
            os.close(self._slave)
            self.master = self._slave = -1


_BAUD_RATES = (9600, 19200, 38400, 57600, 115200)


@asynccontextmanager
async def playing(chip: Chip, run: Runs, fd: int, cable: Cable | None = None) -> AsyncIterator[trio.Nursery]:
    """Play *chip* at *fd* and run the driver at the other end; both end with the body, or by its deadline."""
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play, chip, fd, cable or Cable())
            await nursery.start(run)
            yield nursery
            nursery.cancel_scope.cancel()


async def ending_of(
    chip: Chip, run: Runs, fd: int, cable: Cable, spoil: Callable[[], Awaitable[None]]
) -> Exception:
    """Play and run until *spoil* has made the driver end, and return the one error that it ended with."""
    endings: list[Exception] = []
    try:
        async with playing(chip, run, fd, cable):
            await spoil()
            await trio.sleep_forever()
    except* Exception as group:  # noqa: BLE001 - whatever it is, the test looks at it
        endings += _leaves(group)
    assert len(endings) == 1, f"expected one error, got {endings}"
    return endings[0]


def _leaves(error: Exception) -> list[Exception]:
    if isinstance(error, ExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    with trio.fail_after(DEADLINE_S):
        while not condition():
            await trio.sleep(0.005)
