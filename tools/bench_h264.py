"""Benchmark of H.264: what a picture of 1080p costs, also against JPEG of the same picture in one run.

Responsible for the parts (arranging a picture as I420, encoding it by libx264 as the appliance sets it up)
and for the whole (from a frame to its packet through the process). Prints; must never assert anything.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import trio

from drivers.video import i420
from drivers.video.frame import Frame, PixelFormat
from drivers.video.h264.codec import Codec, Geometry
from drivers.video.h264.encoder import EncodedPicture, H264Encoder
from drivers.video.h264.settings import SOFTWARE, Settings
from drivers.video.jpeg import JpegEncoder
from tools.bench_jpeg import QUALITY, Pixels, frame_of, terminal_screen

WIDTH, HEIGHT = 1920, 1080
ROW_PX = 24
SETTINGS = Settings(bitrate_kbps=5000, gop=0, fps=30)


def scrolled(count: int) -> list[Pixels]:
    """A terminal whose text moves up by a line from picture to picture."""
    whole = terminal_screen(WIDTH, HEIGHT + ROW_PX * count)
    return [whole[ROW_PX * number : ROW_PX * number + HEIGHT] for number in range(count)]


def typed(count: int) -> list[Pixels]:
    """A terminal in whose middle one character more stands in each picture."""
    pictures = [terminal_screen(WIDTH, HEIGHT)]
    for number in range(1, count):
        picture = pictures[-1].copy()
        x = ROW_PX // 2 * number
        picture[HEIGHT // 2 : HEIGHT // 2 + ROW_PX - 4, x : x + ROW_PX // 2 - 3] = 200
        pictures.append(picture)
    return pictures


def noise(count: int) -> list[Pixels]:
    """What no codec can do anything about."""
    generator = np.random.default_rng(1)
    return [generator.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(count)]


def _as_i420(frame: Frame) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    target = bytearray(i420.size_bytes(frame.width, frame.height))
    i420.write(frame, target)
    return np.frombuffer(target, np.uint8).reshape(-1, frame.width)


def _cpu_ms(call: Callable[[], object], times: int) -> float:
    call()
    begin = time.process_time()
    for _ in range(times):
        call()
    return 1000 * (time.process_time() - begin) / times


def _conversions(rgb: Pixels, rounds: int) -> list[str]:
    target = bytearray(i420.size_bytes(WIDTH, HEIGHT))
    lines = [f"{'as I420, CPU ms':<34}{'ms':>8}"]
    raw = [
        frame_of(rgb, pixel_format) for pixel_format in PixelFormat if pixel_format is not PixelFormat.JPEG
    ]
    jpeg = Frame(
        JpegEncoder(threads=1).encode(frame_of(rgb, PixelFormat.YUYV), QUALITY),
        *(WIDTH, HEIGHT, 0, PixelFormat.JPEG, 0.0, 0.0),
    )
    lines.extend(
        f"  {frame.format:<32}{_cpu_ms(partial(i420.write, frame, target), rounds):8.2f}"
        for frame in (*raw, jpeg)
    )
    other = bytes(target)
    lines.append(
        f"  {'compared with the last one':<32}{_cpu_ms(partial(i420.same, target, other), rounds):8.2f}"
    )
    return lines


def _encoded(name: str, pictures: Iterable[Pixels], jpeg_ms: float) -> str:
    """The line of one kind of picture: the first one, which is a key frame, is not counted in the rest."""
    codec: Codec | None = None
    times_ms, sizes = [], []
    for picture in pictures:
        frame = frame_of(picture, PixelFormat.YUYV)
        image = _as_i420(frame)
        if codec is None:
            geometry = Geometry(WIDTH, HEIGHT, frame.colour)
            codec = Codec(SOFTWARE, geometry, bitrate_kbps=SETTINGS.bitrate_kbps, fps=SETTINGS.fps)
        begin = time.process_time()
        _, data = codec.encode(image, key=False)
        times_ms.append(1000 * (time.process_time() - begin))
        sizes.append(len(data))
    mean_ms, mean_bytes = statistics.mean(times_ms[1:]), statistics.mean(sizes[1:])
    return f"  {name:<32}{mean_ms:8.2f}{mean_ms / jpeg_ms:9.2f}{mean_bytes:12,.0f}{sizes[0]:12,d}"


async def _through_the_process(pictures: Sequence[Pixels]) -> str:
    """The line of the whole way: from a frame to its packet, waiting for each before the next."""
    send, receive = trio.open_memory_channel[EncodedPicture](1000)
    encoder = H264Encoder(send.send_nowait)
    times_ms = []
    async with trio.open_nursery() as nursery:
        await nursery.start(encoder.run, SETTINGS)
        for number, picture in enumerate(pictures):
            frame = frame_of(picture, PixelFormat.YUYV)
            begin = time.perf_counter()
            stamped = dataclasses.replace(frame, grab_begin=number, grab_end=number)
            await encoder.take(stamped, online=True)
            while (await receive.receive()).grab_begin != number:
                pass
            times_ms.append(1000 * (time.perf_counter() - begin))
        nursery.cancel_scope.cancel()
    times_ms = sorted(times_ms[2:])
    p50, p95 = (times_ms[int(share * len(times_ms))] for share in (0.5, 0.95))
    return f"from a frame to its packet, scrolling, {encoder.codec}: p50 {p50:.1f} ms, p95 {p95:.1f} ms"


def run(rounds: int = 20) -> list[str]:
    """Measure, for about *rounds* seconds, and return what to print."""
    still = terminal_screen(WIDTH, HEIGHT)
    encoder, frame = JpegEncoder(threads=1), frame_of(still, PixelFormat.YUYV)
    jpeg_ms = _cpu_ms(partial(encoder.encode, frame, QUALITY), rounds)
    kinds = [
        ("made better, a picture at rest", itertools.repeat(still, rounds)),
        ("a character typed", typed(rounds)),
        ("text scrolled by a line", scrolled(rounds)),
        ("noise", noise(rounds)),
    ]
    return [
        f"H.264, {WIDTH}x{HEIGHT}, {SETTINGS.bitrate_kbps} kbit/s at {SETTINGS.fps} frames/s",
        *_conversions(still, rounds),
        (
            f"{'encoded by libx264, CPU ms':<34}{'ms':>8}{'to JPEG':>9}{'bytes':>12}{'first one':>12}"
            f"   (JPEG: {jpeg_ms:.2f} ms, {len(encoder.encode(frame, QUALITY)):,} bytes)"
        ),
        *(_encoded(name, pictures, jpeg_ms) for name, pictures in kinds),
        trio.run(_through_the_process, scrolled(rounds * 3)),
    ]


if __name__ == "__main__":
    print("\n".join(run()))
