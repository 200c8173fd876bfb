"""Tells a thread that waits for a descriptor to stop."""

from __future__ import annotations

import os

import trio


class StopSignal:
    """A descriptor that becomes readable, for good, once it is `set`."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def set(self) -> None:
        """Make it readable."""
        os.eventfd_write(self.fd, 1)

    async def set_when_cancelled(self) -> None:
        """Do nothing until cancelled, and then set it."""
        try:
            await trio.sleep_forever()
        finally:
            self.set()

    def close(self) -> None:
        """Close the descriptor; nobody may wait for it any more."""
        os.close(self.fd)
