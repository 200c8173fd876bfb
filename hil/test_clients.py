"""Clients that others wrote, unmodified, against a live appliance over TLS.

They run in an environment of their own (`requirements/clients.txt`), as they would at their users'.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CLIENTS_PYTHON = HERE.parent / ".cache/clients/bin/python"
DEADLINE_S = 110

OVERRIDE = """
kvmd:
    gpio:
        drivers: {nothing: {type: noop}}
        scheme:
            lamp: {driver: nothing, pin: 1, mode: output, pulse: false}
            bell: {driver: nothing, pin: 2, mode: output, switch: false}
"""


@pytest.fixture
def secure(start_appliance: Callable[..., Any], tmp_path: Path) -> Any:
    """An appliance with two GPIO channels, on HTTPS alone."""
    config = tmp_path / "appliance0/config"
    config.mkdir(parents=True)
    (config / "override.yaml").write_text(OVERRIDE)
    return start_appliance("--board", "emulated", "--http", "", "--https", "127.0.0.1:0")


def session(script: str, directory: Path, *arguments: str) -> dict[str, Any]:
    """Run a client's session in *directory*, where it may leave its log, and return what it saw."""
    command = [str(CLIENTS_PYTHON), "-W", "ignore", str(HERE / "clients" / script), *arguments]
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(seen, dict)
    return seen


def test_pikvm_lib(secure: Any, tmp_path: Path) -> None:
    address = secure.url.removeprefix("https://").rstrip("/")
    saw = session("pikvm_lib_session.py", tmp_path, address, str(tmp_path), "6")
    assert saw["authenticated"] is True
    assert {"hw", "system", "meta", "extras", "fan", "auth", "node", "uptime"} == set(saw["info"])
    assert saw["atx"]["enabled"] is True
    assert saw["images"]["library.img"]["complete"] is True
    assert saw["images"]["library.img"]["size"] == 1024 * 1024
    assert saw["drive"]["connected"] is True
    assert saw["drive"]["image"]["name"] == "library.img"
    assert saw["images_after"] == {}
    assert set(saw["gpio"]) == {"lamp", "bell"}
    assert saw["size"] == [1280, 720]
    assert Path(saw["snapshot"]).read_bytes()[:2] == b"\xff\xd8"


def test_aiopikvm(secure: Any, tmp_path: Path) -> None:
    assert session("aiopikvm_session.py", tmp_path, secure.url) == {
        "keymaps": "en-us",
        "ocr": True,
        "metrics": True,
        "system": "On",
        "first_event": "loop",
        "jpeg": "ffd8",
        "stranger": "refused",
    }
