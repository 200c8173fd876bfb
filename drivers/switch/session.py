"""Messages of the switch over any byte stream: requests out, replies in.

Knows the wire and no device; it never decides what to ask, and never waits for an answer.
"""

from __future__ import annotations

import logging
from collections import deque

import trio

from drivers.errors import DeviceGoneError
from drivers.wire.switch_frame import FrameDecoder
from drivers.wire.switch_protocol import Message, Reply

logger = logging.getLogger(__name__)


class StreamSession:
    """A `SwitchSession` over *stream*, which its maker opens and closes; *name* is for errors."""

    def __init__(self, stream: trio.abc.Stream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = FrameDecoder()
        # Bounded by what one read of the stream brings, and read again only when it is empty.
        self._replies: deque[Reply] = deque()
        self._senseless = 0

    async def send(self, message: Message) -> None:
        """Give a request to the line; see `SwitchSession`."""
        try:
            await self._stream.send_all(message.encode())
        except trio.BrokenResourceError as exc:
            raise self._gone() from exc

    async def receive(self) -> Reply:
        """Wait for the next reply; see `SwitchSession`."""
        while not self._replies:
            try:
                data = await self._stream.receive_some()
            except trio.BrokenResourceError as exc:
                raise self._gone() from exc
            if not data:
                raise self._gone()
            for message in self._decoder.feed(bytes(data)):
                self._take(message)
        return self._replies.popleft()

    def _take(self, message: bytes) -> None:
        try:
            self._replies.append(Reply.parse(message))
        except ValueError as exc:
            # A line without checksums garbles one now and then, and newer units may say more.
            self._senseless += 1
            logger.debug("%s: %s", self._name, exc)

    def _gone(self) -> DeviceGoneError:
        return DeviceGoneError(f"{self._name}: the other end hung up")

    def statistics(self) -> dict[str, int]:
        """Return how much of what came made no sense."""
        return {"senseless_messages": self._senseless, **self._decoder.statistics()}
