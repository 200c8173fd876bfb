"""The real process with libx264: its stream goes to FFmpeg's own decoders, and it is killed and stopped."""

from __future__ import annotations

import itertools
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import trio
import trio.testing
from numpy.typing import NDArray

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError, NotSupportedError
from drivers.video.frame import Frame, PixelFormat
from drivers.video.h264 import encoder as encoder_module
from drivers.video.h264 import process as process_module
from drivers.video.h264.annexb import IDR_SLICE, PICTURE_PARAMETERS, SEQUENCE_PARAMETERS, SLICE, units
from drivers.video.h264.encoder import EncodedPicture, H264Encoder
from drivers.video.h264.settings import CODECS, SOFTWARE, Settings, missing_package
from drivers.video.h264.slots import QUIET_REPEATS
from drivers.video.jpeg import JpegEncoder

type Pixels = NDArray[np.uint8]

SETTINGS = Settings(bitrate_kbps=5000, gop=0, fps=60)
DEADLINE_S = 60


class Recorder:
    """An encoder and what came out of it."""

    def __init__(self) -> None:
        self.pictures: list[EncodedPicture] = []
        self._news = trio.Event()
        self.encoder = H264Encoder(self._take)

    def _take(self, picture: EncodedPicture) -> None:
        self.pictures.append(picture)
        self._news.set()
        self._news = trio.Event()

    async def until(self, wanted: Callable[[list[EncodedPicture]], bool]) -> None:
        with trio.fail_after(DEADLINE_S):
            while not wanted(self.pictures):
                await self._news.wait()

    async def show(self, frame: Frame, *, online: bool = True) -> EncodedPicture:
        """Give a new picture and return what becomes of it first."""
        count = len(self.pictures)
        await self.encoder.take(frame, online=online)
        await self.until(lambda pictures: any(each.grab_end == frame.grab_end for each in pictures[count:]))
        return next(each for each in self.pictures[count:] if each.grab_end == frame.grab_end)

    async def at_rest(self) -> None:
        """Wait until nothing is encoded nor going to be, unless something happens."""
        session = self.encoder._session
        assert session is not None
        while session.slots.repeats:
            await trio.sleep(0.005)
        await trio.testing.wait_all_tasks_blocked(0.02)

    @property
    def stream(self) -> bytes:
        return b"".join(picture.data for picture in self.pictures)


@asynccontextmanager
async def encoding(settings: Settings = SETTINGS) -> AsyncIterator[Recorder]:
    recorder = Recorder()
    async with trio.open_nursery() as nursery:
        with trio.fail_after(DEADLINE_S):
            await nursery.start(recorder.encoder.run, settings)
        yield recorder
        nursery.cancel_scope.cancel()


