"""The serial port over a real tty: streams, bounds, deadlines and what can go wrong with the device."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import termios
from pathlib import Path

import pytest
import serial  # type: ignore[import-untyped]  # pySerial has no types
import trio
import trio.testing
from peers.serial_line import Pty

import drivers.serial.port as port_module
from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    NotSupportedError,
)
from drivers.serial.port import RECEIVE_BOUND_BYTES, open_serial
from drivers.serial.tty import LineSettings, open_tty, tty_error

TIOCGEXCL = 0x80045440


def open_descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


async def read_far(pty: Pty, count: int) -> bytes:
    data = b""
    with trio.fail_after(10):
        while len(data) < count:
            await trio.lowlevel.wait_readable(pty.master)
            data += os.read(pty.master, count - len(data))
    return data


async def test_bytes_pass_both_ways_untouched(pty: Pty) -> None:
    every_byte = bytes(range(256))
    async with open_serial(pty.path) as port:
        await port.send_all(every_byte)
        assert await read_far(pty, 256) == every_byte
        os.write(pty.master, every_byte)
        received = b""
        with trio.fail_after(10):
            while len(received) < 256:
                received += await port.receive_some(100)
        assert received == every_byte
        assert port.statistics() == {
            "sent_bytes": 256,
            "received_bytes": 256,
            "waiting_bytes": 0,
            "pauses": 0,
        }


async def test_a_long_message_arrives_whole_while_the_far_end_is_slow(pty: Pty) -> None:
    message = os.urandom(200_000)
    async with open_serial(pty.path) as port, trio.open_nursery() as nursery:
        nursery.start_soon(port.send_all, message)
        assert await read_far(pty, len(message)) == message


async def test_the_line_is_set_as_asked(pty: Pty) -> None:
    async with open_serial(pty.path, LineSettings(baud_rate=9600, stop_bits=2, data_bits=8)) as port:
        assert pty.baud_rate == 9600
        _, _, control, local, *_ = termios.tcgetattr(pty.master)
        assert control & termios.CSTOPB
        assert not local & (termios.ECHO | termios.ICANON | termios.ISIG)
        await port.set_baud_rate(115200)
        assert pty.baud_rate == 115200


async def test_reading_pauses_at_its_bound_and_nothing_is_lost(pty: Pty) -> None:
    message = os.urandom(5 * RECEIVE_BOUND_BYTES)
    sent = 0

    async def feed() -> None:
        nonlocal sent
        while sent < len(message):
            await trio.lowlevel.wait_writable(pty.master)
            sent += os.write(pty.master, message[sent : sent + 4096])

    async with open_serial(pty.path) as port, trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        with trio.fail_after(10):
            while not port.statistics()["pauses"]:
                await trio.sleep(0.001)
        await trio.testing.wait_all_tasks_blocked(0.05)
        # The bound, and what one more read of the transport may bring.
        assert port.statistics()["waiting_bytes"] < RECEIVE_BOUND_BYTES + 2048
        assert sent < len(message)
        received = b""
        with trio.fail_after(10):
            while len(received) < len(message):
                received += await port.receive_some()
        assert received == message


@pytest.mark.fault("CH9329", "stalls")
@pytest.mark.fault("HID microcontroller", "stalls")
async def test_a_device_that_takes_nothing_is_a_timeout_and_the_rest_is_dropped(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_module, "WRITE_DEADLINE_S", 0.05)
    async with open_serial(pty.path) as port:
        with pytest.raises(DeviceTimeoutError, match="took no bytes"):
            await port.send_all(bytes(1_000_000))
        while True:  # Drain what the pty took.
            try:
                os.read(pty.master, 65536)
            except BlockingIOError:
                if not await readable_soon(pty):
                    break
        monkeypatch.undo()
        await port.send_all(b"anew")
        assert await read_far(pty, 4) == b"anew"


async def readable_soon(pty: Pty) -> bool:
    with trio.move_on_after(0.1):
        await trio.lowlevel.wait_readable(pty.master)
        return True
    return False


async def test_a_full_kernel_buffer_does_not_hold_up_other_tasks(pty: Pty) -> None:
    ticks = 0
    async with open_serial(pty.path) as port, trio.open_nursery() as nursery:
        nursery.start_soon(port.send_all, bytes(1_000_000))
        with trio.fail_after(5):
            while ticks < 20:
                await trio.sleep(0.001)
                ticks += 1
        nursery.cancel_scope.cancel()
    assert ticks == 20


async def test_a_cancelled_send_leaves_no_bytes_behind_for_later(pty: Pty) -> None:
    async with open_serial(pty.path) as port:
        with trio.move_on_after(0.05):
            await port.send_all(bytes(1_000_000))
        taken = 0
        while await readable_soon(pty):
            taken += len(os.read(pty.master, 65536))
        assert taken < 1_000_000


async def test_a_device_that_goes_wakes_the_reader_with_its_name(pty: Pty) -> None:
    with trio.fail_after(10):
        async with open_serial(pty.path) as port, trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(DeviceGoneError, match=pty.path):
                    await port.receive_some()

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked(0.01)
            pty.unplug()


async def test_what_came_before_the_device_went_is_still_read(pty: Pty) -> None:
    with trio.fail_after(10):
        async with open_serial(pty.path) as port:
            os.write(pty.master, b"last words")
            while not port.statistics()["waiting_bytes"]:
                await trio.sleep(0.001)
            pty.unplug()
            assert await port.receive_some() == b"last words"
            with pytest.raises(DeviceGoneError):
                await port.receive_some()
            with pytest.raises(DeviceGoneError):
                await port.send_all(b"x")
            with pytest.raises(DeviceGoneError):
                port.discard_input()


async def test_a_device_that_goes_in_the_middle_of_a_long_send(pty: Pty) -> None:
    with trio.fail_after(10):
        async with open_serial(pty.path) as port, trio.open_nursery() as nursery:

            async def send() -> None:
                with pytest.raises(DeviceGoneError):
                    await port.send_all(bytes(1_000_000))

            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked(0.01)
            pty.unplug()


async def test_the_body_ends_at_once_when_the_device_goes(pty: Pty) -> None:
    async def use() -> None:
        async with open_serial(pty.path) as port:
            with port.ends_when_lost():
                pty.unplug()
                await trio.sleep_forever()

    with trio.fail_after(10), pytest.raises(DeviceGoneError):
        await use()


@pytest.mark.fault("CH9329", "missing")
@pytest.mark.fault("HID microcontroller", "missing")
async def test_no_such_device() -> None:
    with pytest.raises(DeviceGoneError, match="no such device; is it plugged in"):
        async with open_serial("/dev/does-not-exist"):
            pytest.fail("opened")


async def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(NotSupportedError, match="expected a serial port"):
        async with open_serial(str(path)):
            pytest.fail("opened")


async def test_a_port_in_use_is_busy_and_free_again_afterwards(pty: Pty) -> None:
    async with open_serial(pty.path):
        with pytest.raises(DeviceBusyError, match="another program has it open"):
            async with open_serial(pty.path):
                pytest.fail("opened twice")
    async with open_serial(pty.path):
        pass


async def test_the_port_is_marked_exclusive_while_open(pty: Pty) -> None:
    exclusive = bytearray(4)
    other = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
    try:
        async with open_serial(pty.path):
            fcntl.ioctl(other, TIOCGEXCL, exclusive)
            assert any(exclusive)
        fcntl.ioctl(other, TIOCGEXCL, exclusive)
        assert not any(exclusive)
    finally:
        os.close(other)


def test_errors_say_what_to_do() -> None:
    denied = tty_error(OSError(errno.EACCES, "x"), "opening /dev/x")
    assert type(denied) is DriverError
    assert "group" in str(denied)
    # termios.error is no OSError, and pySerial hides it behind an exception without a number.
    assert isinstance(tty_error(termios.error(errno.EIO, "x"), "x"), DeviceGoneError)
    hidden = serial.SerialException("Could not configure port")
    hidden.__context__ = termios.error(errno.ENODEV, "x")
    assert isinstance(tty_error(hidden, "x"), DeviceGoneError)
    assert type(tty_error(serial.SerialException("odd"), "x")) is DriverError


async def test_a_port_without_control_lines_says_so_and_works_on(pty: Pty) -> None:
    async with open_serial(pty.path) as port:
        with pytest.raises(NotSupportedError, match="DTR and RTS"):
            await port.set_lines(dtr=False)
        with pytest.raises(NotSupportedError, match="DTR and RTS"):
            await port.set_lines(rts=True)
        await port.send_all(b"x")
        assert await read_far(pty, 1) == b"x"


async def test_a_break_is_begun_and_ended(pty: Pty) -> None:
    async with open_serial(pty.path) as port:
        await port.send_break(0.001)
        await port.send_all(b"x")
        assert (await read_far(pty, 1))[-1:] == b"x"


async def test_closing_wakes_the_reader(pty: Pty) -> None:
    with trio.fail_after(10):
        async with open_serial(pty.path) as port, trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await port.receive_some()

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            await port.aclose()
            with pytest.raises(trio.ClosedResourceError):
                await port.send_all(b"x")


async def test_two_readers_are_a_bug_that_is_told(pty: Pty) -> None:
    async with open_serial(pty.path) as port, trio.open_nursery() as nursery:
        nursery.start_soon(port.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await port.receive_some()
        nursery.cancel_scope.cancel()


async def test_stale_input_is_forgotten(pty: Pty) -> None:
    with trio.fail_after(10):
        async with open_serial(pty.path) as port:
            os.write(pty.master, b"old")
            while not port.statistics()["waiting_bytes"]:
                await trio.sleep(0.001)
            port.discard_input()
            os.write(pty.master, b"new")
            assert await port.receive_some() == b"new"


async def test_an_exception_of_the_body_comes_out_as_it_is(pty: Pty) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_serial(pty.path):
            raise KeyError("mine")


async def test_cancellation_leaves_the_device_free_and_no_output_waiting(pty: Pty) -> None:
    with trio.move_on_after(0.05) as scope:
        async with open_serial(pty.path) as port:
            await port.send_all(bytes(1_000_000))
    assert scope.cancelled_caught
    tty = open_tty(pty.path, LineSettings())
    tty.release()


async def test_many_openings_leave_no_descriptors(pty: Pty) -> None:
    async with open_serial(pty.path):
        pass
    before = open_descriptors()
    for _ in range(5):
        async with open_serial(pty.path) as port:
            await port.send_all(b"x")
    assert open_descriptors() == before


async def test_a_lost_device_is_not_reported_by_asyncio_as_well(
    pty: Pty, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), trio.fail_after(10):
        async with open_serial(pty.path) as port:
            pty.unplug()
            with pytest.raises(DeviceGoneError):
                await port.send_all(bytes(1_000_000))
    assert caplog.text == ""


class TestTrioStream:
    """Trio's own conformance suite for streams cannot be used as it is: a tty has no end of file."""

    async def test_receive_some_wants_a_positive_count(self, pty: Pty) -> None:
        async with open_serial(pty.path) as port:
            with pytest.raises(ValueError, match="1 or more"):
                await port.receive_some(0)

    async def test_every_method_is_a_checkpoint(self, pty: Pty) -> None:
        async with open_serial(pty.path) as port:
            with trio.testing.assert_checkpoints():
                await port.send_all(b"")
            with trio.testing.assert_checkpoints():
                await port.wait_send_all_might_not_block()
            os.write(pty.master, b"x")
            with trio.testing.assert_checkpoints():
                await port.receive_some()
            with trio.testing.assert_checkpoints():
                await port.aclose()
