"""One appliance per state directory: a lock that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware.core.errors import SetupError

LOCK_NAME = "farhand.lock"


@contextmanager
def state_directory(path: Path) -> Iterator[Path]:
    """Create *path* if needed and hold it; nobody else may meanwhile. Raises SetupError."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise SetupError(
            f"cannot use the state directory {path}: {exc.strerror}; give another one with --state"
        ) from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise SetupError(
                f"another appliance (process {holder}) uses the state directory {path}; "
                "stop it or give another directory with --state"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield path
    finally:
        os.close(descriptor)
