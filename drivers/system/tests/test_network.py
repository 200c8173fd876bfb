"""Network interfaces over a tree of files as sysfs has them, and those of this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drivers.errors import DeviceGoneError
from drivers.system.network import Ipv6Address, LinuxNetwork, NetworkInterface


def interface(root: Path, name: str, **attributes: str) -> None:
    directory = root / name
    directory.mkdir()
    for attribute, text in attributes.items():
        (directory / attribute).write_text(text + "\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    net = tmp_path / "net"
    net.mkdir()
    (net / "bonding_masters").write_text("\n")
    interface(net, "lo", type="772", flags="0x9", address="00:00:00:00:00:00", mtu="65536")
    mac = "02:00:00:00:00:01"
    up = {"flags": "0x1003", "carrier": "1", "speed": "1000", "mtu": "1500"}
    interface(net, "farhand-a", type="1", address=mac, **up)
    # Down: the kernel refuses to tell the carrier, and the speed is -1.
    interface(net, "farhand-b", type="1", flags="0x1002", address="", speed="-1", mtu="1500")
    interface(net, "farhand-gone", type="1")
    lines = [
        "00000000000000000000000000000001 01 80 10 80       lo",
        "fe800000000000000000000000000001 02 40 20 80 farhand-a",
        "fd000000000000000000000000000002 02 40 00 80 farhand-a",
    ]
    (tmp_path / "if_inet6").write_text("\n".join(lines) + "\n")
    return tmp_path


async def test_interfaces_of_a_tree(root: Path) -> None:
    network = LinuxNetwork(sys_net=root / "net", if_inet6=root / "if_inet6")
    assert await network.interfaces() == [
        NetworkInterface(
            name="farhand-a",
            up=True,
            carrier=True,
            mac="02:00:00:00:00:01",
            mtu=1500,
            speed_mbps=1000,
            ipv6=(Ipv6Address("fe80::1", 64), Ipv6Address("fd00::2", 64)),
        ),
        NetworkInterface(name="farhand-b", up=False, carrier=False, mtu=1500),
    ]


async def test_a_machine_without_ipv6_or_without_sysfs(root: Path) -> None:
    network = LinuxNetwork(sys_net=root / "net", if_inet6=root / "nothing")
    assert [found.ipv6 for found in await network.interfaces()] == [(), ()]
    with pytest.raises(DeviceGoneError):
        await LinuxNetwork(sys_net=root / "nothing").interfaces()


async def test_loopback_has_an_ipv4_address_and_is_left_out(root: Path) -> None:
    (root / "net/lo/type").write_text(
        "1\n"
    )  # as if it were none, so that there is one whose address is known
    found = {one.name: one for one in await LinuxNetwork(sys_net=root / "net").interfaces()}
    assert [(at.address, at.mask) for at in found["lo"].ipv4] == [("127.0.0.1", "255.0.0.0")]
    for one in await LinuxNetwork().interfaces():
        assert one.name != "lo"
        assert one.mac is None or re.fullmatch(r"[0-9a-f:]+", one.mac)
