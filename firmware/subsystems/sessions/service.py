"""Sessions of the control socket (contract websocket.md 1.8).

When one opens or closes, everything that is held on keyboard and mouse is released, for everybody: nobody
can know whose finger a stuck key was under. Sessions that want video keep the streamer running.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import trio

from firmware.core.cell import Cell
from firmware.state.sessions import ClientsState


class InputDevices(Protocol):
    """What sessions need of the HID subsystem."""

    def release_all(self) -> None:
        """Drop queued events and release everything."""
        ...


class Video(Protocol):
    """What sessions need of the streamer."""

    @property
    def wishes(self) -> Cell[int]:
        """Changes of parameters and automatic snapshots so far."""
        ...

    def set_sessions(self, count: int) -> None:
        """Take how many sessions want the picture."""
        ...


class SessionsService:
    """Handle of the sessions; `clients` is published at each coming and going, even if unchanged."""

    def __init__(self, *, input_devices: InputDevices, video: Video) -> None:
        self._input_devices = input_devices
        self._video = video
        self._open = 0
        self.clients = Cell(ClientsState())

    @contextmanager
    def opened(self, *, stream: bool) -> Iterator[None]:
        """Register a session while it lasts; *stream* says whether it wants video."""
        self._changed(+1, stream=stream)
        try:
            yield
        finally:
            self._changed(-1, stream=stream)

    def _changed(self, step: int, *, stream: bool) -> None:
        self._open += step
        self._input_devices.release_all()
        count = self.clients.value.count + (step if stream else 0)
        self._video.set_sessions(count)
        self.clients.publish(ClientsState(count), even_if_equal=True)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell the count again after each change of the streamer's parameters (websocket.md 1.4)."""
        task_status.started()
        seen = self._video.wishes.version
        while True:
            seen = await self._video.wishes.wait_newer(seen)
            self.clients.publish(self.clients.value, even_if_equal=True)

    def statistics(self) -> dict[str, int]:
        """Return the number of open sessions, those without video included."""
        return {"open": self._open, "with_video": self.clients.value.count}
