"""A board with a KVM switch at its serial line: the whole program, used over its API.

The line is a pty with emulated units at its other end; the program knows nothing of that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from drivers.emulated.switch import EmulatedSwitch
from drivers.emulated.switch_chain import EmulatedSwitchChain

DEADLINE_S = 60

CONFIGURATION = """
kvmd:
    auth: {{enabled: false}}
    hid: {{type: ch9329, device: /dev/there-is-no-chip}}
    atx: {{type: disabled}}
    msd: {{type: disabled}}
    switch: {{device: {device}, ignore_hpd_on_top: true}}
"""


async def switch_when(url: str, condition: Callable[[Any], bool]) -> Any:
    """Return the switch's state as soon as it is as wanted."""
    state: Any = None
    with trio.move_on_after(DEADLINE_S):
        while not condition(state := await call(url, "GET", "")):
            await trio.sleep(0.1)
        return state
    pytest.fail(f"the state never became as wanted, at last {state}")


async def call(url: str, method: str, path: str) -> Any:
    answer = await trio.to_thread.run_sync(
        lambda: httpx.request(method, f"{url}/api/switch{path}", timeout=DEADLINE_S)
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def settled(state: Any) -> bool:
    return len(state["model"]["units"]) == 2 and bool(state["summary"]["synced"])


@pytest.mark.fault("KVM switch", "vanishes", "returns")
async def test_a_switch_is_found_used_pulled_and_found_again(
    tmp_path: Path, start_appliance: Callable[..., Any], nursery: trio.Nursery
) -> None:
    device = tmp_path / "kvmd-switch"
    chain = EmulatedSwitchChain(2)
    switch = EmulatedSwitch(chain)
    await nursery.start(switch.run)
    config = tmp_path / "appliance0" / "config"
    config.mkdir(parents=True)
    (config / "override.yaml").write_text(CONFIGURATION.format(device=device))
    arguments = ("--board", "generic", "--http", "127.0.0.1:0", "--https", "")
    url = (await trio.to_thread.run_sync(lambda: start_appliance(*arguments))).url.rstrip("/")
    assert (await call(url, "GET", ""))["model"]["units"] == []

    # The link is made as udev makes it.
    device.symlink_to(switch.name)
    await switch_when(url, settled)
    await call(url, "POST", "/set_active?port=2.4")
    state = await switch_when(url, lambda now: now["summary"]["active_port"] == 7 and settled(now))
    assert state["summary"]["active_id"] == "2.4"
    assert [unit.channel for unit in chain.units] == [4, 3]
    assert chain.units[0].ignore_hpd

    device.unlink()
    chain.unplug(0)
    await switch_when(url, lambda now: not now["model"]["units"])
    chain.plug(2)
    with trio.fail_after(DEADLINE_S):
        while not switch.name.startswith("/dev/"):
            await trio.sleep(0.01)
    device.symlink_to(switch.name)
    state = await switch_when(url, settled)
    assert state["summary"]["active_id"] == "1.1"
    nursery.cancel_scope.cancel()
