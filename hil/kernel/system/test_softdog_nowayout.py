"""A watchdog that cannot be disarmed ("nowayout").

This leaves the module armed and loaded, since that is what such a watchdog is: the kernel offers no way back.
It only says that it would reset (soft_noboot), so the guest goes on; hence the last file by name. A test of
the watchdog that comes after it in the same guest fails with a word about it.
"""

from __future__ import annotations

import pytest
from peers.kernel_log import KernelLog
from peers.softdog import Softdog

from drivers.system.hardware_watchdog import open_watchdog


@pytest.mark.slow
async def test_it_stays_armed_and_that_is_told(
    kernel_log: KernelLog, caplog: pytest.LogCaptureFixture
) -> None:
    softdog = Softdog(nowayout=True)
    async with open_watchdog(softdog.node, timeout_s=3600) as watchdog:
        assert watchdog.facts.can_disarm is False
    assert softdog.is_armed()
    assert kernel_log.contains("watchdog did not stop!")
    assert "cannot be disarmed (nowayout)" in caplog.text
    # Whoever comes next, the appliance after its restart, takes it over.
    async with open_watchdog(softdog.node, timeout_s=7200) as watchdog:
        await watchdog.feed()
        assert softdog.timeout_s == 7200
    assert softdog.is_armed()
