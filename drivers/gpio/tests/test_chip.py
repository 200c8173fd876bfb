"""What can be told of chips without a kernel that has one; the rest is hil/kernel/gpio."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import DeviceGoneError, NotSupportedError
from drivers.gpio.calls import DirectCalls, ThreadCalls
from drivers.gpio.chip import GpioChip
from drivers.gpio.declarations import InputDeclaration, OutputDeclaration
from drivers.gpio.outputs import GpioOutput

LED = InputDeclaration(name="power LED", line=24)


def test_a_path_is_taken_as_it_is_and_need_not_be_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "gpiochip7"
    assert GpioChip(path).find() == path
    with pytest.raises(DeviceGoneError, match=f"there is no GPIO chip {path}: look at the device tree"):
        GpioChip(path).request(LED)


@pytest.mark.parametrize("path", ["/dev/null", "/dev"])
def test_another_kind_of_file_is_no_chip(path: str) -> None:
    with pytest.raises(
        NotSupportedError, match=f"expected a GPIO chip, got another kind of file - at {path}$"
    ):
        GpioChip(path).request(LED)


def test_a_label_is_looked_for_among_chips_only(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").symlink_to("/dev/null")
    (tmp_path / "gpiochip1").write_text("no chip either")
    chip = GpioChip("pinctrl-bcm2711", devices=tmp_path)
    with pytest.raises(DeviceGoneError, match=r"labelled 'pinctrl-bcm2711' \(there is: no chip at all\)"):
        chip.request(LED)


def test_only_slow_chips_are_called_in_threads() -> None:
    assert isinstance(GpioChip("expander", slow=True).calls(), ThreadCalls)
    assert isinstance(GpioChip("pinctrl-bcm2711").calls(), DirectCalls)


def test_lines_are_composed_before_trio_runs() -> None:
    line = GpioOutput(GpioChip("expander", slow=True), OutputDeclaration(name="relay", line=3))
    assert line.statistics() == {
        "runs": 0, "held": 0, "sets": 0, "pulses": 0, "failed_releases": 0
    }  # fmt: skip
