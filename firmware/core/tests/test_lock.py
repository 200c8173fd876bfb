from __future__ import annotations

import os
from pathlib import Path

import pytest

from firmware.core.errors import SetupError
from firmware.core.lock import state_directory


def test_the_directory_is_made_held_and_let_go(tmp_path: Path) -> None:
    directory = tmp_path / "deep/state"
    with state_directory(directory) as held:
        assert held.is_dir()
        with pytest.raises(SetupError, match=f"process {os.getpid()}.*--state"), state_directory(directory):
            pass
    with state_directory(directory):
        pass


def test_a_place_where_no_directory_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="--state"), state_directory(tmp_path / "file/state"):
        pass
