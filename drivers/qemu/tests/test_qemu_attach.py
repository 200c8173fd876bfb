"""Attaching to a QEMU that somebody else runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError, NotSupportedError
from drivers.ports import Medium
from drivers.qemu import qmp_client
from drivers.qemu.machine import QemuMachine

pytestmark = pytest.mark.qemu

type RunMachine = Callable[..., AbstractAsyncContextManager[Any]]

USB = ("-device", "usb-ehci,id=farhand-ehci", "-device", "qemu-xhci,id=farhand-xhci")
VNC = ("-vnc", "none")


@contextmanager
def foreign_qemu(binary: str, directory: Path, *arguments: str) -> Generator[Path]:
    """A QEMU of somebody else's; yields the path of its QMP socket."""
    path = directory / "qmp"
    command = [binary, "-S", "-no-shutdown", "-display", "none", "-accel", "tcg", "-m", "64"]
    command += ["-qmp", f"unix:{path},server=on,wait=off", *arguments]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield path
        finally:
            process.terminate()


async def listening(path: Path) -> None:
    """Wait until the QMP socket takes connections; between its making and that it refuses them."""
    with trio.fail_after(60):
        while True:
            try:
                probe = await trio.open_unix_socket(path)
            except OSError:
                await trio.sleep(0.01)
            else:
                await probe.aclose()
                return


async def fault_of(machine: QemuMachine) -> DriverError:
    with pytest.raises(DriverError) as fault:
        await machine.run()
    return fault.value


async def test_a_machine_is_taken_over_and_left_running(
    run_machine: RunMachine, qemu_binary: str, tmp_path: Path, demo_iso: Path, guest: ModuleType
) -> None:
    with foreign_qemu(qemu_binary, tmp_path, *USB, *VNC, "-cdrom", str(demo_iso)) as path:
        await listening(path)
        stick = tmp_path / "stick.img"
        stick.write_bytes(bytes(1 << 20))
        async with run_machine(attach=path) as console:
            assert await console.machine.power_led.read() is False
            await console.machine.power_switch.pulse(0.1)
            await console.wait_for_text(guest.MENU_TITLE)
            await console.press("Enter")
            await console.wait_for_text(guest.PROMPT)
            await console.machine.media.insert(Medium(stick, cdrom=False, rw=True))
        # Again: the machine is still on, our devices were left behind or not, and everything works.
        for _ in range(2):
            async with run_machine(attach=path) as console:
                assert await console.machine.power_led.read() is True
                await console.wait_for_text(guest.PROMPT)
                await console.machine.media.insert(Medium(stick, cdrom=False, rw=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(VNC, "needs a USB controller such as -device usb-ehci"), (USB, "start it with -vnc none")],
)
async def test_what_is_missing_in_an_attached_machine_is_named(
    qemu_binary: str, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    with foreign_qemu(qemu_binary, tmp_path, *arguments) as path:
        await listening(path)
        fault = await fault_of(QemuMachine(attach=path))
        assert isinstance(fault, NotSupportedError)
        assert message in str(fault)


@pytest.mark.fault("QEMU", "missing")
async def test_no_socket_is_a_gone_device(tmp_path: Path) -> None:
    fault = await fault_of(QemuMachine(attach=tmp_path / "none"))
    assert isinstance(fault, DeviceGoneError)
    assert str(tmp_path / "none") in str(fault)


async def test_a_socket_that_another_client_holds_is_told(
    qemu_binary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qmp_client, "GREETING_DEADLINE_S", 0.3)
    with foreign_qemu(qemu_binary, tmp_path) as path:
        await listening(path)
        async with await trio.open_unix_socket(path) as other:
            await other.receive_some()
            fault = await fault_of(QemuMachine(attach=path))
    assert isinstance(fault, DeviceTimeoutError)
    assert "another client holds its QMP socket" in str(fault)


@pytest.mark.fault("QEMU", "vanishes")
async def test_an_attached_qemu_that_ends_is_a_gone_device(qemu_binary: str, tmp_path: Path) -> None:
    with foreign_qemu(qemu_binary, tmp_path, *USB, *VNC) as path:
        await listening(path)
        machine = QemuMachine(attach=path)
        faults: list[DriverError] = []

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            try:
                await machine.run(task_status=task_status)
            except DriverError as fault:
                faults.append(fault)

        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            await machine.qmp().execute("quit")
    (fault,) = faults
    assert isinstance(fault, DeviceGoneError)
