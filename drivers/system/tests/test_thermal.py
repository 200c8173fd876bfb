"""Which zone is the processor's, over trees of directories as sysfs has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.system.thermal import find_cpu_zone


def _make(root: Path, types: dict[int, str | None]) -> None:
    for number, kind in types.items():
        zone = root / f"thermal_zone{number}"
        zone.mkdir()
        if kind is not None:
            (zone / "type").write_text(kind + "\n")
    (root / "cooling_device0").mkdir()


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ({0: "cpu-thermal"}, 0),
        ({0: "cpu_thermal", 1: "gpu_thermal"}, 0),
        ({0: "gpu-thermal", 1: "cpu-thermal"}, 1),
        ({0: "acpitz", 1: "pch_cannonlake", 2: "x86_pkg_temp", 10: "x86_pkg_temp"}, 2),
        ({0: "battery", 1: "acpitz"}, 1),
        ({0: "bigcore1-thermal", 1: "package-thermal"}, 1),
        ({0: "gpu-thermal", 2: "littlecore-thermal", 10: "bigcore0-thermal"}, 2),
        ({0: "SoC-Thermal"}, 0),
        # Numbers, not names, are in order.
        ({10: "cpu-thermal", 9: "cpu-thermal"}, 9),
        # None fits, or none tells: the lowest, as ever.
        ({3: "something", 7: "else"}, 3),
        ({0: None, 1: "cpu-thermal"}, 1),
        ({5: None}, 5),
    ],
)
def test_the_processors_zone(tmp_path: Path, types: dict[int, str | None], expected: int) -> None:
    _make(tmp_path, types)
    assert find_cpu_zone(tmp_path) == tmp_path / f"thermal_zone{expected}"


def test_a_machine_without_zones(tmp_path: Path) -> None:
    assert find_cpu_zone(tmp_path) is None
    assert find_cpu_zone(tmp_path / "none") is None
