"""Programs as channels, and packets: real processes, real sockets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from drivers.channels import commands
from drivers.channels.cmd import CmdDriver
from drivers.channels.cmdret import POLL_S, CmdretDriver
from drivers.channels.noop import NoopDriver
from drivers.channels.wol import WolDriver
from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError, NotSupportedError
from drivers.ports import ChannelDriver
from drivers.wire.wake_on_lan import magic_packet

type Running = Callable[[ChannelDriver], AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]]

MAC = "02:00:00:00:00:01"


async def test_a_command_runs_on_on(tmp_path: Path, running: Running) -> None:
    made = tmp_path / "made by it"
    driver = CmdDriver(["/bin/sh", "-c", 'echo noise; cat; touch "$1"', "sh", str(made)])
    async with running(driver):
        await driver.write("any", False)
        assert not made.exists()
        await driver.write("any", True)
        assert made.exists()
        assert await driver.read("any") is False


async def test_a_command_that_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="/bin/sh to end with 0, got 3"):
        await CmdDriver(["/bin/sh", "-c", "exit 3"]).write("0", True)
    with pytest.raises(DeviceGoneError, match="nothing"):
        await CmdDriver([str(tmp_path / "nothing")]).write("0", True)


@pytest.mark.fault("channels: programs", "stalls")
async def test_a_command_that_hangs_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "RUN_DEADLINE_S", 0.3)
    child = tmp_path / "child"
    driver = CmdDriver(["/bin/sh", "-c", 'sleep 600 & echo $! > "$1"; wait', "sh", str(child)])
    with pytest.raises(DeviceTimeoutError, match="ended it"):
        await driver.write("0", True)
    number = int(child.read_text())

    def lives() -> bool:
        try:
            return "Z" not in Path("/proc", str(number), "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False

    with trio.fail_after(30):
        while lives():
            await trio.sleep(0.01)


async def test_an_exit_status_is_a_level(
    tmp_path: Path, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.channels.cmdret.POLL_S", 0.01)
    flag = tmp_path / "flag"
    driver = CmdretDriver(["/bin/sh", "-c", '[ -e "$1" ]', "sh", str(flag)])
    with pytest.raises(DeviceGoneError):
        await driver.read("0")
    async with running(driver) as changes:
        assert await driver.read("0") is False
        changes.receive_nowait()
        flag.touch()
        with trio.fail_after(30):
            await changes.receive()
        assert await driver.read("any") is True
        with pytest.raises(NotSupportedError):
            await driver.write("0", True)
    assert POLL_S == 1.0


@pytest.mark.fault("channels: programs", "missing")
async def test_a_program_that_is_not_there_is_offline(tmp_path: Path) -> None:
    with pytest.raises(DeviceGoneError, match="nothing"):
        await CmdretDriver([str(tmp_path / "nothing")]).run()


async def test_a_packet_goes_out_on_on(running: Running) -> None:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sleeper:
        await sleeper.bind(("127.0.0.1", 0))
        driver = WolDriver(ip="127.0.0.1", port=sleeper.getsockname()[1], mac=MAC)
        async with running(driver):
            await driver.write("0", False)
            await driver.write("0", True)
            with trio.fail_after(30):
                assert await sleeper.recv(1500) == magic_packet(MAC)
            with trio.move_on_after(0.05) as quiet:
                await sleeper.recv(1500)
            assert quiet.cancelled_caught
            assert await driver.read("0") is False


@pytest.mark.fault("channels: Wake-on-LAN", "missing")
async def test_a_packet_that_cannot_go_out_is_told() -> None:
    driver = WolDriver(ip="0.0.0.0", port=65535, mac=MAC)
    driver._packet = bytes(70000)
    with pytest.raises(NotSupportedError, match="no mac"):
        await WolDriver(ip="0.0.0.0", port=9, mac="").write("0", True)
    with pytest.raises(DriverError, match=r"Wake-on-LAN packet to 0\.0\.0\.0:65535"):
        await driver.write("0", True)


async def test_nothing_does_nothing(running: Running, autojump_clock: MockClock) -> None:
    driver = NoopDriver()
    async with running(driver) as changes:
        await driver.write("0", True)
        assert await driver.read("0") is False
        with trio.move_on_after(100) as quiet:
            await changes.receive()
        assert quiet.cancelled_caught


@pytest.mark.fault("channels: programs", "returns", "killed")
async def test_a_program_that_is_killed_is_off_or_told_and_runs_again(
    tmp_path: Path, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.channels.cmdret.POLL_S", 0.01)
    healthy = tmp_path / "healthy"
    script = ["/bin/sh", "-c", '[ -e "$1" ] || kill -9 $$', "sh", str(healthy)]
    with pytest.raises(DriverError, match="/bin/sh to end with 0, got -9"):
        await CmdDriver(script).write("0", True)
    driver = CmdretDriver(script)
    async with running(driver) as changes:
        assert await driver.read("0") is False
        changes.receive_nowait()
        healthy.touch()
        with trio.fail_after(30):
            await changes.receive()
        assert await driver.read("0") is True
    await CmdDriver(script).write("0", True)