def waves(width: int, height: int, phase: float) -> Pixels:
    """Return slow waves of colour (RGB), which every codec shows well."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [128 + 80 * np.sin(x / (40 + 9 * i) + y / (50 - 6 * i) + 2 * i + phase) for i in range(3)]
    return np.dstack(waves).round().astype(np.uint8)


def flat(level: int) -> Pixels:
    """Return a grey picture, which no repeat makes better."""
    return np.full((240, 320, 3), level, np.uint8)


def rgb(pixels: Pixels, at: float = 0.0) -> Frame:
    height, width = pixels.shape[:2]
    return Frame(pixels.tobytes(), width, height, width * 3, PixelFormat.RGB24, at, at)


def yuyv(luma: Pixels, cb: int, cr: int, at: float = 0.0) -> Frame:
    height, width = luma.shape
    packed = np.empty((height, width * 2), np.uint8)
    packed[:, ::2] = luma
    packed[:, 1::4], packed[:, 3::4] = cb, cr
    return Frame(packed.tobytes(), width, height, width * 2, PixelFormat.YUYV, at, at)


def decoded(stream: bytes) -> list[av.VideoFrame]:
    """All pictures of a stream, by a decoder that does not forgive."""
    context = av.CodecContext.create("h264", "r")
    context.options = {"err_detect": "explode"}
    frames: list[Any] = []
    for packet in [*context.parse(stream), *context.parse(None), None]:
        frames += context.decode(packet)
    return frames


def ffmpeg_is_content(stream: bytes) -> None:
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-xerror", "-f", "h264", "-i", "-", "-f", "null", "-"],
        input=stream,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")


def kinds(packet: EncodedPicture) -> list[int]:
    return [kind for kind, _, _ in units(packet.data)]


# -- the stream ---------------------------------------------------------------------------------------------


async def test_the_stream_is_what_is_announced() -> None:
    async with encoding() as recorder:
        for number in range(3):
            await recorder.show(rgb(waves(1920, 1080, number), number))
        recorder.encoder.request_key_frame()
        await recorder.until(lambda pictures: sum(each.key for each in pictures) == 2)
    first, *others = recorder.pictures
    assert first.key
    for each in recorder.pictures:
        # One slice for each picture, parameter sets right in front of each key frame and nowhere else.
        assert [kind for kind in kinds(each) if kind <= IDR_SLICE] == [IDR_SLICE if each.key else SLICE]
        expected = [SEQUENCE_PARAMETERS, PICTURE_PARAMETERS] if each.key else []
        assert [kind for kind in kinds(each) if kind in (7, 8)] == expected
        assert each.encode_end >= each.encode_begin
    assert any(not each.key for each in others)
    # Profile 66 (42 hex); constraint sets 0 and 1: what every baseline and every main decoder decodes.
    (begin,) = (begin for kind, begin, _ in units(first.data) if kind == SEQUENCE_PARAMETERS)
    profile, constraints, level = first.data[begin + 4 : begin + 7]
    assert profile == 0x42
    assert constraints & 0xC0 == 0xC0
    # 1080p at 60 frames a second.
    assert level == 42
    ffmpeg_is_content(recorder.stream)
    assert not any(frame.pict_type == av.video.frame.PictureType.B for frame in decoded(recorder.stream))


async def test_what_is_shown_is_what_was_captured() -> None:
    async with encoding() as recorder:
        picture = waves(640, 480, 1.0)
        await recorder.show(rgb(picture))
        await recorder.until(lambda pictures: len(pictures) > QUIET_REPEATS)
    frame = decoded(recorder.stream)[-1]
    assert (frame.color_range, frame.colorspace) == (1, 1)  # limited, BT.709
    shown = frame.to_ndarray(format="rgb24").astype(np.float64)
    assert np.abs(shown - picture).mean() < 4


async def test_yuv_keeps_its_numbers_and_says_what_they_mean() -> None:
    luma = waves(320, 240, 0.0)[..., 0]
    async with encoding() as recorder:
        await recorder.show(yuyv(luma, 60, 200))
        await recorder.until(lambda pictures: len(pictures) > QUIET_REPEATS)
    frame = decoded(recorder.stream)[-1]
    assert (frame.color_range, frame.colorspace) == (2, 5)  # full, BT.601
    planes = frame.to_ndarray()
    assert np.abs(planes[:240].astype(int) - luma).mean() < 2
    colours = planes[240:].reshape(2, -1)
    assert abs(float(np.mean(colours[0])) - 60) < 1
    assert abs(float(np.mean(colours[1])) - 200) < 1


@pytest.mark.fault("H.264 encoder", "mode change")
async def test_sizes_and_sources_change_within_a_stream() -> None:
    async with encoding() as recorder:
        sizes = [(640, 480), (1279, 721), (64, 48), (640, 480)]
        for number, (width, height) in enumerate(sizes):
            first = await recorder.show(rgb(waves(width, height, number), 10.0 * number))
            assert first.key
            assert (first.width, first.height) == (width + width % 2, height + height % 2)
            assert not (await recorder.show(rgb(waves(width, height, number + 9), 10.0 * number + 1))).key
        # The same size, but other numbers for the same colours: another sequence too.
        assert (await recorder.show(yuyv(np.full((480, 640), 99, np.uint8), 128, 128, 99.0))).key
    ffmpeg_is_content(recorder.stream)
    frames = decoded(recorder.stream)
    assert [(frame.width, frame.height) for frame in frames] == [
        (each.width, each.height) for each in recorder.pictures
    ]
    assert frames[-1].color_range == 2


async def test_the_bit_rate_is_kept_when_all_moves() -> None:
    noise = np.random.default_rng(1)
    async with encoding(Settings(bitrate_kbps=1000, gop=0, fps=30)) as recorder:
        for number in range(60):
            await recorder.show(rgb(noise.integers(0, 256, (240, 320, 3), np.uint8), number))
    # 1000 kbit/s for as long as they last, repeated ones included, and the half second that may be ahead.
    assert len(recorder.stream) < 1000 * 125 * (len(recorder.pictures) / 30 + 0.5)


@pytest.mark.parametrize("gop", [1, 5])
async def test_key_frames_come_as_often_as_is_set(gop: int) -> None:
    async with encoding(Settings(bitrate_kbps=5000, gop=gop, fps=60)) as recorder:
        for number in range(12):
            await recorder.show(rgb(waves(320, 240, number / 5), number))
    keys = [at for at, each in enumerate(recorder.pictures) if each.key]
    assert len(keys) >= 2
    # Repeats of a picture may come in between, and count.
    assert all(later - earlier >= gop for earlier, later in itertools.pairwise(keys))
    assert gop > 1 or len({each.grab_end for each in recorder.pictures if each.key}) == 12


# -- what is encoded when -----------------------------------------------------------------------------------


async def test_a_screen_that_stands_still_rests_until_something_happens() -> None:
    async with encoding() as recorder:
        await recorder.show(rgb(flat(50), 1.0))
        await recorder.at_rest()
        count = len(recorder.pictures)
        assert count > QUIET_REPEATS
        for number in range(5):
            await recorder.encoder.take(rgb(flat(50), 2.0 + number), online=True)
        await recorder.at_rest()
        assert len(recorder.pictures) == count
        recorder.encoder.request_key_frame()
        await recorder.until(lambda pictures: len(pictures) > count)
        assert recorder.pictures[count].key
        changed = await recorder.show(rgb(flat(60), 9.0))
        assert not changed.key
        # The same pixels, but there is no signal any more: that is news.
        gone = await recorder.show(rgb(flat(60), 10.0), online=False)
        assert not gone.online


@pytest.mark.parametrize("kind", ["bytes", "buffer", "JPEG"])
async def test_what_comes_again_is_known_whatever_it_comes_in(kind: str) -> None:
    buffer = bytearray(flat(50).tobytes())

    def frame(at: float) -> Frame:
        data: bytes | bytearray = buffer
        if kind == "bytes":
            data = bytes(buffer)
        elif kind == "JPEG":
            data = JpegEncoder(threads=1).encode(Frame(buffer, 320, 240, 960, PixelFormat.RGB24, at, at), 90)
            return Frame(data, 320, 240, 0, PixelFormat.JPEG, at, at)
        return Frame(data, 320, 240, 960, PixelFormat.RGB24, at, at)

    async with encoding() as recorder:
        first = frame(1.0)
        await recorder.show(first)
        await recorder.at_rest()
        count = len(recorder.pictures)
        for again in (replace(first, grab_end=2.0), frame(3.0)):
            await recorder.encoder.take(again, online=True)
            await recorder.at_rest()
        assert len(recorder.pictures) == count
        # The same buffer with something else in it, as capture devices have it.
        buffer[: 960 * 100] = bytes(960 * 100)
        changed = await recorder.show(frame(4.0))
        assert not changed.key
        buffer[: 960 * 100] = flat(50).tobytes()[: 960 * 100]
        await recorder.show(frame(5.0))


async def test_what_nobody_watched_is_not_shown_to_who_comes_later() -> None:
    async with encoding() as recorder:
        await recorder.show(rgb(flat(50), 1.0))
        await recorder.at_rest()
        recorder.encoder.forget()
        count = len(recorder.pictures)
        recorder.encoder.request_key_frame()
        await recorder.at_rest()
        assert len(recorder.pictures) == count
        # Even what is as it was: they have not seen it.
        later = await recorder.show(rgb(flat(50), 2.0))
        assert later.key


async def test_pictures_that_are_too_large_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async with encoding() as recorder:
        large = Frame(bytes(5000 * 3000), 5000, 3000, 5000, PixelFormat.GREY, 1.0, 1.0)
        await recorder.encoder.take(large, online=True)
        await recorder.encoder.take(large, online=True)
        await recorder.show(rgb(waves(320, 240, 0.0), 2.0))
    assert {each.width for each in recorder.pictures} == {320}
    assert caplog.text.count("5000 x 3000 is more than") == 1


@pytest.mark.fault("H.264 encoder", "garbage")
async def test_damaged_pictures_are_left_out() -> None:
    async with encoding() as recorder:
        damaged = Frame(b"\xff\xd8 cut off", 320, 240, 0, PixelFormat.JPEG, 1.0, 1.0)
        await recorder.encoder.take(damaged, online=True)
        await recorder.show(rgb(waves(320, 240, 0.0), 2.0))
    assert all(each.grab_end == 2.0 for each in recorder.pictures)


async def test_a_frame_that_contradicts_itself_is_an_error_of_who_made_it() -> None:
    async with encoding() as recorder:
        with pytest.raises(ValueError, match="expected buffer of at least"):
            await recorder.encoder.take(Frame(b"", 64, 64, 192, PixelFormat.RGB24, 0.0, 0.0), online=True)
        await recorder.show(rgb(waves(320, 240, 0.0), 2.0))


# -- what goes wrong ----------------------------------------------------------------------------------------


async def failing(settings: Settings, provoke: Callable[[Recorder], Any]) -> tuple[Recorder, DriverError]:
    """Run until *provoke* has had its effect; the error that it ended with."""
    recorder = Recorder()

    async def provoked() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(recorder.encoder.run, settings)
            await provoke(recorder)
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught, trio.fail_after(DEADLINE_S):
        await provoked()
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, DriverError)
    assert not recorder.encoder.running
    return recorder, error


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.fault("H.264 encoder", "killed", "returns")
async def test_a_process_that_is_killed_is_noticed_at_once_and_the_next_one_goes_on() -> None:
    async def kill(recorder: Recorder) -> None:
        await recorder.show(rgb(waves(320, 240, 0.0), 1.0))
        assert recorder.encoder.pid is not None
        os.kill(recorder.encoder.pid, signal.SIGKILL)

    recorder, error = await failing(SETTINGS, kill)
    assert isinstance(error, DeviceGoneError)
    assert "ended with -9" in str(error)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.encoder.run, SETTINGS)
        assert (await recorder.show(rgb(waves(320, 240, 1.0), 2.0))).key
        nursery.cancel_scope.cancel()
    ffmpeg_is_content(recorder.stream)


@pytest.mark.fault("H.264 encoder", "stalls")
async def test_a_process_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    pids = []

    async def stop(recorder: Recorder) -> None:
        await recorder.show(rgb(waves(320, 240, 0.0), 1.0))
        assert recorder.encoder.pid is not None
        pids.append(recorder.encoder.pid)
        monkeypatch.setattr(process_module, "PACKET_DEADLINE_S", 0.3)
        os.kill(recorder.encoder.pid, signal.SIGSTOP)
        await recorder.encoder.take(rgb(waves(320, 240, 1.0), 2.0), online=True)

    _, error = await failing(SETTINGS, stop)
    assert isinstance(error, DeviceTimeoutError)
    assert str(error) == "libx264 encoded no picture within 0.3 s"
    assert ended(pids[0])


@pytest.mark.fault("H.264 encoder", "killed")
async def test_a_codec_that_takes_the_process_with_it_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A worker that dies in its first codec, as one does whose kernel driver is broken."""
    worker = tmp_path / "deadly_worker.py"
    worker.write_text(
        "import os, sys\n"
        "from drivers.video.h264 import codec, worker\n"
        "real = codec.Codec\n"
        "def deadly(name, *arguments, **settings):\n"
        f"    if name == {CODECS[0]!r}:\n"
        "        print('the driver is broken', file=sys.stderr, flush=True)\n"
        "        os.abort()\n"
        "    return real(name, *arguments, **settings)\n"
        "codec.Codec = deadly\n"
        "sys.exit(worker.main(sys.argv[1:]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(process_module, "WORKER", "deadly_worker")

    async def show(recorder: Recorder) -> None:
        await recorder.encoder.take(rgb(waves(320, 240, 0.0), 1.0), online=True)

    recorder, error = await failing(SETTINGS, show)
    assert "ended with -6: the driver is broken" in str(error)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.encoder.run, SETTINGS)
        await recorder.show(rgb(waves(320, 240, 0.0), 1.0))
        assert recorder.encoder.codec == SOFTWARE
        nursery.cancel_scope.cancel()


