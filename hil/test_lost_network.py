"""A client whose network is gone holds nothing pressed, though nobody told the appliance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEADLINE_S = 180


def test_keys_are_released_when_the_network_is_lost() -> None:
    command = [
        *("unshare", "--user", "--map-root-user", "--net"),
        *(sys.executable, str(Path(__file__).with_name("lost_network.py"))),
    ]
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "held {'KeyA'} 1" in done.stdout
    assert "released after" in done.stdout
