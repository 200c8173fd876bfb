"""The ports: what the appliance needs of a board, as small protocols that every driver implements.

A real driver, the emulated PC and the QEMU machine all stand behind these same protocols, so that the
program on a desk is the program on the board. A port never hides a failure: it raises a
`drivers.errors.DriverError` and the caller's supervisor decides. Commands are plain async calls; what
a device has to say arrives over bounded memory channels whose overflow rule is stated here.

Units: seconds are floats on Trio's clock (`trio.current_time`), levels are logical (True = asserted,
after the board's inversion), reports are the exact bytes of subsystems.md 2.3.
"""

from __future__ import annotations

import enum
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import trio

from drivers.video.frame import Frame
from drivers.wire.switch_protocol import Message, Reply


class KeyboardPort(Protocol):
    """A boot-protocol USB keyboard seen from the device side (contract subsystems.md 2.3)."""

    async def write(self, report: bytes) -> None:
        """Give one 8-byte report to the host; return when the host has taken it.

        Raises HostNotReadyError if the host did not take it in the port's own short deadline (about
        0.1 s, so that a newer report can replace it), DeviceGoneError if there is no device.
        """
        ...

    def leds(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[int]]:
        """LED output reports of the host (bit 0 Num Lock, 1 Caps Lock, 2 Scroll Lock).

        The newest byte is the whole truth: the channel holds one, and a newer one replaces it. The
        last known byte, if any, is delivered at once.
        """
        ...


class PointerPort(Protocol):
    """A USB mouse seen from the device side; 7/6-byte absolute or 5/4-byte relative reports."""

    @property
    def absolute(self) -> bool:
        """Whether its descriptor declares absolute X and Y."""
        ...

    @property
    def horizontal_wheel(self) -> bool:
        """Whether its report ends with an AC Pan byte."""
        ...

    async def write(self, report: bytes) -> None:
        """Give one report to the host; the rules of `KeyboardPort.write`."""
        ...


@runtime_checkable
class ThreadWritable(Protocol):
    """A keyboard or pointer port that can be written to while the event loop stands still."""

    def write_from_thread(self, report: bytes) -> bool:
        """Give *report* to the device, for another thread than the loop's; return whether it has it.

        It comes after a report that is in flight, and waits for that for a moment only. Never raises.
        """
        ...


class LinkCondition(enum.StrEnum):
    """What the USB device controller knows of the host at the other end of the cable."""

    UNPLUGGED = "unplugged"
    """No host, or one without power."""
    CONNECTED = "connected"
    """A host that has not configured us: its firmware is at work, or it does not want us."""
    CONFIGURED = "configured"
    SUSPENDED = "suspended"
    """Configured, and asleep."""


class UsbLink(Protocol):
    """The USB cable to the host."""

    def conditions(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[LinkCondition]]:
        """The link's condition, now and after each change. Bound 1, newest wins."""
        ...

    async def wake(self) -> None:
        """Ask a sleeping host to wake up; no effect if it does not sleep.

        Raises NotSupportedError if the controller cannot, DeviceGoneError if there is none.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerState:
    """What a HID microcontroller says of itself (contract subsystems.md 2.2).

    *connected* is None if it cannot plug and unplug itself; *busy* is true while outputs are switched or it
    is being reset. The outputs are names such as "usb", "usb_rel", "ps2"; none available = none to select.
    """

    online: bool = False
    busy: bool = False
    connected: bool | None = None
    keyboard_outputs: tuple[str, ...] = ()
    keyboard_output: str = ""
    mouse_outputs: tuple[str, ...] = ()
    mouse_output: str = ""
    mouse_absolute: bool = True


class HidController(Protocol):
    """A HID backend that can be switched by itself, as a microcontroller can and a USB gadget cannot."""

    def states(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[ControllerState]]:
        """Its state, now and after each change. Bound 1, newest wins."""
        ...

    async def set_keyboard_output(self, output: str) -> None:
        """Select an output of the keyboard; one that is not available is ignored. Raises DriverError."""
        ...

    async def set_mouse_output(self, output: str) -> None:
        """Select an output of the mouse; one that is not available is ignored. Raises DriverError."""
        ...

    async def set_connected(self, connected: bool) -> None:
        """Plug or unplug it from the host; ignored if it cannot. Raises DriverError."""
        ...

    async def reset(self) -> None:
        """Reset the microcontroller itself. Raises DriverError."""
        ...


@dataclass(frozen=True, slots=True)
class LineEdge:
    """A change of an input line: the logical level after it and when the driver saw it (Trio seconds)."""

    level: bool
    time: float


class LineInput(Protocol):
    """One logical input line, such as a power LED."""

    async def read(self) -> bool:
        """Return the logical level now."""
        ...

    def edges(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[LineEdge]]:
        """Edges from now on. Bound 16; an overflow drops the oldest, so readers resynchronise by `read`."""
        ...


class LineOutput(Protocol):
    """One logical output line, such as the power switch's opto-coupler."""

    async def set(self, level: bool) -> None:
        """Drive the line."""
        ...

    async def pulse(self, seconds: float) -> None:
        """Assert the line for *seconds*, then release it; it is released on cancellation and error too."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelInput:
    """An input pin that a channel driver is to read; *debounce_s* is for drivers that see edges."""

    pin: str
    debounce_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ChannelOutput:
    """An output pin that a channel driver is to drive; *initial* is its level at start, None leaves it."""

    pin: str
    initial: bool | None = False


class ChannelDriver(Protocol):
    """A device with pins for user-defined channels (contract subsystems.md 6.3).

    It is made with the pins that it is used for, whose text was checked for its type. Levels are the device's
    own: inversion is its user's affair. Read and write raise DriverError while `run` has no device.
    """

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Hold the device, set initial levels and follow its changes until cancelled; raises DriverError.

        Run anew after a failure, a device that keeps no levels by itself gets those that were last written,
        also in vain: a pulse that failed must not come back on. `started` once `read` has something to tell.
        """
        ...

    async def read(self, pin: str) -> bool:
        """Return the level of *pin*, now or as of the last poll; pins that cannot be read are False."""
        ...

    async def write(self, pin: str, level: bool) -> None:
        """Drive *pin*; return when the device has done it.

        Written False at the end of a pulse also when writing True failed or was cancelled in the middle.
        """
        ...

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        """Told that levels may have changed and are worth reading again. Bound 1: two such news are one."""
        ...


