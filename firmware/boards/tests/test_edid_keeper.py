"""The EDID that the target sees: kept right whatever happens to the capture and to the file."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.wire.edid import build_edid
from firmware.boards.edid_keeper import FILE_DEADLINE_S, LOOK_INTERVAL_S, MAX_FILE_BYTES, EdidKeeper

OWN = build_edid(name="Own")
MINE = build_edid(name="Mine")
OTHER = build_edid(name="Other")


class Chip:
    """A capture's memory for an EDID."""

    def __init__(self, edid: bytes = b"") -> None:
        self.edid = edid
        self.writes: list[bytes] = []
        self.changed_by_chip: Callable[[bytes], bytes] = bytes
        self.gone = False

    async def read(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self.gone:
            raise DeviceGoneError("the chip is gone")
        return self.edid

    async def write(self, edid: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.writes.append(edid)
        self.edid = self.changed_by_chip(edid)


@asynccontextmanager
async def kept(clock: MockClock, chip: Chip, file: Path | None) -> AsyncIterator[None]:
    # The file is read in a thread, which is no task: a moment of real idleness before the clock jumps.
    clock.autojump_threshold = 0.05
    async with trio.open_nursery() as nursery:
        await nursery.start(EdidKeeper(chip, file, own=OWN).run)
        yield
        nursery.cancel_scope.cancel()


async def failure(clock: MockClock, keeper: EdidKeeper) -> DriverError:
    """Return what ends the keeper."""
    clock.autojump_threshold = 0.05
    with pytest.raises(DriverError) as caught, trio.fail_after(3 * LOOK_INTERVAL_S):
        await keeper.run()
    return caught.value


async def test_without_a_file_our_own_is_written_and_then_left_alone(
    mock_clock: MockClock, tmp_path: Path
) -> None:
    for file in (None, tmp_path / "none.hex", tmp_path / "none" / "none.hex"):
        chip = Chip()
        async with kept(mock_clock, chip, file):
            assert chip.edid == OWN
            await trio.sleep(10 * LOOK_INTERVAL_S)
        assert chip.writes == [OWN]


async def test_a_right_one_is_not_written_again(mock_clock: MockClock) -> None:
    chip = Chip(OWN)
    async with kept(mock_clock, chip, None):
        await trio.sleep(2 * LOOK_INTERVAL_S)
    assert chip.writes == []


@pytest.mark.parametrize("content", [MINE, MINE.hex().encode(), MINE.hex(" ", 16).upper().encode() + b"\n"])
async def test_a_file_may_be_binary_or_hex(mock_clock: MockClock, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "edid.hex"
    file.write_bytes(content)
    chip = Chip()
    async with kept(mock_clock, chip, file):
        assert chip.edid == MINE


async def test_a_lost_or_foreign_one_is_replaced(mock_clock: MockClock) -> None:
    chip = Chip()
    async with kept(mock_clock, chip, None):
        for lost in (b"", OTHER):
            chip.edid = lost
            await trio.sleep(LOOK_INTERVAL_S + 1)
            assert chip.edid == OWN


async def test_a_changed_file_is_followed(mock_clock: MockClock, tmp_path: Path) -> None:
    file = tmp_path / "edid.hex"
    file.write_bytes(MINE)
    chip = Chip()
    async with kept(mock_clock, chip, file):
        for write, expected in (
            (lambda: file.write_text(OTHER.hex()), OTHER),
            (file.unlink, OWN),
            (lambda: file.write_bytes(MINE), MINE),
        ):
            write()
            await trio.sleep(LOOK_INTERVAL_S + 1)
            assert chip.edid == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "an empty file"),
        (b" \n", "an empty file"),
        (b"not hex", "as hex digits or binary"),
        (MINE[:-1] + bytes((MINE[-1] ^ 1,)), "checksum"),
        (MINE[:200], "blocks of 128 bytes, got 200"),
        (b" " * (MAX_FILE_BYTES + 1), f"at most {MAX_FILE_BYTES} bytes"),
    ],
)
@pytest.mark.fault("EDID of the capture", "garbage")
async def test_a_wrong_file_is_named_and_the_target_does_not_stay_dark(
    mock_clock: MockClock, tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "edid.hex"
    file.write_bytes(content)
    chip = Chip()
    keeper = EdidKeeper(chip, file, own=OWN)
    for _ in range(2):
        error = await failure(mock_clock, keeper)
        assert problem in str(error)
        assert str(file) in str(error)
    assert chip.writes == [OWN]
    # The one of yesterday's right file stays.
    chip.edid = OTHER
    await failure(mock_clock, keeper)
    assert chip.edid == OTHER
    file.write_bytes(MINE)
    async with kept(mock_clock, chip, file):
        assert chip.edid == MINE


async def test_a_directory_is_no_edid(mock_clock: MockClock, tmp_path: Path) -> None:
    error = await failure(mock_clock, EdidKeeper(Chip(), tmp_path, own=OWN))
    assert "Is a directory" in str(error)
    assert str(tmp_path) in str(error)


@pytest.mark.fault("EDID of the capture", "stalls")
async def test_a_file_that_hangs_costs_one_thread_however_often_it_is_tried(
    mock_clock: MockClock, tmp_path: Path
) -> None:
    pipe = tmp_path / "edid.hex"
    os.mkfifo(pipe)
    chip = Chip()
    keeper = EdidKeeper(chip, pipe, own=OWN)
    before = threading.active_count()
    try:
        for _ in range(4):
            error = await failure(mock_clock, keeper)
            assert isinstance(error, DeviceTimeoutError)
            assert f"within {FILE_DEADLINE_S} s" in str(error)
        assert threading.active_count() <= before + 1
        assert chip.edid == OWN
    finally:
        os.close(os.open(pipe, os.O_RDWR))


@pytest.mark.fault("EDID of the capture", "garbage")
async def test_a_chip_that_changes_what_it_is_given_is_written_once(mock_clock: MockClock) -> None:
    chip = Chip()
    chip.changed_by_chip = lambda edid: edid[:-2] + b"\x12\x34"
    async with kept(mock_clock, chip, None):
        await trio.sleep(5 * LOOK_INTERVAL_S)
        assert chip.writes == [OWN]
        chip.edid = OTHER
        await trio.sleep(LOOK_INTERVAL_S + 1)
        assert chip.writes == [OWN, OWN]


async def test_a_chip_that_keeps_nothing_is_an_error(mock_clock: MockClock) -> None:
    chip = Chip()
    chip.changed_by_chip = lambda _: b""
    assert "it has none" in str(await failure(mock_clock, EdidKeeper(chip, None, own=OWN)))


@pytest.mark.fault("EDID of the capture", "missing")
async def test_a_capture_that_goes_ends_it_with_the_captures_error(mock_clock: MockClock) -> None:
    chip = Chip(OWN)
    chip.gone = True
    assert isinstance(await failure(mock_clock, EdidKeeper(chip, None, own=OWN)), DeviceGoneError)


async def test_a_chosen_one_is_shown_at_once_and_kept(mock_clock: MockClock, tmp_path: Path) -> None:
    mock_clock.autojump_threshold = 0.05
    file = tmp_path / "edid.hex"
    file.write_bytes(OTHER)
    chip = Chip()
    keeper = EdidKeeper(chip, file, own=OWN)
    keeper.choose(MINE)
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper.run)
        assert (keeper.chosen, keeper.shown, keeper.applied, chip.edid) == (MINE, MINE, True, MINE)
        chip.edid = b""
        await trio.sleep(LOOK_INTERVAL_S + 1)
        assert chip.edid == MINE
        await keeper.show(None)
        assert (keeper.chosen, keeper.shown, chip.edid) == (None, OTHER, OTHER)
        # What is wrong with the file is of no interest to who chose.
        file.write_text("rubbish")
        await keeper.show(MINE)
        await trio.sleep(2 * LOOK_INTERVAL_S)
        assert (keeper.applied, chip.edid) == (True, MINE)
        nursery.cancel_scope.cancel()
    assert chip.writes == [MINE, MINE, OTHER, MINE]


