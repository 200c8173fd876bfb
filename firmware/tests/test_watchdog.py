"""The feeder, with a real notification socket; with the kernel's own watchdog it is in hil/kernel/system."""

from __future__ import annotations

import fcntl
import logging
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from drivers.errors import DeviceBusyError, DeviceGoneError, NotSupportedError
from drivers.system import hardware_watchdog
from drivers.system.sd_notify import ServiceManager
from firmware import watchdog as under_test
from firmware.watchdog import CHECK_DEADLINE_S, PERIOD_UNWATCHED_S, Check, WatchdogFeeder, WatchdogState

TIMEOUT_S = 20.0


class Part:
    """Some part of the appliance that can break or hang."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: Exception | None = None
        self.takes_s = 0.0

    async def prove(self) -> None:
        await trio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error


class Listener:
    """systemd's side of the socket."""

    def __init__(self, path: Path) -> None:
        self._socket = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._path = path
        self._heard: list[bytes] = []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self._socket:
            await self._socket.bind(str(self._path))
            task_status.started()
            while True:
                message = await self._socket.recv(4096)
                self._heard.append(message)

    async def heard(self) -> list[bytes]:
        await trio.testing.wait_all_tasks_blocked()
        messages, self._heard = self._heard, []
        return messages

    async def feedings(self) -> int:
        return (await self.heard()).count(b"WATCHDOG=1")


@pytest.fixture
async def systemd(tmp_path: Path, nursery: trio.Nursery) -> Listener:
    listener = Listener(tmp_path / "notify")
    await nursery.start(listener.run)
    return listener


@pytest.fixture
def manager(tmp_path: Path, systemd: Listener) -> ServiceManager:
    return ServiceManager(str(tmp_path / "notify"), watchdog_timeout_s=TIMEOUT_S)


@pytest.fixture
def http() -> Part:
    return Part("http")


@pytest.fixture
def heartbeats() -> Part:
    return Part("heartbeats")


@pytest.fixture
def checks(http: Part, heartbeats: Part) -> list[Check]:
    return [Check(part.name, part.prove) for part in (http, heartbeats)]


