"""Ports of what a board does not have, which say so to whoever asks: never silently, never by waiting."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import trio

from drivers.errors import NotSupportedError
from drivers.ports import LineEdge, Medium


class AbsentLine:
    """A front-panel line that is not wired; as a `LineInput` and as a `LineOutput`."""

    def __init__(self, why: str) -> None:
        """Refuse everything with the words *why*."""
        self._why = why

    async def read(self) -> bool:
        """Raise NotSupportedError."""
        await trio.lowlevel.checkpoint()
        raise NotSupportedError(self._why)

    def edges(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[LineEdge]]:
        """Raise NotSupportedError."""
        raise NotSupportedError(self._why)

    async def set(self, level: bool) -> None:  # noqa: ARG002 - the port's signature
        """Raise NotSupportedError."""
        await trio.lowlevel.checkpoint()
        raise NotSupportedError(self._why)

    async def pulse(self, seconds: float) -> None:  # noqa: ARG002 - the port's signature
        """Raise NotSupportedError."""
        await trio.lowlevel.checkpoint()
        raise NotSupportedError(self._why)


class AbsentDrive:
    """A `MediaSlot` of a board that offers the host no drive."""

    def __init__(self, why: str) -> None:
        """Refuse everything with the words *why*."""
        self._why = why

    async def insert(self, medium: Medium) -> None:  # noqa: ARG002 - the port's signature
        """Raise NotSupportedError."""
        await trio.lowlevel.checkpoint()
        raise NotSupportedError(self._why)

    async def eject(self, *, force: bool = False) -> None:  # noqa: ARG002 - the port's signature
        """Raise NotSupportedError."""
        await trio.lowlevel.checkpoint()
        raise NotSupportedError(self._why)

    def media(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Medium | None]]:
        """Raise NotSupportedError."""
        raise NotSupportedError(self._why)
