"""Channels on devices of other makers: an appliance with several at once, each at its real transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
from peers.anel_strip import AnelStrip
from peers.http_device import web_device
from peers.hue_bridge import HueBridge
from peers.kvm_switches import ExtronSwitch, EzcooSwitch, TesmartSwitch
from peers.serial_line import Cable, Pty, play
from peers.tcp_device import TcpDevice, tcp_device

CONFIG = """
kvmd:
    gpio:
        drivers:
            rack: {{type: tesmart, host: 127.0.0.1, port: {tesmart}, switch_delay: 0, state_poll: 0.1}}
            desk: {{type: ezcoo, device: {ezcoo}, protocol: 2, read_timeout: 5}}
            usb: {{type: extron, device: {extron}, read_timeout: 5}}
            home: {{type: hue, url: '{hue}', token: a-token-of-ours, state_poll: 0.1}}
            strip: {{type: anelpwr, url: '{anel}', user: admin, passwd: a-passwd-of-ours, state_poll: 0.1}}
            server:
                type: ipmi
                host: bmc.example
                passwd: a-passwd-of-ours
                state_poll: 0.1
                cmd: ['{program}', 'power', '{{action}}']
            tower: {{type: amt, host: amt.example, cmd: ['{program}', '{{action}}'], state_poll: 0.1}}
        scheme:
            server_led: {{driver: server, pin: status, mode: input}}
            server_on: {{driver: server, pin: 1, mode: output, switch: false, busy_delay: 0.1}}
            server_off: {{driver: server, pin: off, mode: output, switch: false, busy_delay: 0.1}}
            tower_led: {{driver: tower, pin: 0, mode: input}}
            rack1_led: {{driver: rack, pin: 0, mode: input}}
            rack9_led: {{driver: rack, pin: 8, mode: input}}
            rack1: {{driver: rack, pin: 0, mode: output, switch: false, busy_delay: 0.1}}
            rack9: {{driver: rack, pin: 8, mode: output, switch: false, busy_delay: 0.1}}
            desk2: {{driver: desk, pin: 1, mode: output, busy_delay: 0.1}}
            desk4: {{driver: desk, pin: 3, mode: output, busy_delay: 0.1}}
            usb1: {{driver: usb, pin: 0, mode: output, busy_delay: 0.1}}
            usb3: {{driver: usb, pin: 2, mode: output, busy_delay: 0.1}}
            lamp: {{driver: home, pin: 7, mode: output, initial: null, busy_delay: 0.1}}
            dark: {{driver: home, pin: 7, mode: input, inverted: true}}
            socket: {{driver: strip, pin: 5, mode: output, initial: true, busy_delay: 0.1}}
"""


class Machine:
    """A machine behind a program of the user's: it says on or off, and does what it is told."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "machine"
        self.state.write_text("off\n")
        self.program = directory / "power"
        self.program.write_text(
            f'#!/bin/sh\ncase "$2" in on | off) echo "$2" >{self.state} ;; esac\ncat {self.state}\n'
        )
        self.program.chmod(0o755)


@dataclass
class Bench:
    """The devices on the bench."""

    tesmart: TesmartSwitch
    network: TcpDevice
    ezcoo: EzcooSwitch
    ezcoo_line: Pty
    extron: ExtronSwitch
    hue: HueBridge
    strip: AnelStrip
    machine: Machine
    config: str


