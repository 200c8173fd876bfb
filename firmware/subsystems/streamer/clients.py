"""Who watches: MJPEG clients and how many frames each of them really got, and the other outputs' audience."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from firmware.core.cell import Cell
from firmware.state.streamer import ClientStat
from firmware.subsystems.streamer.rate import RateMeter


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What an MJPEG client asked for (contract http.md 6)."""

    key: str = "0"
    extra_headers: bool = False
    advance_headers: bool = False
    dual_final_frames: bool = False
    zero_data: bool = False


@dataclass(slots=True, eq=False)
class MjpegClient:
    """One client; its handler calls `sent` for each frame that went out."""

    id: str
    options: ClientOptions
    dropped: int = 0
    _rate: RateMeter = field(default_factory=RateMeter)

    def sent(self) -> None:
        """Count one frame."""
        self._rate.tick(trio.current_time())

    @property
    def fps(self) -> int:
        """Frames sent in the last whole second."""
        return self._rate.per_second(trio.current_time())


class Audience:
    """How many take the frames of one output; `count` is a cell, so that the state shows it at once."""

    def __init__(self) -> None:
        self.count = Cell(0)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Count one more meanwhile."""
        self.count.publish(self.count.value + 1)
        try:
            yield
        finally:
            self.count.publish(self.count.value - 1)


class MjpegClients:
    """All MJPEG clients; `count` is a cell, so that the state shows a newcomer at once."""

    def __init__(self) -> None:
        self._clients: dict[str, MjpegClient] = {}
        self.count = Cell(0)
        self._dropped_for_gone = 0

    def new(self, options: ClientOptions) -> MjpegClient:
        """Make a client, which counts only once it has `joined`."""
        return MjpegClient(id=secrets.token_hex(8), options=options)

    @contextmanager
    def joined(self, client: MjpegClient) -> Iterator[None]:
        """Count *client* while its stream lasts."""
        self._clients[client.id] = client
        self.count.publish(len(self._clients))
        try:
            yield
        finally:
            del self._clients[client.id]
            self._dropped_for_gone += client.dropped
            self.count.publish(len(self._clients))

    @property
    def dropped(self) -> int:
        """Frames that clients were too slow for, since the start."""
        return self._dropped_for_gone + sum(client.dropped for client in self._clients.values())

    def statistics(self) -> Mapping[str, ClientStat]:
        """Return each client's options and frame rate by its id."""
        return {
            client.id: ClientStat(
                fps=client.fps,
                extra_headers=client.options.extra_headers,
                advance_headers=client.options.advance_headers,
                dual_final_frames=client.options.dual_final_frames,
                zero_data=client.options.zero_data,
                key=client.options.key,
            )
            for client in self._clients.values()
        }
