"""State of the virtual drive, as far as the drive itself goes (contract subsystems.md 5.2)."""

from __future__ import annotations

from pathlib import Path

import msgspec


class DriveState(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the drive, or would be: the plan while it is not connected."""

    online: bool = False
    """Whether the host is offered a drive at all."""
    image: Path | None = None
    connected: bool = False
    cdrom: bool = True
    rw: bool = False
