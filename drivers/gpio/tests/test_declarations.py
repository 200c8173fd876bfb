from __future__ import annotations

import math

import pytest

from drivers.gpio.declarations import InputDeclaration, OutputDeclaration


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("", 1, "expected a printable name of a line, got ''"),
        ("a\nb", 1, "expected a printable name of a line"),
        ("led", -1, "expected an offset of 0 or more, got -1 - at the line led"),
        ("led", 2**32, "got 4294967296 - at the line led"),
        ("led", "", "expected the kernel's name of a line, got an empty one - at led"),
    ],
)
@pytest.mark.parametrize("kind", [InputDeclaration, OutputDeclaration])
def test_a_line_that_cannot_be_is_refused(
    kind: type[InputDeclaration | OutputDeclaration], name: str, line: int | str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        kind(name=name, line=line)


@pytest.mark.parametrize("debounce_s", [-0.1, math.nan, math.inf, 4295])
def test_a_debounce_time_that_the_kernel_cannot_count_is_refused(debounce_s: float) -> None:
    with pytest.raises(ValueError, match="expected a debounce time of 0 to 4295 s, got"):
        InputDeclaration(name="led", line=1, debounce_s=debounce_s)


def test_an_output_rests_inactive_unless_told_otherwise() -> None:
    assert OutputDeclaration(name="switch", line="GPIO23").rest is False
