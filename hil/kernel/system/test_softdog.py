"""The hardware watchdog against the kernel's watchdog core."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from peers.kernel_log import KernelLog
from peers.softdog import Softdog

from drivers.errors import DeviceBusyError, DeviceGoneError, DriverError
from drivers.system.hardware_watchdog import open_watchdog
from drivers.system.sd_notify import ServiceManager
from firmware.watchdog import Check, WatchdogFeeder

TRIGGERED = "softdog: Triggered - Reboot ignored"
LEFT_ARMED = "watchdog did not stop!"


@pytest.fixture
def feeding_process(softdog: Softdog) -> Iterator[subprocess.Popen[str]]:
    """A process that has armed the watchdog."""
    script = Path(__file__).with_name("watchdog_process.py")
    process = subprocess.Popen([sys.executable, script, softdog.node], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "armed\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


async def test_opening_arms_it_and_an_orderly_end_disarms_it(softdog: Softdog, kernel_log: KernelLog) -> None:
    assert not softdog.is_armed()
    async with open_watchdog(softdog.node, timeout_s=600) as watchdog:
        assert softdog.is_armed()
        assert softdog.timeout_s == 600
        assert watchdog.facts.identity == "Software Watchdog"
        assert watchdog.facts.timeout_s == 600
        assert watchdog.facts.can_disarm is True
        assert watchdog.facts.has_reset_us is False
        await watchdog.feed()
    assert not softdog.is_armed()
    assert not kernel_log.contains(LEFT_ARMED)


async def test_cancellation_disarms_it(softdog: Softdog) -> None:
    with trio.CancelScope() as scope:
        async with open_watchdog(softdog.node, timeout_s=600):
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert not softdog.is_armed()


async def test_an_error_leaves_it_armed_and_the_next_one_takes_over(
    softdog: Softdog, kernel_log: KernelLog
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_watchdog(softdog.node, timeout_s=600):
            raise ZeroDivisionError
    assert softdog.is_armed()
    assert kernel_log.contains(LEFT_ARMED)
    async with open_watchdog(softdog.node, timeout_s=300) as watchdog:
        await watchdog.feed()
        assert softdog.timeout_s == 300
    assert not softdog.is_armed()


async def test_a_killed_process_leaves_it_counting(
    softdog: Softdog, feeding_process: subprocess.Popen[str], kernel_log: KernelLog
) -> None:
    feeding_process.kill()
    feeding_process.wait()
    kernel_log.wait_for(LEFT_ARMED)
    assert softdog.is_armed()
    async with open_watchdog(softdog.node, timeout_s=600):
        pass
    assert not softdog.is_armed()


async def test_one_in_use_is_busy_under_both_of_its_names(softdog: Softdog) -> None:
    # The old name is that of the first watchdog of the machine.
    names = [softdog.node, Path("/dev/watchdog")]
    async with open_watchdog(softdog.node, timeout_s=600):
        for name in names:
            with pytest.raises(DeviceBusyError, match=r"in use .*RuntimeWatchdogSec="):
                async with open_watchdog(name, timeout_s=300):
                    pytest.fail("it opened")
        assert softdog.timeout_s == 600
        assert softdog.is_armed()
    async with open_watchdog(names[1], timeout_s=600) as watchdog:
        # The old name has no attributes that would tell.
        assert watchdog.facts.can_disarm is None
    assert not softdog.is_armed()


@pytest.mark.parametrize("timeout_s", [0, 65536])
async def test_a_timeout_that_it_cannot_count_to(softdog: Softdog, timeout_s: int) -> None:
    with pytest.raises(DriverError, match=rf"expected a timeout that it can count to .* got {timeout_s} s"):
        async with open_watchdog(softdog.node, timeout_s=timeout_s):
            pytest.fail("it opened")
    assert not softdog.is_armed()


@pytest.mark.fault("hardware watchdog", "missing")
async def test_a_watchdog_that_is_not_there() -> None:
    with pytest.raises(DeviceGoneError, match="watchdog77"):
        async with open_watchdog(Path("/dev/watchdog77")):
            pytest.fail("it opened")


@pytest.mark.slow
async def test_it_triggers_only_if_it_is_not_fed(softdog: Softdog, kernel_log: KernelLog) -> None:
    timeout_s = 6
    async with open_watchdog(softdog.node, timeout_s=timeout_s) as watchdog:
        # Twice the timeout: without the feeding it would have triggered.
        until_s = trio.current_time() + 2 * timeout_s
        while trio.current_time() < until_s:
            await watchdog.feed()
            await trio.sleep(0.2)
        assert not kernel_log.contains(TRIGGERED)
        await trio.to_thread.run_sync(kernel_log.wait_for, TRIGGERED)


@pytest.mark.slow
async def test_the_feeder_lets_it_trigger_when_a_check_fails(softdog: Softdog, kernel_log: KernelLog) -> None:
    timeout_s = 6
    is_stuck = False

    async def prove() -> None:
        if is_stuck:
            await trio.sleep_forever()

    feeder = WatchdogFeeder(
        [Check("front", prove)],
        service_manager=ServiceManager(None),
        hardware_path=softdog.node,
        hardware_timeout_s=timeout_s,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(feeder.run)
        assert softdog.is_armed()
        assert feeder.state.value.hardware == "Software Watchdog"
        await trio.sleep(2 * timeout_s)
        assert not kernel_log.contains(TRIGGERED)
        is_stuck = True
        await trio.to_thread.run_sync(kernel_log.wait_for, TRIGGERED)
        assert list(feeder.state.value.failing) == ["front"]
        nursery.cancel_scope.cancel()
    assert not softdog.is_armed()
