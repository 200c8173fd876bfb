"""Keeps the override over a restart of the appliance, in one JSON file. Blocks: call it in a thread."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from firmware.core.files import observe, replace
from firmware.core.json_documents import read_json
from firmware.state.boot import BootMode, BootOverride

logger = logging.getLogger(__name__)


class Stored(msgspec.Struct, frozen=True):
    """What is kept."""

    override: BootOverride | None = None
    mode: BootMode | None = None


class BootStore:
    """The file at *path*."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Stored:
        """Read it. A file that makes no sense is said and ignored: then nothing is overridden."""
        seen = observe(self._path)
        problem = seen.error
        if seen.data is not None:
            try:
                return read_json(seen.data, Stored)
            except ValueError as exc:
                problem = str(exc)
        if problem is not None:
            logger.warning("The boot override is forgotten: %s - at %s", problem, self._path)
        return Stored()

    def save(self, stored: Stored) -> None:
        """Write it; a power cut leaves the old or the new. Raises OSError."""
        replace(self._path, msgspec.json.encode(stored))
