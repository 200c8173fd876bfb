"""Whether images are still what they were when they came in: on request, and when the target is given one.

The check of a connected image runs in the background and must never disturb the target: it rests for most of
the time, the more the busier the disk is. It changes nothing; a mismatch is said in the state and the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import trio

from drivers.errors import DriverError
from firmware.core.cell import Cell
from firmware.core.errors import OperationError
from firmware.state.msd import CheckState, DriveState, ImageState
from firmware.subsystems.msd.disk_threads import DiskThreads
from firmware.subsystems.msd.errors import MsdDigestMismatchError
from firmware.subsystems.msd.hashing import STEP_BYTES, FileHash
from firmware.subsystems.msd.scan import Scan
from firmware.subsystems.msd.storage import ImageStorage

logger = logging.getLogger(__name__)

BACKGROUND_STEP_BYTES: Final = 1024 * 1024
"""What the background reads at once: a target that wants to read waits for no more than that."""

REST_FACTOR: Final = 3.0
"""How long the background rests after each step, in lengths of the step: it takes a quarter of an idle disk
and processor, and less of what is at work, since then its steps take longer."""

PROGRESS_S: Final = 1.0
"""How often progress is told at most, as that of transfers."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    image: ImageState
    """As it was when it was checked; any change makes the verdict void."""
    is_good: bool


class DigestChecks:
    """Checks images of *storage*; *changed* is called when there is something new to show."""

    def __init__(self, storage: ImageStorage, drive: Cell[DriveState], changed: Callable[[], None]) -> None:
        self._storage = storage
        self._drive = drive
        self._changed = changed
        self._verdicts: dict[str, _Verdict] = {}
        self._asked_for: CheckState | None = None
        self._background: CheckState | None = None

    @property
    def progress(self) -> CheckState | None:
        """The check under way; of two that which was asked for."""
        return self._asked_for or self._background

    def marked(self, found: Scan) -> Scan:
        """Return *found* with what is known of its images."""
        images = dict(found.images)
        for name, verdict in list(self._verdicts.items()):
            if images.get(name) == verdict.image:
                images[name] = msgspec.structs.replace(verdict.image, verified=verdict.is_good)
            else:
                del self._verdicts[name]
        return Scan(images=images, parts=found.parts)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Check what is in the drive, each time that something is put in, until cancelled."""
        task_status.started()
        while True:
            seen, name = self._drive.version, self._in_drive(self._drive.value)
            async with trio.open_nursery() as nursery:
                if name is not None:
                    nursery.start_soon(self._check_in_background, name)
                while self._in_drive(self._drive.value) == name:
                    seen = await self._drive.wait_newer(seen)
                nursery.cancel_scope.cancel()

    async def check(self, name: str, image: ImageState, begun: Callable[[Cell[CheckState]], None]) -> str:
        """Hash an image now, as fast as it goes, and return its digest.

        *begun* is given the progress. Raises MsdDigestMismatchError if another digest is kept, and the
        contract's errors.
        """
        progress = Cell(CheckState(name=name, size=image.size, readed=0))
        begun(progress)

        def show(state: CheckState | None) -> None:
            if state is not None:
                progress.publish(state)
            self._asked_for = state
            self._changed()

        try:
            digest = await self._hash(name, image, show, step_bytes=STEP_BYTES, rest_factor=0.0)
        finally:
            show(None)
        progress.publish(
            msgspec.structs.replace(progress.value, sha256=digest, verified=self._judge(name, image, digest))
        )
        if image.sha256 not in (None, digest):
            raise MsdDigestMismatchError(_mismatch(name, image, digest))
        return digest

    async def _check_in_background(self, name: str) -> None:
        def show(state: CheckState | None) -> None:
            self._background = state
            self._changed()

        seen = 0
        while self._storage.state.value is None:
            # The appliance starts with a medium in the drive, before anybody has looked at the storage.
            seen = await self._storage.state.wait_newer(seen)
        try:
            image = await self._storage.find(name)
            if image.sha256 is None:
                return
            digest = await self._hash(
                name, image, show, step_bytes=BACKGROUND_STEP_BYTES, rest_factor=REST_FACTOR
            )
        except (OperationError, DriverError) as exc:
            logger.warning("the connected image %s could not be checked: %s", name, exc)
            return
        finally:
            show(None)
        if self._judge(name, image, digest):
            logger.info("the connected image %s is what it was when it came in", name)
        self._changed()

    def _judge(self, name: str, image: ImageState, digest: str) -> bool | None:
        if image.sha256 is None:
            return None
        is_good = digest == image.sha256
        self._verdicts[name] = _Verdict(image, is_good)
        if not is_good:
            logger.warning("%s", _mismatch(name, image, digest))
        return is_good

    async def _hash(
        self,
        name: str,
        image: ImageState,
        show: Callable[[CheckState | None], None],
        *,
        step_bytes: int,
        rest_factor: float,
    ) -> str:
        threads = DiskThreads(f"the digest of {name}")
        hashing = FileHash(self._storage.root, name)
        state = CheckState(name=name, size=image.size, readed=0)
        show(state)
        told_at = trio.current_time()
        try:
            while hashing.position < image.size:
                began = trio.current_time()
                await threads.run(partial(hashing.advance, min(image.size, hashing.position + step_bytes)))
                await trio.sleep(rest_factor * (trio.current_time() - began))
                if trio.current_time() - told_at >= PROGRESS_S:
                    told_at = trio.current_time()
                    show(msgspec.structs.replace(state, readed=hashing.position))
        finally:
            await threads.clean_up(hashing.close)
        show(msgspec.structs.replace(state, readed=hashing.position))
        return hashing.hexdigest()

    def _in_drive(self, drive: DriveState) -> str | None:
        """Return the name of the image that the target reads and does not write, if it is one of ours."""
        if not drive.connected or drive.rw or drive.image is None:
            return None
        return self._storage.name_of(drive.image)


def _mismatch(name: str, image: ImageState, digest: str) -> str:
    return f"the image {name} is not what it was: expected the SHA-256 {image.sha256}, got {digest}"
