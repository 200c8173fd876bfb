"""Waiting for a change, as far as it needs no capture; the rest is tested in the rig."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from typing import Any

import pytest

from drivers.video.v4l2 import _watch

PICTURE = bytes(64 * 48 * 2)


@pytest.fixture
def pipes() -> Iterator[tuple[int, int, int, int]]:
    """Two pipes: one instead of the capture, one to stop with."""
    capture, to_capture = os.pipe()
    stop, to_stop = os.pipe()
    yield capture, to_capture, stop, to_stop
    for fd in (capture, to_capture, stop, to_stop):
        os.close(fd)


def wait(capture: int, stop: int, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "fd": capture,
        "stop_fd": stop,
        "buffer_type": 1,
        "multiplanar": False,
        "maps": (bytearray(PICTURE), bytearray(PICTURE)),
        "whole_bytes": len(PICTURE),
        "last": PICTURE,
        "width": 64,
        "height": 48,
        "stride_bytes": 128,
        "pixel_format": "YUYV",
        "sequence": -1,
        "period_s": 0.0,
        "due_s": math.nan,
        "show_after_s": 10.0,
        "silence_s": 10.0,
    }
    return _watch.wait_for_change(*{**arguments, **changes}.values())


def test_silence_ends_it_and_nothing_is_lost(pipes: Any) -> None:
    capture, _, stop, _ = pipes
    outcome = wait(capture, stop, silence_s=0.01, sequence=7, due_s=1.5)
    assert outcome == (None, 7, 0, 0, 0, 1.5)


def test_it_stops_when_told(pipes: Any) -> None:
    capture, _, stop, to_stop = pipes
    os.write(to_stop, b"x")
    assert wait(capture, stop)[0] is None


@pytest.mark.parametrize("multiplanar", [False, True])
def test_an_error_of_the_device_is_raised(pipes: Any, multiplanar: bool) -> None:
    """A pipe knows no such request."""
    capture, to_capture, stop, _ = pipes
    os.write(to_capture, b"x")
    with pytest.raises(OSError, match="ioctl") as caught:
        wait(capture, stop, multiplanar=multiplanar)
    assert caught.value.errno == errno.ENOTTY


def test_a_capture_that_hangs_up_is_left_to_whoever_reads_it(pipes: Any) -> None:
    _, _, stop, _ = pipes
    capture, to_capture = os.pipe()
    os.close(to_capture)
    assert wait(capture, stop)[0] is None
    os.close(capture)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"last": PICTURE[:-1]}, "expected last of at least"),
        ({"width": 0}, "expected a picture"),
        ({"height": 70000}, "expected a picture"),
        ({"stride_bytes": 100}, "stride"),
        ({"pixel_format": "none"}, "pixel_format"),
        ({"whole_bytes": 0}, "expected a picture"),
        ({"maps": (bytearray(1),) * 33}, "at most 32 buffers"),
    ],
)
def test_arguments_that_contradict_themselves(pipes: Any, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        wait(pipes[0], pipes[2], **changes)


@pytest.mark.parametrize(
    "changes", [{"maps": [bytearray(4)]}, {"maps": (1,)}, {"last": 1}, {"pixel_format": 1}]
)
def test_arguments_of_the_wrong_type(pipes: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        wait(pipes[0], pipes[2], **changes)


def test_buffers_are_given_back_after_each_outcome(pipes: Any) -> None:
    capture, to_capture, stop, _ = pipes
    maps = (bytearray(PICTURE), bytearray(PICTURE))
    wait(capture, stop, maps=maps, silence_s=0.001)
    os.write(to_capture, b"x")
    with pytest.raises(OSError, match="ioctl"):
        wait(capture, stop, maps=maps)
    with pytest.raises(TypeError):
        wait(capture, stop, maps=(*maps, None))
    for each in maps:
        each.clear()  # impossible while somebody has a view
