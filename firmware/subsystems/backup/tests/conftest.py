"""A configuration and a state directory with something in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from firmware.subsystems.backup.scope import Roots

FILES = {
    "config/override.yaml": b"kvmd: {}\n",
    "config/htpasswd": b"admin:hash\n",
    "config/ssh/key": b"secret\n",
    "state/tls/key.pem": b"key\n",
    "state/edid.json": b"{}\n",
}


def _put(roots: Roots, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        prefix, _, rest = name.partition("/")
        path = roots.of(prefix) / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _everything(roots: Roots) -> dict[str, bytes]:
    found = {}
    for prefix in ("config", "state"):
        root = roots.of(prefix)
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                found[f"{prefix}/{path.relative_to(root)}"] = path.read_bytes()
    return found


@pytest.fixture
def put() -> Callable[[Roots, Mapping[str, bytes]], None]:
    """Write files by their paths in a backup."""
    return _put


@pytest.fixture
def everything() -> Callable[[Roots], dict[str, bytes]]:
    """Return all files that are there, hidden ones too."""
    return _everything


@pytest.fixture
def files() -> dict[str, bytes]:
    """What is in the directories."""
    return dict(FILES)


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    """The two directories."""
    made = Roots(tmp_path / "config", tmp_path / "state")
    _put(made, FILES)
    return made
