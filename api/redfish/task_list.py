"""Operations that outlive their request: started by one, watched by others, cancelled by any.

They run in a nursery of their own, so that a client that leaves ends nothing. The list is bounded: what has
ended goes, the oldest first, and more than a few at once are refused.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import trio

from drivers.errors import DriverError
from firmware.core.errors import OperationError

logger = logging.getLogger(__name__)

# One drive takes one image at a time; the others are refused by it soon.
RUNNING_MAX: Final = 4
# Whoever asks for the outcome does so within minutes.
KEPT_MAX: Final = 32
_ID_BYTES: Final = 6


class TooManyTasksError(OperationError):
    """More operations are under way than anybody needs."""

    status = 503


class TaskCancelledError(OperationError):
    """The operation was cancelled by a client or by the end of the appliance."""

    status = 409


class TaskFailedError(OperationError):
    """A device failed, or we did."""

    status = 500


type State = Literal["Running", "Completed", "Exception", "Cancelled"]


@dataclass(eq=False, slots=True)
class Task:
    """One operation; *progress* tells how much of it is done, 0 to 100, None if nobody knows."""

    name: str
    progress: Callable[[], int | None]
    id: str = field(default_factory=lambda: secrets.token_hex(_ID_BYTES))
    state: State = "Running"
    error: OperationError | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    ended: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    def cancel(self) -> None:
        """Ask it to stop; `ended` is set when it has."""
        self.scope.cancel()


class TaskList:
    """The operations. `run` runs them; `start` may be called while it does."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run operations until cancelled; then those under way are cancelled too."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    @property
    def tasks(self) -> list[Task]:
        """All that are under way, and the last ones that have ended; the oldest first."""
        return list(self._tasks.values())

    def get(self, task_id: str) -> Task | None:
        """Return a task by its id, None if there is none (any more)."""
        return self._tasks.get(task_id)

    def start(
        self, name: str, work: Callable[[], Awaitable[None]], *, progress: Callable[[], int | None]
    ) -> Task:
        """Start *work* and return the task. Raises TooManyTasksError."""
        running = [task for task in self._tasks.values() if task.state == "Running"]
        if self._nursery is None or len(running) >= RUNNING_MAX:
            raise TooManyTasksError(f"{len(running)} operations are under way; try again when one has ended")
        for task in self.tasks[: max(0, len(self._tasks) - KEPT_MAX + 1)]:
            if task.state != "Running":
                del self._tasks[task.id]
        task = Task(name, progress)
        self._tasks[task.id] = task
        self._nursery.start_soon(self._work, task, work)
        return task

    async def _work(self, task: Task, work: Callable[[], Awaitable[None]]) -> None:
        state: State = "Cancelled"
        try:
            with task.scope:
                await work()
                state = "Completed"
        except OperationError as exc:
            state, task.error = "Exception", exc
        except DriverError as exc:
            state, task.error = "Exception", TaskFailedError(str(exc))
        except Exception:
            # What is a bug here must not end the operations of others, nor stay unsaid.
            logger.exception("%s: a bug", task.name)
            state, task.error = (
                "Exception",
                TaskFailedError("the appliance has a bug here; its log has the details"),
            )
        finally:
            task.state, task.ended_at = state, datetime.now(UTC)
            if state == "Cancelled":
                task.error = TaskCancelledError(f"{task.name}: cancelled")
            if task.error is not None:
                logger.warning("%s: %s", task.name, task.error)
            task.ended.set()
