"""Board, kernel, uptime and host name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drivers.errors import BadReplyError, DeviceGoneError
from drivers.system.host_name import host_name
from drivers.system.platform import LinuxPlatform, PlatformFacts, parse_platform
from drivers.system.uptime import LinuxUptime


async def test_a_board_with_device_tree_and_platform_file(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.5\0")
    (tmp_path / "serial-number").write_bytes(b"10000000c8da432d\0")
    (tmp_path / "platform").write_text("PIKVM_MODEL=v3\nPIKVM_VIDEO=hdmi\nPIKVM_BOARD=rpi4\n")
    platform = LinuxPlatform(platform_file=tmp_path / "platform", device_tree=tmp_path)
    assert await platform.read() == PlatformFacts(
        base="Raspberry Pi 4 Model B Rev 1.5",
        serial="10000000C8DA432D",
        model="v3",
        video="hdmi",
        board="rpi4",
    )


async def test_a_machine_without_either(tmp_path: Path) -> None:
    platform = LinuxPlatform(platform_file=tmp_path / "platform", device_tree=tmp_path / "device-tree")
    assert await platform.read() == PlatformFacts()


async def test_what_cannot_be_read_is_unknown_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "model").write_bytes(b"Board\0")
    (tmp_path / "platform").mkdir()
    platform = LinuxPlatform(platform_file=tmp_path / "platform", device_tree=tmp_path)
    assert await platform.read() == PlatformFacts(base="Board")
    assert str(tmp_path / "platform") in caplog.text


def test_platform_lines() -> None:
    text = "# PIKVM_MODEL=v2\n PIKVM_MODEL = \"v3\" \nPIKVM_BOARD=\nnonsense\nPIKVM_VIDEO='a=b'\n"
    assert parse_platform(text) == {"PIKVM_MODEL": "v3", "PIKVM_VIDEO": "a=b"}


def test_the_kernel_and_the_host_name_are_those_of_uname(tmp_path: Path) -> None:
    kernel = LinuxPlatform(platform_file=tmp_path).kernel()
    uname = os.uname()
    assert (kernel.system, kernel.release, kernel.version, kernel.machine) == (
        uname.sysname, uname.release, uname.version, uname.machine,
    )  # fmt: skip
    assert host_name() == uname.nodename


async def test_uptime(tmp_path: Path) -> None:
    path = tmp_path / "uptime"
    uptime = LinuxUptime(path=path)
    with pytest.raises(DeviceGoneError):
        await uptime.read_s()
    path.write_text("65425.97 130000.00\n")
    assert await uptime.read_s() == 65425
    for nonsense in ("", "soon", "inf", "nan 1"):
        path.write_text(nonsense)
        with pytest.raises(BadReplyError, match="seconds since boot"):
            await uptime.read_s()
    assert await LinuxUptime().read_s() > 0
