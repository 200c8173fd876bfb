"""One requested line as libgpiod gives it: level, edge events, release; its errors made OSErrors again.

libgpiod turns some errno values into exceptions that are no OSError (EINVAL into ValueError, EOPNOTSUPP into
NotImplementedError); whoever calls it from outside this file would miss them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gpiod import EdgeEvent, LineRequest, LineSettings
from gpiod.line import Value

from drivers.gpio.edges import EVENT_BUFFER, KernelEdge


class LineHandle(Protocol):
    """A line that is held. Every method but `release` raises OSError, ENODEV once the chip is gone."""

    def fileno(self) -> int:
        """Return the file descriptor: readable when there are events, and when the chip is gone."""
        ...

    def get(self) -> bool:
        """Return the logical level."""
        ...

    def set(self, level: bool) -> None:
        """Drive the line."""
        ...

    def events(self) -> list[KernelEdge]:
        """Return the events that are there, at most `EVENT_BUFFER`; never waits."""
        ...

    def release(self) -> None:
        """Let the line go; the kernel's driver decides what it does then."""
        ...


@contextmanager
def os_errors_of_gpiod() -> Iterator[None]:
    """Turn what libgpiod makes of an errno back into the OSError with that errno."""
    try:
        yield
    except (ValueError, NotImplementedError) as exc:
        match exc.args:
            case (int() as number, str() as text):
                raise OSError(number, text) from exc
        raise


class GpiodLine:
    """A `LineHandle` over a request of one line. The first `set` applies *drive_with*, if given.

    A line that is to be left alone is requested as it is, which the kernel lets be read but not always
    driven.
    """

    def __init__(self, request: LineRequest, offset: int, drive_with: LineSettings | None) -> None:
        self._request: LineRequest | None = request
        self._offset = offset
        self._drive_with = drive_with
        # Readiness can be a hang-up without an event, on which a blocking read would wait.
        os.set_blocking(request.fd, False)

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._held().fd

    def get(self) -> bool:
        """Return the logical level."""
        with os_errors_of_gpiod():
            return self._held().get_value(self._offset) == Value.ACTIVE

    def set(self, level: bool) -> None:
        """Drive the line."""
        request, value = self._held(), Value.ACTIVE if level else Value.INACTIVE
        with os_errors_of_gpiod():
            if self._drive_with is None:
                request.set_value(self._offset, value)
                return
            self._drive_with.output_value = value
            request.reconfigure_lines({self._offset: self._drive_with})
            self._drive_with = None

    def events(self) -> list[KernelEdge]:
        """Return the events that are there."""
        try:
            with os_errors_of_gpiod():
                events = self._held().read_edge_events(EVENT_BUFFER)
        except BlockingIOError:
            return []
        rising = EdgeEvent.Type.RISING_EDGE
        return [
            KernelEdge(event.event_type is rising, event.timestamp_ns, event.line_seqno) for event in events
        ]

    def release(self) -> None:
        """Let the line go."""
        if self._request is not None:
            self._request.release()
            self._request = None

    def _held(self) -> LineRequest:
        if self._request is None:
            # What a call meets that waited for its turn behind the release.
            raise OSError(errno.ENODEV, "the line has been released")
        return self._request
