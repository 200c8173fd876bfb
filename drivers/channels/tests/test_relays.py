"""HID relay boards, with the kernel's hidraw layer replaced by a board in memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from drivers.channels.hidrelay import HidRelayDriver
from drivers.channels.noyito import CHECK_S, NoyitoDriver
from drivers.errors import BadReplyError, DeviceGoneError, DriverError, NotSupportedError
from drivers.hidraw import HidrawNode
from drivers.ports import ChannelDriver, ChannelOutput

type Running = Callable[[ChannelDriver], AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]]

POLL_S = 2.0


class Board:
    """A board with its relays in a byte, which knows both protocols; `clicks` counts what it was told."""

    def __init__(self) -> None:
        self.relays = 0
        self.clicks = 0
        self.plugged = True
        self.serial = b"BITFT"

    def unplug(self) -> None:
        self.plugged, self.relays = False, 0

    def press(self, relay: int) -> None:
        """A person, or another program."""
        self.relays ^= 1 << relay

    async def check(self) -> None:
        await trio.sleep(0.01)
        if not self.plugged:
            raise DeviceGoneError("/dev/hidraw0: No such file or directory")

    async def get_feature(self, number: int, length: int) -> bytes:
        await self.check()
        assert (number, length) == (0, 9)
        return b"\0" + self.serial.ljust(7, b"\0") + bytes([self.relays])

    async def set_feature(self, report: bytes) -> None:
        await self.check()
        assert len(report) == 9
        self._switch(report[2], {0xFF: True, 0xFD: False}[report[1]])

    async def write(self, report: bytes) -> None:
        await self.check()
        assert report[:2] == b"\0\xa0"
        assert report[4] == sum(report[1:4]) & 0xFF
        self._switch(report[2], bool(report[3]))

    def _switch(self, number: int, level: bool) -> None:
        self.clicks += 1
        mask = 1 << number - 1
        self.relays = self.relays | mask if level else self.relays & ~mask


@pytest.fixture
def board() -> Board:
    return Board()


OUTPUTS = (ChannelOutput("0", True), ChannelOutput("1", False), ChannelOutput("2", None))


def hidrelay(board: Board) -> HidRelayDriver:
    return HidRelayDriver("/dev/hidraw0", board, OUTPUTS, poll_s=POLL_S)


def noyito(board: Board) -> NoyitoDriver:
    return NoyitoDriver("/dev/hidraw0", board, OUTPUTS)


@pytest.mark.parametrize("make", [hidrelay, noyito])
async def test_relays_are_set_and_switched(
    board: Board, running: Running, autojump_clock: MockClock, make: Callable[[Board], ChannelDriver]
) -> None:
    board.relays = 0b110
    driver = make(board)
    async with running(driver):
        assert board.relays == 0b101
        assert [await driver.read(pin) for pin in ("0", "1")] == [True, False]
        await driver.write("1", True)
        await driver.write("0", False)
        assert board.relays == 0b110
        assert [await driver.read(pin) for pin in ("0", "1")] == [False, True]
    # Whatever they switch stays as it is.
    assert board.relays == 0b110


async def test_a_board_that_tells_is_believed(
    board: Board, running: Running, autojump_clock: MockClock
) -> None:
    board.relays = 0b001
    driver = hidrelay(board)
    async with running(driver) as changes:
        assert board.clicks == 0
        assert await driver.read("2") is False
        changes.receive_nowait()
        board.press(2)
        with trio.fail_after(POLL_S + 1):
            await changes.receive()
        assert await driver.read("2") is True


@pytest.mark.parametrize("make", [hidrelay, noyito])
@pytest.mark.fault("channels: USB relays", "vanishes", "returns")
async def test_a_board_that_comes_back_gets_what_was_last_written(
    board: Board, running: Running, autojump_clock: MockClock, make: Callable[[Board], ChannelDriver]
) -> None:
    driver = make(board)
    with pytest.RaisesGroup(DeviceGoneError):
        async with running(driver):
            await driver.write("1", True)
            board.unplug()
            await trio.sleep(max(POLL_S, CHECK_S) + 1)
    for pin in ("0", "1"):
        with pytest.raises(DeviceGoneError):
            await driver.read(pin)
    with pytest.raises(DeviceGoneError):
        await driver.write("0", False)
    board.plugged = True
    async with running(driver):
        assert board.relays == 0b010


async def test_a_write_that_fails_ends_the_run_at_once(
    board: Board, running: Running, autojump_clock: MockClock
) -> None:
    driver = hidrelay(board)
    with pytest.RaisesGroup(DeviceGoneError):
        async with running(driver):
            board.unplug()
            with pytest.raises(DeviceGoneError):
                await driver.write("1", True)
            await trio.sleep(POLL_S / 2)
            pytest.fail("the driver did not notice")


@pytest.mark.fault("channels: USB relays", "garbage")
async def test_another_device_is_no_relay_board(board: Board) -> None:
    board.serial = b"\xff\xfe"
    with pytest.raises(BadReplyError, match="is /dev/hidraw0 a relay board"):
        await hidrelay(board).run()


@pytest.mark.fault("channels: USB relays", "missing")
async def test_nodes_that_are_no_hidraw_are_told_apart(tmp_path: Path) -> None:
    missing = HidrawNode(tmp_path / "hidraw0")
    with pytest.raises(DeviceGoneError, match="hidraw0"):
        await missing.check()
    null = HidrawNode(Path("/dev/null"))
    with pytest.raises(NotSupportedError, match="/dev/null"):
        await null.get_feature(0, 9)
    with pytest.raises(NotSupportedError, match="/dev/null"):
        await null.set_feature(bytes(9))
    await null.write(b"\0\xa0")
    with pytest.raises(DriverError):
        await HidrawNode(tmp_path).check()


@pytest.mark.fault("channels: USB relays", "EIO")
async def test_an_error_of_the_bus_is_a_fault_of_the_driver() -> None:
    # Nothing is mapped at the address 0, and the kernel says so by EIO.
    node = HidrawNode(Path("/proc/self/mem"))
    with pytest.raises(DriverError, match="/proc/self/mem: Input/output error"):
        await NoyitoDriver("/proc/self/mem", node, OUTPUTS).run()
