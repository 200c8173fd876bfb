"""The choice of an EDID: what the capture refuses is not kept, and what cannot be kept is not shown."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest
import trio

from drivers.errors import DeviceBusyError, DriverError, NotSupportedError
from drivers.wire.edid import build_edid
from firmware.subsystems.streamer.edid import (
    EdidNotKeptError,
    EdidNotSupportedError,
    EdidRefusedError,
    EdidService,
)

CONFIGURED = build_edid(name="Configured")
MINE = build_edid(name="Mine")
OTHER = build_edid(name="Other")


class Keeper:
    """A capture that fails as it is told to."""

    def __init__(self) -> None:
        self.chosen: bytes | None = None
        self.shown = CONFIGURED
        self.failure: Exception | None = None

    @property
    def applied(self) -> bool:
        return self.shown == (self.chosen or CONFIGURED)

    def choose(self, edid: bytes | None) -> None:
        self.chosen = edid

    async def show(self, edid: bytes | None) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(self.failure, DeviceBusyError):
            self.chosen = edid
        if self.failure is not None:
            raise self.failure
        self.chosen, self.shown = edid, edid or CONFIGURED


async def restored(path: Path) -> bytes | None:
    """What is chosen after a restart."""
    keeper = Keeper()
    await EdidService(keeper, path).restore()
    return keeper.chosen


async def test_a_capture_without_one_says_so(tmp_path: Path) -> None:
    service = EdidService(None, tmp_path / "edid.bin")
    await service.restore()
    assert service.state is None
    with pytest.raises(EdidNotSupportedError, match="expected a capture with an EDID"):
        await service.change(MINE)
    keeper = Keeper()
    keeper.failure = NotSupportedError("/dev/video0: this capture has no EDID that could be set")
    with pytest.raises(EdidNotSupportedError, match="/dev/video0: this capture has no EDID"):
        await EdidService(keeper, tmp_path / "edid.bin").change(MINE)
    assert await restored(tmp_path / "edid.bin") is None


async def test_what_the_capture_refuses_is_not_kept(tmp_path: Path) -> None:
    keeper, path = Keeper(), tmp_path / "edid.bin"
    service = EdidService(keeper, path)
    await service.change(MINE)
    keeper.failure = DriverError("expected an EDID of at most 2 blocks of 128 bytes, got 3")
    with pytest.raises(EdidRefusedError, match="at most 2 blocks"):
        await service.change(OTHER)
    assert service.state is not None
    assert service.state.data == MINE.hex().upper()
    assert await restored(path) == MINE


async def test_a_busy_capture_gets_it_later(tmp_path: Path) -> None:
    keeper, path = Keeper(), tmp_path / "edid.bin"
    keeper.failure = DeviceBusyError("/dev/video0 is in use")
    service = EdidService(keeper, path)
    await service.change(MINE)
    assert service.state is not None
    assert (service.state.source, service.state.applied) == ("api", False)
    assert await restored(path) == MINE


async def test_what_cannot_be_kept_is_taken_back(tmp_path: Path) -> None:
    keeper = Keeper()
    service = EdidService(keeper, tmp_path / "gone" / "edid.bin")
    with pytest.raises(EdidNotKeptError, match=r"cannot be kept: No such file or directory - at .*edid\.bin"):
        await service.change(MINE)
    assert (keeper.chosen, keeper.shown) == (None, CONFIGURED)


@pytest.mark.fault("EDID of the capture", "ENOSPC")
async def test_a_full_disk_leaves_the_choice_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    keeper, path = Keeper(), tmp_path / "edid.bin"
    service = EdidService(keeper, path)
    await service.change(MINE)
    with monkeypatch.context() as patch:
        patch.setattr("firmware.subsystems.streamer.edid.replace", full)
        with pytest.raises(EdidNotKeptError, match="cannot be kept: No space left on device"):
            await service.change(OTHER)
    assert (keeper.chosen, await restored(path)) == (MINE, MINE)
    await service.change(OTHER)
    assert (keeper.chosen, await restored(path)) == (OTHER, OTHER)


@pytest.mark.parametrize("content", [MINE[:100], MINE[:-1] + b"!", b"rubbish", None])
async def test_a_damaged_file_counts_as_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    path = tmp_path / "edid.bin"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert await restored(path) is None
    assert "the EDID that was chosen is damaged: " in caplog.text
    assert str(path) in caplog.text


async def test_back_to_the_configured_one_is_kept_too(tmp_path: Path) -> None:
    keeper, path = Keeper(), tmp_path / "edid.bin"
    service = EdidService(keeper, path)
    await service.change(MINE)
    await service.change(b"")
    assert keeper.shown == CONFIGURED
    assert service.state is not None
    assert (service.state.source, service.state.data) == ("config", CONFIGURED.hex().upper())
    assert await restored(path) is None


async def test_one_change_at_a_time(tmp_path: Path) -> None:
    keeper, path = Keeper(), tmp_path / "edid.bin"
    service = EdidService(keeper, path)
    async with trio.open_nursery() as nursery:
        for edid in (MINE, OTHER, MINE, OTHER):
            nursery.start_soon(service.change, edid)
    assert keeper.chosen == await restored(path)
