"""Kernel modules of the rig's guest."""

from __future__ import annotations

import subprocess
from pathlib import Path


def load(*names: str, **parameters: object) -> None:
    """Load modules; *parameters* are those of the last one. A failure tells modprobe's own words."""
    for name in names:
        given = [f"{key}={value}" for key, value in parameters.items()] if name == names[-1] else []
        _modprobe(name, *given)


def unload(name: str) -> None:
    """Remove a module, if it is there; fails while somebody uses it."""
    if is_loaded(name):
        _modprobe("-r", name)


def is_loaded(name: str) -> bool:
    """Whether a module is loaded."""
    return Path("/sys/module", name.replace("-", "_")).exists()


def _modprobe(*arguments: str) -> None:
    done = subprocess.run(["modprobe", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"modprobe {' '.join(arguments)}: {done.stderr.strip()}")