class Hardware:
    """What stands for /dev/watchdog0: arms when opened, and notes what is done to it."""

    def __init__(self) -> None:
        self.fed = 0
        self.ends: list[str] = []
        self.open_error: Exception | None = None
        self.feed_error: Exception | None = None
        self.opened = 0

    @asynccontextmanager
    async def open(self, path: Path, *, timeout_s: int) -> AsyncGenerator[Hardware]:
        self.opened += 1
        await trio.lowlevel.checkpoint()
        if self.open_error is not None:
            raise self.open_error
        self.facts = hardware_watchdog.WatchdogFacts("Card", timeout_s, can_disarm=True, has_reset_us=True)
        try:
            yield self
        except Exception:
            self.ends.append("armed")
            raise
        except BaseException:
            self.ends.append("disarmed")
            raise

    async def feed(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.feed_error is not None:
            raise self.feed_error
        self.fed += 1


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> Hardware:
    hardware = Hardware()
    monkeypatch.setattr(under_test, "open_watchdog", hardware.open)
    return hardware


async def test_systemd_is_fed_twice_as_often_as_it_needs(
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    checks: list[Check],
    manager: ServiceManager,
    systemd: Listener,
) -> None:
    feeder = WatchdogFeeder(checks, service_manager=manager)
    assert feeder.state.value.healthy is None
    await nursery.start(feeder.run)
    assert feeder.state.value == WatchdogState(healthy=True, service_manager_timeout_s=TIMEOUT_S)
    assert await systemd.heard() == [b"STATUS=Serving", b"WATCHDOG=1"]
    await trio.sleep(10 * TIMEOUT_S + 1)
    assert await systemd.heard() == [b"WATCHDOG=1"] * 40


async def test_slow_checks_do_not_stretch_the_time_between_feedings(
    *,
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    checks: list[Check],
    http: Part,
    manager: ServiceManager,
    systemd: Listener,
) -> None:
    http.takes_s = 4.9
    feeder = WatchdogFeeder(checks, service_manager=manager)
    await nursery.start(feeder.run)
    await trio.sleep(10 * TIMEOUT_S + 1)
    assert await systemd.feedings() == 41


@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_a_check_that_fails_or_hangs_stops_the_feeding_until_it_passes(
    *,
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    checks: list[Check],
    http: Part,
    manager: ServiceManager,
    systemd: Listener,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    feeder = WatchdogFeeder(checks, service_manager=manager)
    await nursery.start(feeder.run)
    await systemd.heard()
    if how == "fails":
        http.error = ValueError("no answer")
        why = "ValueError: no answer"
    else:
        http.takes_s = float("inf")
        why = "expected it to end within 5 s, it did not"
    await trio.sleep(100)
    assert await systemd.heard() == [f"STATUS=Not healthy, the watchdog is not fed: http: {why}".encode()]
    assert feeder.state.value.healthy is False
    assert feeder.state.value.failing == {"http": why}
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [f"not healthy, the watchdog is not fed: http: {why}"]

    http.error, http.takes_s = None, 0.0
    await trio.sleep(11)
    assert (await systemd.heard())[:2] == [b"STATUS=Serving", b"WATCHDOG=1"]
    assert feeder.state.value.healthy is True
    assert caplog.messages[-1] == "healthy again: http"


async def test_one_failed_round_is_made_up_for_in_time(
    *,
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    checks: list[Check],
    http: Part,
    manager: ServiceManager,
    systemd: Listener,
) -> None:
    feeder = WatchdogFeeder(checks, service_manager=manager)
    await nursery.start(feeder.run)
    last_fed_s = trio.current_time()
    await trio.sleep(1)
    await systemd.heard()
    # The next round hangs to its deadline, the one after it is as slow as is allowed.
    http.takes_s = float("inf")
    await trio.sleep(9)
    http.takes_s = 4.9
    while not await systemd.feedings():
        await trio.sleep(0.1)
    assert trio.current_time() - last_fed_s < TIMEOUT_S


async def test_each_failing_check_is_named_once(
    *,
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    checks: list[Check],
    http: Part,
    heartbeats: Part,
    manager: ServiceManager,
    caplog: pytest.LogCaptureFixture,
) -> None:
    feeder = WatchdogFeeder(checks, service_manager=manager)
    await nursery.start(feeder.run)
    version = feeder.state.version
    await trio.sleep(1)
    for number in range(5):
        heartbeats.error = ValueError(f"stuck for {number} rounds")
        if number >= 2:
            http.error = ExceptionGroup("group", [OSError(5, "input/output error")])
        await trio.sleep(5)
    assert caplog.messages == [
        "not healthy, the watchdog is not fed: heartbeats: ValueError: stuck for 0 rounds",
        "not healthy, the watchdog is not fed: http: OSError: [Errno 5] input/output error",
    ]
    assert list(feeder.state.value.failing) == ["http", "heartbeats"]
    # What differs each time does not wake the readers each time.
    assert feeder.state.version == version + 2


async def test_the_first_round_may_fail_and_is_over_before_it_is_started(
    *,
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    checks: list[Check],
    http: Part,
    manager: ServiceManager,
    systemd: Listener,
    hardware: Hardware,
) -> None:
    http.error = ValueError("not yet")
    feeder = WatchdogFeeder(checks, service_manager=manager, hardware_path=Path("/dev/watchdog0"))
    await nursery.start(feeder.run)
    assert feeder.state.value.healthy is False
    await trio.sleep(100)
    assert await systemd.feedings() == 0
    # Never armed before we were healthy once.
    assert hardware.opened == 0


async def test_where_nobody_watches_the_state_is_told_all_the_same(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, checks: list[Check], http: Part
) -> None:
    feeder = WatchdogFeeder(checks, service_manager=ServiceManager(None))
    await nursery.start(feeder.run)
    assert feeder.period_s == PERIOD_UNWATCHED_S
    assert feeder.state.value == WatchdogState(healthy=True)
    http.takes_s = float("inf")
    await trio.sleep(PERIOD_UNWATCHED_S + CHECK_DEADLINE_S + 1)
    assert feeder.state.value.failing == {"http": "expected it to end within 10 s, it did not"}
    assert feeder.statistics() == {
        "rounds": 2,
        "rounds_failed": 1,
        "notifications_sent": 0,
        "notifications_lost": 0,
    }


async def test_the_hardware_is_fed_at_its_own_pace_and_disarmed_at_the_end(
    *,
    autojump_clock: trio.testing.MockClock,
    checks: list[Check],
    http: Part,
    manager: ServiceManager,
    systemd: Listener,
    hardware: Hardware,
    caplog: pytest.LogCaptureFixture,
) -> None:
    feeder = WatchdogFeeder(
        checks, service_manager=manager, hardware_path=Path("/dev/watchdog0"), hardware_timeout_s=8
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(feeder.run)
        assert (feeder.state.value.hardware, feeder.state.value.hardware_timeout_s) == ("Card", 8.0)
        assert "caused the last start of this machine" in caplog.text
        await trio.sleep(81)
        assert hardware.fed == 41
        assert await systemd.feedings() == hardware.fed
        http.error = ValueError("broken")
        fed = hardware.fed
        await trio.sleep(80)
        assert hardware.fed == fed
        assert hardware.ends == []
        nursery.cancel_scope.cancel()
    assert hardware.ends == ["disarmed"]


async def test_a_bug_of_the_feeder_leaves_the_hardware_armed(
    autojump_clock: trio.testing.MockClock, manager: ServiceManager, hardware: Hardware, checks: list[Check]
) -> None:
    feeder = WatchdogFeeder(checks, service_manager=manager, hardware_path=Path("/dev/watchdog0"))
    hardware.feed_error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await feeder.run()
    assert hardware.ends == ["armed"]


async def test_hardware_that_systemd_owns_is_told_once_and_systemd_is_fed(
    *,
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    checks: list[Check],
    manager: ServiceManager,
    systemd: Listener,
    hardware: Hardware,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hardware.open_error = DeviceBusyError("the watchdog is in use")
    feeder = WatchdogFeeder(checks, service_manager=manager, hardware_path=Path("/dev/watchdog0"))
    await nursery.start(feeder.run)
    await trio.sleep(51)
    assert await systemd.feedings() == 11
    assert feeder.state.value.hardware_error == "the watchdog is in use"
    assert caplog.messages == ["no hardware watchdog is fed: the watchdog is in use"]
    assert feeder.state.value.healthy is True
    # Its owner has let it go.
    hardware.open_error = None
    await trio.sleep(10)
    assert feeder.state.value.hardware == "Card"
    assert feeder.state.value.hardware_error is None
    hardware.feed_error = DeviceGoneError("the watchdog went away")
    await trio.sleep(10)
    assert feeder.state.value.hardware_error == "the watchdog went away"
    hardware.feed_error = None
    await trio.sleep(10)
    assert feeder.state.value.hardware_error is None


@pytest.mark.fault("hardware watchdog", "vanishes", "returns")
async def test_hardware_that_went_is_armed_anew_when_it_returns(
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    checks: list[Check],
    manager: ServiceManager,
    hardware: Hardware,
) -> None:
    feeder = WatchdogFeeder(checks, service_manager=manager, hardware_path=Path("/dev/watchdog0"))
    await nursery.start(feeder.run)
    hardware.feed_error = DeviceGoneError("the watchdog went away")
    await trio.sleep(2 * feeder.period_s)
    assert feeder.state.value.hardware_error == "the watchdog went away"
    hardware.open_error, hardware.feed_error = DeviceGoneError("no such device"), None
    fed = hardware.fed
    await trio.sleep(5 * feeder.period_s)
    assert (hardware.fed, feeder.state.value.hardware_error) == (fed, "the watchdog went away")
    hardware.open_error = None
    await trio.sleep(2 * feeder.period_s)
    assert feeder.state.value.hardware_error is None
    assert hardware.fed > fed


async def test_what_is_no_watchdog_is_not_tried_again(
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
    checks: list[Check],
    manager: ServiceManager,
    hardware: Hardware,
) -> None:
    hardware.open_error = NotSupportedError("not a watchdog")
    feeder = WatchdogFeeder(checks, service_manager=manager, hardware_path=Path("/dev/null"))
    await nursery.start(feeder.run)
    await trio.sleep(100)
    assert hardware.opened == 1
    assert feeder.state.value.hardware_error == "not a watchdog"


async def test_the_real_hardware_driver_fits(
    checks: list[Check],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ioctl(fd: int, request: int, argument: bytearray) -> int:
        if request == hardware_watchdog.WDIOC_GETSUPPORT:
            argument[:] = struct.pack("=II32s", hardware_watchdog.WDIOF_SETTIMEOUT, 1, b"Scripted")
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    node = tmp_path / "watchdog"
    node.touch()
    feeder = WatchdogFeeder(checks, service_manager=ServiceManager(None), hardware_path=node)
    async with trio.open_nursery() as nursery:
        await nursery.start(feeder.run)
        assert node.read_bytes() == b"\0"
        nursery.cancel_scope.cancel()
    assert node.read_bytes() == b"\0V"


@pytest.mark.parametrize("names", [[], ["http", "http"]])
def test_feeding_blindly_is_refused(names: list[str], http: Part) -> None:
    with pytest.raises(ValueError, match="expected one check or more"):
        WatchdogFeeder([Check(name, http.prove) for name in names], service_manager=ServiceManager(None))


def test_a_tiny_timeout_does_not_become_load(checks: list[Check]) -> None:
    manager = ServiceManager("/run/none", watchdog_timeout_s=0.001)
    assert WatchdogFeeder(checks, service_manager=manager).period_s == 0.25
