"""Two slots of a card, emulated: something to update on a desk, in the place of RAUC and the boot loader.

A bundle is a file whose first line is `farhand-emulated VERSION`, with ` broken` behind it for one that does
not work when it is started. Others are refused in RAUC's words. All is forgotten at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import trio

from drivers.system.rauc import BundleRefusedError, Progress, RaucStatus, Slot

MARK: Final = "farhand-emulated"
BOARD: Final = "farhand-emulated"
STEP_S: Final = 0.2
_FIRST_LINE_BYTES: Final = 100
_STEPS: Final = (
    (20, "Checking bundle"),
    (80, "Updating slots"),
    (85, "Copying image to rootfs.1"),
    (95, "Copying image to boot.1"),
)


class EmulatedSlots:
    """Slots A and B; notes of the start that went wrong and the like lie in *directory*."""

    def __init__(self, directory: Path, *, version: str) -> None:
        self.confirmed = directory / "confirmed"
        self.setback = directory / "setback.json"
        self.version_file = directory / "version"
        self._directory = directory
        self._slots = {"A": Slot("A", booted=True, version=version), "B": Slot("B")}
        self._primary = "A"
        self._broken = False
        self._progress: Progress | None = None

    async def status(self) -> RaucStatus:
        """Return the present state."""
        await trio.lowlevel.checkpoint()
        self._note()
        return RaucStatus(
            compatible=BOARD,
            slots=tuple(self._slots.values()),
            primary=self._primary,
            installing=self._progress is not None,
            progress=self._progress or Progress(),
            last_error="",
        )

    async def install(self, bundle: Path, told: Callable[[Progress], None]) -> None:
        """Install *bundle*, slowly enough to be seen. Raises BundleRefusedError."""
        with bundle.open("rb") as stream:
            words = stream.readline(_FIRST_LINE_BYTES).decode("utf-8", "replace").split()
        if len(words) not in (2, 3) or words[0] != MARK:
            raise BundleRefusedError("Invalid bundle format: Signature size is 0")
        try:
            for percent, message in _STEPS:
                self._progress = Progress(percent, message)
                told(self._progress)
                await trio.sleep(STEP_S)
            other = self._other()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._slots[other] = Slot(other, version=words[1], installed_at=now)
            self._primary = other
            self._broken = words[2:] == ["broken"]
            told(Progress(100, "Installing done."))
        finally:
            self._progress = None

    async def restart(self) -> None:
        """Start the slot that is next; one that does not work is given up."""
        await trio.sleep(STEP_S)
        self._note()
        other = self._other()
        if self._primary != other:
            return
        new = self._slots[other]
        if self._broken:
            self._primary = self._running()
            self._slots[other] = Slot(other, False, False, new.version, new.installed_at)
            note = {"slot": other, "version": new.version, "reason": "its service does not start"}
            self.setback.write_bytes(msgspec.json.encode(note))
            return
        old = self._slots[self._running()]
        self._slots[old.name] = Slot(old.name, False, True, old.version, old.installed_at)
        self._slots[other] = Slot(other, True, True, new.version, new.installed_at)
        self.version_file.write_text(new.version or "")

    def _note(self) -> None:
        self._directory.mkdir(exist_ok=True)
        self.confirmed.touch()

    def _running(self) -> str:
        return next(name for name, slot in self._slots.items() if slot.booted)

    def _other(self) -> str:
        return "B" if self._running() == "A" else "A"
