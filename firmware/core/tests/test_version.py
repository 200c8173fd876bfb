"""Version numbers that clients parse."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from firmware.core import version
from firmware.core.version import PIKVM_API_VERSION, PIKVM_API_VERSION_PARTS, farhand_version


def test_the_api_version_is_two_numbers() -> None:
    assert re.fullmatch(r"[0-9]+\.[0-9]+", PIKVM_API_VERSION)
    assert tuple(int(part) for part in PIKVM_API_VERSION.split(".")) == PIKVM_API_VERSION_PARTS


def test_our_version_is_that_of_the_installed_package() -> None:
    metadata = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    assert farhand_version() == metadata["project"]["version"]


def test_a_program_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "_DISTRIBUTION", "no-such-distribution-of-ours")
    assert farhand_version() == "0+uninstalled"
