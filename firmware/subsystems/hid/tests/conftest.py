from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio


@dataclass
class RecordingPort:
    """A device that keeps what it is given, and fails as long as `error` is set."""

    absolute: bool = True
    horizontal_wheel: bool = True
    reports: list[bytes] = field(default_factory=list)
    error: Exception | None = None
    attempts: int = 0
    failing_write_s: float = 0.1
    write_s: float = 0.0

    async def write(self, report: bytes) -> None:
        self.attempts += 1
        if self.error is not None:
            await trio.sleep(self.failing_write_s)
            if self.error is not None:
                raise self.error
        await trio.sleep(self.write_s)
        self.reports.append(report)

    def __post_init__(self) -> None:
        self.led_sender, self._led_receiver = trio.open_memory_channel[int](1)

    @asynccontextmanager
    async def leds(self) -> AsyncIterator[trio.MemoryReceiveChannel[int]]:
        yield self._led_receiver


@dataclass
class Ports:
    keyboard: RecordingPort
    mouse: RecordingPort
    mouse_alt: RecordingPort


@pytest.fixture
def ports() -> Ports:
    return Ports(RecordingPort(), RecordingPort(), RecordingPort(absolute=False))
