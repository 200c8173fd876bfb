"""HID relay boards through the kernel's hidraw."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from peers.hid_relay_board import DEADLINE_S, relay_board

from drivers.channels.hidrelay import HidRelayDriver
from drivers.channels.noyito import NoyitoDriver
from drivers.errors import DeviceGoneError, DriverError
from drivers.hidraw import HidrawNode
from drivers.ports import ChannelDriver, ChannelOutput

OUTPUTS = (ChannelOutput("0", True), ChannelOutput("7", False))


@asynccontextmanager
async def running(driver: ChannelDriver) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        with trio.fail_after(DEADLINE_S):
            await nursery.start(driver.run)
        yield
        nursery.cancel_scope.cancel()


async def test_feature_reports_switch_and_tell() -> None:
    async with relay_board() as board:
        assert board.node is not None
        driver = HidRelayDriver(str(board.node), HidrawNode(board.node), OUTPUTS, poll_s=0.1)
        async with running(driver):
            assert board.relays == 0b0000_0001
            await driver.write("7", True)
            assert board.relays == 0b1000_0001
            assert await driver.read("7") is True
            async with driver.changes() as changes:
                board.relays = 0
                with trio.fail_after(DEADLINE_S):
                    await changes.receive()
            assert [await driver.read(pin) for pin in ("0", "7")] == [False, False]


async def test_output_reports_switch() -> None:
    async with relay_board() as board:
        assert board.node is not None
        driver = NoyitoDriver(str(board.node), HidrawNode(board.node), OUTPUTS)
        async with running(driver):
            await driver.write("7", True)
            await driver.write("0", False)
            with trio.fail_after(DEADLINE_S):
                # The kernel has taken it, which is all that such a board lets us know.
                while board.relays != 0b1000_0000:
                    await trio.sleep(0.01)


@pytest.mark.fault("channels: USB relays", "vanishes", "returns")
async def test_a_board_that_is_unplugged_and_plugged_in_again() -> None:
    async with relay_board() as board:
        assert board.node is not None
        node: Path = board.node
        driver = HidRelayDriver(str(node), HidrawNode(node), OUTPUTS, poll_s=0.1)
        with pytest.RaisesGroup(DeviceGoneError):
            async with running(driver):
                await driver.write("7", True)
                board.unplug()
                await trio.sleep(DEADLINE_S)
    async with relay_board() as board:
        assert board.node == node
        async with running(driver):
            assert board.relays == 0b1000_0001


@pytest.mark.fault("channels: USB relays", "stalls", "EIO")
async def test_a_board_that_does_not_answer_ends_the_driver_and_is_used_again_when_it_does() -> None:
    """The kernel waits five seconds for the answer, and makes an I/O error of it."""
    async with relay_board() as board:
        assert board.node is not None
        driver = HidRelayDriver(str(board.node), HidrawNode(board.node), OUTPUTS, poll_s=0.1)
        with pytest.RaisesGroup(pytest.RaisesExc(DriverError, match=str(board.node))):
            async with running(driver):
                board.mute = True
                await trio.sleep(DEADLINE_S)
        with pytest.raises(DeviceGoneError):
            await driver.read("0")
        board.mute = False
        async with running(driver):
            await driver.write("7", True)
            assert board.relays == 0b1000_0001
