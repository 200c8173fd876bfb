"""Pytest fixtures for tests on the host that need the rig's guest: `pytest_plugins = ["rig.fixtures"]`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rig.rig import Rig


@pytest.fixture(scope="session")
def booted_rig() -> Iterator[Rig]:
    """A guest for the whole session. Each test leaves it as it found it."""
    with Rig() as rig:
        yield rig


@pytest.fixture
def fresh_rig() -> Iterator[Rig]:
    """A guest that the test may break: a restored machine is up in half a second."""
    with Rig() as rig:
        yield rig
