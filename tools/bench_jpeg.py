"""Benchmark of the JPEG extension against libjpeg-turbo's own `tjbench`, on the same picture, in one run.

Responsible for a fair comparison: the same library, picture, subsampling, quality and DCT; rounds of both in
turns, the best round of each. Gives milliseconds per frame and the ratio; must never assert anything.
"""

from __future__ import annotations

import dataclasses
import io
import operator
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from drivers.video import mjpeg
from drivers.video.frame import Frame, PixelFormat
from drivers.video.jpeg import JpegEncoder, backend

type Pixels = NDArray[np.uint8]

QUALITY = 80
SIZES = [(1280, 720), (1920, 1080)]
# What tjbench is asked for, and which of our formats that is the measure of.
REFERENCES: list[tuple[str, list[str], list[PixelFormat]]] = [
    ("planes 4:2:2", ["-yuv", "-subsamp", "422"], [PixelFormat.YUYV, PixelFormat.UYVY]),
    ("planes 4:2:0", ["-yuv", "-subsamp", "420"], [PixelFormat.YUV420, PixelFormat.NV12]),
    ("RGB 4:2:0", ["-rgb", "-subsamp", "420"], [PixelFormat.RGB24]),
    ("BGR 4:2:0", ["-bgr", "-subsamp", "420"], [PixelFormat.BGR24]),
    ("BGRX 4:2:0", ["-bgrx", "-subsamp", "420"], [PixelFormat.BGRX32]),
    ("grey plane", ["-yuv", "-subsamp", "GRAY"], [PixelFormat.GREY]),
]
_RESULT = re.compile(
    r"(?:Comp from YUV|Compress)\s*--> Frame rate:\s+([\d.]+) fps\s+Output image size:\s+(\d+) bytes"
)
# A round takes under a second; on the slowest board with the longest rounds a few.
_TJBENCH_DEADLINE_S = 60


@dataclass(frozen=True)
class Budget:
    """How long to measure."""

    rounds: int
    seconds: float


