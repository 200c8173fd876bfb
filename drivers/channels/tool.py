"""Programs that talk to another machine for us: run with a deadline, a bounded answer and no terminal.

Owns the process and everything that it starts, and ends both. Never a shell, never any input. What is secret
comes in the environment or in a file that only the program can open, so that no list of processes shows it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import trio

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, os_errors

TOOL_DEADLINE_S: Final = 10.0
"""A BMC answers within 2 s, one that restarts not at all; the tools would try for 20 s and longer."""

MAX_OUTPUT_BYTES: Final = 64 << 10
"""An answer is one line; a tool that does not know an option prints some pages of help."""

_PLACEHOLDER: Final = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """How a program ended, and what it said on both of its outputs."""

    exit_status: int
    text: str

    @property
    def last_line(self) -> str:
        """What it said last, where tools say why they failed."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else "nothing"


async def run_tool(
    argv: Sequence[str], *, environment: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
) -> ToolAnswer:
    """Run *argv* with *environment* added to our own; *pass_fds* stay open in it.

    Raises DeviceGoneError if there is no such program, DeviceTimeoutError, BadReplyError, DriverError.
    """
    name = argv[0]
    with os_errors(name), _missing(name):
        process = await trio.lowlevel.open_process(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
            pass_fds=tuple(pass_fds),
        )
    assert process.stdout is not None
    said = bytearray()
    ended = False
    try:
        with trio.move_on_after(TOOL_DEADLINE_S):
            async for piece in process.stdout:
                said += piece
                if len(said) > MAX_OUTPUT_BYTES:
                    raise BadReplyError(f"expected at most {MAX_OUTPUT_BYTES} bytes of {name}, got more")
            await process.wait()
            ended = True
    finally:
        if not ended:
            # The whole session that it leads.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        # Shielded, or it would stay a zombie: nothing survives that signal for long.
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()
    if not ended:
        raise DeviceTimeoutError(f"expected {name} to end within {TOOL_DEADLINE_S:g} s, and ended it")
    assert process.returncode is not None
    return ToolAnswer(process.returncode, said.decode("utf-8", errors="replace"))


@contextmanager
def _missing(name: str) -> Generator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DeviceGoneError(f"there is no program {name}; install it, or name another one in cmd") from None


@contextmanager
def secret_file(content: bytes) -> Generator[tuple[str, int]]:
    """A file in memory for a program: the path under which it finds it, and the descriptor to pass to it."""
    with os.fdopen(os.memfd_create("farhand"), "wb", buffering=0) as file:
        file.write(content)
        yield f"/proc/self/fd/{file.fileno()}", file.fileno()


def fill(template: Sequence[str], values: Mapping[str, str | None]) -> list[str]:
    """Put values in the place of `{name}`s; a word that is one alone, whose value is None, is left out."""
    return [
        _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]) or "", word)
        for word in template
        if not ((whole := _PLACEHOLDER.fullmatch(word)) and values.get(whole[1], "") is None)
    ]
