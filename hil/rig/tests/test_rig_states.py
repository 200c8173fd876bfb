"""States that are never tried twice, and what pytest is asked to do inside."""

from __future__ import annotations

from pathlib import Path

import pytest
from rig import in_guest
from rig.errors import BrokenRigError, RigError
from rig.strategy import Strategy


def test_the_way_to_a_state_is_taken_step_by_step() -> None:
    taken: list[str] = []
    strategy = Strategy(
        "off",
        {
            ("off", "booted"): lambda: taken.append("boot"),
            ("booted", "up"): lambda: taken.append("raise"),
            ("up", "off"): lambda: taken.append("fell"),
        },
    )
    strategy.to("up")
    assert (strategy.state, taken) == ("up", ["boot", "raise"])
    strategy.to("up")
    strategy.to("booted")
    assert taken == ["boot", "raise", "fell", "boot"]
    with pytest.raises(ValueError, match="expected one of booted, off, up, got 'down'"):
        strategy.to("down")


def test_a_transition_that_fails_is_never_tried_again() -> None:
    tries: list[int] = []

    def raise_gadget() -> None:
        tries.append(1)
        raise RigError("no controller")

    strategy = Strategy("booted", {("booted", "up"): raise_gadget, ("booted", "off"): lambda: None})
    with pytest.raises(
        BrokenRigError, match="raise_gadget failed, which leads from booted to up: no controller"
    ):
        strategy.to("up")
    assert strategy.state == "broken"
    for target in ("up", "off"):
        with pytest.raises(
            BrokenRigError, match="broken since raise_gadget from booted to up failed: no controller"
        ):
            strategy.to(target)
    assert len(tries) == 1


def test_without_a_path_the_kernel_tests_are_selected(tmp_path: Path) -> None:
    (tmp_path / "drivers").mkdir()
    assert in_guest.PytestRun(("-q", "-k", "hid")).command(tmp_path)[-4:] == ["-q", "-k", "hid", "hil/kernel"]
    assert in_guest.PytestRun(("-k", "drivers")).command(tmp_path)[-1] == "hil/kernel"
    assert in_guest.PytestRun(("drivers::test_a", "-x")).command(tmp_path)[-2:] == ["drivers::test_a", "-x"]


def test_paths_of_the_guest_become_the_projects() -> None:
    assert in_guest.host_path("/tree/drivers/a.py", Path("/home/x/p")) == "/home/x/p/drivers/a.py"
    assert in_guest.host_path("/usr/lib/a.py", Path("/home/x/p")) == "/usr/lib/a.py"
