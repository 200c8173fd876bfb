"""Supervision: every driver task is kept running, and its condition can be seen.

A supervised task is an async function that calls `task_status.started()` once it works and then runs until
cancelled. When it ends in any other way it is restarted after an exponential delay with jitter. What a
device did (`drivers.errors.DriverError`) is a fault; anything else is a bug: it is logged with its
traceback, counted apart, and restarted too, because a person locked out by our bug is worse off than with
a limping driver. Cancellation passes through untouched.
"""

from __future__ import annotations

import enum
import logging
import math
import random
from collections.abc import Awaitable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
import trio

from drivers.errors import DeviceGoneError, DriverError, NotSupportedError
from firmware.core.cell import Cell

logger = logging.getLogger(__name__)


class TaskPhase(enum.StrEnum):
    """Where a supervised task is in its life."""

    STARTING = "starting"
    ONLINE = "online"
    BACKING_OFF = "backing_off"
    FAILED = "failed"
    """The device cannot do this at all; only `Supervisor.restart` tries again."""


class TaskState(msgspec.Struct, frozen=True, kw_only=True):
    """What can be told about one supervised task; counters run since the appliance started."""

    phase: TaskPhase
    starts: int = 0
    faults: int = 0
    bugs: int = 0
    last_error: str | None = None
    absent: bool = False
    """Whether the last error says that the device is not there, and nothing else."""
    retry_delay_s: float | None = None


class SupervisedTask(Protocol):
    """The shape of a task that can be supervised."""

    def __call__(self, *, task_status: trio.TaskStatus[None]) -> Awaitable[None]:
        """Run until cancelled; call `task_status.started()` when it works."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt.

    The first retry comes quickly, since most faults are a cable being moved; the longest wait is short enough
    that a person who plugs something back in sees it return; an attempt that was online for `stable_after_s`
    proves the device good and starts over at `first_s`. Jitter keeps tasks that failed together apart.
    """

    first_s: float = 0.25
    factor: float = 2.0
    longest_s: float = 10.0
    jitter: float = 0.2
    stable_after_s: float = 30.0

    def delay_s(self, failures_in_a_row: int, rng: random.Random) -> float:
        """Return the delay before the next attempt after *failures_in_a_row* (1 or more) failed ones."""
        # The exponent is capped, since 2.0**1100 overflows after some hours of a missing device.
        raw = min(self.longest_s, self.first_s * self.factor ** min(failures_in_a_row - 1, 64))
        return raw * rng.uniform(1 - self.jitter, 1 + self.jitter)


class TaskEndedError(Exception):
    """A supervised task returned although nobody cancelled it, which is a bug."""


@dataclass(slots=True)
class _Record:
    """The supervisor's own book-keeping of one task."""

    scope: trio.CancelScope
    injected: Exception | None = None
    restart_wanted: bool = False


