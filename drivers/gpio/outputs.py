"""Output lines: driven, pulsed, and never left asserted (`drivers.ports.LineOutput`).

The request itself drives the line to its rest level, before anything else happens: whatever a predecessor
that was killed in the middle of a pulse left behind ends there. A line that could not be let go ends its
`run`, so that the supervisor's next one does it again.
"""

from __future__ import annotations

import errno
import logging
from functools import partial

import trio

from drivers.errors import DeviceBusyError, DriverError
from drivers.gpio.declarations import OutputDeclaration
from drivers.gpio.handle import LineHandle
from drivers.gpio.line import Line, LineSource, Session

logger = logging.getLogger(__name__)


class GpioOutput(Line):
    """An output line; `run` has to be running, which drives it to its rest level at its start and its end."""

    def __init__(self, source: LineSource, declaration: OutputDeclaration) -> None:
        super().__init__(source, declaration)
        self._rest = declaration.rest
        self._pulsing = False
        self._sets = 0
        self._pulses = 0
        self._failed_releases = 0

    async def set(self, level: bool) -> None:
        """Drive the line; see `LineOutput.set`. Raises DeviceBusyError during a pulse."""
        session = self._held()
        self._require_no_pulse()
        await self._drive(session, level)

    async def pulse(self, seconds: float) -> None:
        """Assert the line for at least *seconds*, then release it; see `LineOutput.pulse`.

        Raises DeviceBusyError during another pulse, DeviceGoneError if `run` ends before.
        """
        session = self._held()
        self._require_no_pulse()
        self._pulsing = True
        self._pulses += 1
        try:
            await self._drive(session, True)
            with session.use(self.name):
                await trio.sleep(seconds)
        except BaseException:
            # The reason for being here is what the caller has to know; a failure to release is `run`'s.
            await self._release(session)
            raise
        else:
            failure = await self._release(session)
            if failure is not None:
                raise failure
        finally:
            self._pulsing = False

    def statistics(self) -> dict[str, int]:
        """Return those of the line, and how often it was set, pulsed, and could not be released."""
        return super().statistics() | {
            "sets": self._sets,
            "pulses": self._pulses,
            "failed_releases": self._failed_releases,
        }

    async def _begin(self, session: Session) -> None:
        """Nothing is left to do: the request has driven the line."""

    async def _follow(self, session: Session) -> None:
        # An output has no events: it is ready when its chip is gone.
        await trio.lowlevel.wait_readable(session.handle.fileno())
        raise self._vanished()

    async def _drive(self, session: Session, level: bool) -> None:
        await self._call(session, partial(session.handle.set, level))
        self._sets += 1

    async def _release(self, session: Session) -> DriverError | None:
        """End a pulse, whatever else happens; return why it could not be done."""
        if not session.held:
            # The end of `run` has driven it to its rest level; the handle may be someone else's by now.
            return None
        try:
            with self._os_errors():
                await self._calls.finish(partial(session.handle.set, False))
        except DriverError as exc:
            self._failed_releases += 1
            session.fail(exc)
            return exc
        return None

    def _let_go(self, handle: LineHandle) -> None:
        try:
            if self._rest is not None:
                handle.set(self._rest)
        except OSError as exc:
            if exc.errno != errno.ENODEV:
                logger.warning("the line %s could not be driven to its rest level: %s", self.name, exc)
        finally:
            handle.release()

    def _require_no_pulse(self) -> None:
        if self._pulsing:
            raise DeviceBusyError(f"the line {self.name} is being pulsed; wait for its end")
