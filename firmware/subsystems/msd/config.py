"""Section `kvmd/msd` (config.md 2, subsystems.md 5): the virtual drive's storage."""

from __future__ import annotations

from typing import Annotated, Literal

from firmware.core.config.kinds import CommandKind, integer
from firmware.core.config.section import Section

type ChunkSize = Annotated[int, integer(1024)]


class MsdConfig(Section, frozen=True):
    """`kvmd/msd`; sizes in bytes."""

    type: Literal["otg", "disabled"] = "otg"
    read_chunk_size: ChunkSize = 65536
    write_chunk_size: ChunkSize = 65536
    sync_chunk_size: ChunkSize = 4194304
    remount_cmd: Annotated[tuple[str, ...], CommandKind("{mode}")] = (
        "/usr/bin/sudo",
        "--non-interactive",
        "/usr/bin/kvmd-helper-otgmsd-remount",
        "{mode}",
    )