@pytest.mark.fault("H.264 encoder", "missing")
async def test_an_installation_without_pyav_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "av.py").write_text("raise ImportError('libavcodec.so.63: no such file')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    recorder = Recorder()
    with pytest.raises(BaseExceptionGroup) as caught, trio.fail_after(DEADLINE_S):
        await recorder.encoder.run(SETTINGS)
    assert caught.group_contains(
        NotSupportedError, match=r"PyAV cannot be loaded: libavcodec\.so\.63", depth=1
    )


async def test_codecs_that_there_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "CODECS", ("h264_unheard_of",))
    with pytest.raises(BaseExceptionGroup) as caught, trio.fail_after(DEADLINE_S):
        await Recorder().encoder.run(SETTINGS)
    assert caught.group_contains(NotSupportedError, match="with none of h264_unheard_of", depth=1)


def test_the_process_ends_with_the_appliance() -> None:
    """However that ends: here by SIGKILL, while the process hangs in nothing but waiting."""
    script = (
        "import trio\n"
        "from drivers.video.h264.encoder import H264Encoder\n"
        "from drivers.video.h264.settings import Settings\n"
        "async def main():\n"
        "    encoder = H264Encoder(lambda picture: None)\n"
        "    async with trio.open_nursery() as nursery:\n"
        "        await nursery.start(encoder.run, Settings(5000, 0, 30))\n"
        "        print(encoder.pid, flush=True)\n"
        "        await trio.sleep_forever()\n"
        "trio.run(main)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as appliance:
        assert appliance.stdout is not None
        pid = int(appliance.stdout.readline())
        descriptor = os.pidfd_open(pid)
        try:
            appliance.kill()
            appliance.wait()
            poll = select.poll()
            poll.register(descriptor)
            assert poll.poll(DEADLINE_S * 1000), "the process is still there"
        finally:
            os.close(descriptor)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_package() is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert missing_package() == "PyAV"
