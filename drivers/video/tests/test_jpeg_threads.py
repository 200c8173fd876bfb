"""Threads: own encoders work side by side, one encoder is for one thread, and nobody waits for the GIL."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from drivers.video import mjpeg
from drivers.video.frame import RAW_FORMATS, Frame, PixelFormat
from drivers.video.jpeg import Engine, JpegEncoder, same_picture

# How often a race is tried before its absence is called a failure. One try nearly always does; a machine that
# is busy may need some.
ATTEMPTS = 200


def _large() -> Frame:
    """A picture that takes tens of milliseconds to encode."""
    pixels = np.random.default_rng(5).integers(0, 256, (2000, 2000, 2), np.uint8)
    return Frame(pixels.tobytes(), 2000, 2000, 4000, PixelFormat.YUYV, 0.0, 0.0)


def test_own_encoders_side_by_side(any_engine: Engine, pictures: Any) -> None:
    frames = [
        pictures.lay_out(pictures.known(320 + 2 * i, 200 + i, i), pixel_format)
        for i, pixel_format in enumerate(RAW_FORMATS)
    ]
    wanted = [JpegEncoder(using=any_engine).encode(frame, 80) for frame in frames]
    begin = threading.Barrier(4)

    def work(first: int) -> None:
        encoder = JpegEncoder(using=any_engine)
        begin.wait()
        for i in range(40):
            which = (first + i) % len(frames)
            assert encoder.encode(frames[which], 80) == wanted[which]

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, first) for first in range(4)]:
            done.result()


def test_two_threads_on_one_encoder_is_an_error(any_engine: Engine, pictures: Any) -> None:
    encoder = JpegEncoder(using=any_engine)
    large, small = _large(), pictures.lay_out(pictures.known(16, 16), PixelFormat.YUYV)
    wanted_large, wanted_small = (JpegEncoder(using=any_engine).encode(frame, 80) for frame in (large, small))
    message = "expected one call at a time, got a second one from another thread - give each thread its own"
    results: list[bytes | str] = []

    def encode_large() -> None:
        try:
            results.append(encoder.encode(large, 80))
        except RuntimeError as exc:  # the small one was first
            results.append(str(exc))

    for _ in range(ATTEMPTS):
        thread = threading.Thread(target=encode_large)
        thread.start()
        met = False
        while thread.is_alive() and not met:
            try:
                assert encoder.encode(small, 80) == wanted_small
            except RuntimeError as exc:
                met = message in str(exc)
        thread.join()
        result = results.pop()
        assert result == wanted_large or message in str(result)
        if met:
            break
    else:
        pytest.fail("the two threads never met")
    assert encoder.encode(small, 80) == wanted_small


@pytest.fixture
def long_switch_interval() -> Iterator[None]:
    """Nobody is made to give the GIL up: another thread runs only while its holder lets go of it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _runs_beside(call: Callable[[], object]) -> bool:
    """Whether this thread makes progress while another one is inside *call*."""
    counter = 0
    progress = -1
    finished = threading.Event()

    def other() -> None:
        nonlocal progress
        before = counter
        call()
        progress = counter - before
        finished.set()

    thread = threading.Thread(target=other)
    thread.start()
    while not finished.is_set():
        counter += 1
        os.sched_yield()  # lets go of the GIL at each turn, or the other thread would never come back
    thread.join()
    return progress > 0


@pytest.mark.usefixtures("long_switch_interval")
def test_the_test_for_the_gil_can_fail() -> None:
    """A call that keeps the GIL is told apart: joining a million strings never lets go of it."""
    parts = ["x"] * 1_000_000
    assert not any(_runs_beside(lambda: "".join(parts)) for _ in range(20))


@pytest.mark.usefixtures("long_switch_interval")
@pytest.mark.parametrize("pixel_format", [PixelFormat.YUYV, PixelFormat.RGB24, PixelFormat.NV12])
def test_encoding_lets_go_of_the_gil(turbo: Engine, pixel_format: PixelFormat) -> None:
    encoder = JpegEncoder(using=turbo)
    pixels = np.random.default_rng(5).integers(0, 256, 2000 * 2000 * 3, np.uint8).tobytes()
    frame = Frame(pixels, 1000, 1000, 3000, pixel_format, 0.0, 0.0)
    assert any(_runs_beside(lambda: encoder.encode(frame, 90)) for _ in range(ATTEMPTS))


@pytest.mark.usefixtures("long_switch_interval")
def test_comparing_lets_go_of_the_gil(turbo: Engine) -> None:
    a = Frame(bytes(4000 * 4000), 4000, 4000, 4000, PixelFormat.GREY, 0.0, 0.0)
    b = Frame(bytearray(4000 * 4000), 4000, 4000, 4000, PixelFormat.GREY, 0.0, 0.0)
    assert any(_runs_beside(lambda: same_picture(a, b, using=turbo)) for _ in range(ATTEMPTS))


@pytest.mark.usefixtures("long_switch_interval")
def test_repairing_and_decoding_let_go_of_the_gil(turbo: Engine) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, 1000 * 1000 * 3, np.uint8).tobytes()
    jpeg = JpegEncoder(using=turbo).encode(Frame(pixels, 1000, 1000, 3000, PixelFormat.RGB24, 0.0, 0.0), 90)
    endless = Frame(jpeg[:-2], 1000, 1000, 0, PixelFormat.JPEG, 0.0, 0.0)
    target = bytearray(mjpeg.i420_bytes(1000, 1000))
    assert any(_runs_beside(lambda: mjpeg.repair(endless)) for _ in range(ATTEMPTS))
    assert any(_runs_beside(lambda: mjpeg.decode_i420(jpeg, target, 1000, 1000)) for _ in range(ATTEMPTS))
