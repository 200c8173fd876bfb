"""The guest's kernel: its log, its software watchdog, a fan controller on an emulated bus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from peers.fan_chip import FanChip
from peers.kernel_log import KernelLog
from peers.softdog import Softdog


@pytest.fixture
def kernel_log() -> Iterator[KernelLog]:
    with KernelLog() as log:
        yield log


@pytest.fixture
def softdog() -> Iterator[Softdog]:
    dog = Softdog()
    yield dog
    dog.unload()


@pytest.fixture
def fan_chip() -> Iterator[FanChip]:
    chip = FanChip()
    yield chip
    chip.close()
