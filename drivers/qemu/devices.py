"""What we plug into a QEMU machine, and how: the USB keyboard and mice, and a viewer of its display.

Responsible for the QMP commands that do this and for what they leave behind. It must never hold state: who
plugs a device in owns it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

import trio

from drivers.errors import BadReplyError, DeviceTimeoutError, NotSupportedError
from drivers.qemu.launch import HID_BUS
from drivers.qemu.qmp_client import QmpClient, QmpRefusedError
from drivers.qemu.usb_tap import UsbTap
from drivers.wire.qmp import Json, encode_command

# A USB device goes in milliseconds; the id is free once QEMU's clean-up thread has been there.
UNPLUG_DEADLINE_S = 5.0
_RETRY_S = 0.01

_DISPLAY_FD = "farhand-display"


async def present_devices(qmp: QmpClient) -> set[str]:
    """Return the ids of the devices that were given one."""
    answer = await qmp.execute("qom-list", {"path": "/machine/peripheral"})
    present: set[str] = set()
    for entry in answer if isinstance(answer, list) else [answer]:
        match entry:
            case {"name": str(name)}:
                present.add(name)
            case _:
                raise BadReplyError(f"expected a list of QEMU's devices, got {answer!r}")
    return present


async def plug_input_device(
    qmp: QmpClient, driver: str, device: str, bus: str | None, tap: UsbTap
) -> trio.lowlevel.FdStream:
    """Plug in a USB input device, recorded for *tap*; return the recording, for `UsbTap.run`.

    *bus* None lets QEMU choose. Raises NotSupportedError if the machine has no USB controller.
    """
    arguments: dict[str, Json] = {"driver": driver, "id": device}
    if bus is not None:
        arguments["bus"] = bus
    with tap.fifo() as (path, stream):
        try:
            await qmp.execute("device_add", arguments | {"pcap": str(path)})
        except BaseException as exc:
            await trio.aclose_forcefully(stream)
            if isinstance(exc, QmpRefusedError):
                raise NotSupportedError(
                    f"cannot plug a {driver} into this machine: {exc.description}; it needs a USB controller "
                    f"such as -device usb-ehci,id={HID_BUS.removesuffix('.0')}"
                ) from exc
            raise
    return stream


async def unplug(qmp: QmpClient, device: str) -> None:
    """Pull a device and wait until its id is free."""
    await qmp.execute("device_del", {"id": device})
    with trio.move_on_after(UNPLUG_DEADLINE_S):
        # DEVICE_DELETED comes before the id is free, and nothing comes after.
        while device in await present_devices(qmp):  # noqa: ASYNC110
            await trio.sleep(_RETRY_S)
        return
    raise DeviceTimeoutError(f"expected QEMU to unplug {device} within {UNPLUG_DEADLINE_S:g} s")


def unplug_without_waiting(qmp: socket.socket, devices: Iterable[str]) -> None:
    """Ask for *devices* to be pulled on the bare connection, for when we are going and read no answers."""
    for device in devices:
        try:
            qmp.send(encode_command("device_del", {"id": device}, 0), socket.MSG_DONTWAIT)
        except OSError:
            # It is gone or does not read; what is left is removed when somebody attaches again.
            return


async def require_display(qmp: QmpClient) -> None:
    """Raise NotSupportedError if this QEMU has no VNC server, not even one without a socket."""
    if await qmp.execute("query-vnc-servers") == []:
        raise NotSupportedError(
            "expected a QEMU with a VNC display, got one without: start it with -vnc none"
        )


async def connect_display(qmp: QmpClient) -> trio.SocketStream:
    """Make QEMU's VNC server serve one end of a socket pair, and return the other."""
    ours, theirs = trio.socket.socketpair()
    with theirs:
        try:
            await qmp.execute("getfd", {"fdname": _DISPLAY_FD}, fds=[theirs.fileno()])
            await qmp.execute("add_client", {"protocol": "vnc", "fdname": _DISPLAY_FD, "skipauth": True})
        except BaseException:
            ours.close()
            raise
    return trio.SocketStream(ours)
