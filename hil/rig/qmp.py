"""The few words of QEMU's machine protocol that the rig needs; blocking, with deadlines."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from rig.errors import RigError

# Answers come in milliseconds, and within a second while a machine is being saved under load.
_ANSWER_DEADLINE_S = 30
# Saving takes 0.8 s and loading 0.4 s; a busy disk has much more.
_MIGRATION_DEADLINE_S = 120
_POLL_S = 0.01


class QmpError(RigError):
    """QEMU refused a command or did not answer."""


class Qmp:
    """One connection to a running QEMU."""

    def __init__(self, path: Path, deadline_s: float = _ANSWER_DEADLINE_S) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(deadline_s)
        try:
            self._socket.connect(str(path))
            self._file = self._socket.makefile("rb")
            self._read()
            self("qmp_capabilities")
        except BaseException:
            self._socket.close()
            raise

    def __call__(self, command: str, **arguments: object) -> Any:
        """The return value of *command*; QmpError with QEMU's words if it refuses."""
        line = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        try:
            self._socket.sendall(line)
            while True:
                answer = self._read()
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise QmpError(f"QEMU refused {command}: {answer['error'].get('desc')}")
        except OSError as error:
            raise QmpError(f"QEMU did not answer {command}: {error}") from error

    def monitor(self, line: str) -> str:
        """What QEMU's human monitor prints for *line*: the only way to some commands. Nothing means done."""
        return str(self("human-monitor-command", **{"command-line": line})).strip()

    def save(self, path: Path) -> None:
        """Stop the machine and write its state to *path*."""
        self("stop")
        self("migrate", uri=f"exec:cat > {_quoted(path)}")
        end = time.monotonic() + _MIGRATION_DEADLINE_S
        while True:
            status = self("query-migrate").get("status")
            if status == "completed":
                return
            if status in {"failed", "cancelled"} or time.monotonic() > end:
                raise QmpError(f"expected the machine's state to be saved, got {status} - at {path}")
            time.sleep(_POLL_S)

    def wait_until_running(self) -> None:
        """Let a restored machine run, once its state is loaded. (One that cannot load its state ends.)"""
        end = time.monotonic() + _MIGRATION_DEADLINE_S
        while (status := self("query-status")["status"]) != "running":
            if time.monotonic() > end:
                raise QmpError(f"expected the restored machine to run, got {status}")
            # The saved machine was stopped, so it is loaded as paused.
            if status == "paused":
                self("cont")
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Forget the connection."""
        self._file.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line:
            raise ConnectionResetError("the connection ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def load_argument(path: Path) -> str:
    """The -incoming argument that loads what `Qmp.save` wrote."""
    return f"exec:cat {_quoted(path)}"


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"
