"""What the kernel says, from now on (Documentation/ABI/testing/dev-kmsg)."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Self

DEADLINE_S = 60.0
_MAX_RECORD_BYTES = 8192


class KernelLog:
    """A reader of /dev/kmsg that begins at its end; a context manager."""

    def __init__(self) -> None:
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)
        self._lines: list[str] = []

    def lines(self) -> list[str]:
        """Every message since it was opened."""
        while True:
            try:
                record = os.read(self._fd, _MAX_RECORD_BYTES)
            except BlockingIOError:
                return self._lines
            # "priority,sequence,time,flags;message", then lines of properties.
            self._lines.append(record.partition(b";")[2].partition(b"\n")[0].decode())

    def contains(self, text: str) -> bool:
        """Whether one of the messages has *text* in it."""
        return any(text in line for line in self.lines())

    def wait_for(self, text: str) -> None:
        """Wait, blocking, until one of them has."""
        deadline = time.monotonic() + DEADLINE_S
        while not self.contains(text):
            if time.monotonic() > deadline:
                raise TimeoutError(f"expected {text!r} of the kernel, got {self._lines}")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)
