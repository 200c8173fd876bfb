"""Answers that tell how a long operation goes on: one envelope a line, for as long as it takes.

The operation runs beside its answer and ends with it: a client that leaves ends the operation. What goes
wrong before it has begun is an ordinary refusal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

import msgspec
import trio
from quart import Response

from api.routing import Call, media
from drivers.errors import DriverError
from firmware.core.errors import OperationError

MEDIA_TYPE: Final = "application/x-ndjson"
PROGRESS: Final = media(MEDIA_TYPE, "an envelope a line, CRLF, as it goes on; the last one is the outcome")
"""What routes that answer so declare as their answer."""

PROGRESS_S: Final = 2.0
"""How often progress is told (contract http.md 4.6, write_remote); also tells proxies that we are alive."""

_encoder: Final = msgspec.json.Encoder(order="sorted")


class Operation[T](Protocol):
    """An operation that announces what tells of its progress as soon as it cannot be refused any more."""

    async def __call__(self, *, begun: Callable[[T], None]) -> None:
        """Run to the end. Raises OperationError, DriverError."""
        ...


async def answer_with_progress[T](
    call: Call, operation: Operation[T], show: Callable[[T], msgspec.Struct]
) -> Response:
    """Answer *call* with the progress of *operation*, as *show* gives it.

    The last line is the outcome: the progress at the end, or after that the error. Raises what the operation
    raises before it has begun.
    """
    error: OperationError | DriverError | None = None
    done = trio.Event()
    first_line = b""

    async def run(*, task_status: trio.TaskStatus[T]) -> None:
        def begun(progress: T) -> None:
            nonlocal first_line
            # Now, since it is to tell of the beginning.
            first_line = _line(True, show(progress))
            task_status.started(progress)

        nonlocal error
        try:
            await operation(begun=begun)
        except (OperationError, DriverError) as exc:
            if not first_line:
                raise
            error = exc
        finally:
            done.set()

    async def lines(progress: T) -> AsyncIterator[bytes]:
        yield first_line
        is_last = False
        while not is_last:
            with trio.move_on_after(PROGRESS_S):
                await done.wait()
            is_last = done.is_set()
            yield _line(True, show(progress))
        if error is not None:
            name = error.contract_name if isinstance(error, OperationError) else type(error).__name__
            yield _line(False, {"error": name, "error_msg": str(error)})

    head = Response(b"", content_type=MEDIA_TYPE)
    del head.headers["Content-Length"]
    # Clients take the end of the connection for the end of the operation, as the reference has it.
    head.headers["Connection"] = "close"
    async with trio.open_nursery() as nursery:
        return await call.stream(head, lines(await nursery.start(run)))


def _line(ok: bool, result: object) -> bytes:
    return _encoder.encode({"ok": ok, "result": result}) + b"\r\n"
