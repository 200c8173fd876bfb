"""Writes the appliance's report of itself: is the gadget composed, is there a picture, can state be kept.

It looks when the appliance has started, again until all is well, and then no more: capturing costs power, and
the gate (`firmware.slots.gate`) asks once per start. Never fails because a device does: it reports that.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec
import trio

from firmware.core.errors import UnavailableError
from firmware.core.files import replace
from firmware.core.supervise import Supervisor, TaskPhase
from firmware.slots.report import CAPTURE, GADGET, STATE, Condition, Part, SelfReport

logger = logging.getLogger(__name__)

ROUND_PAUSE_S: Final = 5.0
"""A device that comes up late is seen soon; a look at the capture takes seconds anyhow."""
PICTURE_DEADLINE_S: Final = 20.0
"""Longer than a capture may be silent before it counts as stuck."""
LOOK_S: Final = 0.25
PROBE_NAME: Final = "self-report.probe"
_PROBE_BYTES: Final = 64
GADGET_TASK: Final = "board.gadget"
CAPTURE_TASK: Final = "streamer.capture"


class Gadget(Protocol):
    """What is needed of the USB gadget."""

    def controllers(self) -> list[str]:
        """Return the USB device controllers that it could use. Blocks for a moment."""
        ...


class Picture(Protocol):
    """What is needed of a frame."""

    @property
    def online(self) -> bool:
        """Whether it shows the target, and not why there is no picture."""
        ...

    @property
    def width(self) -> int:
        """In pixels."""
        ...

    @property
    def height(self) -> int:
        """In pixels."""
        ...


class Video(Protocol):
    """What is needed of the streamer."""

    def held_running(self) -> AbstractContextManager[None]:
        """Make it run meanwhile."""
        ...

    async def take_snapshot(self, *, save: bool = False, allow_offline: bool = False) -> Picture:
        """Take a picture. Raises UnavailableError."""
        ...


@dataclass(frozen=True)
class SelfReporter:
    """Writes `path` until everything is well; `gadget` is None where none is configured."""

    path: Path
    version: str
    state_dir: Path
    gadget: Gadget | None
    video: Video
    supervisor: Supervisor

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look and write until all parts work or are missing, then rest until cancelled."""
        task_status.started()
        while True:
            report = await self.look()
            await trio.to_thread.run_sync(replace, self.path, msgspec.json.encode(report))
            for name, part in report.parts.items():
                logger.info("%s %s: %s", name, part.condition, part.text)
            if all(part.condition is not Condition.BROKEN for part in report.parts.values()):
                await trio.sleep_forever()
            await trio.sleep(ROUND_PAUSE_S)

    async def look(self) -> SelfReport:
        """Look at every part."""
        parts = {
            STATE: await trio.to_thread.run_sync(look_at_state, self.state_dir),
            GADGET: await self._look_at_gadget(),
            CAPTURE: await self._look_at_capture(),
        }
        return SelfReport(self.version, parts)

    async def _look_at_gadget(self) -> Part:
        if self.gadget is None:
            return Part(Condition.WORKS, "none is configured")
        await self.supervisor.settled([GADGET_TASK])
        task = self.supervisor.tasks.value[GADGET_TASK]
        if task.phase is TaskPhase.ONLINE:
            return Part(Condition.WORKS, "composed")
        text = task.last_error or "not composed"
        # Whoever looks for the device controller first is the gadget: without one, its error says so.
        there = await trio.to_thread.run_sync(self.gadget.controllers)
        return Part(Condition.BROKEN if there else Condition.MISSING, text)

    async def _look_at_capture(self) -> Part:
        why = f"no picture and no reason for it within {PICTURE_DEADLINE_S:g} s"
        with self.video.held_running(), trio.move_on_after(PICTURE_DEADLINE_S):
            while True:
                try:
                    picture = await self.video.take_snapshot(allow_offline=True)
                except UnavailableError as exc:
                    why = str(exc)
                    await trio.sleep(LOOK_S)
                    continue
                if picture.online:
                    return Part(Condition.WORKS, f"a picture of {picture.width}x{picture.height}")
                task = self.supervisor.tasks.value.get(CAPTURE_TASK)
                if task is not None and task.phase is TaskPhase.ONLINE:
                    return Part(Condition.WORKS, "no video signal")
                if task is not None and task.last_error is not None:
                    return Part(Condition.MISSING if task.absent else Condition.BROKEN, task.last_error)
                await trio.sleep(LOOK_S)
        return Part(Condition.BROKEN, why)


def look_at_state(directory: Path) -> Part:
    """Write to *directory* and read it back. Blocks."""
    probe = directory / PROBE_NAME
    written = secrets.token_bytes(_PROBE_BYTES)
    try:
        replace(probe, written)
        same = probe.read_bytes() == written
    except OSError as exc:
        return Part(Condition.BROKEN, f"{directory} cannot be used: {exc.strerror or exc}")
    finally:
        with suppress(OSError):
            probe.unlink()
    if not same:
        return Part(Condition.BROKEN, f"{directory} gives back other bytes than were written")
    return Part(Condition.WORKS, f"{directory} can be written and read")
