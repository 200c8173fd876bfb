"""A board whose keyboard and mouse are a chip at a serial port: the whole appliance, used over its API.

The port is a pty, and the chip at its other end says what a host would have seen of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from peers.ch9329_chip import Ch9329Chip
from peers.mcu_hid_chip import RELATIVE, WIN98, McuChip
from peers.serial_line import Cable, Chip, Pty, play

DEADLINE_S = 60
KEY_A, LEFT_SHIFT_BIT = 0x04, 0x02

CONFIGURATION = """
kvmd:
    auth: {{enabled: false}}
    hid: {{type: {kind}, device: {device}, retries_delay: 0.1, read_timeout: 1, {more}}}
    atx: {{type: disabled}}
    msd: {{type: disabled}}
"""


class Bench:
    """The appliance, its serial port, and what is plugged in there."""

    def __init__(self, directory: Path, start: Callable[..., Any], nursery: trio.Nursery) -> None:
        self._directory = directory
        self._start = start
        self._nursery = nursery
        self._device = directory / "kvmd-hid"
        self._pty: Pty | None = None
        self._numbers = itertools.count()
        self._url = ""

    def plug(self, chip: Chip) -> None:
        """Plug *chip* in; the link is made as udev makes it."""
        self._pty = Pty()
        link = self._directory / f"link{next(self._numbers)}"
        link.symlink_to(self._pty.path)
        link.rename(self._device)
        self._nursery.start_soon(play, chip, self._pty.master, Cable())

    def unplug(self) -> None:
        """Pull it out."""
        if self._pty is not None:
            self._device.unlink()
            self._pty.unplug()
            self._pty = None

    async def start(self, kind: str, more: str = "") -> None:
        """Start the appliance with that kind of chip."""
        config = self._directory / "appliance0" / "config"
        config.mkdir(parents=True)
        text = CONFIGURATION.format(kind=kind, device=self._device, more=more)
        (config / "override.yaml").write_text(text)
        arguments = ("--board", "generic", "--http", "127.0.0.1:0", "--https", "")
        self._url = (await trio.to_thread.run_sync(lambda: self._start(*arguments))).url

    async def call(self, method: str, path: str) -> Any:
        """Make a request that succeeds and return its result."""

        def request() -> httpx.Response:
            return httpx.request(method, self._url + path, timeout=DEADLINE_S)

        answer = await trio.to_thread.run_sync(request)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def post(self, path: str) -> None:
        """Tell the HID something."""
        await self.call("POST", f"/api/hid/{path}")

    async def hid_when(self, condition: Callable[[Any], bool]) -> Any:
        """Return the HID's state as soon as it is as wanted."""
        hid: Any = None
        with trio.move_on_after(DEADLINE_S):
            while not condition(hid := await self.call("GET", "/api/hid")):
                await trio.sleep(0.05)
            return hid
        pytest.fail(f"the state never became as wanted, at last {hid}")


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(DEADLINE_S):
        while not condition():
            await trio.sleep(0.01)


def moved_to(chip: McuChip, x: int, y: int) -> bool:
    """Whether it was moved there; a report has 15 of a coordinate's 16 bits."""
    moves = [event[1:] for event in chip.mouse if event[0] == "move"]
    return any(abs(int(str(a)) - x) <= 1 and abs(int(str(b)) - y) <= 1 for a, b in moves)


@pytest.fixture
async def bench(tmp_path: Path, start_appliance: Callable[..., Any], nursery: trio.Nursery) -> Any:
    """A bench without a chip yet."""
    bench = Bench(tmp_path, start_appliance, nursery)
    yield bench
    bench.unplug()


def online(hid: Any) -> bool:
    return bool(hid["keyboard"]["online"] and hid["mouse"]["online"])


