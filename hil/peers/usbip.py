"""A USB cable between a gadget and a host in one kernel, that can be pulled: usbip-vudc and vhci-hcd.

A pair of connected sockets joins the two; no daemon, no network. Slow (10 to 35 ms a report) and true in what
dummy_hcd is not: the controller's state leaves `configured` when the cable is pulled.
Source: Documentation/usb/usbip_protocol.rst, Documentation/ABI/testing/sysfs-platform-usbip-vudc.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

import trio

from peers import modules
from peers.usb_host import wait_until

UDC: Final = "usbip-vudc.0"
_VUDC: Final = Path("/sys/devices/platform/usbip-vudc.0")
_VHCI: Final = Path("/sys/devices/platform/vhci_hcd.0")
_PORT: Final = 0
_DEVICE_ID: Final = 1
_HIGH_SPEED: Final = 3
_PORT_FREE: Final = "004"
_VUDC_AVAILABLE, _VUDC_USED = "1", "2"
_PLUG_TRIES: Final = 6
"""After an unplug in mid-transfer the next connection is dropped because of a stale reply: two are enough."""
_PLUG_DEADLINE_S: Final = 5.0


def load() -> None:
    """Load what plays the cable."""
    modules.load("usbip-vudc", num=1)
    modules.load("vhci-hcd")


def is_plugged() -> bool:
    """Whether both ends hold a connection."""
    return _port_status() != _PORT_FREE and _vudc_status() == _VUDC_USED


async def plug() -> int:
    """Plug the cable in and return in how many tries the host configured the gadget, which must be bound."""
    for attempt in range(1, _PLUG_TRIES + 1):
        await wait_until(
            lambda: _port_status() == _PORT_FREE and _vudc_status() == _VUDC_AVAILABLE, "no cable"
        )
        gadget, host = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with gadget, host:  # The kernel holds its own references.
            (_VUDC / "usbip_sockfd").write_text(f"{gadget.fileno()}\n")
            (_VHCI / "attach").write_text(f"{_PORT} {host.fileno()} {_DEVICE_ID} {_HIGH_SPEED}\n")
        with trio.move_on_after(_PLUG_DEADLINE_S):
            while _state() != "configured":
                await trio.sleep(0.02)
                if not is_plugged():
                    break
            else:
                return attempt
        if is_plugged():
            await unplug()
    raise TimeoutError(f"expected {UDC} to be configured in {_PLUG_TRIES} tries, got {_state()}")


async def unplug(*, by_host: bool = True) -> None:
    """Pull the cable out at one end, and wait until both have noticed."""
    if by_host:
        (_VHCI / "detach").write_text(f"{_PORT}\n")
    else:
        (_VUDC / "usbip_sockfd").write_text("-1\n")
    await wait_until(lambda: _port_status() == _PORT_FREE and _vudc_status() == _VUDC_AVAILABLE, "no cable")


def _port_status() -> str:
    lines = (_VHCI / "status").read_text().splitlines()[1:]
    return lines[_PORT].split()[2]


def _vudc_status() -> str:
    return (_VUDC / "usbip_status").read_text().strip()


def _state() -> str:
    return Path("/sys/class/udc", UDC, "state").read_text().strip()
