"""The EDID through the real kernel: what is written is what is read, and nothing wrong gets in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from peers import vivid as peer

from drivers.errors import DeviceBusyError, DriverError, NotSupportedError
from drivers.video.v4l2.edid import V4l2Edid
from drivers.video.v4l2.source import V4l2Source
from drivers.wire.edid import BLOCK_BYTES, build_edid, parse_edid, with_checksums
from firmware.boards.edid_keeper import EdidKeeper
from firmware.subsystems.streamer.edid import EdidRefusedError, EdidService


def of_blocks(count: int) -> bytes:
    """A valid EDID of that many blocks."""
    data = bytearray(build_edid()[:BLOCK_BYTES] + bytes((count - 1) * BLOCK_BYTES))
    data[126] = count - 1
    return with_checksums(bytes(data))


async def test_what_is_written_is_read(vivid: peer.Vivid, source: V4l2Source) -> None:
    edid = V4l2Edid(source)
    found = await edid.read()
    assert parse_edid(found) is not None
    for wanted in (build_edid(), build_edid(name="Another"), of_blocks(1), found):
        await edid.write(wanted)
        assert await edid.read() == wanted


@pytest.mark.fault("EDID of the capture", "no signal")
async def test_an_edid_is_taken_away_and_the_signal_with_it(
    vivid: peer.Vivid, source: V4l2Source, until: Any, no_signal: Any
) -> None:
    edid = V4l2Edid(source)
    await edid.write(b"")
    assert await edid.read() == b""
    async with source.open(max_fps=0) as stream:
        await no_signal(stream)
        await edid.write(build_edid())
        (await until(stream)).release()


async def test_wrong_ones_are_refused_by_name(vivid: peer.Vivid, source: V4l2Source) -> None:
    edid = V4l2Edid(source)
    good = build_edid()
    await edid.write(good)
    bad = {
        good[:100]: "blocks of 128 bytes, got 100 bytes",
        b"\xff" + good[1:]: "starts with 00 ff",
        good[:-1] + bytes((good[-1] ^ 1,)): "checksum",
        good[:BLOCK_BYTES]: "2 blocks as byte 126 says, got 1",
        of_blocks(3): "at most 2 blocks of 128 bytes, got 3",
    }
    for data, message in bad.items():
        with pytest.raises(DriverError, match=message):
            await edid.write(data)
    assert await edid.read() == good


async def test_it_changes_under_a_running_capture(vivid: peer.Vivid, source: V4l2Source, until: Any) -> None:
    edid = V4l2Edid(source)
    async with source.open(max_fps=0) as stream:
        borrowed = await until(stream)
        for name in ("First", "Second", "Third"):
            await edid.write(build_edid(name=name))
            assert await edid.read() == build_edid(name=name)
            frame = await until(stream)
            assert (frame.width, frame.height) == (1280, 720)
            frame.release()
        borrowed.release()


async def test_another_programs_capture_is_named(vivid: peer.Vivid, source: V4l2Source, until: Any) -> None:
    other = V4l2Source(source._choice)
    async with other.open(max_fps=0) as stream:
        (await until(stream)).release()
        with pytest.raises(DeviceBusyError, match=str(vivid.capture)):
            await V4l2Edid(source).write(build_edid())
        (await until(stream)).release()


async def test_a_device_without_one_says_so(webcam: peer.Vivid, source: V4l2Source) -> None:
    with pytest.raises(NotSupportedError, match="no EDID"):
        await V4l2Edid(source).write(build_edid())
    with pytest.raises(NotSupportedError, match="no EDID"):
        await V4l2Edid(source).read()


@pytest.mark.fault("EDID of the capture", "vanishes", "returns")
async def test_a_choice_is_kept_whatever_the_capture_does(
    source: V4l2Source, until: Any, tmp_path: Path
) -> None:
    """What the API chooses: shown under a running capture, refused by the chip, back after a replug."""
    mine = build_edid(name="Mine")
    keeper = EdidKeeper(V4l2Edid(source), None, own=build_edid())
    service = EdidService(keeper, tmp_path / "edid.bin")
    with peer.loaded():
        async with source.open(max_fps=0) as stream:
            (await until(stream)).release()
            await service.change(mine)
            with pytest.raises(EdidRefusedError, match="at most 2 blocks of 128 bytes, got 3"):
                await service.change(of_blocks(3))
            assert await V4l2Edid(source).read() == mine
            (await until(stream)).release()
    await service.change(build_edid(name="Later"))
    assert service.state is not None
    assert not service.state.applied
    with peer.loaded():
        restarted = EdidKeeper(V4l2Edid(source), None, own=build_edid())
        await EdidService(restarted, tmp_path / "edid.bin").restore()
        async with trio.open_nursery() as nursery:
            await nursery.start(restarted.run)
            assert await V4l2Edid(source).read() == build_edid(name="Later")
            nursery.cancel_scope.cancel()
