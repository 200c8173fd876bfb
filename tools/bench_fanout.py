"""Frames to many clients while the screen changes all the time, with and without one that reads nothing."""

from __future__ import annotations

import socket

import trio
from trio_websocket import ConnectionClosed, connect_websocket_url

from tools.bench_appliance import CREDENTIALS, HEADER_PAIRS, BenchAppliance

# No byte of a JPEG picture's data is 255 without a 0 behind it, so each frame begins just once.
FRAME = b"\xff\xd8\xff"
MJPEG, MEDIA_SOCKET = "/streamer/stream", "/api/media/ws?video=jpeg"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
# Faster than the default 30 frames a second, so that no captured picture is like the one before.
TYPING_INTERVAL_S = 1 / 60
SETTLE_S = 1.5


async def _open(
    appliance: BenchAppliance, path: str, *, receive_buffer: int | None = None
) -> trio.SocketStream:
    plain = trio.socket.socket()
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await plain.connect((appliance.host, appliance.port))
    headers = "".join(f"{name}: {value}\r\n" for name, value in CREDENTIALS.items())
    headers += UPGRADE if path == MEDIA_SOCKET else ""
    stream = trio.SocketStream(plain)
    await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n".encode())
    return stream


async def _count(stream: trio.SocketStream, counts: list[int], number: int) -> None:
    tail = b""
    while data := await stream.receive_some(1 << 18):
        counts[number] += (tail + data).count(FRAME)
        tail = data[-(len(FRAME) - 1) :]


async def _watch(appliance: BenchAppliance, path: str, clients: int, seconds: float, *, stalled: bool) -> str:
    streams = [await _open(appliance, path) for _ in range(clients)]
    extra = [await _open(appliance, path, receive_buffer=4096)] if stalled else []
    counts = [0] * clients
    async with trio.open_nursery() as nursery:
        for number, stream in enumerate(streams):
            nursery.start_soon(_count, stream, counts, number)
        await trio.sleep(SETTLE_S)
        memory, cpu, before = appliance.resident_mib(), appliance.cpu_s(), list(counts)
        await trio.sleep(seconds)
        rates = [(now - then) / seconds for now, then in zip(counts, before, strict=True)]
        load = (appliance.cpu_s() - cpu) / seconds
        grown = appliance.resident_mib() - memory
        nursery.cancel_scope.cancel()
    for stream in streams + extra:
        await trio.aclose_forcefully(stream)
    who = f"{clients} client{'s'[: clients > 1]}" + (" and a stalled one" if stalled else "")
    who += " of the media socket" if path == MEDIA_SOCKET else ""
    return (
        f"{who:<45} {min(rates):5.1f} to {max(rates):5.1f} fps each  {load * 100:5.1f} % CPU  "
        f"{grown:+5.1f} MiB in {seconds:.0f} s"
    )


async def _measure(appliance: BenchAppliance, seconds: float, stalled_seconds: float) -> list[str]:
    url = f"ws://{appliance.host}:{appliance.port}/api/ws?stream=1"
    lines: list[str] = []
    async with trio.open_nursery() as nursery:
        session = await connect_websocket_url(nursery, url, extra_headers=HEADER_PAIRS)

        async def read() -> None:
            try:
                while True:
                    await session.get_message()
            except ConnectionClosed:
                return

        async def type_all_the_time() -> None:
            number = 0
            while True:
                key = b"KeyA" if number % 70 else b"Enter"
                await session.send_message(b"\x01\x03" + key)
                number += 1
                await trio.sleep(TYPING_INTERVAL_S)

        nursery.start_soon(read)
        nursery.start_soon(type_all_the_time)
        await trio.sleep(SETTLE_S)
        for path, clients, duration, stalled in (
            (MJPEG, 1, seconds, False),
            (MJPEG, 4, seconds, False),
            (MJPEG, 16, seconds, False),
            (MJPEG, 8, stalled_seconds, False),
            (MJPEG, 8, stalled_seconds, True),
            (MEDIA_SOCKET, 1, seconds, False),
            (MEDIA_SOCKET, 16, seconds, False),
            (MEDIA_SOCKET, 8, seconds, True),
        ):
            lines.append(await _watch(appliance, path, clients, duration, stalled=stalled))
        nursery.cancel_scope.cancel()
    return lines


def run(appliance: BenchAppliance, seconds: float, stalled_seconds: float) -> list[str]:
    """Return lines for 1 to 16 clients of MJPEG and of the media socket, without and with a stalled one."""
    return trio.run(_measure, appliance, seconds, stalled_seconds)
