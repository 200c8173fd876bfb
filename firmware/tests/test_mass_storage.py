"""Where the images live: what the configuration says, else fstab, else a directory of our own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import trio

from drivers.emulated.pc import EmulatedPc
from firmware.board_needs import board_needs
from firmware.boards.board import Board
from firmware.boards.data import read_board
from firmware.boards.load import compose_board
from firmware.compose.mass_storage import make_mass_storage
from firmware.core.supervise import Supervisor
from firmware.settings import load

FSTAB = "LABEL=X {mount} ext4 ro,X-kvmd.otgmsd-user=kvmd 0 0\n"


class Place:
    """A machine with a configuration and an fstab."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "config"
        self.config.mkdir()
        self.fstab = directory / "fstab"
        self.mount = directory / "mount"
        self.mount.mkdir()
        self.state = directory / "state"

    async def uploaded(self, *, demo: bool = False) -> None:
        """Upload an image to wherever images go."""
        loaded = load(self.config)
        board: Board = compose_board("emulated", read_board("emulated"), board_needs(loaded, ()))
        if not demo:
            board = dataclasses.replace(board, demo=False)
        assert isinstance(board.target, EmulatedPc)
        msd = await make_mass_storage(loaded, board, Supervisor(), self.state, fstab=self.fstab)
        async with trio.open_nursery() as nursery:
            await nursery.start(board.target.run)
            await nursery.start(msd.run)
            with trio.fail_after(30):
                while not msd.state.value.online:
                    await msd.state.wait_newer(msd.state.version)
            async with msd.writing("a.img", 1) as image:
                await image.write(b"1")
            nursery.cancel_scope.cancel()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_where_fstab_says(place: Place) -> None:
    place.fstab.write_text(FSTAB.format(mount=place.mount))
    # It rests read-only, and there is no helper here that could make it so again: that is only logged.
    await place.uploaded()
    assert (place.mount / "a.img").exists()


async def test_where_the_configuration_says(place: Place, tmp_path: Path) -> None:
    place.fstab.write_text(FSTAB.format(mount=place.mount))
    (tmp_path / "mine").mkdir()
    (place.config / "override.yaml").write_text(f"farhand: {{images: {tmp_path / 'mine'}}}\n")
    await place.uploaded()
    assert (tmp_path / "mine/a.img").exists()


@pytest.mark.parametrize("has_fstab", [False, True])
async def test_in_a_directory_of_our_own(place: Place, has_fstab: bool) -> None:
    if has_fstab:
        place.fstab.write_text("tmpfs /tmp tmpfs defaults 0 0\n")
    await place.uploaded()
    assert (place.state / "images/a.img").exists()


async def test_a_demo_does_not_look_at_the_machine_that_it_runs_on(place: Place) -> None:
    place.fstab.write_text(FSTAB.format(mount=place.mount))
    await place.uploaded(demo=True)
    assert (place.state / "images/a.img").exists()
    assert not (place.mount / "a.img").exists()
