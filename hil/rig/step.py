"""One external program at a time, each with a deadline, its output kept for the message when it fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rig.errors import BuildError, MissingToolsError
from rig.recipe import HOST_PROGRAMS, KEYRING

# What Debian keeps in sbin is not in everybody's PATH.
_EXTRA_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_TAIL_BYTES = 4000
_END_DEADLINE_S = 10


def host_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the host's programs: untranslated output, sbin in the path.

    Some of them are written in Python, the system's own: what is said to ours must not reach them.
    """
    path = os.environ.get("PATH", "/usr/bin:/bin")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**inherited, "LC_ALL": "C.UTF-8", "PATH": f"{path}:{_EXTRA_PATH}", **(extra or {})}


def check_programs(find: Callable[[str], str | None] | None = None) -> None:
    """Raise MissingToolsError with the line that installs what is missing."""
    look = find or (lambda name: shutil.which(name, path=host_environment()["PATH"]))
    missing = {name: package for name, package in HOST_PROGRAMS.items() if not look(name)}
    if not Path(KEYRING).exists():
        missing[KEYRING] = "debian-archive-keyring"
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise MissingToolsError(
            f"{', '.join(missing)} not found: sudo apt-get install --no-install-recommends {packages}"
        )


def say(message: str) -> None:
    """Tell the person who waits; standard output belongs to what runs in the guest."""
    print(f"rig: {message}", file=sys.stderr, flush=True)


def run(
    argv: Sequence[str | Path],
    what: str,
    deadline_s: float,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run *argv* to its end and return what it printed; BuildError if it fails or takes too long.

    It is a process group of its own, so that what it started ends with it.
    """
    process = subprocess.Popen(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=host_environment(environment),
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=deadline_s)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=_END_DEADLINE_S)
        if isinstance(error, subprocess.TimeoutExpired):
            raise BuildError(f"{what}: expected an end within {deadline_s:.0f} s - at {argv[0]}") from None
        raise
    if process.returncode:
        tail = (output + errors)[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
        raise BuildError(f"{what}: expected status 0, got {process.returncode} - at {argv[0]}:\n{tail}")
    return output.decode("utf-8", "replace")


class Stopwatch:
    """Says each step of a build with the time it took."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self, message: str) -> None:
        """Say *message* with the time since the one before."""
        now = time.monotonic()
        say(f"{message} ({now - self._last:.1f} s)")
        self._last = now
