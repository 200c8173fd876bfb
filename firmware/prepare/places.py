"""Where the preparation reads and writes, and what it does to the machine beside writing files."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


def write_console(text: str) -> None:
    """Show *text* on the local consoles; a machine without one is no reason to stop."""
    for device in ("/dev/console", "/dev/tty1"):
        try:
            with Path(device).open("w", encoding="utf-8") as console:
                console.write(text)
        except OSError:
            continue


class Owner(NamedTuple):
    """A user and its group, by their numbers."""

    user: int
    group: int


@dataclass(frozen=True)
class Places:
    """Directories, and the effects that tests replace."""

    boot: Path
    """The boot partition: a FAT that a person writes to from another machine."""
    config: Path
    state: Path
    system: Path
    """What the system's own services believe, such as the SSH key: of root alone, unlike the two above."""
    owner: Owner | None = None
    """Whose configuration and state are; None = they stay whose they are."""
    log: Path | None = None
    """Where the journal is kept, which a factory reset forgets as well."""
    root: Path = Path("/")
    """Below it lie /run and /var."""
    set_host_name: Callable[[str], None] = socket.sethostname
    show: Callable[[str], None] = write_console

    @property
    def zones(self) -> Path:
        """The time zone database."""
        return Path("/usr/share/zoneinfo")