@dataclass(frozen=True, slots=True)
class NoSignal:
    """The source is there but has no picture; *reason* is for people ("target is off", "no cable")."""

    reason: str


class VideoStream(Protocol):
    """An open capture."""

    async def next(self, unlike: Frame | None = None) -> Frame | NoSignal:
        """Wait for a picture newer than the last one returned, or a change of the signal.

        The newest always wins: what was not fetched in time is dropped. The first call answers with what
        there is now. The caller calls `Frame.release` once it no longer reads the buffer. Raises
        DriverError when the capture fails.

        *unlike* is the last picture, which the caller still has: the stream may leave out those that look the
        same (`Frame.unchanged_before`), for a second at a time.
        """
        ...

    def hurry(self) -> None:
        """Let a `next` that waits for a picture unlike the last one take any from now on."""
        ...


class VideoSource(Protocol):
    """Something that captures the target's screen."""

    @property
    def name(self) -> str:
        """What it is, for people ("emulated display", "/dev/video0")."""
        ...

    def open(
        self, *, max_fps: int, size: tuple[int, int] | None = None
    ) -> AbstractAsyncContextManager[VideoStream]:
        """Start capturing; frames above *max_fps* (0 = no limit) are dropped early.

        *size* is the wanted width and height in pixels, None leaves it to the source. A source that scales
        or offers several sizes (a USB grabber) comes as near as it can; one whose size is the target's own
        (an HDMI receiver with DV timings, a virtual machine) takes no notice. Frames say what they are.
        """
        ...


class EdidPort(Protocol):
    """The EDID that the capture shows to the target: the monitor that it believes to have."""

    async def read(self) -> bytes:
        """Return it, a multiple of 128 bytes; empty if none is set. Raises DriverError."""
        ...

    async def write(self, edid: bytes) -> None:
        """Show another one; empty takes it away. The target sees a monitor being plugged.

        Raises NotSupportedError if the capture has no EDID of ours, DeviceBusyError while it cannot change
        now, DriverError naming what is wrong with it otherwise.
        """
        ...


@dataclass(frozen=True, slots=True)
class Medium:
    """What is in the virtual drive."""

    path: Path
    cdrom: bool
    rw: bool


class MediaSlot(Protocol):
    """A removable USB drive offered to the host."""

    async def insert(self, medium: Medium) -> None:
        """Offer *medium*. Raises DeviceBusyError if one is in, DriverError naming the image otherwise."""
        ...

    async def eject(self, *, force: bool = False) -> None:
        """Take it out; no effect if empty. Raises MediumLockedError if the host locked it and not *force*."""
        ...

    def media(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Medium | None]]:
        """What is in the drive, now and after each change (the host may eject too). Bound 1, newest wins."""
        ...


class SwitchSession(Protocol):
    """A line to a chain of KVM switch units while it is held. One task may send and one may receive."""

    async def send(self, message: Message) -> None:
        """Give a request to the line; return when the kernel has it. Raises DriverError."""
        ...

    async def receive(self) -> Reply:
        """Wait for what a unit says next, asked or not; what makes no sense is skipped. Raises DriverError.

        Nothing is dropped here: while nobody receives, the line's own bounded buffer fills up.
        """
        ...


class SwitchLink(Protocol):
    """Where a chain of KVM switch units may be plugged in (contract subsystems.md 9.1)."""

    @property
    def name(self) -> str:
        """What it is, for people ("/dev/kvmd-switch")."""
        ...

    def open(self) -> AbstractAsyncContextManager[SwitchSession]:
        """Hold the line for as long as the body runs.

        Raises DeviceGoneError if nothing is plugged in, DeviceBusyError if another program has it.
        """
        ...


class RemoteFile(Protocol):
    """A file of another server, open for reading once."""

    @property
    def name(self) -> str | None:
        """What its server calls it: one part of a path, printable; None if there is no usable name."""
        ...

    @property
    def size_bytes(self) -> int:
        """Its size; reading gives as much, or raises."""
        ...

    async def read(self) -> bytes:
        """Return the next piece, empty at the end. Raises RemoteError: an early end, a silent server."""
        ...


class RemoteFiles(Protocol):
    """Where files of other servers come from."""

    def open(
        self, url: str, *, connect_timeout_s: float, insecure: bool
    ) -> AbstractAsyncContextManager[RemoteFile]:
        """Open the file at *url* (http, https); *insecure* trusts whoever answers. Raises RemoteError."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """The board's own condition; None where the platform does not tell (contract subsystems.md 12)."""

    cpu_temp_c: float | None
    cpu_percent: int | None
    mem_percent: float | None
    mem_total_bytes: int | None
    mem_available_bytes: int | None
    throttling_flags: int | None


class Sensors(Protocol):
    """The board's own sensors."""

    async def read(self) -> Health:
        """Return the present readings; never raises, unknown values are None."""
        ...
