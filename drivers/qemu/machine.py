"""One QEMU machine and all of its ports.

Responsible for starting QEMU or attaching to one, for plugging our devices in, and for turning the machine on
and off. Owns the process it started. It must never bring a dead QEMU back by itself: `run` raises, and
whoever supervises it decides.

"Off" is QEMU holding the machine stopped before its first instruction (or after the guest's shutdown), so
that a drive can be filled and LEDs read while it is off.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from drivers.errors import (
    BadReplyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    os_errors,
)
from drivers.qemu.devices import (
    connect_display,
    plug_input_device,
    present_devices,
    require_display,
    unplug,
    unplug_without_waiting,
)
from drivers.qemu.display import QemuDisplay
from drivers.qemu.hid import PointerRouting, QemuKeyboard, QemuPointer
from drivers.qemu.launch import DEFAULT_BINARY, HID_BUS, STORAGE_BUS, QemuProcess
from drivers.qemu.media import DEVICE_ID as MEDIA_ID
from drivers.qemu.media import QemuMediaSlot, reads_and_writes
from drivers.qemu.panel import Light, PowerButton, ResetButton
from drivers.qemu.qmp_client import QmpClient
from drivers.qemu.usb_tap import UsbTap
from drivers.wire.qmp import QmpEvent

# How often the run state and the disks' counters are read: the shortest the HDD LED is lit. Changes of the
# run state are announced and do not wait for it.
POLL_S = 0.25
# A reset takes effect in QEMU's main loop, in milliseconds.
RESET_DEADLINE_S = 5.0
# Between QEMU closing its connections and its end there is only its clean-up.
LAST_WORDS_DEADLINE_S = 1.0
# It takes milliseconds.
_RETRY_S = 0.01

# The run states of a machine that is off; in all others it has power, even if it is paused or crashed.
_OFF: Final = frozenset({"prelaunch", "preconfig", "shutdown"})
_BEFORE_FIRST_INSTRUCTION = "prelaunch"

_KEYBOARD_ID, _TABLET_ID, _MOUSE_ID = "farhand-keyboard", "farhand-tablet", "farhand-mouse"
_RUN_STATE_EVENTS = frozenset(
    {
        "STOP",
        "RESUME",
        "RESET",
        "SHUTDOWN",
        "POWERDOWN",
        "SUSPEND",
        "SUSPEND_DISK",
        "WAKEUP",
        "GUEST_PANICKED",
    }
)


class QemuMachine:
    """A machine run by QEMU; the attributes are its ports (`drivers.ports`), usable while `run` runs.

    *binary* and *arguments* start one (`-m 512 -cdrom x.iso` and so on, as QEMU takes them). With *attach*
    it is the machine behind that QMP socket instead; such a QEMU needs a USB controller (best
    `-device usb-ehci,id=farhand-ehci -device qemu-xhci,id=farhand-xhci`) and a VNC display (`-vnc none` is
    enough), and is left running in the end.
    """

    def __init__(
        self,
        binary: str = DEFAULT_BINARY,
        arguments: Sequence[str] = (),
        *,
        attach: Path | None = None,
    ) -> None:
        self._binary = binary
        self._arguments = tuple(arguments)
        self._attach = attach
        self._qmp: QmpClient | None = None
        self._status = "shutdown"
        self._status_lock = trio.Lock()
        self._power_lock = trio.Lock()
        self._kick = trio.Event()
        self._storage_bus: str | None = STORAGE_BUS
        self._taps = {each: UsbTap(each) for each in (_KEYBOARD_ID, _TABLET_ID, _MOUSE_ID)}
        self._routing = PointerRouting(self)
        self.keyboard = QemuKeyboard(self, self._taps[_KEYBOARD_ID])
        self.absolute_pointer = QemuPointer(self, self._taps[_TABLET_ID], self._routing, absolute=True)
        self.relative_pointer = QemuPointer(self, self._taps[_MOUSE_ID], self._routing, absolute=False)
        self._input_devices: dict[str, tuple[str, QemuPointer | None]] = {
            _KEYBOARD_ID: ("usb-kbd", None),
            _TABLET_ID: ("usb-tablet", self.absolute_pointer),
            _MOUSE_ID: ("usb-mouse", self.relative_pointer),
        }
        self.power_led = Light("power")
        self.hdd_led = Light("HDD")
        self.power_switch = PowerButton(self)
        self.reset_switch = ResetButton(self)
        self.video = QemuDisplay(lambda: connect_display(self.qmp()))
        self.media = QemuMediaSlot(self)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start or attach, announce readiness with the machine off (or as it is found), run until cancelled.

        Raises DeviceGoneError with QEMU's last words when it ends by itself, NotSupportedError if it cannot
        be started here at all, other DriverErrors if it does not do as told.
        """
        if self._attach is not None:
            await self._run_attached(self._attach, task_status)
            return
        process = QemuProcess.start(self._binary, self._arguments)
        try:
            fault = await self._fault_of_operation(process.qmp_stream(), process, task_status)
            words = await process.last_words_if_ended(LAST_WORDS_DEADLINE_S)
            if words is not None:
                raise DeviceGoneError(words) from fault
            raise fault
        finally:
            # Short: `aclose` has deadlines for each way of ending QEMU.
            with trio.CancelScope(shield=True):
                await process.aclose()

    async def _run_attached(self, path: Path, task_status: trio.TaskStatus[None]) -> None:
        with os_errors(f"QEMU's QMP socket {path}"):
            stream = await trio.open_unix_socket(path)
        goodbye = socket.socket(fileno=socket.dup(stream.socket.fileno()))
        try:
            raise await self._fault_of_operation(stream, None, task_status)
        finally:
            with goodbye:
                unplug_without_waiting(goodbye, (MEDIA_ID, *self._input_devices))

    async def _fault_of_operation(
        self, stream: trio.SocketStream, process: QemuProcess | None, task_status: trio.TaskStatus[None]
    ) -> DriverError:
        """Operate the machine until a device fault, and return that; several at once have one cause."""
        fault: DriverError | None = None
        try:
            await self._operate(stream, process, task_status)
        except* DriverError as group:
            fault = _first(group)
        assert fault is not None, "_operate runs until it is cancelled or raises"
        return fault

    async def _operate(
        self, stream: trio.SocketStream, process: QemuProcess | None, task_status: trio.TaskStatus[None]
    ) -> None:
        qmp = QmpClient(stream, self._on_event)
        try:
            async with trio.open_nursery() as nursery:
                if process is not None:
                    nursery.start_soon(process.watch)
                await nursery.start(qmp.run)
                self._qmp = qmp
                await require_display(qmp)
                await self._plug_devices(qmp, nursery)
                await self.media.remove_leftovers()
                await self._refresh()
                self.hdd_led.show(level=False)
                await nursery.start(self.video.run)
                nursery.start_soon(self.media.run)
                nursery.start_soon(self.power_switch.run)
                task_status.started()
                await self._poll()
        finally:
            self._qmp = None
            self._set_status("shutdown")
            self.power_led.show(None)
            self.hdd_led.show(None)

    # What the ports need of the machine

    @property
    def powered(self) -> bool:
        """Whether the machine is on."""
        return self._status not in _OFF

    @property
    def storage_bus(self) -> str | None:
        """The USB bus for the drive; None lets QEMU choose."""
        return self._storage_bus

    def qmp(self) -> QmpClient:
        """Return the QMP connection; raises DeviceGoneError if there is none."""
        if self._qmp is None:
            raise DeviceGoneError("QEMU does not run")
        return self._qmp

    def input_sent(self) -> None:
        """Take note that the screen may change soon."""
        self.video.input_sent()

    async def turn_on(self) -> None:
        """Let the machine run from its first instruction; no effect if it is on."""
        async with self._power_lock:
            if await self._refresh() not in _OFF:
                return
            await self._rewind()
            await self.qmp().execute("cont")
            await self._refresh()

    async def turn_off(self) -> None:
        """Cut the power; no effect if it is off."""
        async with self._power_lock:
            if await self._refresh() in _OFF:
                return
            await self.qmp().execute("stop")
            await self._rewind()

    async def press_acpi_button(self) -> None:
        """Raise the ACPI power button event; a sleeping machine wakes instead."""
        command = "system_wakeup" if await self._refresh() == "suspended" else "system_powerdown"
        await self.qmp().execute(command)

    async def reset(self) -> None:
        """Reset the machine if it is on, a crashed or paused one too."""
        async with self._power_lock:
            status = await self._refresh()
            if status in _OFF:
                return
            if status == "running":
                await self.qmp().execute("system_reset")
                return
            await self._rewind()
            await self.qmp().execute("cont")
            await self._refresh()

    def statistics(self) -> dict[str, dict[str, int]]:
        """Return the counters of the parts."""
        counters = {name: tap.statistics() for name, tap in self._taps.items()}
        counters["display"] = self.video.statistics()
        if self._qmp is not None:
            counters["qmp"] = self._qmp.statistics()
        return counters

    # The run state

    async def _rewind(self) -> None:
        """Put a machine that does not run before its first instruction."""
        if await self._refresh() == _BEFORE_FIRST_INSTRUCTION:
            return
        await self.qmp().execute("system_reset")
        with trio.move_on_after(RESET_DEADLINE_S):
            # No event tells the end of it.
            while await self._refresh() != _BEFORE_FIRST_INSTRUCTION:  # noqa: ASYNC110
                await trio.sleep(_RETRY_S)
            return
        raise DeviceTimeoutError(
            f"expected QEMU to reset within {RESET_DEADLINE_S:g} s, it is {self._status}"
        )

    async def _refresh(self) -> str:
        # One at a time, so that an older answer never overwrites a newer one.
        async with self._status_lock:
            match await self.qmp().execute("query-status"):
                case {"status": str(status)}:
                    self._set_status(status)
                    return status
                case answer:
                    raise BadReplyError(f"expected QEMU's run state, got {answer!r}")

    def _set_status(self, status: str) -> None:
        self._status = status
        self.power_led.show(self.powered)
        self.video.set_powered(self.powered)

    async def _poll(self) -> None:
        operations: int | None = None
        while True:
            await self._refresh()
            lit = False
            if self.powered:
                now = reads_and_writes(await self.qmp().execute("query-blockstats"))
                lit = operations is not None and now != operations
                operations = now
            self.hdd_led.show(lit)
            with trio.move_on_after(POLL_S):
                await self._kick.wait()
            self._kick = trio.Event()

    def _on_event(self, event: QmpEvent) -> None:
        if event.name in _RUN_STATE_EVENTS:
            self._kick.set()
        if event.name == "RESET":
            for tap in self._taps.values():
                tap.forget()
        self.media.on_event(event)

    async def _plug_devices(self, qmp: QmpClient, nursery: trio.Nursery) -> None:
        present = await present_devices(qmp)
        self._storage_bus = STORAGE_BUS if STORAGE_BUS.removesuffix(".0") in present else None
        bus = HID_BUS if HID_BUS.removesuffix(".0") in present else None
        mice = await self._routing.indices()
        for device, (driver, pointer) in self._input_devices.items():
            if device in present:
                await unplug(qmp, device)
            tap = self._taps[device]
            stream = await plug_input_device(qmp, driver, device, bus, tap)
            nursery.start_soon(tap.run, stream)
            if pointer is not None:
                new = await self._routing.indices() - mice
                if len(new) != 1:
                    raise BadReplyError(f"expected one new mouse in QEMU's list, got {sorted(new)}")
                mice |= new
                (pointer.index,) = new


def _first(group: BaseExceptionGroup[DriverError]) -> DriverError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
