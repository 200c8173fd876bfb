"""The storage of images: what is in it, kept up to date, and its coming and going.

Watches the tree and looks at all of it again when something changed; a storage that cannot be read is offline
until it can be. Never writes: whoever does says `refresh` afterwards, so that nobody has to wait for the
watch.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Final

import trio

from drivers.errors import DriverError
from drivers.system.blocking import BlockingCalls
from drivers.system.inotify import DirectoryWatch
from firmware.core.cell import Cell
from firmware.core.heartbeat import Heartbeat
from firmware.state.msd import ImageState
from firmware.subsystems.msd.errors import MsdOfflineError, MsdUnknownImageError
from firmware.subsystems.msd.location import StorageLocation
from firmware.subsystems.msd.scan import Scan, part_state, scan

logger = logging.getLogger(__name__)

QUIET_S: Final = 1.0
"""Changes come in bursts; the tree is looked at when it was quiet for so long (contract subsystems.md
5.1)."""

UNQUIET_S: Final = 5.0
"""A tree that never gets quiet is looked at so often all the same."""

LOOK_S: Final = 10.0
"""Nothing tells of mounts, of free space, and of changes by other machines of a network file system."""

SCAN_DEADLINE_S: Final = 20.0
"""Thousands of images on a card take a second or two, a disk that has to spin up ten; beyond this it
hangs."""


class ImageStorage:
    """The images at *location*; `state` is None while they cannot be read."""

    def __init__(self, location: StorageLocation) -> None:
        self.location = location
        self.state: Cell[Scan | None] = Cell(None)
        self.heartbeat = Heartbeat()
        # Two threads: one look may hang while the next attempt is made.
        self._calls = BlockingCalls(threads=2, deadline_s=SCAN_DEADLINE_S)
        # One look at a time: an older one that ends later must not undo what a newer one saw.
        self._lock = trio.Lock()
        self._watch: DirectoryWatch | None = None
        self._cannot_watch = False
        self._real_root = location.root

    @property
    def root(self) -> Path:
        """The directory that image names are relative to."""
        return self.location.root

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep `state` true until cancelled; raises DriverError when the storage cannot be read."""
        try:
            with DirectoryWatch() as self._watch:
                await self._calls.run(f"the storage {self.root}", self._prepare)
                await self.refresh()
                task_status.started()
                while True:
                    self.heartbeat.beat()
                    with trio.move_on_after(LOOK_S):
                        await self._watch.changed()
                        await self._wait_for_quiet(self._watch)
                    await self.refresh()
        finally:
            self._watch = None
            self.state.publish(None)

    async def refresh(self) -> None:
        """Look at everything now. Raises DriverError if the storage cannot be read."""
        async with self._lock:
            watched = set[int]()
            found = await self._calls.run(
                f"the storage {self.root}",
                partial(scan, self._real_root, entered=partial(self._enter, watched)),
            )
            if self._watch is not None:
                self._watch.keep_only(watched)
                self.state.publish(found)

    async def refresh_parts(self) -> None:
        """Look at the room on the file systems only. Raises DriverError."""
        found = self.present()
        parts = await self._calls.run(
            f"the storage {self.root}",
            lambda: {name: part_state(self.root / name, is_root=not name) for name in found.parts},
        )
        if self.state.value is not None:
            self.state.publish(Scan(images=self.state.value.images, parts=parts))

    def present(self) -> Scan:
        """Return what is there. Raises MsdOfflineError."""
        if self.state.value is None:
            raise MsdOfflineError(f"the storage {self.root} cannot be read now")
        return self.state.value

    async def find(self, name: str) -> ImageState:
        """Return an image, also one that came a moment ago. Raises MsdUnknownImageError, MsdOfflineError."""
        found = self.present()
        if name not in found.images:
            await self.refresh_or_offline()
            found = self.present()
        try:
            return found.images[name]
        except KeyError:
            raise MsdUnknownImageError(f"expected an image of the storage, got {name!r}") from None

    async def refresh_or_offline(self) -> None:
        """Look at everything now. Raises MsdOfflineError if it cannot be read."""
        try:
            await self.refresh()
        except DriverError as exc:
            raise MsdOfflineError(str(exc)) from exc

    def statistics(self) -> dict[str, int]:
        """Return how many images and watches there are, and how many threads look or hang."""
        found = self.state.value
        return {
            "images": len(found.images) if found is not None else 0,
            **self._calls.statistics(),
            **(self._watch.statistics() if self._watch is not None else {}),
        }

    async def _wait_for_quiet(self, watch: DirectoryWatch) -> None:
        with trio.move_on_after(UNQUIET_S):
            while True:
                with trio.move_on_after(QUIET_S) as quiet:
                    await watch.changed()
                if quiet.cancelled_caught:
                    return

    def name_of(self, path: Path) -> str | None:
        """Return the name that an image at *path* has here, None if that is outside. Asks no file system."""
        # The kernel shows a drive's image by its real path.
        for root in (self.root, self._real_root):
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return None

    def _prepare(self) -> None:
        if self.location.own:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o755)
        self._real_root = self.root.resolve()

    def _enter(self, watched: set[int], directory: Path) -> None:
        """Watch a directory that is about to be read; in a thread."""
        watch = self._watch
        if watch is None:
            return
        try:
            watched.add(watch.add(directory))
        except OSError:
            if directory == self._real_root:
                raise
            # Gone again, or not ours to read: it is left out.
        except DriverError as exc:
            if not self._cannot_watch:
                self._cannot_watch = True
                logger.warning("changes of the image storage are seen late: %s", exc)
