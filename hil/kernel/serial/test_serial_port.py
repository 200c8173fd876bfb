"""The serial port on a real USB serial driver of the kernel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import pytest
import trio
from peers.acm_gadget import AcmGadget
from peers.serial_line import DEADLINE_S, open_raw

from drivers.errors import DeviceGoneError, NotSupportedError
from drivers.serial.port import open_serial
from drivers.serial.tty import LineSettings, open_tty, tty_errors


class Adapter(Protocol):
    gadget: AcmGadget
    path: Path

    def plug(self) -> None: ...
    def unplug(self) -> None: ...


async def read_far(fd: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        await trio.lowlevel.wait_readable(fd)
        data += os.read(fd, count - len(data))
    return data


async def write_far(fd: int, data: bytes) -> None:
    while data:
        await trio.lowlevel.wait_writable(fd)
        data = data[os.write(fd, data) :]


async def test_bytes_pass_both_ways_untouched(adapter: Adapter) -> None:
    down, up = os.urandom(65536), bytes(range(256)) * 256
    received = b""
    with trio.fail_after(DEADLINE_S), open_raw(adapter.gadget.device_side) as far:
        async with open_serial(str(adapter.path)) as port, trio.open_nursery() as nursery:
            nursery.start_soon(port.send_all, down)
            nursery.start_soon(write_far, far, up)
            assert await read_far(far, len(down)) == down
            while len(received) < len(up):
                received += await port.receive_some()
    assert received == up


async def test_control_lines_are_set_and_a_break_is_refused_by_name(adapter: Adapter) -> None:
    with trio.fail_after(DEADLINE_S), open_raw(adapter.gadget.device_side):
        async with open_serial(str(adapter.path), LineSettings(baud_rate=9600)) as port:
            await port.set_lines(dtr=False, rts=False)
            await port.set_lines(dtr=True, rts=True)
            await port.set_baud_rate(115200)
            # The gadget's ACM function does not announce breaks, and cdc-acm then refuses them.
            with pytest.raises(NotSupportedError):
                await port.send_break(0.001)


async def test_pulling_it_ends_reader_and_body_at_once(adapter: Adapter) -> None:
    async def use() -> None:
        async with open_serial(str(adapter.path)) as port:
            with port.ends_when_lost():
                await trio.to_thread.run_sync(adapter.unplug)
                await trio.sleep_forever()

    with trio.fail_after(DEADLINE_S):
        with pytest.raises(DeviceGoneError):
            await use()
        with pytest.raises(DeviceGoneError, match="is it plugged in"):
            async with open_serial(str(adapter.path)):
                pytest.fail("opened")
        await trio.to_thread.run_sync(adapter.plug)
        with open_raw(adapter.gadget.device_side) as far:
            async with open_serial(str(adapter.path)) as port:
                await port.send_all(b"again")
                assert await read_far(far, 5) == b"again"


async def test_termios_errors_of_a_pulled_device_are_the_devices(adapter: Adapter) -> None:
    tty = open_tty(str(adapter.path), LineSettings())
    try:
        adapter.unplug()
        with pytest.raises(DeviceGoneError), tty_errors("the port"):
            tty.reset_input_buffer()  # tcflush(3), whose termios.error is no OSError
        with pytest.raises(DeviceGoneError), tty_errors("the port"):
            tty.baudrate = 9600
    finally:
        tty.release()


async def test_output_that_nobody_takes_holds_up_neither_the_house_nor_the_close(adapter: Adapter) -> None:
    # The device's program has its end open and does not read, so the kernel's buffers fill.
    with trio.fail_after(DEADLINE_S), open_raw(adapter.gadget.device_side):
        with trio.move_on_after(0.5) as scope:
            async with open_serial(str(adapter.path)) as port:
                await port.send_all(bytes(1_000_000))
        assert scope.cancelled_caught