@pytest.mark.fault("CH9329", "vanishes", "returns")
async def test_a_ch9329_types_moves_and_comes_back(bench: Bench) -> None:
    chip = Ch9329Chip()
    bench.plug(chip)
    await bench.start("ch9329", "mouse: {absolute_win98_fix: true}, mouse_alt: {device: ''}")
    hid = await bench.hid_when(online)
    assert (hid["enabled"], hid["online"], hid["busy"], hid["connected"]) == (True, True, False, None)
    assert hid["keyboard"]["outputs"] == {"available": [], "active": ""}
    assert hid["mouse"]["outputs"] == {"available": ["usb", "usb_rel"], "active": "usb"}

    await bench.post("events/send_key?key=ShiftLeft&state=1")
    await bench.post("events/send_key?key=KeyA")
    await bench.post("events/send_key?key=ShiftLeft&state=0")
    await until(lambda: any(report[2] == KEY_A for report in chip.keyboard))
    await until(lambda: chip.keyboard[-1] == bytes(8))
    assert [report[0] for report in chip.keyboard if report[2] == KEY_A] == [LEFT_SHIFT_BIT]

    await bench.post("events/send_mouse_move?to_x=32767&to_y=-32768")
    await until(lambda: bool(chip.mouse) and (chip.mouse[-1].x, chip.mouse[-1].y) == (4095, 0))

    await bench.post("set_params?mouse_output=usb_rel&keyboard_output=ps2")
    hid = await bench.hid_when(lambda hid: hid["mouse"]["outputs"]["active"] == "usb_rel")
    assert hid["mouse"]["absolute"] is False
    await bench.post("events/send_mouse_relative?delta_x=5&delta_y=-3")
    await until(lambda: not chip.mouse[-1].absolute and (chip.mouse[-1].x, chip.mouse[-1].y) == (5, -3))

    await bench.post("set_connected?connected=0")
    await bench.post("events/send_key?key=KeyA&state=1")
    await until(lambda: chip.keyboard[-1][2] == KEY_A)
    await bench.post("reset")
    await until(lambda: chip.keyboard[-1] == bytes(8))

    bench.unplug()
    hid = await bench.hid_when(lambda hid: not hid["keyboard"]["online"])
    assert hid["mouse"]["online"] is False
    tasks = (await bench.call("GET", "/api/supervisor"))["tasks"]
    assert str(tasks["board.ch9329"]["last_error"])

    another = Ch9329Chip()
    bench.plug(another)
    await bench.hid_when(online)
    await bench.post("events/send_key?key=KeyA")
    await until(lambda: any(report[2] == KEY_A for report in another.keyboard))


@pytest.mark.fault("HID microcontroller", "vanishes", "returns")
async def test_a_microcontroller_switches_its_outputs_and_comes_back(bench: Bench) -> None:
    chip = McuChip(self_restarting=True)
    bench.plug(chip)
    # A second mouse of the gadget's that is switched off is nothing to this one.
    await bench.start("serial", "mouse_alt: {device: ''}")
    hid = await bench.hid_when(lambda hid: online(hid) and hid["mouse"]["outputs"]["active"])
    assert (hid["online"], hid["busy"], hid["connected"]) == (True, False, True)
    assert hid["keyboard"]["outputs"] == {"available": ["usb", "ps2", "disabled"], "active": "usb"}
    outputs = ["usb", "usb_rel", "usb_win98", "ps2", "disabled"]
    assert hid["mouse"]["outputs"] == {"available": outputs, "active": "usb"}

    await bench.post("events/send_key?key=KeyA")
    await until(lambda: chip.keyboards[-2:] == [frozenset({KEY_A}), frozenset()])
    await bench.post("events/send_mouse_move?to_x=1000&to_y=-2000")
    await until(lambda: moved_to(chip, 1000, -2000))

    # This chip doubles by itself what is for Windows 98: we must not.
    await bench.post("set_params?mouse_output=usb_win98")
    hid = await bench.hid_when(lambda hid: hid["mouse"]["outputs"]["active"] == "usb_win98")
    assert chip.mouse_output == WIN98
    assert hid["mouse"]["absolute"] is True
    await bench.post("events/send_mouse_move?to_x=3000&to_y=-4000")
    await until(lambda: moved_to(chip, 3000, -4000))

    await bench.post("set_params?mouse_output=usb_rel&keyboard_output=ps2")
    hid = await bench.hid_when(lambda hid: hid["mouse"]["outputs"]["active"] == "usb_rel")
    assert chip.mouse_output == RELATIVE
    assert hid["mouse"]["absolute"] is False
    assert hid["keyboard"]["outputs"]["active"] == "ps2"
    await bench.post("events/send_mouse_relative?delta_x=7&delta_y=-8")
    await until(lambda: ("by", 7, -8) in chip.mouse)

    await bench.post("set_connected?connected=0")
    await bench.hid_when(lambda hid: hid["connected"] is False)
    assert chip.connected is False
    await bench.post("set_connected?connected=1")
    await bench.hid_when(lambda hid: hid["connected"] is True)
    clears = chip.clears
    await bench.post("reset")
    assert chip.clears > clears

    bench.unplug()
    hid = await bench.hid_when(lambda hid: not hid["online"])
    assert not hid["keyboard"]["online"]
    assert not hid["mouse"]["online"]
    another = McuChip()
    bench.plug(another)
    await bench.hid_when(online)
    await bench.post("events/send_key?key=KeyA")
    await until(lambda: frozenset({KEY_A}) in another.keyboards)