def terminal_screen(width: int, height: int) -> Pixels:
    """A screen full of coloured text with a status bar, what a KVM mostly shows; always the same."""
    rng = random.Random(7)
    letters = "etaoinshrdlucmfwyp0123456789-_./:=[]()"
    colours = [(204, 204, 204), (204, 204, 204), (78, 154, 6), (114, 159, 207), (239, 41, 41), (252, 233, 79)]
    with Image.new("RGB", (width // 2, height // 2)) as image:
        draw = ImageDraw.Draw(image)
        font = ImageFont.load_default_imagefont()
        for y in range(0, height // 2 - 12, 12):
            x = 0
            while x < rng.randrange(width // 8, width // 2):
                word = "".join(rng.choices(letters, k=rng.randrange(1, 12)))
                draw.text((x, y), word, fill=rng.choice(colours), font=font)
                x += 6 * (len(word) + 1)
        draw.rectangle((0, height // 2 - 12, width, height), fill=(52, 101, 164))
        draw.text((2, height // 2 - 12), "[0] shell* [1] log", fill=(255, 255, 255), font=font)
        return np.asarray(image.resize((width, height), Image.Resampling.NEAREST))


def frame_of(rgb: Pixels, pixel_format: PixelFormat) -> Frame:
    """Lay *rgb* (even sides) out in *pixel_format*; YUV by JFIF, colours averaged as tjbench does."""
    height, width = rgb.shape[:2]
    ycc = np.asarray(Image.fromarray(rgb).convert("YCbCr")).astype(np.uint16)
    y = ycc[..., 0].astype(np.uint8)
    wide = ((ycc[:, ::2, 1:] + ycc[:, 1::2, 1:] + 1) // 2).astype(np.uint8)
    quarter = (ycc[::2, ::2, 1:] + ycc[::2, 1::2, 1:] + ycc[1::2, ::2, 1:] + ycc[1::2, 1::2, 1:] + 2) // 4
    half = quarter.astype(np.uint8)
    row_bytes = width
    match pixel_format:
        case PixelFormat.RGB24:
            data, row_bytes = rgb.tobytes(), width * 3
        case PixelFormat.BGR24:
            data, row_bytes = rgb[..., ::-1].tobytes(), width * 3
        case PixelFormat.BGRX32:
            unused = np.zeros((height, width, 1), np.uint8)
            data, row_bytes = np.concatenate((rgb[..., ::-1], unused), axis=2).tobytes(), width * 4
        case PixelFormat.YUYV | PixelFormat.UYVY:
            packed = np.empty((height, width, 2), np.uint8)
            y_at = 0 if pixel_format is PixelFormat.YUYV else 1
            packed[..., y_at] = y
            packed[..., 1 - y_at] = wide.reshape(height, width)
            data, row_bytes = packed.tobytes(), width * 2
        case PixelFormat.NV12:
            data = y.tobytes() + half.tobytes()
        case PixelFormat.YUV420:
            data = y.tobytes() + half[..., 0].tobytes() + half[..., 1].tobytes()
        case _:  # GREY
            data = y.tobytes()
    return Frame(data, width, height, row_bytes, pixel_format, 0.0, 0.0)


def _tjbench(ppm: Path, options: list[str], seconds: float) -> tuple[float, int]:
    """Milliseconds per frame and bytes of the JPEG."""
    command = ["tjbench", str(ppm), str(QUALITY), *options, "-fastdct", "-componly", "-nowrite"]
    command += ["-warmup", "0.1", "-benchtime", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TJBENCH_DEADLINE_S, check=True)
    found = _RESULT.search(done.stdout)
    if found is None:
        raise RuntimeError(f"expected a frame rate from {' '.join(command)}, got {done.stdout[-500:]!r}")
    return 1000 / float(found[1]), int(found[2])


def _ms_per_call(call: Callable[[], object], seconds: float) -> float:
    """Milliseconds per call over *seconds*, as tjbench counts them."""
    call()
    calls = 0
    begin = time.perf_counter()
    while (spent := time.perf_counter() - begin) < seconds:
        call()
        calls += 1
    return 1000 * spent / calls


def _encode_lines(
    rgb: Pixels, ppm: Path, reference: tuple[str, list[str], list[PixelFormat]], budget: Budget
) -> list[str]:
    """The lines of one reference: tjbench and our formats in turns."""
    name, options, formats = reference
    height, width = rgb.shape[:2]
    encoder = JpegEncoder(threads=1)
    frames = [frame_of(rgb, pixel_format) for pixel_format in formats]
    ours = [float("inf")] * len(frames)
    theirs, their_bytes = float("inf"), 0
    for _ in range(budget.rounds):
        if shutil.which("tjbench") is not None:
            ms, their_bytes = _tjbench(ppm, options, budget.seconds)
            theirs = min(theirs, ms)
        for i, frame in enumerate(frames):
            ours[i] = min(ours[i], _ms_per_call(partial(encoder.encode, frame, QUALITY), budget.seconds))
    lines = []
    for frame, ms in zip(frames, ours, strict=True):
        line = f"{width:>4}x{height:<4}  {frame.format:<7}{ms:9.2f}{len(encoder.encode(frame, QUALITY)):9d}"
        if their_bytes:
            line += f"   {name:<13}{theirs:8.2f}{their_bytes:9d}  {ms / theirs:5.2f}"
        lines.append(line)
    return lines


def _unchanged_line(frame: Frame, budget: Budget) -> str:
    """An unchanged frame, against comparing the same bytes as Python objects, which is one memcmp."""
    a, b = bytes(frame.data), bytes(bytearray(frame.data))
    other = dataclasses.replace(frame, data=b)
    encoder = JpegEncoder(threads=1)
    encoder.encode(frame, QUALITY)
    ours, memcmp = float("inf"), float("inf")
    for _ in range(budget.rounds):
        ours = min(ours, _ms_per_call(partial(encoder.encode_changes, other, QUALITY, frame), budget.seconds))
        memcmp = min(memcmp, _ms_per_call(partial(operator.eq, a, b), budget.seconds))
    return (
        f"{frame.width:>4}x{frame.height:<4}  {frame.format:<7}{ours:9.3f}{'-':>9}   "
        f"{'memcmp':<13}{memcmp:8.3f}{'-':>9}  {ours / memcmp:5.2f}   unchanged, not encoded"
    )


def _with_other_rows(frame: Frame, share: float) -> Frame:
    """The packed *frame* with *share* of its rows, in the middle, turned upside down."""
    rows = np.frombuffer(frame.data, np.uint8).reshape(frame.height, -1).copy()
    begin = int(frame.height * (1 - share) / 2)
    end = begin + max(round(frame.height * share), 1)
    rows[begin:end] = 255 - rows[begin:end]
    return dataclasses.replace(frame, data=rows.tobytes())


def _change_lines(frame: Frame, budget: Budget) -> list[str]:
    """Parts of a frame that change, and two threads, against encoding all of it by one."""
    ways: list[tuple[str, Frame, int]] = [
        (f"{name} of the rows changed", _with_other_rows(frame, share), 1)
        for name, share in (("a line of text", 1 / 68), ("a tenth", 0.1), ("half", 0.5))
    ]
    ways.append(("all changed, two threads", _with_other_rows(frame, 1), 2))
    whole = float("inf")
    times = [float("inf")] * len(ways)
    single = JpegEncoder(threads=1)
    for _ in range(budget.rounds):
        whole = min(whole, _ms_per_call(partial(single.encode, frame, QUALITY), budget.seconds))
        for i, (_, other, threads) in enumerate(ways):
            encoder = JpegEncoder(threads=threads)
            encoder.encode(frame, QUALITY)
            pair = [other, frame]

            def alternate(encoder: JpegEncoder = encoder, pair: list[Frame] = pair) -> None:
                encoder.encode_changes(pair[0], QUALITY, pair[1])
                pair.reverse()

            times[i] = min(times[i], _ms_per_call(alternate, budget.seconds))
    return [
        f"{frame.width:>4}x{frame.height:<4}  {frame.format:<7}{ms:9.3f}{'-':>9}   "
        f"{'whole':<13}{whole:8.2f}{'-':>9}  {ms / whole:5.2f}   {name}"
        for (name, _, _), ms in zip(ways, times, strict=True)
    ]


def _passed_on_lines(frame: Frame, budget: Budget) -> list[str]:
    """What is done to a JPEG picture that a device sends, against encoding the same one."""
    encoder = JpegEncoder(threads=1)
    # Grabbers send no restart markers, as neither does Pillow.
    output = io.BytesIO()
    with Image.open(io.BytesIO(encoder.encode(frame, QUALITY))) as image:
        image.save(output, "JPEG", quality=QUALITY, subsampling="4:2:2")
    sent = dataclasses.replace(frame, data=output.getvalue(), stride_bytes=0, format=PixelFormat.JPEG)
    cut = dataclasses.replace(sent, data=sent.data[:-2])
    target = bytearray(mjpeg.i420_bytes(frame.width, frame.height))
    ways: list[tuple[str, Callable[[], object]]] = [
        ("a whole one passed on", partial(mjpeg.repair, sent)),
        ("one without an end marker", partial(mjpeg.repair, cut)),
        ("decoded to I420", partial(mjpeg.decode_i420, sent.data, target, frame.width, frame.height)),
    ]
    encoding, times = float("inf"), [float("inf")] * len(ways)
    for _ in range(budget.rounds):
        encoding = min(encoding, _ms_per_call(partial(encoder.encode, frame, QUALITY), budget.seconds))
        for i, (_, way) in enumerate(ways):
            times[i] = min(times[i], _ms_per_call(way, budget.seconds))
    return [
        f"{frame.width:>4}x{frame.height:<4}  {sent.format:<7}{ms:9.3f}{len(sent.data):9d}   "
        f"{'encoding':<13}{encoding:8.2f}{'-':>9}  {ms / encoding:5.3f}  {name}"
        for (name, _), ms in zip(ways, times, strict=True)
    ]


def run(rounds: int = 3, seconds: float = 0.4) -> list[str]:
    """Measure, for about *rounds* x *seconds* x 40, and return a table: one line per size and format."""
    budget = Budget(rounds, seconds)
    lines = [
        (
            f"JPEG, quality {QUALITY}, one thread where no other number is named, {backend()}, "
            f"best of {rounds} rounds of {seconds} s"
        ),
        (
            f"{'size':>9}  {'format':<7}{'ms/frame':>9}{'bytes':>9}   "
            f"{'tjbench':<13}{'ms/frame':>8}{'bytes':>9}  ratio"
        ),
    ]
    if shutil.which("tjbench") is None:
        lines.append("tjbench is not installed (Debian: libjpeg-turbo-progs): no ratios of encoding")
    with tempfile.TemporaryDirectory() as directory:
        for width, height in SIZES:
            rgb = terminal_screen(width, height)
            ppm = Path(directory, f"{width}x{height}.ppm")
            Image.fromarray(rgb).save(ppm)
            for reference in REFERENCES:
                lines += _encode_lines(rgb, ppm, reference, budget)
            frame = frame_of(rgb, PixelFormat.YUYV)
            lines.append(_unchanged_line(frame, budget))
            lines += _change_lines(frame, budget)
            lines += _passed_on_lines(frame, budget)
    return lines


if __name__ == "__main__":
    print("\n".join(run()))
