"""The CH9329 on a serial port: a USB keyboard, an absolute and a relative mouse in one chip.

Responsible for the conversation with the chip: one command in flight, a deadline for each reply, repetition
of what was damaged on the line, and asking for the LEDs and the host, since the chip never tells by itself.
It never keeps a report for later: a host that is not there is the caller's business.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

import trio

from drivers.errors import (
    BadReplyError,
    DeviceTimeoutError,
    HostNotReadyError,
)
from drivers.ports import UsbLink
from drivers.serial.host_view import HostView
from drivers.serial.port import SerialPort, open_serial
from drivers.serial.tty import LineSettings
from drivers.serial.turns import Turns
from drivers.wire import ch9329 as wire
from drivers.wire.hid_to_qmp import parse_pointer

logger = logging.getLogger(__name__)

DEFAULT_DEVICE: Final = "/dev/kvmd-hid"
READ_TIMEOUT_S: Final = 0.3
"""At 9600 Bd the longest exchange of ours, 14 bytes out and 14 back, takes 30 ms; ten times that."""

RETRIES: Final = 3
"""Further attempts; the whole exchange then fails within 1.2 s, before who writes reports loses patience."""

POLL_INTERVAL_S: Final = 0.5
"""How late a change of LEDs or of the host may be noticed; one question takes 20 ms of line at 9600 Bd."""


# The factory's speed needs no second look; finding another one may take this many questions at each.
_PROBE_ATTEMPTS: Final = 2

type _SendReport = Callable[[wire.Command, bytes, bytes], Awaitable[None]]


class Ch9329Keyboard:
    """The chip's keyboard; implements `drivers.ports.KeyboardPort`."""

    def __init__(self, send: _SendReport, view: HostView) -> None:
        self._send = send
        self._view = view

    async def write(self, report: bytes) -> None:
        """Give one 8-byte report to the chip; see `KeyboardPort.write`.

        Raises DeviceTimeoutError if the chip does not answer, BadReplyError if it refuses.
        """
        data = wire.keyboard_data(report)
        await self._send(wire.Command.SEND_KEYBOARD, data, data)

    def leds(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[int]]:
        """LED bytes of the host, up to POLL_INTERVAL_S late; see `KeyboardPort.leds`."""
        return self._view.leds()


class Ch9329Pointer:
    """One of the chip's two mice; implements `drivers.ports.PointerPort`.

    Positions are rounded to the chip's 12 bits; the two thumb buttons do not exist in its protocol.
    """

    def __init__(self, send: _SendReport, *, absolute: bool) -> None:
        self._send = send
        self._absolute = absolute

    @property
    def absolute(self) -> bool:
        """Whether it reports positions."""
        return self._absolute

    @property
    def horizontal_wheel(self) -> bool:
        """False: the chip's reports have no such byte."""
        return False

    async def write(self, report: bytes) -> None:
        """Give one report to the chip; see `Ch9329Keyboard.write`.

        If only the chip's reply is lost, deltas and wheel steps are not repeated: once too few is better
        than once too many.
        """
        parsed = parse_pointer(report, absolute=self._absolute)
        still = wire.without_motion(parsed, absolute=self._absolute)
        if self._absolute:
            await self._send(
                wire.Command.SEND_ABSOLUTE, wire.absolute_data(parsed), wire.absolute_data(still)
            )
        else:
            await self._send(
                wire.Command.SEND_RELATIVE, wire.relative_data(parsed), wire.relative_data(still)
            )


