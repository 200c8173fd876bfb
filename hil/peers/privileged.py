"""The privileged process as systemd starts it, and a process of a user without rights.

Both are real ones: the first has root's user id and no capability, as in the image; the second has neither.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

USER = "nobody"
NO_CAPABILITY = ("--bounding-set=-all", "--inh-caps=-all")
# It is not started again here, as systemd does, so it waits long. LISTEN_PID must be the process's own.
_AS_SYSTEMD_DOES = (
    "LISTEN_FDS=1 LISTEN_PID=$$ exec python3 -u -m firmware.privileged --idle 3600 --user " + USER
)
_END_S = 30


@contextmanager
def helper(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the privileged process behind a socket at *path*."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()

        def third() -> None:
            # In the child: systemd passes the socket as descriptor 3.
            os.dup2(listener.fileno(), 3)
            os.set_inheritable(3, True)

        process = subprocess.Popen(
            ["setpriv", *NO_CAPABILITY, "--regid=65534", "--clear-groups", "sh", "-c", _AS_SYSTEMD_DOES],
            close_fds=False,
            preexec_fn=third,  # noqa: PLW1509 - there is one thread in the guest's tests
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(_END_S)


class Unprivileged:
    """A process of USER that does what `tell` says; see `peers.unprivileged_gadget`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, *words: Any) -> Any:
        """Have it do something and return what came of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process without rights ended"
        return json.loads(line)


@contextmanager
def unprivileged(*arguments: str) -> Iterator[Unprivileged]:
    """Run `peers.unprivileged_gadget` as USER with *arguments*."""
    without = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        *NO_CAPABILITY,
        "--no-new-privs",
    ]
    with subprocess.Popen(
        [*without, sys.executable, "-u", "-m", "peers.unprivileged_gadget", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Unprivileged(process)
        finally:
            process.terminate()
