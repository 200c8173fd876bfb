"""The text recognition: which languages there are, and the text on a picture.

One picture at a time, since recognising takes a whole processor core for seconds; a few may wait, and more
are refused. Must never block the event loop, nor leave a program behind when its caller goes away.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import trio

from drivers.errors import DriverError
from drivers.ocr.picture import CropBox, ready_for_recognition
from firmware.core.cell import Cell
from firmware.core.errors import OperationError, ValidatorError
from firmware.state.ocr import OcrLanguages, OcrState
from firmware.subsystems.ocr.config import OcrConfig

logger = logging.getLogger(__name__)

# Each waits for all before it, some seconds a piece: a person would have given up on more.
MOST_WAITING = 4


class OcrError(OperationError):
    """Text recognition is not possible."""


class Engine(Protocol):
    """What recognises text."""

    async def languages(self) -> tuple[str, ...]:
        """Return the installed languages, none if it cannot work. Raises DriverError."""
        ...

    async def recognise(self, picture: bytes, languages: Sequence[str]) -> str:
        """Return the text on a PNM picture. Raises DriverError."""
        ...


class OcrService:
    """Handle of the text recognition; `state` is the cell that the API shows."""

    def __init__(self, config: OcrConfig, *, engine: Engine) -> None:
        self._config = config
        self._engine = engine
        self._turn = trio.CapacityLimiter(1)
        self._preparing = trio.CapacityLimiter(1)
        self._recognised = self._failed = self._refused = 0
        self.state = Cell(OcrState())

    async def refresh(self) -> OcrState:
        """Look for the program and its languages, which may be installed while we run; return the state.

        A disk that does not answer changes nothing.
        """
        try:
            available = await self._engine.languages()
        except DriverError as exc:
            logger.warning("the languages of the text recognition cannot be listed: %s", exc)
            return self.state.value
        by_name = {name.lower(): name for name in available}
        default = tuple(
            by_name[lang.lower()] for lang in dict.fromkeys(self._config.langs) if lang.lower() in by_name
        )
        state = OcrState(bool(available), OcrLanguages(default, available))
        if self.state.publish(state) and available and len(default) < len(set(self._config.langs)):
            logger.warning(
                "kvmd/ocr/langs: expected languages that are installed (%s), got %s",
                ", ".join(available),
                ", ".join(self._config.langs),
            )
        return state

    async def recognise(
        self, jpeg: bytes, languages: Sequence[str] = (), *, box: CropBox | None = None
    ) -> str:
        """Return the text on a JPEG picture, or on the part *box* of it, exactly as the engine says it.

        *languages* in any case; none takes the configured ones. Raises ValidatorError for one that is not
        installed, OcrError if there is no recognition, if it fails, or if too many are waiting.
        """
        state = await self.refresh()
        if not state.enabled:
            raise OcrError("text recognition is not installed: install tesseract-ocr and a language for it")
        chosen = self._choose(state.langs, languages)
        if self._turn.statistics().tasks_waiting >= MOST_WAITING:
            self._refused += 1
            raise OcrError(f"text recognition is busy: {MOST_WAITING} pictures are waiting; try again later")
        async with self._turn:
            try:
                picture = await trio.to_thread.run_sync(
                    ready_for_recognition, jpeg, box or CropBox(), limiter=self._preparing
                )
                text = await self._engine.recognise(picture, chosen)
            except DriverError as exc:
                self._failed += 1
                raise OcrError(f"text recognition failed: {exc}") from exc
        self._recognised += 1
        return text

    def _choose(self, langs: OcrLanguages, wanted: Sequence[str]) -> tuple[str, ...]:
        if not wanted:
            if not langs.default:
                raise OcrError(
                    f"none of the configured languages is installed ({', '.join(self._config.langs)}): "
                    f"expected some of {', '.join(langs.available)}"
                )
            return langs.default
        by_name = {name.lower(): name for name in langs.available}
        for lang in wanted:
            if lang.lower() not in by_name:
                raise ValidatorError(
                    f"expected languages of {', '.join(langs.available)}, got {lang[:32]!r} - at ocr_langs"
                )
        return tuple(dict.fromkeys(by_name[lang.lower()] for lang in wanted))

    def statistics(self) -> dict[str, int]:
        """Return how many pictures were read, failed and were refused since the start, and how many wait."""
        return {
            "recognised": self._recognised,
            "failed": self._failed,
            "refused": self._refused,
            "waiting": self._turn.statistics().tasks_waiting,
        }
