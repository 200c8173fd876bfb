"""PWM channels through sysfs: on is one duty, off another.

A channel is exported while `run` runs, and disabled and let go at its end: what drives the signal must be
there to change it. Source: Documentation/ABI/testing/sysfs-class-pwm.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import trio

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.fanout import Fanout
from drivers.ports import ChannelOutput
from drivers.system.blocking import BlockingCalls

PWM_CLASS: Final = Path("/sys/class/pwm")

EXPORT_DEADLINE_S: Final = 2.0
"""The kernel makes a channel's directory at once; udev may still be setting its permissions."""
EXPORT_LOOK_S: Final = 0.05
CHECK_S: Final = 5.0
"""How often channels are looked for: a chip whose driver goes, or is loaded anew, tells nobody."""
CLOSE_DEADLINE_S: Final = 2.0
"""Two writes to sysfs, which delay the end of the appliance."""


@dataclass(frozen=True, slots=True)
class Duties:
    """The signal in nanoseconds: its period, and how long it is high when on and when off."""

    period_ns: int
    on_ns: int
    off_ns: int


class PwmDriver:
    """Implements `drivers.ports.ChannelDriver` on the channels of /sys/class/pwm/pwmchip*chip*."""

    def __init__(
        self, chip: int, duties: Duties, outputs: Sequence[ChannelOutput], *, pwm_class: Path = PWM_CLASS
    ) -> None:
        self._chip = pwm_class / f"pwmchip{chip}"
        self._duties = duties
        self._pins = tuple(dict.fromkeys(one.pin for one in outputs))
        self._written = {one.pin: one.initial for one in outputs if one.initial is not None}
        self._levels: dict[str, bool] = {}
        self._exported: list[str] = []
        # One, so that a call never overtakes one that hangs before it.
        self._calls = BlockingCalls(threads=1)
        # Bound 1: it only says that there is something to read, which is so after writes alone.
        self._changes = Fanout[None](1)
        self._look = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the channels until cancelled. Raises DriverError."""
        try:
            for pin in self._pins:
                await self._export(pin)
                if pin in self._written:
                    await self._apply(pin, self._written[pin])
                else:
                    self._levels[pin] = await self._call(pin, partial(self._is_on, pin))
            task_status.started()
            while True:
                self._look = trio.Event()
                with trio.move_on_after(CHECK_S):
                    await self._look.wait()
                for pin in self._pins:
                    await self._call(pin, (self._at(pin) / "duty_cycle").stat)
        finally:
            self._levels = {}
            await self._let_go()

    async def read(self, pin: str) -> bool:
        """Return whether a channel has the duty of "on"."""
        await trio.lowlevel.checkpoint()
        self._require_held(pin)
        return self._levels[pin]

    async def write(self, pin: str, level: bool) -> None:
        """Give a channel its duty, and enable it. Raises DriverError."""
        # Before it is tried, since a channel that comes back gets it.
        self._written[pin] = level
        self._require_held(pin)
        try:
            await self._apply(pin, level)
        except DriverError:
            self._look.set()
            raise

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        """See `ChannelDriver.changes`."""
        return self._changes.listen()

    def _require_held(self, pin: str) -> None:
        if pin not in self._levels:
            raise DeviceGoneError(f"PWM channel {pin} of {self._chip} is not held")

    async def _export(self, pin: str) -> None:
        await self._call(pin, partial(self._export_blocking, pin))
        self._exported.append(pin)
        at = self._at(pin)
        with trio.move_on_after(EXPORT_DEADLINE_S):
            # Nothing announces that permissions have changed.
            while not await self._call(pin, lambda: os.access(at / "duty_cycle", os.W_OK)):  # noqa: ASYNC110
                await trio.sleep(EXPORT_LOOK_S)
            return
        raise DeviceTimeoutError(f"expected {at} after exporting channel {pin}, got nothing writable")

    def _export_blocking(self, pin: str) -> None:
        try:
            _write(self._chip / "export", pin)
        except OSError as exc:
            # It has been exported before: by us, when we were killed, or by an overlay that wants it so.
            if exc.errno != errno.EBUSY:
                raise

    async def _apply(self, pin: str, level: bool) -> None:
        await self._call(pin, partial(self._apply_blocking, pin, level))
        self._levels[pin] = level

    def _apply_blocking(self, pin: str, level: bool) -> None:
        at, duties = self._at(pin), self._duties
        duty_ns = duties.on_ns if level else duties.off_ns
        # A duty is never above the period, also in between.
        if _read(at / "period") != duties.period_ns:
            _write(at / "duty_cycle", "0")
            _write(at / "period", str(duties.period_ns))
        _write(at / "duty_cycle", str(duty_ns))
        if _read(at / "enable") != 1:
            _write(at / "enable", "1")

    def _is_on(self, pin: str) -> bool:
        at = self._at(pin)
        return _read(at / "enable") == 1 and _read(at / "duty_cycle") == self._duties.on_ns

    async def _let_go(self) -> None:
        exported, self._exported = self._exported, []
        # Shielded, or the signal would go on without anybody to end it; short, and the deadline bounds it.
        with trio.move_on_after(CLOSE_DEADLINE_S, shield=True):
            for pin in exported:
                with suppress(DriverError):
                    await self._call(pin, partial(self._unexport, pin))

    def _unexport(self, pin: str) -> None:
        try:
            _write(self._at(pin) / "enable", "0")
        finally:
            _write(self._chip / "unexport", pin)

    def _at(self, pin: str) -> Path:
        return self._chip / f"pwm{pin}"

    async def _call[T](self, pin: str, call: Callable[[], T]) -> T:
        return await self._calls.run(f"PWM channel {pin} of {self._chip}", call)


def _write(path: Path, text: str) -> None:
    # Not created, since the kernel makes its own files.
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _read(path: Path) -> int:
    text = path.read_text(errors="replace")
    try:
        return int(text)
    except ValueError:
        raise BadReplyError(f"expected a number, got {text[:64]!r} - at {path}") from None
