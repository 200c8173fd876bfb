"""The microcontroller HID on a serial port: keyboard and mouse, over USB or PS/2 as its outputs are set.

Responsible for the conversation: one request in flight, retries, the state in each answer, switching outputs
and resetting. Reports become the microcontroller's events in `drivers.wire.mcu_hid`. It never keeps a report
for later: a host that is not there is the caller's business.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Final, Literal

import trio

from drivers.errors import (
    DeviceTimeoutError,
    HostNotReadyError,
    NotSupportedError,
)
from drivers.fanout import Fanout
from drivers.ports import ControllerState, LineOutput, UsbLink
from drivers.serial.host_view import HostView
from drivers.serial.mcu_ports import McuKeyboard, McuPointer, McuState, WriteReport
from drivers.serial.port import SerialPort, open_serial
from drivers.serial.tty import LineSettings
from drivers.serial.turns import Turns
from drivers.wire import mcu_hid as wire

logger = logging.getLogger(__name__)

DEFAULT_DEVICE: Final = "/dev/kvmd-hid"
READ_TIMEOUT_S: Final = 2.0
READ_RETRIES: Final = 5
COMMON_RETRIES: Final = 5
RETRIES_DELAY_S: Final = 0.5
"""Longer than the 0.1 s after which the microcontroller drops a half-received request."""
ERRORS_THRESHOLD: Final = 5
"""Failures in a row that are nobody's business; a long line loses a byte now and then."""

POLL_INTERVAL_S: Final = 0.25
"""How late a change of LEDs or of the host may be noticed; a question takes 1.4 ms of line."""

RESET_PULSE_S: Final = 0.1
"""What reset inputs with a capacitor in front of them need, with room to spare."""

RESTART_DEADLINE_S: Final = 10.0
"""An Arduino's boot loader waits up to 8 s for an upload."""

SELF_RESTART_S: Final = 2.0
"""Firmwares that restart by themselves do so after 0.1 s."""

_RESTART_PING_S: Final = 0.25


type _Part = Literal["keyboard", "absolute", "relative"]


