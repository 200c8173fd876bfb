"""Tesseract, as a program that is run once for each picture.

A program and not a library in our process: it can be killed, its memory goes with it, and a picture that
crashes it crashes nothing else. Never runs a shell; the picture goes through a pipe, not through a file.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, os_errors
from drivers.system.blocking import BlockingCalls

logger = logging.getLogger(__name__)

PROGRAM: Final = "tesseract"
DEBIAN_DATA: Final = Path("/usr/share/tesseract-ocr")
"""Where Debian has it, in a directory of the program's version."""

RECOGNITION_DEADLINE_S: Final = 90.0
"""A full screen takes one to three seconds on a desk, some twenty on a small board; beyond this it hangs."""

_SUFFIX: Final = ".traineddata"


class Tesseract:
    """The program and its languages; both may be missing, and may be installed while we run."""

    def __init__(
        self,
        tessdata: Path,
        *,
        program: str = PROGRAM,
        debian_data: Path = DEBIAN_DATA,
        deadline_s: float = RECOGNITION_DEADLINE_S,
    ) -> None:
        """Use the languages in *tessdata*, or in Debian's own directory where that does not exist."""
        self._configured = tessdata
        self._program = program
        self._debian_data = debian_data
        self._deadline_s = deadline_s
        self._files = BlockingCalls(threads=1)

    async def languages(self) -> tuple[str, ...]:
        """Return what is installed, in alphabetical order; nothing if the program is missing.

        Raises DriverError if the directory cannot be read.
        """
        return await self._files.run("the languages of text recognition", self._find_languages)

    async def recognise(self, picture: bytes, languages: Sequence[str]) -> str:
        """Return the text on *picture* (PNM), exactly as the program says it.

        *languages* are names that `languages` returned. Raises DeviceGoneError if the program is missing,
        DeviceTimeoutError if it takes too long, BadReplyError if it fails. Killed if the caller goes away.
        """
        data = await self._files.run("the languages of text recognition", self._data_directory)
        argv = [
            self._program,
            *("stdin", "stdout"),
            *("--tessdata-dir", str(data)),
            *("-l", "+".join(languages)),
            # Nothing after the text: by default a form feed ends each page.
            *("-c", "page_separator="),
        ]
        try:
            with os_errors(self._program), trio.fail_after(self._deadline_s):
                done = await trio.run_process(
                    argv,
                    stdin=picture,
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                    deliver_cancel=_kill,
                    # Its own threads gain little and would take the processor from the video.
                    env={**os.environ, "OMP_THREAD_LIMIT": "1"},
                )
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"expected {self._program} to read the picture within {self._deadline_s:g} s, got nothing"
            ) from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            logger.warning("%s ended with %d: %s", self._program, done.returncode, " / ".join(said))
            raise BadReplyError(
                f"{self._program} ended with {done.returncode}: {said[-1] if said else 'no reason given'}"
            )
        return done.stdout.decode("utf-8", "replace")

    def _data_directory(self) -> Path:
        """Return where the languages are (blocking). Raises DeviceGoneError."""
        if self._configured.is_dir():
            return self._configured
        versions = [path for path in self._debian_data.glob("*/tessdata") if path.is_dir()]
        if not versions:
            raise DeviceGoneError(
                f"expected the languages of text recognition in {self._configured}, got none"
            )
        return max(versions, key=_version)

    def _find_languages(self) -> tuple[str, ...]:
        if shutil.which(self._program) is None:
            return ()
        try:
            directory = self._data_directory()
        except DeviceGoneError:
            return ()
        return tuple(sorted(path.stem for path in directory.glob(f"*{_SUFFIX}") if path.is_file()))


def _version(path: Path) -> tuple[float, str]:
    """Order directories such as 5/tessdata and 4.00/tessdata by their version."""
    name = path.parent.name
    try:
        return float(name), name
    except ValueError:
        return 0.0, name


async def _kill(process: trio.Process) -> None:
    # It only reads: there is nothing to tidy up, and a polite signal would keep a cancelled caller waiting.
    process.kill()