async def test_a_refused_choice_is_none_and_one_for_later_holds() -> None:
    def refuse(_edid: bytes) -> bytes:
        raise DriverError("at most 1 block")

    chip = Chip()
    keeper = EdidKeeper(chip, None, own=OWN)
    await keeper.show(MINE)
    chip.changed_by_chip = refuse
    with pytest.raises(DriverError, match="at most 1 block"):
        await keeper.show(OTHER)
    assert (keeper.chosen, keeper.applied, keeper.shown) == (MINE, True, MINE)
    chip.changed_by_chip, chip.gone = bytes, True
    with pytest.raises(DeviceGoneError):
        await keeper.show(OTHER)
    assert (keeper.chosen, keeper.applied, keeper.shown) == (OTHER, False, b"")
    chip.gone = False
    await keeper.show(OTHER)
    assert (keeper.applied, chip.edid) == (True, OTHER)


async def test_a_chosen_one_that_a_new_capture_refuses_does_not_leave_the_target_dark(
    mock_clock: MockClock,
) -> None:
    def take_own_only(edid: bytes) -> bytes:
        if edid != OWN:
            raise DriverError("at most 1 block")
        return edid

    chip = Chip()
    chip.changed_by_chip = take_own_only
    keeper = EdidKeeper(chip, None, own=OWN)
    keeper.choose(MINE)
    assert "at most 1 block" in str(await failure(mock_clock, keeper))
    assert chip.edid == OWN
    assert (keeper.chosen, keeper.applied) == (MINE, False)
