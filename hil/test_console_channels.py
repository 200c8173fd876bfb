"""The panels of GPIO channels and of the KVM switch, against the emulated board's lines and units."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from console_page import (
    ROUND_TRIP_DEADLINE_S,
    RunningAppliance,
    Target,
    address,
    eventually,
    log_in,
    violations,
)
from playwright.sync_api import Page, expect

from drivers.emulated.switch import EmulatedSwitch
from drivers.emulated.switch_chain import EmulatedSwitchChain

pytestmark = pytest.mark.browser

GPIO = """
kvmd:
    gpio:
        drivers:
            beacon: {type: locator}
        scheme:
            relay: {pin: 62, mode: output, pulse: {delay: 0.2, min_delay: 0.1, max_delay: 5}}
            lamp: {pin: 63, mode: input}
            light: {driver: beacon, pin: 60, mode: output, pulse: false}
        view:
            header: {title: Rack 7}
            table:
                - ["#Relay:", "relay|confirm|Push", "lamp|magenta"]
                - []
                - ["#Beacon:", "light|hide|Light"]
"""
# A board of which nothing is there but the switch's serial line.
SWITCH = """
kvmd:
    auth: {{enabled: false}}
    hid: {{type: ch9329, device: /dev/there-is-no-chip}}
    atx: {{type: disabled}}
    msd: {{type: disabled}}
    switch: {{device: {device}}}
"""


@pytest.fixture
def configured(
    tmp_path: Path, start_appliance: Callable[..., RunningAppliance]
) -> Callable[..., RunningAppliance]:
    """A function that starts an appliance with a configuration."""

    def start(override: str, board: str = "emulated") -> RunningAppliance:
        config = tmp_path / "appliance0" / "config"
        config.mkdir(parents=True)
        (config / "override.yaml").write_text(override)
        return start_appliance("--board", board, "--http", "127.0.0.1:0", "--https", "")

    return start


def test_channels_are_as_the_configuration_draws_them(
    page: Page, configured: Callable[..., RunningAppliance]
) -> None:
    appliance = configured(GPIO)
    target = Target(appliance)

    def channel(kind: str, name: str) -> bool:
        return bool(target.get("/api/gpio")["state"][kind][name]["state"])

    log_in(page, appliance)
    page.locator("#rail-gpio").click()
    expect(page.locator("#gpio h3")).to_have_text("Rack 7")
    expect(page.locator("#gpio-lamp")).to_have_class("led led-magenta")
    expect(page.locator("#gpio-lamp")).to_have_attribute("data-state", "off")
    assert violations(page) == []

    page.locator("#gpio-relay").click()
    expect(page.locator("#confirm")).to_contain_text("Switch relay on?")
    page.locator("#confirm-no").click()
    expect(page.locator("#confirm")).to_have_count(0)
    assert channel("outputs", "relay") is False
    page.locator("#gpio-relay").click()
    page.locator("#confirm-yes").click()
    # The lamp is wired to the relay, and is shown as the appliance reads it.
    expect(page.locator("#gpio-lamp")).to_have_attribute("data-state", "on")
    expect(page.locator("#gpio-relay")).to_be_checked()
    assert channel("outputs", "relay") is True
    page.locator("#gpio-relay-pulse").click()
    page.locator("#confirm-yes").click()
    # A pulse ends with the line low, whatever it was before.
    expect(page.locator("#gpio-lamp")).to_have_attribute("data-state", "off")
    assert channel("outputs", "relay") is False

    # This one has no pulse, asks nothing, and closes the panel.
    expect(page.locator("#gpio-light-pulse")).to_have_count(0)
    page.locator("#gpio-light").click()
    expect(page.locator("#panel")).to_have_count(0)
    eventually(lambda: channel("outputs", "light"), bool, ROUND_TRIP_DEADLINE_S)
    target.close()


def test_without_channels_and_switch_their_panels_are_not_offered(
    page: Page, appliance: RunningAppliance
) -> None:
    log_in(page, appliance)
    expect(page.locator("#rail-system")).to_be_visible()
    expect(page.locator("#rail-switch")).to_have_count(0)
    page.goto(address(appliance, "/#/switch"))
    expect(page.locator("#panel")).to_have_count(0)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[EmulatedSwitchChain]:
    """Two units at a serial line whose name is `switch` in the test's folder."""
    chain = EmulatedSwitchChain(2)
    ready, ended = threading.Event(), trio.Event()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def play() -> None:
        switch = EmulatedSwitch(chain)
        async with trio.open_nursery() as nursery:
            await nursery.start(switch.run)
            (tmp_path / "switch").symlink_to(switch.name)
            tokens.append(trio.lowlevel.current_trio_token())
            ready.set()
            await ended.wait()
            nursery.cancel_scope.cancel()

    thread = threading.Thread(target=trio.run, args=(play,))
    thread.start()
    assert ready.wait(ROUND_TRIP_DEADLINE_S)
    yield chain
    tokens[0].run_sync_soon(ended.set)
    thread.join()


