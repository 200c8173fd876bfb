"""Lines without a kernel: what a chip would do, and the faults that gpio-sim has not got."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from drivers.gpio.calls import DirectCalls, LineCalls
from drivers.gpio.declarations import LineDeclaration, OutputDeclaration
from drivers.gpio.edges import KernelEdge


class FakeHandle:
    """A held line; `log` has every level that it was driven to."""

    def __init__(self, chip: FakeChip, declaration: LineDeclaration) -> None:
        self._chip = chip
        self.released = False
        self.queue: list[KernelEdge] = []
        self.ours, self.theirs = socket.socketpair()
        if isinstance(declaration, OutputDeclaration) and declaration.rest is not None:
            chip.log.append(declaration.rest)
            chip.level = declaration.rest

    def fileno(self) -> int:
        return self.ours.fileno()

    def get(self) -> bool:
        self._check()
        self._chip.reads += 1
        return self._chip.level

    def set(self, level: bool) -> None:
        self._check()
        if self._chip.set_errors:
            number = self._chip.set_errors.pop(0)
            if number:
                raise OSError(number, os.strerror(number))
        self._chip.log.append(level)
        self._chip.level = level

    def events(self) -> list[KernelEdge]:
        self._check()
        taken, self.queue = self.queue[:64], self.queue[64:]
        if not self.queue:
            while select.select([self.ours], [], [], 0)[0] and self.ours.recv(100):
                pass
        return taken

    def release(self) -> None:
        self.released = True
        self.ours.close()
        self.theirs.close()

    def push(self, *edges: KernelEdge) -> None:
        self.queue.extend(edges)
        self.theirs.send(b"!")

    def hang_up(self) -> None:
        """Be ready without an event."""
        self.theirs.send(b"!")

    def _check(self) -> None:
        if self._chip.gone or self.released:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))


@dataclass
class FakeChip:
    """A `LineSource` of one line."""

    calls_of_line: LineCalls = field(default_factory=DirectCalls)
    level: bool = False
    gone: bool = False
    reads: int = 0
    set_errors: list[int] = field(default_factory=list)
    log: list[bool] = field(default_factory=list)
    handles: list[FakeHandle] = field(default_factory=list)

    def __str__(self) -> str:
        return "the fake chip"

    def calls(self) -> LineCalls:
        return self.calls_of_line

    def request(self, line: LineDeclaration) -> FakeHandle:
        self.handles.append(FakeHandle(self, line))
        return self.handles[-1]

    @property
    def line(self) -> FakeHandle:
        return self.handles[-1]

    def vanish(self) -> None:
        self.gone = True
        self.line.theirs.close()


@pytest.fixture
def chip() -> Iterator[FakeChip]:
    chip = FakeChip()
    yield chip
    assert all(handle.released for handle in chip.handles), "a line was left behind"