@asynccontextmanager
async def bench(directory: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        tesmart, ezcoo, extron = TesmartSwitch(port=3), EzcooSwitch(port=1, protocol=2), ExtronSwitch(port=3)
        network = await stack.enter_async_context(tcp_device(tesmart))
        hue = await stack.enter_async_context(web_device(HueBridge("a-token-of-ours", {"7": True})))
        strip = await stack.enter_async_context(web_device(AnelStrip()))
        strip.passwd = "a-passwd-of-ours"
        lines = [Pty(), Pty()]
        for line in lines:
            stack.callback(line.unplug)
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        for switch, line in zip((ezcoo, extron), lines, strict=True):
            nursery.start_soon(play, switch, line.master, Cable())
        machine = Machine(directory)
        config = CONFIG.format(
            tesmart=network.port,
            ezcoo=lines[0].path,
            extron=lines[1].path,
            hue=hue.url,
            anel=strip.url,
            program=machine.program,
        )
        yield Bench(tesmart, network, ezcoo, lines[0], extron, hue, strip, machine, config)


async def states(live: Any) -> dict[str, Any]:
    state = (await live.result_of(await live.http.get("/api/gpio")))["state"]
    return {**state["inputs"], **state["outputs"]}


async def until(live: Any, **levels: bool | None) -> None:
    """Wait until channels are online and at these levels; None: offline."""
    with trio.fail_after(30):
        while True:
            now = await states(live)
            shown = {name: now[name]["state"] if now[name]["online"] else None for name in levels}
            if shown == levels:
                return
            await trio.sleep(0.02)


async def switch(live: Any, channel: str, state: int, status: int = 200) -> dict[str, Any]:
    answer = await live.http.post(f"/api/gpio/switch?channel={channel}&state={state}&wait=1")
    result: dict[str, Any] = await live.result_of(answer, status)
    return result


async def pulse(live: Any, channel: str) -> None:
    assert await live.result_of(await live.http.post(f"/api/gpio/pulse?channel={channel}&wait=1")) == {}


async def test_they_are_switched_and_seen(live_with: Callable[[str], Any], tmp_path: Path) -> None:
    async with bench(tmp_path) as devices, live_with(devices.config) as live:
        # As they were found, but for what is set at the start.
        await until(live, rack1_led=False, rack9_led=False, desk2=True, desk4=False, usb1=True, usb3=False)
        await until(live, lamp=True, dark=False, socket=True)
        assert (devices.tesmart.port, devices.ezcoo.port, devices.extron.port) == (3, 1, 0)

        await pulse(live, "rack9")
        assert devices.tesmart.port == 8
        await until(live, rack1_led=False, rack9_led=True)
        await pulse(live, "rack1")
        await until(live, rack1_led=True, rack9_led=False)

        await switch(live, "desk4", 1)
        assert devices.ezcoo.port == 3
        await until(live, desk2=False, desk4=True)
        await switch(live, "desk4", 0)
        assert devices.ezcoo.port == 3

        await switch(live, "usb3", 1)
        await until(live, usb1=False, usb3=True)
        assert devices.extron.port == 2

        await switch(live, "lamp", 0)
        assert devices.hue.lights == {"7": False}
        await until(live, lamp=False, dark=True)

        await switch(live, "socket", 0)
        assert devices.strip.levels == [False] * 8
        await until(live, socket=False, server_led=False, tower_led=False)

        await pulse(live, "server_on")
        assert devices.machine.state.read_text() == "on\n"
        await until(live, server_led=True, tower_led=True)
        await pulse(live, "server_off")
        await until(live, server_led=False, tower_led=False)


async def test_what_happens_at_the_devices_is_seen(live_with: Callable[[str], Any], tmp_path: Path) -> None:
    async with bench(tmp_path) as devices, live_with(devices.config) as live:
        await until(live, rack9_led=False, desk2=True, lamp=True, socket=True)
        devices.tesmart.press(8)
        devices.ezcoo.press(3)
        devices.hue.lights["7"] = False
        devices.strip.levels[5] = False
        await until(live, rack9_led=True, desk2=False, desk4=True, lamp=False, dark=True, socket=False)


async def test_one_that_is_gone_is_offline_and_the_others_are_not(
    live_with: Callable[[str], Any], tmp_path: Path
) -> None:
    async with bench(tmp_path) as devices, live_with(devices.config) as live:
        await until(live, rack9_led=False, desk2=True, lamp=True, socket=True)
        devices.network.pull()
        devices.ezcoo_line.unplug()
        devices.hue.pull()
        await until(live, rack1=None, rack9_led=None, desk2=None, desk4=None, lamp=None, dark=None, usb1=True)
        refused = await switch(live, "desk2", 1, 400)
        assert refused["error"] == "GpioDriverOfflineError"
        await switch(live, "socket", 0)
        assert devices.strip.levels[5] is False
        await devices.network.plug()
        await devices.hue.plug()
        await until(live, rack1=False, lamp=True, socket=False)
        assert devices.tesmart.selections == []
        text = (await live.http.get("/api/supervisor")).text
        assert "gpio.desk" in text
        assert "a-token-of-ours" not in text
        assert "a-passwd-of-ours" not in text