class Supervisor:
    """Keeps tasks running and publishes their states.

    `tasks` maps each task's name to its `TaskState`. Names are dotted, subsystem first ("hid.keyboard").
    """

    def __init__(self, *, backoff: Backoff | None = None, rng: random.Random | None = None) -> None:
        self._backoff = backoff or Backoff()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._records: dict[str, _Record] = {}
        self.tasks: Cell[Mapping[str, TaskState]] = Cell({})

    def _update(self, name: str, **changes: object) -> None:
        state = msgspec.structs.replace(self.tasks.value[name], **changes)
        self.tasks.publish({**self.tasks.value, name: state})

    async def supervise(self, name: str, run: SupervisedTask, backoff: Backoff | None = None) -> None:
        """Keep *run* running as *name* until cancelled. Raises ValueError if the name is taken.

        *backoff* is for tasks whose delays are not those of all others.
        """
        if name in self._records:
            raise ValueError(f"expected a new task name, got {name!r}, which is being supervised already")
        record = self._records[name] = _Record(trio.CancelScope())
        self.tasks.publish({**self.tasks.value, name: TaskState(phase=TaskPhase.STARTING)})
        try:
            await self._keep_running(name, run, record, backoff or self._backoff)
        finally:
            del self._records[name]
            self.tasks.publish({key: state for key, state in self.tasks.value.items() if key != name})

    async def _keep_running(self, name: str, run: SupervisedTask, record: _Record, backoff: Backoff) -> None:
        failures_in_a_row = 0
        while True:
            self._update(
                name, phase=TaskPhase.STARTING, starts=self.tasks.value[name].starts + 1, retry_delay_s=None
            )
            online_since: float | None = None

            def online() -> None:
                nonlocal online_since
                online_since = trio.current_time()
                self._update(name, phase=TaskPhase.ONLINE, last_error=None, absent=False)

            error = await self._attempt(run, record, online)
            if record.restart_wanted:
                record.restart_wanted = False
                failures_in_a_row = 0
                continue
            online_s = 0.0 if online_since is None else trio.current_time() - online_since
            failures_in_a_row = 1 if online_s >= backoff.stable_after_s else failures_in_a_row + 1
            delay_s = backoff.delay_s(failures_in_a_row, self._rng)
            await self._wait_for_retry(name, error, delay_s, record)

    async def _attempt(self, run: SupervisedTask, record: _Record, online: _Announce) -> BaseException:
        """Run one attempt to its end and return why it ended; cancellation from outside passes through."""
        error: BaseException = TaskEndedError("the task returned although nobody cancelled it")
        with trio.CancelScope() as record.scope:
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(run)
                    online()
            except* Exception as group:  # noqa: BLE001 - the supervisor is where every error ends
                error = group
        if record.injected is not None:
            error, record.injected = record.injected, None
        return error

    async def _wait_for_retry(
        self, name: str, error: BaseException, retry_delay_s: float, record: _Record
    ) -> None:
        state = self.tasks.value[name]
        summary = describe(error)
        is_fault = all(isinstance(leaf, DriverError) for leaf in leaves(error))
        hopeless = is_fault and any(isinstance(leaf, NotSupportedError) for leaf in leaves(error))
        delay_s = None if hopeless else retry_delay_s
        if is_fault:
            what_next = "not tried again" if delay_s is None else f"next attempt in {delay_s:.2f} s"
            # A device that is away for a night would fill the log with one sentence.
            level = logging.DEBUG if summary == state.last_error else logging.WARNING
            logger.log(level, "%s: %s (%s)", name, summary, what_next)
        else:
            logger.error("%s: a bug ended the task: %s", name, summary, exc_info=error)
        self._update(
            name,
            phase=TaskPhase.FAILED if hopeless else TaskPhase.BACKING_OFF,
            faults=state.faults + is_fault,
            bugs=state.bugs + (not is_fault),
            last_error=summary,
            absent=all(isinstance(leaf, DeviceGoneError) for leaf in leaves(error)),
            retry_delay_s=delay_s,
        )
        with trio.CancelScope() as record.scope:
            await trio.sleep(math.inf if delay_s is None else delay_s)
        record.restart_wanted = False

    async def settled(self, names: Collection[str]) -> None:
        """Wait until the first attempts of *names* have come to something, good or bad."""
        seen = 0
        while True:
            seen = await self.tasks.wait_newer(seen)
            tasks = self.tasks.value
            if all(name in tasks and tasks[name].phase is not TaskPhase.STARTING for name in names):
                return

    def hasten(self, name: str) -> None:
        """Let *name* try again now if it waits for its next attempt: its device is said to be back."""
        if name in self._records and self.tasks.value[name].phase is TaskPhase.BACKING_OFF:
            self.restart(name)

    def restart(self, name: str) -> None:
        """End the present attempt or wait of *name* and start it again at once. Raises KeyError."""
        record = self._records[name]
        record.restart_wanted = True
        record.scope.cancel()

    def interrupt(self, name: str, error: Exception) -> None:
        """Make the running attempt of *name* end with *error*, as a drill of its failure. Raises KeyError.

        Without effect while the task waits for its next attempt.
        """
        record = self._records[name]
        if self.tasks.value[name].phase in (TaskPhase.STARTING, TaskPhase.ONLINE):
            record.injected = error
            record.scope.cancel()


class _Announce(Protocol):
    def __call__(self) -> None: ...


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the single exceptions of *error*, which may be a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def describe(error: BaseException) -> str:
    """One line that names every single exception of *error*, each kind of text once."""
    seen: dict[str, None] = {}
    for leaf in leaves(error):
        text = str(leaf)
        seen[text if isinstance(leaf, DriverError) and text else f"{type(leaf).__name__}: {text}"] = None
    return "; ".join(seen)
