"""A QMP connection: commands with deadlines, answers matched by id, events handed on.

Owns its stream. It must never know what a command means; it does not restart anything either: when the
connection ends, `run` raises and everybody who waits for an answer learns why.
"""

from __future__ import annotations

import array
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence

import trio

from drivers.errors import (
    BadReplyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    NotSupportedError,
    os_errors,
)
from drivers.wire.qmp import (
    Json,
    QmpAnswer,
    QmpDecoder,
    QmpEvent,
    QmpFailure,
    QmpGreeting,
    QmpMessage,
    encode_command,
)

# QEMU greets once its main loop runs; starting takes 0.2 s here, several under heavy load.
GREETING_DEADLINE_S = 15.0
# Commands are answered from the main loop in about a millisecond; only heavy load or a hung vCPU delays one.
COMMAND_DEADLINE_S = 5.0
# A command fits the socket's buffer; if it does not go out in this time nobody reads at the other end.
SEND_DEADLINE_S = 2.0

_RECEIVE_BYTES = 64 << 10


class QmpRefusedError(DriverError):
    """QEMU understood the command and refused it; the message is QEMU's own."""

    def __init__(self, command: str, error_class: str, description: str) -> None:
        super().__init__(f"QEMU refused {command}: {description}")
        self.error_class = error_class
        self.description = description


class _Waiter:
    """Somebody waiting for the answer to a command."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.outcome: QmpAnswer | QmpFailure | None = None


class QmpClient:
    """One QMP connection; `run` has to be running for anything to work.

    *on_event* is called for each event, in order, and must not block.
    """

    def __init__(self, stream: trio.SocketStream, on_event: Callable[[QmpEvent], None]) -> None:
        self._stream = stream
        self._on_event = on_event
        self._decoder = QmpDecoder()
        self._send_lock = trio.Lock()
        # Bounded by the number of tasks that call `execute`, each of which has a deadline.
        self._waiters: dict[int, _Waiter] = {}
        # QEMU may still send us the answers to the client before us, so ours start at a random number.
        self._first_id = self._last_id = secrets.randbelow(1 << 40)
        self._late_answers = 0
        # Why the connection ended; empty while it lives.
        self._end = ""
        self.version = (0, 0, 0)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Greet, announce readiness, then read until the connection ends, which raises DeviceGoneError."""
        try:
            async with self._stream:
                with trio.move_on_after(GREETING_DEADLINE_S) as greeting_scope:
                    greeted = await self._greet()
                if greeting_scope.cancelled_caught:
                    raise DeviceTimeoutError(
                        f"expected QEMU's QMP greeting within {GREETING_DEADLINE_S:g} s, got none: it hangs, "
                        "or another client holds its QMP socket"
                    )
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read, greeted)
                    await self.execute("qmp_capabilities")
                    task_status.started()
        finally:
            self._end = self._end or "the QMP connection is closed"
            for waiter in self._waiters.values():
                waiter.done.set()

    async def execute(
        self,
        command: str,
        arguments: Mapping[str, Json] | None = None,
        *,
        fds: Sequence[int] = (),
        deadline_s: float = COMMAND_DEADLINE_S,
    ) -> object:
        """Run *command* and return its result, an untyped JSON value; *fds* travel with it.

        Raises QmpRefusedError if QEMU refuses it, NotSupportedError if it has no such command,
        DeviceTimeoutError if it does not answer in time and DeviceGoneError if the connection ended.
        """
        if self._end:
            raise DeviceGoneError(self._end)
        self._last_id += 1
        command_id = self._last_id
        waiter = self._waiters[command_id] = _Waiter()
        try:
            with trio.move_on_after(deadline_s) as scope:
                await self._send(encode_command(command, arguments, command_id), fds)
                await waiter.done.wait()
            if scope.cancelled_caught:
                raise DeviceTimeoutError(f"expected QEMU to answer {command} within {deadline_s:g} s")
        finally:
            del self._waiters[command_id]
        match waiter.outcome:
            case QmpAnswer(value=value):
                return value
            case QmpFailure(error_class="CommandNotFound", description=description):
                raise NotSupportedError(f"this QEMU has no {command}: {description}")
            case QmpFailure(error_class=error_class, description=description):
                raise QmpRefusedError(command, error_class, description)
            case None:
                raise DeviceGoneError(self._end)

    def statistics(self) -> dict[str, int]:
        """Return counters: commands sent, commands waiting, answers that came after their deadline."""
        return {
            "commands": self._last_id - self._first_id,
            "waiting": len(self._waiters),
            "late_answers": self._late_answers,
        }

    async def _greet(self) -> list[QmpMessage]:
        """Wait for the greeting; return what came behind it. What comes before was for another client."""
        while True:
            messages = iter(await self._receive())
            for message in messages:
                if isinstance(message, QmpGreeting):
                    self.version = message.version
                    return list(messages)

    async def _receive(self) -> list[QmpMessage]:
        try:
            data = await self._stream.receive_some(_RECEIVE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise DeviceGoneError(f"the QMP connection broke: {exc}") from exc
        if not data:
            raise DeviceGoneError("QEMU closed its QMP connection")
        return self._decoder.receive(bytes(data))

    async def _read(self, messages: list[QmpMessage]) -> None:
        try:
            while True:
                for message in messages:
                    self._dispatch(message)
                messages = await self._receive()
        except DriverError as exc:
            self._end = str(exc)
            raise

    def _dispatch(self, message: QmpMessage) -> None:
        match message:
            case QmpEvent():
                self._on_event(message)
            case QmpAnswer(command_id=command_id) | QmpFailure(command_id=int(command_id)):
                if (waiter := self._waiters.get(command_id)) is None:
                    self._late_answers += 1
                else:
                    waiter.outcome = message
                    waiter.done.set()
            case _:
                raise BadReplyError(f"expected a QMP answer or event, got {message}")

    async def _send(self, line: bytes, fds: Sequence[int]) -> None:
        async with self._send_lock:
            # Half a command would garble the next one, so once begun it is sent whole. The deadline bounds
            # the shield; QEMU reads all the time, so it is never reached in practice.
            with trio.CancelScope(shield=True), trio.move_on_after(SEND_DEADLINE_S) as scope:
                sent = 0
                if fds:
                    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                    with os_errors("QEMU's QMP socket"):
                        sent = await self._stream.socket.sendmsg([line], ancillary)
                try:
                    await self._stream.send_all(line[sent:])
                except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
                    raise DeviceGoneError(f"the QMP connection broke: {exc}") from exc
            if scope.cancelled_caught:
                await trio.aclose_forcefully(self._stream)
                raise DeviceTimeoutError(f"expected QEMU to read a command within {SEND_DEADLINE_S:g} s")
