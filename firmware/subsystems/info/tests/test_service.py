"""The info service: polling and publishing, on sources that the test controls and on real files."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from drivers.errors import DeviceGoneError
from drivers.ports import Health
from drivers.system.fan import FanDaemon, FanHall, FanService, FanState, FanTemp, FanWheel
from drivers.system.health import LinuxSensors
from drivers.system.host_name import host_name
from drivers.system.platform import KernelFacts, LinuxPlatform, PlatformFacts
from drivers.system.units import SystemdUnits, UnitStatus
from drivers.system.uptime import LinuxUptime
from firmware.core.supervise import Supervisor, TaskPhase
from firmware.core.validators import INFO_CATEGORIES
from firmware.core.version import farhand_version
from firmware.state.info import (
    AuthInfo,
    FanInfo,
    HealthInfo,
    NodeInfo,
    SystemInfo,
    ThrottlingInfo,
    UptimeInfo,
    UptimeParts,
)
from firmware.subsystems.info.config import InfoConfig, InfoHwConfig
from firmware.subsystems.info.service import InfoService, health_info, split_uptime

_FAN = FanState(FanService(1.0), FanTemp(41.2, 41.2), FanWheel(25.0, 256, True, -1.0), FanHall(False, 0))
_HEALTH = Health(45.277, 2, 14.6, 1000, 854, 0x50005)


@dataclass
class FakeBoard:
    """Every source of the service, with the values that it gives next and a count of the questions."""

    health: Health = _HEALTH
    facts: PlatformFacts = field(default_factory=lambda: PlatformFacts(model="v3"))
    uptime_s: int | None = 100
    host: str = "kvm"
    fan_state: FanState | None = None
    units: dict[str, UnitStatus] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class FakeSensors:
    def __init__(self, board: FakeBoard) -> None:
        self._board = board

    async def read(self) -> Health:
        await trio.lowlevel.checkpoint()
        self._board.asked.append("health")
        return self._board.health


class FakePlatform:
    def __init__(self, board: FakeBoard) -> None:
        self._board = board

    async def read(self) -> PlatformFacts:
        await trio.lowlevel.checkpoint()
        self._board.asked.append("platform")
        return self._board.facts

    def kernel(self) -> KernelFacts:
        return KernelFacts("Linux", "6.6", "#1", "aarch64")


class FakeUnits:
    def __init__(self, board: FakeBoard) -> None:
        self._board = board

    async def statuses(self, names: Sequence[str]) -> Mapping[str, UnitStatus]:
        await trio.lowlevel.checkpoint()
        self._board.asked.append(f"units {' '.join(names)}")
        return {name: self._board.units.get(name, UnitStatus()) for name in names}


class FakeUptime:
    def __init__(self, board: FakeBoard) -> None:
        self._board = board

    async def read_s(self) -> int:
        await trio.lowlevel.checkpoint()
        if self._board.uptime_s is None:
            raise DeviceGoneError("no uptime")
        return self._board.uptime_s


class FakeFan:
    def __init__(self, board: FakeBoard) -> None:
        self._board = board

    async def read(self) -> FanState:
        await trio.lowlevel.checkpoint()
        self._board.asked.append("fan")
        if self._board.fan_state is None:
            raise DeviceGoneError("no fan daemon")
        return self._board.fan_state


@pytest.fixture
def board() -> FakeBoard:
    return FakeBoard()


@pytest.fixture
def config(tmp_path: Path) -> InfoConfig:
    return InfoConfig(meta=tmp_path / "meta.yaml", extras=tmp_path / "extras")


def _service(board: FakeBoard, config: InfoConfig, *, fan: bool = False) -> InfoService:
    return InfoService(
        config,
        auth_enabled=True,
        sensors=FakeSensors(board),
        platform=FakePlatform(board),
        units=FakeUnits(board),
        uptime=FakeUptime(board),
        host_name=lambda: board.host,
        fan=FakeFan(board) if fan else None,
        resolve_port={"vnc/server/port": 5900}.get,
    )


async def _start(service: InfoService, nursery: trio.Nursery, clock: trio.testing.MockClock) -> None:
    """Start the service, then let the clock jump.

    The start reads documents in real threads. A jumping clock does not see these: it would jump to their
    deadline.
    """
    await nursery.start(service.run)
    clock.autojump_threshold = 0


def _versions(service: InfoService) -> dict[str, int]:
    return {category: cell.version for category, cell in service.cells.items()}


async def test_there_is_a_cell_with_a_value_for_every_category(
    board: FakeBoard, config: InfoConfig, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    service = _service(board, config)
    await nursery.start(service.run)
    assert tuple(service.cells) == INFO_CATEGORIES
    for category, cell in service.cells.items():
        assert cell.value == getattr(service.state, category)
        assert msgspec.json.encode({category: cell.value})
    assert service.cells["auth"].value == AuthInfo(enabled=True)
    assert service.cells["node"].value == NodeInfo("kvm")
    assert service.cells["meta"].value == {"server": {"host": "kvm"}}
    assert service.cells["extras"].value == {}
    assert service.cells["uptime"].value == UptimeInfo(100, UptimeParts(0, 0, 1, 40))
    assert service.cells["fan"].value == FanInfo(monitored=False, state=None)
    system = service.cells["system"].value
    assert isinstance(system, SystemInfo)
    assert msgspec.to_builtins(system) == {
        "kvmd": {"version": "4.197"},
        "streamer": {
            "app": "ustreamer",
            "version": "6.62",
            "features": {"HAS_PDEATHSIG": False, "WITH_GPIO": False},
        },
        "kernel": {"system": "Linux", "release": "6.6", "version": "#1", "machine": "aarch64"},
        "platform": {
            "type": "rpi", "base": None, "serial": None, "model": "v3", "video": None, "board": None,
        },
        "farhand": {"version": farhand_version()},
    }  # fmt: skip


async def test_uptime_is_published_every_five_seconds_and_health_on_change(
    board: FakeBoard, config: InfoConfig, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    service = _service(board, config)
    await _start(service, nursery, mock_clock)
    before = _versions(service)
    await trio.sleep(4.9)
    assert _versions(service) == before
    await trio.sleep(0.2)
    # The same number again, but it is published; the same health is not.
    assert _versions(service) == {**before, "uptime": before["uptime"] + 1}
    board.health = replace(_HEALTH, cpu_percent=3)
    await trio.sleep(5)
    assert _versions(service) == {
        **before, "uptime": before["uptime"] + 2, "health": before["health"] + 1,
    }  # fmt: skip
    assert service.state.health.cpu.percent == 3
    await trio.sleep(50)
    assert service.cells["uptime"].version == before["uptime"] + 12
    assert service.cells["health"].version == before["health"] + 1


async def test_the_interval_of_health_is_configured(
    board: FakeBoard, config: InfoConfig, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    config = msgspec.structs.replace(config, hw=InfoHwConfig(state_poll=0.5, ignore_past=True))
    service = _service(board, config)
    await _start(service, nursery, mock_clock)
    board.asked.clear()
    await trio.sleep(10.1)
    assert board.asked == ["health"] * 20
    assert service.state.health.throttling == health_info(_HEALTH, ignore_past=True).throttling


async def test_the_host_name_is_looked_at_every_second(
    board: FakeBoard, config: InfoConfig, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    service = _service(board, config)
    await _start(service, nursery, mock_clock)
    before = _versions(service)
    board.host = "renamed"
    await trio.sleep(1.1)
    assert service.cells["node"].value == NodeInfo("renamed")
    assert _versions(service) == {**before, "node": before["node"] + 1}


async def test_the_fan_is_published_when_more_than_its_clock_changes(
    board: FakeBoard, config: InfoConfig, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    board.fan_state = _FAN
    service = _service(board, config, fan=True)
    await _start(service, nursery, mock_clock)
    before = service.cells["fan"].version
    assert service.cells["fan"].value == FanInfo(True, _FAN)
    board.fan_state = msgspec.structs.replace(_FAN, service=FanService(6.0))
    await trio.sleep(5.1)
    assert service.cells["fan"].version == before
    assert service.state.fan == FanInfo(True, board.fan_state)
    board.fan_state = msgspec.structs.replace(board.fan_state, temp=FanTemp(50.0, 50.0))
    await trio.sleep(5)
    assert service.cells["fan"].version == before + 1
    assert service.cells["fan"].value == FanInfo(True, board.fan_state)
    # A daemon that answers is never looked for among the services.
    assert "units kvmd-fan" not in board.asked


async def test_a_silent_fan_daemon_is_monitored_if_it_is_enabled(
    board: FakeBoard, config: InfoConfig, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    service = _service(board, config, fan=True)
    await _start(service, nursery, mock_clock)
    assert service.state.fan == FanInfo(False, None)
    assert "units kvmd-fan" in board.asked
    board.units["kvmd-fan"] = UnitStatus(enabled=True)
    await trio.sleep(5.1)
    assert service.cells["fan"].value == FanInfo(True, None)
    board.fan_state = _FAN
    await trio.sleep(5)
    assert service.cells["fan"].value == FanInfo(True, _FAN)


async def test_documents_are_read_again_on_request_only(
    board: FakeBoard, config: InfoConfig, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    service = _service(board, config)
    await nursery.start(service.run)
    before = _versions(service)
    config.meta.write_text("server: {host: kvm-7}\n")
    (config.extras / "vnc").mkdir(parents=True)
    (config.extras / "vnc" / "manifest.yaml").write_text(
        "name: VNC\ndaemon: kvmd-vnc\nport: vnc/server/port\nenabled: a lie\n"
    )
    (config.extras / "plain").mkdir()
    (config.extras / "plain" / "manifest.yaml").write_text("name: Plain\ndaemon: ''\n")
    board.units["kvmd-vnc"] = UnitStatus(enabled=True, started=False)
    board.facts = PlatformFacts(model="v4")
    await trio.testing.wait_all_tasks_blocked()
    assert _versions(service) == before

    service.request_refresh()
    mock_clock.jump(1.0)
    await service.cells["system"].wait_newer(before["system"])
    assert service.cells["meta"].value == {"server": {"host": "kvm-7"}}
    assert service.cells["extras"].value == {
        "plain": {"name": "Plain", "daemon": ""},
        "vnc": {"name": "VNC", "daemon": "kvmd-vnc", "port": 5900, "enabled": True, "started": False},
    }
    assert service.state.system.platform.model == "v4"
    for category in ("meta", "extras", "system"):
        assert service.cells[category].version == before[category] + 1


async def test_many_clients_cause_few_readings(
    board: FakeBoard, config: InfoConfig, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    service = _service(board, config)
    await nursery.start(service.run)
    assert board.asked.count("platform") == 1
    for _ in range(10):
        service.request_refresh()
        async with trio.open_nursery() as clients:
            for _ in range(5):
                clients.start_soon(service.fresh_state)
    assert board.asked.count("platform") == 1
    mock_clock.jump(1.0)
    async with trio.open_nursery() as clients:
        for _ in range(5):
            clients.start_soon(service.fresh_state)
    assert board.asked.count("platform") == 2


async def test_a_fresh_state_is_read_when_it_is_asked_for(board: FakeBoard, config: InfoConfig) -> None:
    service = _service(board, config)
    config.meta.write_text("server: {host: '@auto'}\n")
    board.uptime_s = 90061
    board.host = "renamed"
    state = await service.fresh_state()
    assert state == service.state
    assert state.meta == {"server": {"host": "renamed"}}
    assert state.node == NodeInfo("renamed")
    assert state.uptime == UptimeInfo(90061, UptimeParts(1, 1, 1, 1))


async def test_a_fresh_state_is_answered_although_a_source_hangs(
    board: FakeBoard, config: InfoConfig, autojump_clock: trio.testing.MockClock
) -> None:
    service = _service(board, config)

    class HangingUptime:
        async def read_s(self) -> int:
            await trio.sleep_forever()
            raise AssertionError

    service._uptime = HangingUptime()
    started = trio.current_time()
    assert (await service.fresh_state()).auth == AuthInfo(True)
    assert trio.current_time() - started == 2.0


async def test_failures_give_null_and_are_logged_once(
    board: FakeBoard,
    config: InfoConfig,
    nursery: trio.Nursery,
    mock_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config.meta.write_text("server: [\n")
    config.extras.touch()
    board.uptime_s = None
    board.health = Health(None, None, None, None, None, None)
    service = _service(board, config, fan=True)
    await nursery.start(service.run)
    for _ in range(3):
        mock_clock.jump(5.0)
        await service.fresh_state()
    state = service.state
    assert (state.meta, state.extras) == (None, None)
    assert state.fan == FanInfo(False, None)
    assert state.health == HealthInfo()
    assert state.uptime == UptimeInfo()
    texts = [record.message.partition(":")[0] for record in caplog.records]
    assert sorted(texts) == sorted(
        [f"no {config.meta}", f"no {config.extras}", "no uptime", "no answer of the fan daemon"]
    )
    assert service.statistics()["failures"] > 4


async def test_it_runs_under_the_supervisor_and_comes_back_after_a_fault(
    board: FakeBoard, config: InfoConfig, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    # The jumping clock may make the documents miss their deadline; this test does not look at them.
    service = _service(board, config)
    supervisor = Supervisor()
    nursery.start_soon(supervisor.supervise, "info", service.run)
    await trio.sleep(10)
    assert supervisor.tasks.value["info"].phase is TaskPhase.ONLINE
    supervisor.interrupt("info", DeviceGoneError("drill"))
    await trio.sleep(10)
    assert supervisor.tasks.value["info"].phase is TaskPhase.ONLINE
    assert supervisor.tasks.value["info"].faults == 1
    version = service.cells["uptime"].version
    await trio.sleep(5)
    assert service.cells["uptime"].version > version
    nursery.cancel_scope.cancel()


async def test_on_real_files_and_programs(
    tmp_path: Path, config: InfoConfig, nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "temp").write_text("50000\n")
    (tmp_path / "uptime").write_text("65425.5 1.0\n")
    (tmp_path / "platform").write_text("PIKVM_MODEL=v3\n")
    service = InfoService(
        config,
        auth_enabled=False,
        sensors=LinuxSensors(
            thermal_zone=tmp_path / "temp", proc=tmp_path, vcgencmd=["vcgencmd-is-not-here"]
        ),
        platform=LinuxPlatform(platform_file=tmp_path / "platform", device_tree=tmp_path),
        units=SystemdUnits(systemctl=[str(tmp_path / "no-systemctl")]),
        uptime=LinuxUptime(path=tmp_path / "uptime"),
        host_name=host_name,
        fan=FanDaemon(tmp_path / "fan.sock", timeout_s=1.0),
        resolve_port=lambda _: None,
    )
    await nursery.start(service.run)
    assert service.state.node == NodeInfo(socket.gethostname())
    assert service.state.health.temp.cpu == 50.0
    assert service.state.uptime == UptimeInfo(65425, UptimeParts(0, 18, 10, 25))
    assert service.state.system.platform.model == "v3"
    assert service.state.auth == AuthInfo(enabled=False)
    assert service.state.fan == FanInfo(False, None)

    health, uptime = service.cells["health"].version, service.cells["uptime"].version
    (tmp_path / "temp").write_text("51000\n")
    (tmp_path / "uptime").write_text("65430.5 1.0\n")
    await trio.testing.wait_all_tasks_blocked()  # the polls wait for their time
    mock_clock.jump(5.0)
    await service.cells["health"].wait_newer(health)
    await service.cells["uptime"].wait_newer(uptime)
    assert service.state.health.temp.cpu == 51.0
    assert service.state.uptime.total == 65430


@pytest.mark.parametrize(
    ("flags", "now", "past"),
    [
        (0, "", ""),
        (0x1, "u", ""),
        (0x20000, "", "f"),
        (0x50005, "ut", "ut"),
        (0x70007, "uft", "uft"),
        (0x8, "", ""),
    ],
)
def test_throttling_flags(flags: int, now: str, past: str) -> None:
    throttling = health_info(replace(_HEALTH, throttling_flags=flags), ignore_past=False).throttling
    assert isinstance(throttling, ThrottlingInfo)
    parsed = msgspec.structs.asdict(throttling.parsed_flags)
    assert {name[0] for name, flag in parsed.items() if flag.now} == set(now)
    assert {name[0] for name, flag in parsed.items() if flag.past} == set(past)
    assert throttling.raw_flags == flags


@pytest.mark.parametrize("total_s", [0, 59, 60, 3599, 3600, 86399, 86400, 1_000_000])
def test_the_parts_of_an_uptime_make_its_total(total_s: int) -> None:
    parts = split_uptime(total_s).parts
    assert ((parts.days * 24 + parts.hours) * 60 + parts.minutes) * 60 + parts.seconds == total_s
    assert (parts.hours < 24, parts.minutes < 60, parts.seconds < 60) == (True, True, True)
