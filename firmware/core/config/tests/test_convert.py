"""Converting trees to sections: every error at once, warnings, defaults, and the way back."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Self, override

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from firmware.core.config.convert import convert, masked, to_plain
from firmware.core.config.errors import ConfigurationError, Problem
from firmware.core.config.kinds import (
    AbsolutePath,
    Interval,
    Mode,
    NonEmptyText,
    OptionalPath,
    OptionalText,
    Pattern,
    TextList,
    integer,
)
from firmware.core.config.schema import key_paths, plan_of
from firmware.core.config.section import Keys, Notes, Section
from firmware.core.config.tree import Node, Position, from_plain


class Limits(Section, frozen=True):
    min: int = 0
    max: int = 10

    @override
    def settle(self, notes: Notes) -> Self:
        if self.min > self.max:
            notes.error("min", f"expected at most max ({self.max}), got {self.min}")
        if notes.given("max") and self.max > 100:
            notes.warning("max", "very high")
        return self


class Lamp(Section, frozen=True):
    type: Literal["lamp"] = "lamp"
    watts: Annotated[int, integer(1)] = 5


class Fan(Section, frozen=True, kw_only=True):
    type: Literal["fan"] = "fan"
    device: AbsolutePath
    passwd: OptionalText = ""


class Nothing(Section, frozen=True):
    type: Literal[""] = ""


type Thing = Lamp | Fan


class Root(Section, frozen=True):
    enabled: bool = True
    delay: Interval = 0.5
    name: str = ""
    mode: Literal["a", "b"] = "a"
    file: AbsolutePath = Path("/default")
    other: OptionalPath = None
    bits: Mode = 0o640
    words: TextList = ("x",)
    limits: Limits = Limits()
    wide: Limits = Limits(max=50)
    main: Thing = Lamp(watts=7)
    spare: Thing | Nothing = Nothing()
    things: Annotated[Mapping[str, Thing], Keys(Pattern(re.compile(r"[a-z]+"), "a small name"))] = (
        MappingProxyType({"first": Lamp(watts=9)})
    )


def tree(value: object) -> Node:
    return from_plain(value, Position("f.yaml", 3))


def problems(value: object) -> tuple[list[str], list[str]]:
    with pytest.raises(ConfigurationError) as caught:
        convert(Root, tree(value))
    assert str(caught.value) == "\n".join(map(str, caught.value.errors))
    return list(map(str, caught.value.errors)), list(map(str, caught.value.warnings))


def warnings(value: object) -> list[str]:
    return list(map(str, convert(Root, tree(value)).warnings))


def test_nothing_gives_the_defaults() -> None:
    for nothing in ({}, None, {"limits": None, "things": None, "main": None}):
        result = convert(Root, tree(nothing))
        assert result.value == Root()
        assert result.warnings == ()


def test_values_are_converted() -> None:
    given = {
        "enabled": "no",
        "delay": 2,
        "name": "n",
        "mode": "B",
        "file": "/f",
        "other": "/o",
        "bits": 0o600,
        "words": "a,b",
        "limits": {"max": "0x20"},
        "wide": {"min": 1},
        "main": {"watts": 60},
        "spare": {"type": "fan", "device": "/dev/fan"},
        "things": {"first": {"watts": 1}, "cool": {"type": "fan", "device": "/dev/c"}},
    }
    assert convert(Root, tree(given)).value == Root(
        enabled=False,
        delay=2.0,
        name="n",
        mode="b",
        file=Path("/f"),
        other=Path("/o"),
        bits=0o600,
        words=("a", "b"),
        limits=Limits(max=32),
        wide=Limits(min=1, max=50),
        main=Lamp(watts=60),
        spare=Fan(device=Path("/dev/fan")),
        things={"first": Lamp(watts=1), "cool": Fan(device=Path("/dev/c"))},
    )


def test_entries_of_the_default_stay_and_can_change_their_sort() -> None:
    value = convert(Root, tree({"things": {"first": {"type": "fan", "device": "/d"}}})).value
    assert value.things == {"first": Fan(device=Path("/d"))}
    assert convert(Root, tree({"main": {"type": "lamp"}})).value.main == Lamp(watts=7)


def test_all_errors_are_reported_at_once_with_place_key_value_and_what_is_allowed() -> None:
    errors, _ = problems(
        {
            "enabled": "on",
            "delay": 0.01,
            "mode": "c",
            "file": "relative",
            "words": [["a"], "b", {}],
            "limits": 5,
            "main": {"type": "heater"},
            "things": {"BAD": {"type": "lamp"}, "fan": {"type": "fan"}, "none": {}},
        }
    )
    assert errors == [
        "f.yaml:3: enabled: expected a boolean (1 true yes, 0 false no), got 'on'",
        "f.yaml:3: delay: expected a number >= 0.1, got 0.01",
        "f.yaml:3: mode: expected one of a, b, got 'c'",
        "f.yaml:3: file: expected an absolute path, got 'relative'",
        "f.yaml:3: words/0: expected text, got a list",
        "f.yaml:3: words/2: expected text, got a section",
        "f.yaml:3: limits: expected a section, got 5",
        "f.yaml:3: main/type: expected one of lamp, fan, got 'heater'",
        "f.yaml:3: things/BAD: expected a small name, got 'BAD' as the key",
        "f.yaml:3: things/fan/device: expected an absolute path, got nothing; it is required",
        "f.yaml:3: things/none/type: expected one of lamp, fan, got nothing; it is required",
    ]


def test_sections_check_values_against_each_other() -> None:
    assert problems({"limits": {"min": 11}})[0] == ["f.yaml:3: limits/min: expected at most max (10), got 11"]
    assert warnings({"limits": {"max": 101}}) == ["f.yaml:3: limits/max: very high"]


def test_what_a_board_gives_is_not_given_by_somebody() -> None:
    board = from_plain({"limits": {"max": 101}}, Position("the board's defaults"))
    assert convert(Root, board).warnings == ()


@pytest.mark.parametrize(
    ("value", "warning"),
    [
        ({"enabeld": True}, "f.yaml:3: enabeld: unknown key, ignored; did you mean enabled?"),
        ({"limits": {"maxx": 1}}, "f.yaml:3: limits/maxx: unknown key, ignored; did you mean limits/max?"),
        ({"watts": 5}, "f.yaml:3: watts: unknown key, ignored"),  # main/watts or spare/watts?
        ({"quite_different": 5}, "f.yaml:3: quite_different: unknown key, ignored"),
        ({"main": {"device": "/x"}}, "f.yaml:3: main/device: not used with type lamp, ignored"),
        ({"wide": {"limits": 1}}, "f.yaml:3: wide/limits: unknown key, ignored; did you mean limits?"),
    ],
)
def test_unknown_keys_are_warnings_with_a_suggestion(value: object, warning: str) -> None:
    assert warnings(value)[:1] == [warning]


def test_keys_of_somebody_else_are_named_as_such() -> None:
    result = convert(Root, tree({"vnc": {"port": 1}}), foreign={"vnc": "is not here"})
    assert list(map(str, result.warnings)) == ["f.yaml:3: vnc: is not here"]


def test_warnings_come_with_errors_too() -> None:
    errors, remarks = problems({"delay": 0, "unheard_of": 1})
    assert len(errors) == len(remarks) == 1


def test_paths_can_be_relocated() -> None:
    def relocate(path: Path, given: bool) -> tuple[Path, str | None]:
        return (path, "moved away") if given else (Path("/elsewhere") / path.name, None)

    result = convert(Root, tree({"other": "/set"}), relocate=relocate)
    assert (result.value.file, result.value.other) == (Path("/elsewhere/default"), Path("/set"))
    assert list(map(str, result.warnings)) == ["f.yaml:3: other: moved away"]


def test_secrets_never_stand_in_messages() -> None:
    errors, _ = problems(
        {"main": {"type": "fan", "device": "x://me:hidden@host/", "passwd": {"a": "hidden"}}}
    )
    assert errors == [
        "f.yaml:3: main/device: expected an absolute path, got 'x://me:***@host/'",
        "f.yaml:3: main/passwd: expected text, got a section",
    ]


class Secretive(Section, frozen=True):
    passwd: Annotated[str, Pattern(re.compile("[a-z]+"), "small letters")] = ""
    token: NonEmptyText = "t"


def test_a_wrong_secret_is_masked() -> None:
    with pytest.raises(ConfigurationError) as caught:
        convert(Secretive, tree({"passwd": "Hidden", "token": ""}))
    assert str(caught.value).splitlines() == [
        "f.yaml:3: passwd: expected small letters, got ***",
        "f.yaml:3: token: expected text that is not empty, got ***",
    ]


def test_masking() -> None:
    plain = {
        "passwd": "p",
        "token": "",
        "secret": {"file": "/s"},
        "url": "https://me:word@host/x",
        "list": ["ftp://a:b@c", 5],
        "user": "u",
    }
    assert masked(plain) == {
        "passwd": "***",
        "token": "",
        "secret": {"file": "/s"},
        "url": "https://me:***@host/x",
        "list": ["ftp://a:***@c", 5],
        "user": "u",
    }


def test_problems_are_one_printable_line() -> None:
    assert str(Problem(Position("a\nb", 2), "k\x1b[2J", "m")) == "a\\nb:2: k\\x1b[2J: m"


def test_long_values_are_cut() -> None:
    errors, _ = problems({"delay": "9" * 1000})
    assert len(errors[0]) < 150


def test_known_key_paths() -> None:
    paths = set(key_paths(Root))
    assert {"enabled", "limits", "limits/max", "main/type", "main/device", "spare/passwd", "things"} <= paths


class Wrong(Section, frozen=True):
    when: complex = 0j


class Same(Section, frozen=True):
    one: Lamp | Limits = Lamp()


@pytest.mark.parametrize("section", [Wrong, Same])
def test_a_section_that_cannot_be_converted_is_a_bug(section: type[Section]) -> None:
    with pytest.raises(TypeError, match=f"at {section.__name__}"):
        plan_of(section)


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
KEYS = st.sampled_from([*key_paths(Root), "first", "x"]).map(lambda path: path.rpartition("/")[2])
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@hypothesis_settings(deadline=None)  # a busy machine
@given(st.dictionaries(KEYS, ANYTHING, max_size=6))
def test_any_tree_is_converted_or_refused(value: object) -> None:
    try:
        result = convert(Root, tree(value)).value
    except ConfigurationError as exc:
        refusal = exc.errors
    else:
        assert convert(Root, tree(to_plain(result))).value == result
        return
    assert refusal
