"""What inputs and outputs have in common: a line is held for as long as `run` runs, and nobody uses it after.

Each line has its own `run`, to be supervised by itself: what happens to one line stays with it. Must never
let a caller touch a line that is not held, nor leave one waiting for a line that is gone.
"""

from __future__ import annotations

import errno
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import trio

from drivers.errors import DeviceGoneError, DriverError, from_os_error
from drivers.gpio.calls import LineCalls
from drivers.gpio.declarations import LineDeclaration
from drivers.gpio.handle import LineHandle

logger = logging.getLogger(__name__)


class LineSource(Protocol):
    """Where lines come from: `drivers.gpio.chip.GpioChip`, or another one in tests."""

    def calls(self) -> LineCalls:
        """Return what runs the calls of one line."""
        ...

    def request(self, line: LineDeclaration) -> LineHandle:
        """Hold a line, blocking. Raises DriverError."""
        ...


class Session:
    """One time of holding a line, from its request to its release."""

    def __init__(self, handle: LineHandle) -> None:
        self.handle = handle
        self.held = True
        self.error: DriverError | None = None
        self.scope = trio.CancelScope()
        """Around whatever `run` waits for."""
        self._users: set[trio.CancelScope] = set()

    def fail(self, error: DriverError) -> None:
        """Make `run` end with *error*, so that its supervisor starts anew; the first error is told."""
        self.error = self.error or error
        self.scope.cancel()

    @contextmanager
    def use(self, name: str) -> Iterator[None]:
        """Let a body wait while the line is held; DeviceGoneError interrupts it when it no longer is."""
        scope = trio.CancelScope()
        self._users.add(scope)
        try:
            with scope:
                yield
        finally:
            self._users.discard(scope)
        if scope.cancelled_caught:
            raise not_held(name, self.error)

    def end(self) -> None:
        """Interrupt everyone who uses the line."""
        self.held = False
        for scope in self._users:
            scope.cancel()


def not_held(name: str, why: DriverError | None) -> DeviceGoneError:
    """Return the error of whoever uses a line that is not held."""
    return DeviceGoneError(f"the line {name} is not held: {why or 'its task does not run'}")


class Line(ABC):
    """One line of a chip; `run` holds it."""

    def __init__(self, source: LineSource, declaration: LineDeclaration) -> None:
        self.name = declaration.name
        self._source = source
        self._declaration = declaration
        self._calls = source.calls()
        self._session: Session | None = None
        self._last_error: DriverError | None = None
        self._runs = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the line until cancelled; `started` once it works.

        Raises DriverError as `GpioChip.request` does, and DeviceGoneError when the chip vanishes.
        """
        try:
            session = Session(await self._calls.take(partial(self._source.request, self._declaration)))
        except DriverError as exc:
            self._last_error = exc
            raise
        self._runs += 1
        try:
            with session.scope, self._os_errors():
                await self._begin(session)
                self._session = session
                task_status.started()
                await self._follow(session)
        except DriverError as exc:
            session.error = session.error or exc
        finally:
            self._session, self._last_error = None, session.error
            session.end()
            await self._close(session)
        if session.error is not None:
            raise session.error

    async def read(self) -> bool:
        """Return the logical level now; see `drivers.ports.LineInput.read`. Outputs can be read too."""
        session = self._held()
        return await self._call(session, session.handle.get)

    def statistics(self) -> dict[str, int]:
        """Return how often the line was held since the start, and whether it is."""
        return {"runs": self._runs, "held": int(self._session is not None)}

    async def _close(self, session: Session) -> None:
        try:
            await self._calls.finish(partial(self._let_go, session.handle))
        except DriverError as exc:
            # Logged, since why `run` ends, which may be a cancellation, must not be replaced.
            logger.warning("the line %s could not be closed properly: %s", self.name, exc)

    @abstractmethod
    async def _begin(self, session: Session) -> None:
        """Do what has to be done before the line works."""

    @abstractmethod
    async def _follow(self, session: Session) -> None:
        """Wait for what the line has to say; DeviceGoneError or OSError when its chip is gone."""

    @abstractmethod
    def _let_go(self, handle: LineHandle) -> None:
        """Leave the line as it shall be left, blocking. Never raises."""

    def _vanished(self) -> DeviceGoneError:
        return DeviceGoneError(
            f"the line {self.name} of {self._source} vanished: its chip was removed, or its driver unbound"
        )

    @contextmanager
    def _os_errors(self) -> Iterator[None]:
        """Turn an OSError of the body into the DriverError that names the line."""
        try:
            yield
        except OSError as exc:
            if exc.errno == errno.ENODEV:
                raise self._vanished() from exc
            raise from_os_error(exc, f"the line {self.name} of {self._source}") from exc

    def _held(self) -> Session:
        if self._session is None:
            raise not_held(self.name, self._last_error)
        return self._session

    async def _call[T](self, session: Session, function: Callable[[], T]) -> T:
        """Make a call on the line; one that finds the chip gone ends `run` too, which may not know it yet."""
        try:
            with session.use(self.name), self._os_errors():
                return await self._calls.call(function)
        except DeviceGoneError as exc:
            session.fail(exc)
            raise
        raise AssertionError("unreachable: an interrupted use raises")
