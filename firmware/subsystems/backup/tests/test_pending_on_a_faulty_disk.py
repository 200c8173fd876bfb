"""Restores and resets, on a disk that fails at each of their operations in turn."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from peers.disk_trials import Store, at, blocking, trials_of

from firmware.subsystems.backup.pending import (
    ResetRequest,
    cancel_restore,
    carry_out_reset,
    carry_out_restore,
    request_reset,
    stage_restore,
)
from firmware.subsystems.backup.scope import Roots

RESTORED = {"config/htpasswd": b"bob:hash\n", "state/tls/key.pem": b"new key\n"}


def _roots(root: Path) -> Roots:
    return Roots(root / "config", root / "state")


def _fill(root: Path) -> None:
    for name in ("config/htpasswd", "config/override.yaml", "state/edid.bin"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"old\n")


def _next_start(root: Path) -> dict[str, bytes]:
    """Return what the next start has in its directories, without having it happen."""
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(root, copy)
        roots = _roots(copy)
        carry_out_reset(roots)
        carry_out_restore(roots)
        return {
            str(Path(place, name).relative_to(copy)): Path(place, name).read_bytes()
            for place, _, names in os.walk(copy)
            for name in names
            if not name.endswith(".tmp")
        }


RESTORE = Store(
    "a restore that is asked for",
    at,
    blocking(lambda root: stage_restore(root / "state", RESTORED)),
    _next_start,
    blocking(_fill),
)


def _fill_and_stage(root: Path) -> None:
    _fill(root)
    stage_restore(root / "state", RESTORED)


CANCELLED = Store(
    "a restore that is cancelled",
    at,
    blocking(lambda root: cancel_restore(root / "state")),
    _next_start,
    blocking(_fill_and_stage),
)
RESET = Store(
    "a reset that is asked for",
    at,
    blocking(lambda root: request_reset(root / "state", ResetRequest())),
    _next_start,
    blocking(_fill),
)


def _pending(root: Path) -> object:
    """Return whether something waits, and what there will be: that must not change while it is done."""
    expected = {} if (root / "mark").read_text() == "reset" else RESTORED
    found = _next_start(root)
    found.pop("mark")
    assert found == expected
    return (root / "state/restore").exists() or (root / "state/factory-reset").exists()


def _staged(kind: str) -> Callable[[Path], Awaitable[None]]:
    def prepare(root: Path) -> None:
        _fill_and_stage(root)
        (root / "mark").write_text(kind)
        if kind == "reset":
            request_reset(root / "state", ResetRequest())

    return blocking(prepare)


DO_RESTORE = Store(
    "a restore that is done", at, blocking(lambda root: carry_out_restore(_roots(root))), _pending,
    _staged("restore"),
)  # fmt: skip
DO_RESET = Store(
    "a reset that is done",
    at,
    blocking(lambda root: carry_out_reset(_roots(root))),
    _pending,
    _staged("reset"),
)


@pytest.mark.parametrize(
    "store", [RESTORE, CANCELLED, RESET, DO_RESTORE, DO_RESET], ids=lambda store: store.name
)
async def test_whatever_the_disk_does_nobody_finds_a_mixture(store: Store[Any]) -> None:
    assert await trials_of(store) > 0
