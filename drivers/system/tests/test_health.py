"""The board's sensors over files and programs that the test writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.ports import Health, Sensors
from drivers.system.health import LinuxSensors, find_throttled_file

_MEMINFO = "MemTotal:        1000000 kB\nMemFree:          100000 kB\nMemAvailable:     854321 kB\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "temp").write_text("45277\n")
    (tmp_path / "meminfo").write_text(_MEMINFO)
    _write_stat(tmp_path, busy=100, idle=800, iowait=100)
    return tmp_path


def _write_stat(root: Path, *, busy: int, idle: int, iowait: int) -> None:
    # 77 guest ticks are part of the user time and must not be counted twice.
    (root / "stat").write_text(f"cpu  {busy} 0 0 {idle} {iowait} 0 0 0 77 0\ncpu0 1 2 3\nintr 5\n")


def _program(path: Path, script: str) -> list[str]:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return [str(path)]


def _sensors(root: Path, vcgencmd: list[str] | None = None) -> LinuxSensors:
    return LinuxSensors(thermal_zone=root / "temp", proc=root, vcgencmd=vcgencmd or ())


async def test_all_readings(root: Path) -> None:
    vcgencmd = _program(root / "vcgencmd", '[ "$*" = get_throttled ] && echo throttled=0x50005')
    sensors: Sensors = _sensors(root, vcgencmd)
    assert await sensors.read() == Health(
        cpu_temp_c=45.277,
        cpu_percent=10,
        mem_percent=14.6,
        mem_total_bytes=1024000000,
        mem_available_bytes=874824704,
        throttling_flags=0x50005,
    )


async def test_the_load_is_that_since_the_last_reading(root: Path) -> None:
    sensors = _sensors(root)
    await sensors.read()
    _write_stat(root, busy=175, idle=815, iowait=110)
    assert (await sensors.read()).cpu_percent == 75
    assert (await sensors.read()).cpu_percent is None
    # iowait may go back (proc(5)): never above 100 percent.
    _write_stat(root, busy=275, idle=815, iowait=100)
    assert (await sensors.read()).cpu_percent == 100


@pytest.mark.fault("sensors", "missing")
async def test_what_is_not_there_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sensors = LinuxSensors(
        thermal_class=tmp_path / "thermal", proc=tmp_path, vcgencmd=[str(tmp_path / "vcgencmd")]
    )
    for _ in range(3):
        assert await sensors.read() == Health(None, None, None, None, None, None)
    # One line for each kind, however often it is asked.
    assert len(caplog.records) == 4


@pytest.mark.parametrize("temperature", ["", "hot", "1e9999", "45.5.5"])
@pytest.mark.parametrize("stat", ["", "cpu\n", "cpu a b c d e\n", "cpu 1 2 3\n"])
@pytest.mark.parametrize("meminfo", ["", "MemTotal: many kB\n", "MemTotal:     5 kB\n"])
@pytest.mark.fault("sensors", "garbage")
async def test_nonsense_is_none(tmp_path: Path, temperature: str, stat: str, meminfo: str) -> None:
    (tmp_path / "temp").write_text(temperature)
    (tmp_path / "stat").write_text(stat)
    (tmp_path / "meminfo").write_text(meminfo)
    assert await _sensors(tmp_path).read() == Health(None, None, None, None, None, None)


@pytest.mark.parametrize("script", ["echo VCHI initialization failed; exit 255", "echo throttled=", "true"])
async def test_a_failing_vcgencmd_is_none(root: Path, script: str) -> None:
    health = await _sensors(root, _program(root / "vcgencmd", script)).read()
    assert health.throttling_flags is None
    assert health.cpu_temp_c == 45.277


@pytest.mark.parametrize(("text", "flags"), [("0\n", 0), ("50005\n", 0x50005), ("0xe0008", 0xE0008)])
async def test_throttling_from_the_firmware_driver(root: Path, text: str, flags: int) -> None:
    assert find_throttled_file(root) is None
    node = root / "soc" / "soc:firmware"
    node.mkdir(parents=True)
    (node / "get_throttled").write_text(text)
    path = find_throttled_file(root)
    assert path == node / "get_throttled"
    # The file is asked and not the program, which takes a process each time.
    vcgencmd = _program(root / "vcgencmd", f"touch {root}/asked; echo throttled=0x1")
    sensors = LinuxSensors(thermal_zone=root / "temp", proc=root, throttled_file=path, vcgencmd=vcgencmd)
    assert (await sensors.read()).throttling_flags == flags
    assert not (root / "asked").exists()


@pytest.mark.parametrize("text", ["", "none", "-5", "123456789"])
async def test_a_firmware_driver_that_talks_nonsense_is_none(root: Path, text: str) -> None:
    (root / "get_throttled").write_text(text)
    sensors = LinuxSensors(thermal_zone=root / "temp", proc=root, throttled_file=root / "get_throttled")
    assert (await sensors.read()).throttling_flags is None


@pytest.mark.fault("sensors", "vanishes", "returns")
async def test_the_processors_zone_is_found_by_its_type_and_again_when_it_moves(root: Path) -> None:
    def zone(number: int, kind: str, millidegrees: int) -> Path:
        directory = root / "thermal" / f"thermal_zone{number}"
        directory.mkdir(parents=True)
        (directory / "type").write_text(f"{kind}\n")
        (directory / "temp").write_text(f"{millidegrees}\n")
        return directory

    zone(0, "iwlwifi_1", 30000)
    processor = zone(10, "cpu-thermal", 55123)
    sensors = LinuxSensors(thermal_class=root / "thermal", proc=root)
    assert (await sensors.read()).cpu_temp_c == 55.123
    # Its driver is loaded again and gets another number.
    processor.rename(root / "thermal" / "cooling_device0")
    assert (await sensors.read()).cpu_temp_c is None
    zone(2, "cpu-thermal", 56000)
    assert (await sensors.read()).cpu_temp_c == 56.0


@pytest.mark.fault("sensors", "vanishes", "returns")
async def test_a_sensor_that_returns_shows_again(root: Path) -> None:
    sensors = _sensors(root)
    (root / "temp").unlink()
    assert (await sensors.read()).cpu_temp_c is None
    (root / "temp").write_text("-1500\n")
    assert (await sensors.read()).cpu_temp_c == -1.5


async def test_this_machine_can_be_read() -> None:
    health = await LinuxSensors().read()
    assert health.mem_total_bytes is not None
    assert health.mem_available_bytes is not None
    assert 0 < health.mem_available_bytes <= health.mem_total_bytes
    assert health.cpu_percent is not None
    assert 0 <= health.cpu_percent <= 100


@pytest.mark.fault("sensors", "EIO")
async def test_a_sensor_that_cannot_be_read_is_none_and_comes_back(root: Path) -> None:
    sensors = _sensors(root)
    (root / "temp").unlink()
    # Nothing is mapped at the address 0, and the kernel says so by EIO.
    (root / "temp").symlink_to("/proc/self/mem")
    health = await sensors.read()
    assert health.cpu_temp_c is None
    assert health.mem_total_bytes is not None
    (root / "temp").unlink()
    (root / "temp").write_text("45277\n")
    assert (await sensors.read()).cpu_temp_c == 45.277
