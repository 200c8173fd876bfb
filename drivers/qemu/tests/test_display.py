"""The video source against a VNC server that the test plays."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from drivers.errors import DeviceGoneError, DeviceTimeoutError
from drivers.ports import NoSignal
from drivers.qemu.display import QemuDisplay
from drivers.video.frame import Frame, PixelFormat

FORMAT = bytes.fromhex("2018000100ff00ff00ff100800000000")
# Everything that a client says before its first request: version, security, shared, format, encodings.
CLIENT_HELLO_BYTES = 12 + 1 + 1 + 20 + 12
REQUEST_BYTES = 10


class Server:
    """One connection's server side."""

    def __init__(self, stream: trio.SocketStream, size: tuple[int, int]) -> None:
        self.stream = stream
        self.size = size

    async def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = await self.stream.receive_some(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    async def greet(self) -> None:
        init = struct.pack(">HH", *self.size) + FORMAT + struct.pack(">I", 4) + b"QEMU"
        await self.stream.send_all(b"RFB 003.008\n\x01\x01" + bytes(4) + init)
        await self.read(CLIENT_HELLO_BYTES)

    async def request(self) -> bool:
        """Wait for the next request; return whether it is incremental."""
        kind, incremental = (await self.read(REQUEST_BYTES))[:2]
        assert kind == 3
        return bool(incremental)

    async def fill(self, value: int) -> None:
        """Answer with a whole picture of one value."""
        width, height = self.size
        await self.stream.send_all(
            struct.pack(">BxHHHHHi", 0, 1, 0, 0, width, height, 0) + bytes([value]) * (width * height * 4)
        )

    async def resize(self, width: int, height: int) -> None:
        self.size = width, height
        await self.stream.send_all(struct.pack(">BxHHHHHi", 0, 1, 0, 0, width, height, -223))


class World:
    """The display under test and the connections that it made."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.servers: list[Server] = []
        self.connections = 0
        self.play: Callable[[Server], Awaitable[None]] = self.answer_once
        self.display = QemuDisplay(self.connect)

    async def connect(self) -> trio.SocketStream:
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.socket.socketpair()
        self.connections += 1
        server = Server(trio.SocketStream(theirs), (8, 4))
        self.servers.append(server)
        self.nursery.start_soon(self._serve, server)
        return trio.SocketStream(ours)

    async def _serve(self, server: Server) -> None:
        try:
            async with server.stream:
                await server.greet()
                await self.play(server)
        except (EOFError, trio.BrokenResourceError):
            pass

    async def answer_once(self, server: Server) -> None:
        await server.request()
        await server.fill(1)
        await trio.sleep_forever()


@asynccontextmanager
async def world(*, powered: bool = True) -> AsyncGenerator[World]:
    async with trio.open_nursery() as nursery:
        the_world = World(nursery)
        await nursery.start(the_world.display.run)
        the_world.display.set_powered(powered)
        yield the_world
        nursery.cancel_scope.cancel()


def filled(frame: Frame | NoSignal) -> int:
    """The value that a whole picture of 8x4 is filled with."""
    assert isinstance(frame, Frame)
    assert (frame.width, frame.height, frame.stride_bytes) == (8, 4, 32)
    assert frame.format is PixelFormat.BGRX32
    (value,) = set(bytes(frame.data))
    return value


@pytest.mark.fault("QEMU", "no signal")
async def test_a_machine_that_is_off_has_no_signal_once(autojump_clock: MockClock) -> None:
    async with world(powered=False) as the_world, the_world.display.open(max_fps=0) as stream:
        assert await stream.next() == NoSignal("target is off")
        with trio.move_on_after(100) as nothing_new:
            await stream.next()
        assert nothing_new.cancelled_caught
        the_world.display.set_powered(True)
        assert filled(await stream.next()) == 1
        the_world.display.set_powered(False)
        assert await stream.next() == NoSignal("target is off")


async def test_a_still_screen_is_the_same_bytes_at_a_constant_rate(autojump_clock: MockClock) -> None:
    async with world() as the_world, the_world.display.open(max_fps=10) as stream:
        first = await stream.next()
        assert isinstance(first, Frame)
        begin = trio.current_time()
        for number in range(1, 21):
            frame = await stream.next()
            assert isinstance(frame, Frame)
            assert frame.data is first.data
            assert frame.grab_begin > first.grab_end
            assert trio.current_time() - begin == pytest.approx(number / 10)


async def test_the_newest_picture_wins_and_what_was_handed_out_stays(autojump_clock: MockClock) -> None:
    async def play(server: Server) -> None:
        for value in range(1, 250):
            assert await server.request() == (value > 1)
            await server.fill(value)

    async with world() as the_world:
        the_world.play = play
        async with the_world.display.open(max_fps=0) as stream:
            first = await stream.next()
            assert filled(first) == 1
            await trio.sleep(2)
            assert filled(await stream.next()) == pytest.approx(60, abs=3), "30 pictures a second for 2 s"
            assert filled(first) == 1


async def test_requests_keep_to_the_fastest_stream_and_stop_with_the_last(autojump_clock: MockClock) -> None:
    times: list[float] = []

    async def play(server: Server) -> None:
        while True:
            await server.request()
            times.append(trio.current_time())
            await server.fill(len(times) % 256)

    async with world() as the_world:
        the_world.play = play
        await trio.sleep(10)
        assert times == []
        async with the_world.display.open(max_fps=1), the_world.display.open(max_fps=5):
            await trio.sleep(9.9)
        assert len(times) == 50
        await trio.sleep(10)
        assert len(times) <= 51
        assert the_world.display.statistics()["streams"] == 0


@pytest.mark.fault("QEMU", "mode change")
async def test_a_new_mode_shows_when_its_picture_is_complete(autojump_clock: MockClock) -> None:
    resized = trio.Event()

    async def play(server: Server) -> None:
        await server.request()
        await server.fill(1)
        await server.request()
        await server.resize(2, 2)
        resized.set()
        await trio.sleep(3)
        await server.fill(7)
        await trio.sleep_forever()

    async with world() as the_world:
        the_world.play = play
        async with the_world.display.open(max_fps=0) as stream:
            assert filled(await stream.next()) == 1
            await resized.wait()
            await wait_all_tasks_blocked()
            assert filled(await stream.next()) == 1
            await trio.sleep(4)
            frame = await stream.next()
            assert isinstance(frame, Frame)
            assert (frame.width, frame.height, bytes(frame.data)) == (2, 2, b"\x07" * 16)


@pytest.mark.fault("QEMU", "garbage", "returns")
async def test_a_broken_connection_is_told_and_opened_again(autojump_clock: MockClock) -> None:
    async def misbehave(server: Server) -> None:
        await server.request()
        await server.fill(1)
        await server.request()
        await server.stream.send_all(b"\xff")
        await trio.sleep_forever()

    async with world() as the_world:
        the_world.play = misbehave
        async with the_world.display.open(max_fps=0) as stream:
            assert filled(await stream.next()) == 1
            await trio.sleep(0.1)
            the_world.play = the_world.answer_once
            with pytest.raises(DeviceGoneError, match="got type 255"):
                await stream.next()
            await trio.sleep(1.5)
            assert filled(await stream.next()) == 1


@pytest.mark.fault("QEMU", "stalls")
async def test_a_server_that_sends_no_picture_is_a_timeout(autojump_clock: MockClock) -> None:
    async def play(server: Server) -> None:
        await trio.sleep_forever()

    async with world() as the_world:
        the_world.play = play
        async with the_world.display.open(max_fps=0) as stream:
            with pytest.raises(DeviceTimeoutError, match="picture within 5 s"):
                await stream.next()


async def test_a_server_that_does_not_greet_is_told(autojump_clock: MockClock) -> None:
    async with world() as the_world:

        async def silent(server: Server) -> None:
            await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            mute = QemuDisplay(lambda: _silent_connection(nursery))
            await nursery.start(mute.run)
            mute.set_powered(True)
            async with mute.open(max_fps=0) as stream:
                await trio.sleep(10.5)
                with pytest.raises(DeviceGoneError, match="VNC greeting within 10 s"):
                    await stream.next()
            nursery.cancel_scope.cancel()
        assert the_world.connections == 1


async def _silent_connection(nursery: trio.Nursery) -> trio.SocketStream:
    ours, theirs = trio.socket.socketpair()

    async def hold() -> None:
        with theirs:
            await trio.sleep_forever()

    nursery.start_soon(hold)
    return trio.SocketStream(ours)


async def test_an_idle_server_is_nudged_each_second_and_soon_after_input(autojump_clock: MockClock) -> None:
    async with world() as the_world, the_world.display.open(max_fps=0) as stream:
        assert filled(await stream.next()) == 1
        await trio.sleep(10.5)
        idle = the_world.connections
        assert idle == 12, "the connection, a nudge for the first picture, then one a second"
        the_world.display.input_sent()
        await trio.sleep(0.15)
        assert the_world.connections == idle + 1