class Ch9329:
    """One chip; `keyboard`, `mouse_absolute`, `mouse_relative` and `link` are its ports.

    The ports raise DeviceGoneError while `run` does not run. *probe_speeds* looks for a chip that has been
    set to another of the standard speeds.
    """

    def __init__(
        self,
        device: str = DEFAULT_DEVICE,
        *,
        speed: int = wire.FACTORY_SPEED_BAUD,
        probe_speeds: bool = False,
        read_timeout_s: float = READ_TIMEOUT_S,
        retries: int = RETRIES,
        poll_interval_s: float = POLL_INTERVAL_S,
    ) -> None:
        self._name = f"the CH9329 on {device}"
        self._device = device
        self._speed = speed
        self._probe_speeds = probe_speeds
        self._read_timeout_s = read_timeout_s
        self._attempts = retries + 1
        self._poll_interval_s = poll_interval_s
        self._turns = Turns(self._name)
        self._view = HostView()
        self._decoder = wire.Decoder()
        self._port: SerialPort | None = None
        self._info: wire.Info | None = None
        self._exchanges = 0
        self._repeats = 0
        self.keyboard = Ch9329Keyboard(self._send, self._view)
        self.mouse_absolute = Ch9329Pointer(self._send, absolute=True)
        self.mouse_relative = Ch9329Pointer(self._send, absolute=False)
        self.link: UsbLink = self._view

    @property
    def info(self) -> wire.Info | None:
        """What the chip said last about itself and the host; None while it is not there."""
        return self._info

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Talk to the chip until cancelled; started once it has answered.

        Raises DeviceGoneError, DeviceBusyError and the others of `open_serial`, DeviceTimeoutError if no chip
        answers, BadReplyError.
        """
        async with open_serial(self._device, LineSettings(baud_rate=self._speed)) as port:
            self._port = port
            try:
                with port.ends_when_lost():
                    info = await self._find()
                    logger.info("%s: version %s", self._name, info.version_text)
                    task_status.started()
                    await self._turns.serve(self._poll)
            finally:
                self._port = self._info = None
                self._view.forget()

    async def reset(self) -> None:
        """Restart the chip, which shows to the host as a cable pulled and plugged in."""
        await self._turns.ask(self._reset)

    def statistics(self) -> dict[str, int]:
        """Return counts of exchanges and repetitions, and of damaged bytes and frames."""
        return {"exchanges": self._exchanges, "repeats": self._repeats, **self._decoder.statistics()}

    async def _find(self) -> wire.Info:
        speeds = [self._speed]
        if self._probe_speeds:
            speeds += [speed for speed in wire.SPEEDS_BAUD if speed != self._speed]
        attempts = self._attempts if len(speeds) == 1 else _PROBE_ATTEMPTS
        for speed in speeds:
            if speed != self._speed:
                await self._line.set_baud_rate(speed)
            try:
                info = await self._refresh(attempts)
            except DeviceTimeoutError:
                continue
            if speed != self._speed:
                logger.warning("%s answers at %d Bd, not %d", self._name, speed, self._speed)
            return info
        tried = ", ".join(map(str, speeds))
        raise DeviceTimeoutError(
            f"{self._name} does not answer at {tried} Bd; check its wiring, that RX and TX are crossed, its"
            " power and the configured speed"
        )

    async def _poll(self) -> float:
        await self._refresh(self._attempts)
        return self._poll_interval_s

    async def _refresh(self, attempts: int) -> wire.Info:
        reply = await self._exchange(wire.Command.GET_INFO, attempts=attempts)
        try:
            self._info = wire.Info.parse(reply.data)
        except ValueError as exc:
            raise BadReplyError(f"{self._name}: {exc}") from exc
        self._view.note(listening=self._info.enumerated, leds=self._info.leds)
        return self._info

    async def _reset(self) -> None:
        await self._exchange(wire.Command.RESET, attempts=self._attempts)

    async def _send(self, command: wire.Command, data: bytes, repeated: bytes) -> None:
        await self._turns.ask(partial(self._send_report, command, data, repeated))

    async def _send_report(self, command: wire.Command, data: bytes, repeated: bytes) -> None:
        # The chip says "done" to reports that no host fetches: only GET_INFO knows.
        if self._info is None or not self._info.enumerated:
            info = await self._refresh(self._attempts)
            if not info.enumerated:
                raise HostNotReadyError(
                    f"{self._name}: no host has set up its USB side; is the target on, its cable in?"
                )
        reply = await self._exchange(command, data, repeated, attempts=self._attempts)
        if reply.status is wire.Status.FAILED:
            raise HostNotReadyError(f"{self._name}: {command.name}: {wire.Status.FAILED.meaning}")

    async def _exchange(
        self,
        command: wire.Command,
        data: bytes = b"",
        repeated: bytes = b"",
        *,
        attempts: int,
    ) -> wire.Reply:
        """Send a command and return its reply, whose status is OK or FAILED.

        *repeated* are the data to send again when the chip may have carried out the first ones.
        """
        self._exchanges += 1
        trouble = ""
        for attempt in range(attempts):
            self._repeats += attempt > 0
            # Nothing that came before the question can be its answer.
            self._line.discard_input()
            self._decoder.reset()
            await self._line.send_all(wire.encode(command, data))
            reply = await self._reply_to(command)
            if reply is None:
                trouble = f"no reply in {self._read_timeout_s:g} s"
                data = repeated
                continue
            status = reply.status
            if status is None:
                raise BadReplyError(
                    f"expected a status of the CH9329's protocol, got {reply.data.hex(' ')}"
                    f" - at {self._name}, {command.name}"
                )
            if status in (wire.Status.OK, wire.Status.FAILED):
                return reply
            if not status.is_noise:
                raise BadReplyError(f"{self._name} refused {command.name}: {status.meaning}")
            trouble = status.meaning
        raise DeviceTimeoutError(f"{self._name} did not do {command.name} in {attempts} attempts: {trouble}")

    async def _reply_to(self, command: wire.Command) -> wire.Reply | None:
        with trio.move_on_after(self._read_timeout_s):
            while True:
                for reply in self._decoder.feed(await self._line.receive_some()):
                    # A damaged command comes back under whatever name the chip read.
                    is_noise = reply.error and reply.status is not None and reply.status.is_noise
                    if reply.command == command or is_noise:
                        return reply
        return None

    @property
    def _line(self) -> SerialPort:
        assert self._port is not None, "expected to be called from run"
        return self._port
