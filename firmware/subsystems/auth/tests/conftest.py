"""An authentication service for whoever tests it through its handle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.subsystems.auth.tests.real_appliance import Appliance


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    made = Appliance(tmp_path)
    yield made
    made.hasher.hold.set()
