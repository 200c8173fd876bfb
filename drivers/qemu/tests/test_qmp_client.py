from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError, NotSupportedError
from drivers.qemu.qmp_client import QmpClient, QmpRefusedError
from drivers.wire.qmp import QmpEvent

GREETING = b'{"QMP": {"version": {"qemu": {"micro": 1, "minor": 0, "major": 10}}, "capabilities": []}}\r\n'


class Qemu:
    """The other end of the connection, told by the test what to say."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._data = b""

    async def command(self) -> tuple[str, int]:
        """The next command's name and id."""
        while b"\n" not in self._data:
            self._data += await self._stream.receive_some()
        line, self._data = self._data.split(b"\n", 1)
        fields = json.loads(line)
        return fields["execute"], fields["id"]

    async def say(self, message: object) -> None:
        await self.say_bytes(json.dumps(message).encode() + b"\r\n")

    async def say_bytes(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def hang_up(self) -> None:
        await self._stream.aclose()

    async def receive_fd(self) -> int:
        _, ancillary, _, _ = await self._stream.socket.recvmsg(1 << 16, 1 << 10)
        ((_, _, fd),) = ancillary
        return int.from_bytes(fd[:4], "little")


@asynccontextmanager
async def connected(events: list[QmpEvent]) -> AsyncGenerator[tuple[QmpClient, Qemu, trio.Nursery]]:
    """A client and a QEMU after the handshake; the faults of the client's `run` come out one by one."""
    ours, theirs = trio.socket.socketpair()
    client = QmpClient(trio.SocketStream(ours), events.append)
    qemu = Qemu(trio.SocketStream(theirs))
    try:
        async with trio.open_nursery() as nursery:

            async def greet() -> None:
                await qemu.say_bytes(GREETING)
                name, command_id = await qemu.command()
                assert name == "qmp_capabilities"
                await qemu.say({"return": {}, "id": command_id})

            nursery.start_soon(greet)
            await nursery.start(client.run)
            yield client, qemu, nursery
            nursery.cancel_scope.cancel()
    except* DriverError as group:
        fault: BaseException = group
        while isinstance(fault, BaseExceptionGroup):
            (fault,) = fault.exceptions
        raise fault from None
    finally:
        await qemu.hang_up()


async def test_answers_find_their_commands_whatever_the_order() -> None:
    events: list[QmpEvent] = []
    async with connected(events) as (client, qemu, nursery):
        assert client.version == (10, 0, 1)
        answers: dict[str, object] = {}

        async def ask(command: str) -> None:
            answers[command] = await client.execute(command)

        nursery.start_soon(ask, "first")
        nursery.start_soon(ask, "second")
        asked = dict([await qemu.command(), await qemu.command()])
        await qemu.say({"return": "two", "id": asked["second"]})
        await qemu.say({"event": "STOP", "timestamp": {"seconds": 0, "microseconds": 0}})
        await qemu.say({"return": ["one"], "id": asked["first"]})
        await trio.testing.wait_all_tasks_blocked()
        assert answers == {"first": ["one"], "second": "two"}
        assert events == [QmpEvent("STOP", {})]
        assert client.statistics()["waiting"] == 0


async def test_a_refusal_tells_why() -> None:
    async with connected([]) as (client, qemu, nursery):

        async def refuse(error_class: str) -> None:
            _, command_id = await qemu.command()
            await qemu.say({"error": {"class": error_class, "desc": "No such bus"}, "id": command_id})

        nursery.start_soon(refuse, "GenericError")
        with pytest.raises(QmpRefusedError, match="QEMU refused device_add: No such bus") as refused:
            await client.execute("device_add", {"driver": "usb-kbd"})
        assert refused.value.error_class == "GenericError"
        nursery.start_soon(refuse, "CommandNotFound")
        with pytest.raises(NotSupportedError, match="this QEMU has no foo"):
            await client.execute("foo")


@pytest.mark.fault("QEMU", "stalls")
async def test_no_answer_is_a_timeout_and_a_late_one_disturbs_nobody(autojump_clock: MockClock) -> None:
    async with connected([]) as (client, qemu, nursery):
        with pytest.raises(DeviceTimeoutError, match="expected QEMU to answer slow within 5 s"):
            await client.execute("slow")
        _, slow_id = await qemu.command()
        await qemu.say({"return": "late", "id": slow_id})

        async def answer() -> None:
            _, command_id = await qemu.command()
            await qemu.say({"return": "in time", "id": command_id})

        nursery.start_soon(answer)
        assert await client.execute("quick") == "in time"
        assert client.statistics() == {"commands": 3, "waiting": 0, "late_answers": 1}


@pytest.mark.fault("QEMU", "vanishes")
async def test_a_closed_connection_is_a_gone_device_for_all() -> None:
    clients: list[QmpClient] = []

    async def ask(client: QmpClient) -> None:
        with pytest.raises(DeviceGoneError, match="QEMU closed its QMP connection"):
            await client.execute("query-status")

    async def scenario() -> None:
        async with connected([]) as (client, qemu, nursery):
            clients.append(client)
            nursery.start_soon(ask, client)
            await qemu.command()
            await qemu.hang_up()
            await trio.sleep_forever()

    with pytest.raises(DeviceGoneError, match="QEMU closed its QMP connection"):
        await scenario()
    await ask(clients[0])


@pytest.mark.parametrize("line", [b"what?\r\n", b'{"id": 1}\r\n', GREETING])
@pytest.mark.fault("QEMU", "garbage")
async def test_nonsense_is_a_bad_reply(line: bytes) -> None:
    async def scenario() -> None:
        async with connected([]) as (_, qemu, _):
            await qemu.say_bytes(line)
            await trio.sleep_forever()

    with pytest.raises(BadReplyError):
        await scenario()


async def test_no_greeting_is_a_timeout(autojump_clock: MockClock) -> None:
    ours, theirs = trio.socket.socketpair()
    with theirs, pytest.raises(DeviceTimeoutError, match="another client holds its QMP socket"):
        await QmpClient(trio.SocketStream(ours), lambda _: None).run()


async def test_what_was_meant_for_the_client_before_us_is_passed_over() -> None:
    ours, theirs = trio.socket.socketpair()
    qemu = Qemu(trio.SocketStream(theirs))
    client = QmpClient(trio.SocketStream(ours), lambda _: None)
    async with trio.open_nursery() as nursery:
        await qemu.say({"return": {}, "id": 0})
        await qemu.say({"event": "DEVICE_DELETED", "data": {"path": "/x"}})
        await qemu.say_bytes(GREETING)

        async def answer() -> None:
            name, command_id = await qemu.command()
            await qemu.say({"return": "stale", "id": 1})
            await qemu.say({"return": name, "id": command_id})

        nursery.start_soon(answer)
        await nursery.start(client.run)
        assert client.version == (10, 0, 1)
        nursery.start_soon(answer)
        assert await client.execute("query-status") == "query-status"
        nursery.cancel_scope.cancel()
    await qemu.hang_up()


async def test_an_end_before_the_greeting_is_a_gone_device() -> None:
    ours, theirs = trio.socket.socketpair()
    theirs.close()
    with pytest.raises(DeviceGoneError):
        await QmpClient(trio.SocketStream(ours), lambda _: None).run()


async def test_a_descriptor_travels_with_its_command() -> None:
    async with connected([]) as (client, qemu, nursery):
        reader, writer = os.pipe()
        nursery.start_soon(lambda: client.execute("getfd", {"fdname": "x"}, fds=[writer]))
        received = await qemu.receive_fd()
        os.write(received, b"through")
        assert os.read(reader, 7) == b"through"
        assert received != writer
        for fd in (reader, writer, received):
            os.close(fd)


async def test_a_cancelled_command_leaves_no_half_line() -> None:
    async with connected([]) as (client, qemu, nursery):
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.execute("query-status")
        assert scope.cancelled_caught
        nursery.start_soon(lambda: client.execute("stop"))
        names = []
        while "stop" not in names:
            names.append((await qemu.command())[0])
        assert set(names) <= {"query-status", "stop"}


@pytest.mark.fault("QEMU", "stalls")
async def test_a_qemu_that_does_not_read_is_given_up(autojump_clock: MockClock) -> None:
    async def scenario() -> None:
        async with connected([]) as (client, _, _):
            with pytest.raises(DeviceTimeoutError, match="expected QEMU to read a command within 2 s"):
                await client.execute("screendump", {"filename": "x" * (8 << 20)}, deadline_s=60)
            await trio.sleep_forever()

    # The connection is useless with half a command in it.
    with pytest.raises(DeviceGoneError):
        await scenario()