class McuHid:
    """One microcontroller; `keyboard`, `mouse_absolute`, `mouse_relative` and `link` are its ports.

    The ports raise DeviceGoneError while `run` does not run. *reset_line* resets it (asserted = in reset);
    without one, *reset_by_dtr* uses the port's DTR line, as Arduino boards are wired. Some firmwares restart
    by themselves when their outputs change and need neither.
    """

    def __init__(
        self,
        device: str = DEFAULT_DEVICE,
        *,
        speed: int = wire.SPEED_BAUD,
        read_timeout_s: float = READ_TIMEOUT_S,
        read_retries: int = READ_RETRIES,
        common_retries: int = COMMON_RETRIES,
        retries_delay_s: float = RETRIES_DELAY_S,
        errors_threshold: int = ERRORS_THRESHOLD,
        poll_interval_s: float = POLL_INTERVAL_S,
        reset_line: LineOutput | None = None,
        reset_by_dtr: bool = False,
    ) -> None:
        self._name = f"the HID microcontroller on {device}"
        self._device = device
        self._speed = speed
        self._read_timeout_s = read_timeout_s
        self._read_retries = read_retries
        self._common_retries = common_retries
        self._retries_delay_s = retries_delay_s
        self._errors_threshold = errors_threshold
        self._poll_interval_s = poll_interval_s
        self._reset_line = reset_line
        self._reset_by_dtr = reset_by_dtr
        self._turns = Turns(self._name)
        self._view = HostView()
        self._decoder = wire.Decoder()
        self._port: SerialPort | None = None
        self._state = McuState()
        # Bound 1, the newest is the whole truth.
        self._states = Fanout[ControllerState](bound=1)
        self._keys = wire.KeySteps()
        self._pointers: dict[_Part, wire.PointerSteps] = {
            "absolute": wire.PointerSteps(absolute=True),
            "relative": wire.PointerSteps(absolute=False),
        }
        # Which of them may have lost events, so that the next report is told afresh.
        self._missed: set[_Part] = set()
        self._restart_refused = False
        self._requests = 0
        self._errors = 0
        self._errors_in_a_row = 0
        self.keyboard = McuKeyboard(self._asking(self._write_keyboard), self._view)
        self.mouse_absolute = McuPointer(
            self._asking(partial(self._write_pointer, "absolute")), absolute=True
        )
        self.mouse_relative = McuPointer(
            self._asking(partial(self._write_pointer, "relative")), absolute=False
        )
        self.link: UsbLink = self._view

    def _asking(self, write: WriteReport) -> WriteReport:
        async def ask(report: bytes) -> None:
            await self._turns.ask(partial(write, report))

        return ask

    @property
    def state(self) -> McuState:
        """The state as it was told last."""
        return self._state

    def states(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[ControllerState]]:
        """The state now and after each change. Bound 1, newest wins."""
        return self._states.listen(self._state.as_controller())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Talk to it until cancelled; started once it has answered and released all keys.

        Raises DeviceGoneError, DeviceBusyError and the others of `open_serial`, DeviceTimeoutError if it does
        not answer.
        """
        async with open_serial(self._device, LineSettings(baud_rate=self._speed)) as port:
            self._port = port
            self._decoder.reset()
            self._errors_in_a_row = 0
            try:
                with port.ends_when_lost():
                    await self._request(wire.encode(wire.Command.PING))
                    # Whoever ran it before us may have left keys down.
                    await self._clear()
                    task_status.started()
                    await self._turns.serve(self._poll)
            finally:
                self._port = None
                self._view.forget()
                self._publish(McuState())

    async def set_keyboard_output(self, output: str) -> None:
        """Switch the keyboard to `usb`, `ps2` or `disabled`; return when that is done, restart included.

        Raises NotSupportedError if it is not one of `state.keyboard.available`, and as `McuKeyboard.write`.
        """
        await self._turns.ask(partial(self._set_output, wire.Command.SET_KEYBOARD, output))

    async def set_mouse_output(self, output: str) -> None:
        """Switch the mouse to `usb`, `usb_rel`, `usb_win98`, `ps2` or `disabled`, likewise."""
        await self._turns.ask(partial(self._set_output, wire.Command.SET_MOUSE, output))

    async def set_connected(self, connected: bool) -> None:
        """Plug or unplug the USB cable to the host. Raises NotSupportedError if it cannot."""
        await self._turns.ask(partial(self._set_connected, connected))

    async def reset(self) -> None:
        """Reset it and return when it is back; where nothing can, release all keys and buttons."""
        await self._turns.ask(self._reset)

    def statistics(self) -> dict[str, int]:
        """Return counts of requests, of failed attempts and of damaged bytes."""
        return {"requests": self._requests, "errors": self._errors, **self._decoder.statistics()}

    async def _poll(self) -> float:
        answer = await self._request(wire.encode(wire.Command.PING))
        if isinstance(answer, wire.Pong) and answer.reset_required and not self._restart_refused:
            await self._restart()
        return self._poll_interval_s

    async def _write_keyboard(self, report: bytes) -> None:
        steps = self._keys.to(report, afresh="keyboard" in self._missed)
        await self._take(steps, "keyboard", lambda: self._state.keyboard_online)

    async def _write_pointer(self, part: _Part, report: bytes) -> None:
        steps = self._pointers[part].to(report, afresh=part in self._missed)
        await self._take(steps, part, lambda: self._state.mouse_online)

    async def _take(self, steps: Iterator[wire.Step], part: _Part, is_online: Callable[[], bool]) -> None:
        if not is_online():
            # The state may be as old as the last question; ask before piling up events that nobody gets.
            await self._request(wire.encode(wire.Command.PING))
            self._require_host(is_online())
        # Until all of it has arrived, the host may have any part of it.
        self._missed.add(part)
        for step in steps:
            await self._request(step.request, repeatable=step.repeatable)
            self._require_host(is_online())
        self._missed.discard(part)

    def _require_host(self, online: bool) -> None:
        if not online:
            raise HostNotReadyError(
                f"{self._name}: the host does not take its events; is the target on, its cable in?"
            )

    async def _clear(self) -> None:
        await self._request(wire.encode(wire.Command.CLEAR))
        self._forget()

    def _forget(self) -> None:
        self._keys.held = frozenset()
        for pointer in self._pointers.values():
            pointer.forget()

    async def _set_output(self, command: wire.Command, output: str) -> None:
        is_keyboard = command is wire.Command.SET_KEYBOARD
        outputs = self._state.keyboard if is_keyboard else self._state.mouse
        if output not in outputs.available:
            choice = ", ".join(outputs.available) or "none"
            raise NotSupportedError(f"expected one of the outputs {choice}, got {output!r} - at {self._name}")
        if output == outputs.active:
            return
        code = (wire.KEYBOARD_OUTPUTS if is_keyboard else wire.MOUSE_OUTPUTS)[output]
        self._publish_busy(True)
        try:
            answer = await self._request(wire.encode(command, bytes((code,))))
            self._restart_refused = False
            if isinstance(answer, wire.Pong) and answer.reset_required:
                await self._restart()
        finally:
            self._publish_busy(False)

    async def _set_connected(self, connected: bool) -> None:
        if self._state.connected is None:
            raise NotSupportedError(f"{self._name} cannot plug and unplug its USB cable")
        await self._request(wire.encode(wire.Command.SET_CONNECTED, bytes((connected,))))

    async def _reset(self) -> None:
        if self._reset_line is None and not self._reset_by_dtr:
            await self._clear()
            return
        self._restart_refused = False
        await self._restart()

    async def _restart(self) -> None:
        """Make it restart, if there is a line for that, and wait until it is back."""
        self._publish_busy(True)
        try:
            await self._pulse_reset()
            await self._wait_until_back()
            await self._clear()
        finally:
            self._publish_busy(False)

    async def _pulse_reset(self) -> None:
        if self._reset_line is not None:
            await self._reset_line.pulse(RESET_PULSE_S)
        elif self._reset_by_dtr:
            await self._line.set_lines(dtr=False)
            await trio.sleep(RESET_PULSE_S)
            # It is the assertion that resets, through the board's capacitor.
            await self._line.set_lines(dtr=True)

    async def _wait_until_back(self) -> None:
        began = trio.current_time()
        while trio.current_time() < began + RESTART_DEADLINE_S:
            await trio.sleep(_RESTART_PING_S)
            answer = await self._try(wire.encode(wire.Command.PING), _RESTART_PING_S)
            if isinstance(answer, wire.LegacyDone | wire.Pong):
                self._note(answer)
                waits = isinstance(answer, wire.Pong) and answer.reset_required
                if not waits:
                    return
                if trio.current_time() >= began + SELF_RESTART_S:
                    self._restart_refused = True
                    logger.warning(
                        "%s wants to be reset before its new outputs work; press its button, or wire and"
                        " configure its reset line",
                        self._name,
                    )
                    return
        raise DeviceTimeoutError(f"{self._name} did not come back {RESTART_DEADLINE_S:g} s after its reset")

    async def _request(self, request: bytes, *, repeatable: bool = True) -> wire.Pong | wire.LegacyDone:
        """Send a request until it is answered, within the configured patience.

        Of a request that must not be carried out twice, only the outcome is asked for again: lost on its way,
        it is a step too few.
        """
        self._requests += 1
        message = request
        reads = self._read_retries
        trouble = ""
        for attempt in range(self._common_retries):
            if attempt:
                await trio.sleep(self._retries_delay_s)
            answer = await self._try(message, self._read_timeout_s)
            match answer:
                case wire.Pong() | wire.LegacyDone():
                    self._errors_in_a_row = 0
                    self._note(answer)
                    return answer
                case None:
                    trouble = f"no answer in {self._read_timeout_s:g} s"
                    message = request if repeatable else wire.encode(wire.Command.REPEAT)
                    reads -= 1
                case wire.Fault.UNKNOWN:
                    raise NotSupportedError(f"{self._name}: {answer.meaning}")
                case wire.Fault.NOTHING_YET:
                    self._forget()
                    self._missed |= {"keyboard", "absolute", "relative"}
                    trouble = answer.meaning
                    message = request
                case _:
                    trouble = answer.meaning
                    message = request
            self._note_error(trouble)
            if not reads:
                break
        raise DeviceTimeoutError(f"{self._name} does not answer: {trouble}; check its wiring and power")

    async def _try(self, message: bytes, timeout_s: float) -> wire.Answer | None:
        # Nothing that came before the question can be its answer.
        self._line.discard_input()
        self._decoder.reset()
        await self._line.send_all(message)
        with trio.move_on_after(timeout_s):
            while True:
                for answer in self._decoder.feed(await self._line.receive_some()):
                    return answer
        return None

    def _note_error(self, trouble: str) -> None:
        self._errors += 1
        self._errors_in_a_row += 1
        level = logging.WARNING if self._errors_in_a_row > self._errors_threshold else logging.DEBUG
        logger.log(level, "%s: %s (%d in a row)", self._name, trouble, self._errors_in_a_row)

    def _note(self, answer: wire.Pong | wire.LegacyDone) -> None:
        if isinstance(answer, wire.LegacyDone):
            return
        self._view.note(listening=answer.keyboard_online, leds=answer.leds)
        self._publish(
            McuState(
                online=True,
                busy=self._state.busy,
                keyboard_online=answer.keyboard_online,
                mouse_online=answer.mouse_online,
                leds=answer.leds,
                mouse_absolute=answer.mouse_absolute,
                keyboard=answer.keyboard,
                mouse=answer.mouse,
                connected=answer.connected,
            )
        )

    def _publish_busy(self, busy: bool) -> None:
        self._publish(replace(self._state, busy=busy))

    def _publish(self, state: McuState) -> None:
        before, self._state = self._state.as_controller(), state
        if (now := state.as_controller()) != before:
            self._states.publish(now)

    @property
    def _line(self) -> SerialPort:
        assert self._port is not None, "expected to be called from run"
        return self._port