def test_the_switch_is_used_and_set_up(
    page: Page,
    configured: Callable[..., RunningAppliance],
    chain: EmulatedSwitchChain,
    tmp_path: Path,
) -> None:
    appliance = configured(SWITCH.format(device=tmp_path / "switch"), "generic")
    target = Target(appliance)

    def state() -> dict[str, Any]:
        return target.get("/api/switch")

    page.goto(appliance.url)
    page.locator("#rail-switch").click()
    expect(page.locator(".switch-port")).to_have_count(8)
    page.locator("#switch-port-5-select").click()
    expect(page.get_by_test_id("switch-port-5")).to_have_attribute("data-active", "true", timeout=20_000)
    eventually(lambda: chain.units[1].channel, lambda channel: channel == 1, ROUND_TRIP_DEADLINE_S)

    page.locator("#switch-port-5-settings").click()
    assert violations(page) == []
    page.locator("#switch-port-5-name").fill("Database")
    page.locator("#switch-port-5-name").press("Enter")
    expect(page.get_by_test_id("switch-port-5")).to_contain_text("Database")
    assert state()["model"]["ports"][5]["name"] == "Database"

    page.locator("#switch-port-5-beacon").click()
    expect(page.locator("#switch-port-5-beacon")).to_have_attribute("aria-pressed", "true", timeout=20_000)
    assert state()["beacons"]["ports"][5] is True

    # Its power button asks only when it is held.
    expect(page.locator("#switch-port-5-power")).to_have_attribute("data-state", "off")
    page.locator("#switch-port-5-press").click()
    expect(page.locator("#switch-port-5-power")).to_have_attribute("data-state", "on", timeout=20_000)
    page.locator("#switch-port-5-hold").click()
    expect(page.locator("#confirm")).to_contain_text("Force Database off?")
    page.locator("#confirm-no").click()

    page.locator("#switch-edid-new-name").fill("Broken")
    page.locator("#switch-edid-new-data").fill("00 FF FF")
    page.locator("#switch-edid-add").click()
    expect(page.locator("#notices")).to_contain_text("New EDID: expected 256 or 512 hexadecimal digits")
    expect(page.locator("#switch-edid-new-data")).to_have_value("00 FF FF")
    page.locator("#switch-edid-new-data").fill(state()["edids"]["all"]["default"]["data"])
    page.locator("#switch-edid-add").click()
    expect(page.locator("#switch-port-5-edid option")).to_have_count(2)
    page.locator("#switch-port-5-edid").select_option(label="Broken")
    (made,) = set(state()["edids"]["all"]) - {"default"}
    expect(page.locator("#switch-port-5-edid")).to_have_value(made)
    assert state()["edids"]["used"][5] == made
    page.locator(f"#switch-edid-{made}-remove").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#switch-port-5-edid")).to_have_value("default")
    target.close()
