"""What each kind of value accepts, refuses and becomes."""

from pathlib import Path

import pytest

from firmware.core.config.kinds import (
    BOOLEAN,
    KEY_NAME,
    OPTIONAL_KEY_NAME,
    OPTIONAL_RESOLUTION,
    RESOLUTION,
    USER_NAME,
    Choice,
    CommandKind,
    HexInt,
    HexInteger,
    Kind,
    ListOf,
    MismatchError,
    ModeKind,
    Nullable,
    OctalInt,
    PathKind,
    Switchable,
    Text,
    integer,
    number,
)
from firmware.core.config.tree import Position, from_plain
from firmware.core.config.yaml_reader import read_file

PATH = PathKind()
OPTIONAL_PATH = PathKind(empty=True)
COMMAND = CommandKind()
MODE_COMMAND = CommandKind("{mode}")
OPTIONAL_COMMAND = CommandKind(empty=True)
QUALITY = Switchable(integer(1, 100))
LIST = ListOf(Text())
MODE = ModeKind()
TEXT = Text()
OPTIONAL_TEXT = Text(empty=True)


def parse(kind: Kind, written: str, directory: Path) -> object:
    (directory / "x.yaml").write_text(f"v: {written}\n", encoding="utf-8")
    node = read_file(directory / "x.yaml", root=directory).child("v")
    assert node is not None
    return kind.parse(node)


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (BOOLEAN, "true", True),
        (BOOLEAN, "no", False),
        (BOOLEAN, "YES", True),
        (BOOLEAN, "1", True),
        (BOOLEAN, "0", False),
        (BOOLEAN, "' 1 '", True),
        (integer(), "5", 5),
        (integer(), "'5'", 5),
        (integer(), "0x10", 16),
        (integer(), "'0xfF'", 255),
        (integer(), "' 7 '", 7),
        (integer(), "'+5'", 5),
        (integer(0, 9), "9", 9),
        (number(), "5", 5.0),
        (number(), "0.25", 0.25),
        (number(), "'2.5'", 2.5),
        (number(), "1e2", 100.0),
        (number(0.1), "0.1", 0.1),
        (QUALITY, "80", 80),
        (QUALITY, "0", 0),
        (QUALITY, "'0'", 0),
        (QUALITY, "", 0),
        (QUALITY, "''", 0),
        (TEXT, "hello", "hello"),
        (TEXT, "1.00", "1.00"),
        (TEXT, "0123", "0123"),
        (TEXT, "on", "on"),
        (TEXT, "true", "true"),
        (TEXT, "'  kept  '", "  kept  "),
        (OPTIONAL_TEXT, "", ""),
        (OPTIONAL_TEXT, "''", ""),
        (Nullable(TEXT), "null", None),
        (Nullable(BOOLEAN), "~", None),
        (Nullable(BOOLEAN), "true", True),
        (Choice(("otg", "serial")), "OTG", "otg"),
        (Choice(("", "http")), "", ""),
        (PATH, "/dev/x", Path("/dev/x")),
        (PATH, "' /dev/x '", Path("/dev/x")),
        (OPTIONAL_PATH, "", None),
        (OPTIONAL_PATH, "''", None),
        (OPTIONAL_PATH, "/x", Path("/x")),
        (LIST, "[a, b]", ("a", "b")),
        (LIST, "a, b c", ("a", "b", "c")),
        (LIST, "[]", ()),
        (LIST, "''", ()),
        (LIST, "[1, 0660, on]", ("1", "0660", "on")),
        (COMMAND, "[/bin/true, -x, 5]", ("/bin/true", "-x", "5")),
        (COMMAND, "'/bin/true, --mode, a b'", ("/bin/true", "--mode", "a b")),
        (COMMAND, "[/bin/echo, '']", ("/bin/echo", "")),
        (MODE_COMMAND, "[/bin/mount, '-o{mode}']", ("/bin/mount", "-o{mode}")),
        (OPTIONAL_COMMAND, "[]", ()),
        (OPTIONAL_COMMAND, "", ()),
        (MODE, "0660", 0o660),
        (MODE, "'0660'", 0o660),
        (MODE, "0o640", 0o640),
        (RESOLUTION, "1920x1080", "1920x1080"),
        (OPTIONAL_RESOLUTION, "", ""),
        (KEY_NAME, "KeyA", "KeyA"),
        (OPTIONAL_KEY_NAME, "''", ""),
        (USER_NAME, "' admin '", "admin"),
        (ListOf(KEY_NAME), "KeyA, ControlLeft", ("KeyA", "ControlLeft")),
        (HexInteger(integer(0, 65535)), "0x1D6B", 0x1D6B),
    ],
)
def test_accepted(tmp_path: Path, kind: Kind, written: str, value: object) -> None:
    result = parse(kind, written, tmp_path)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        (BOOLEAN, "on", "a boolean (1 true yes, 0 false no)"),
        (BOOLEAN, "2", "a boolean (1 true yes, 0 false no)"),
        (BOOLEAN, "", "a boolean (1 true yes, 0 false no)"),
        (BOOLEAN, "[true]", "a boolean (1 true yes, 0 false no)"),
        (integer(), "1.0", "an integer"),
        (integer(), "true", "an integer"),
        (integer(), "'1.5'", "an integer"),
        (integer(), "", "an integer"),
        (integer(), "{a: 1}", "an integer"),
        (integer(1), "0", "an integer >= 1"),
        (integer(0, 9), "10", "an integer in 0..9"),
        (number(0.1), "0.05", "a number >= 0.1"),
        (number(0.1), ".nan", "a number >= 0.1"),
        (number(), ".inf", "a number"),
        (number(), "'inf'", "a number"),
        (number(), "'1,5'", "a number"),
        (number(), "false", "a number"),
        (number(), "[]", "a number"),
        (QUALITY, "101", "an integer in 1..100, or 0 or empty for off"),
        (QUALITY, "-1", "an integer in 1..100, or 0 or empty for off"),
        (TEXT, "", "text"),
        (TEXT, "''", "text that is not empty"),
        (TEXT, "{a: b}", "text"),
        (Text(max_chars=4), "12345", "text of at most 4 characters"),
        (OPTIONAL_TEXT, "[a]", "text"),
        (Nullable(BOOLEAN), "maybe", "a boolean (1 true yes, 0 false no), or null"),
        (Choice(("otg", "serial")), "usb", "one of otg, serial"),
        (Choice(("", "http")), "ftp", "one of empty, http"),
        (PATH, "dev/x", "an absolute path"),
        (PATH, "''", "an absolute path"),
        (PATH, '"/a\\0b"', "an absolute path"),
        (PATH, "[/a]", "an absolute path"),
        (OPTIONAL_PATH, "x", "an absolute path or empty"),
        (LIST, "", "a list, or text with commas"),
        (LIST, "{a: b}", "a list, or text with commas"),
        (COMMAND, "true", "a command, a list whose first item is an absolute path"),
        (COMMAND, "[]", "a command, a list whose first item is an absolute path"),
        (COMMAND, "[/bin/true, [a]]", "a command, a list whose first item is an absolute path"),
        (COMMAND, "{a: b}", "a command, a list whose first item is an absolute path"),
        (
            MODE_COMMAND,
            "[/bin/mount]",
            "a command, a list whose first item is an absolute path and which contains {mode}",
        ),
        (OPTIONAL_COMMAND, "{a: b}", "a command, a list whose first item is an absolute path"),
        (MODE, "660", "octal permissions with a leading zero such as 0660"),
        (MODE, "'660'", "octal permissions with a leading zero such as 0660"),
        (MODE, "0888", "octal permissions with a leading zero such as 0660"),
        (MODE, "077777", "octal permissions with a leading zero such as 0660"),
        (MODE, "true", "octal permissions with a leading zero such as 0660"),
        (RESOLUTION, "640x", "a resolution such as 1280x720"),
        (OPTIONAL_RESOLUTION, "640", "a resolution such as 1280x720, or empty"),
        (KEY_NAME, "keya", 'a key name such as "KeyA" or "ControlLeft" (case matters)'),
    ],
)
def test_refused(tmp_path: Path, kind: Kind, written: str, expected: str) -> None:
    with pytest.raises(MismatchError) as caught:
        parse(kind, written, tmp_path)
    assert str(caught.value) == expected


def test_every_wrong_item_of_a_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(MismatchError) as caught:
        parse(ListOf(RESOLUTION), "[640x480, wrong, 1x1, 5]", tmp_path)
    assert [(index, node.value) for index, _, node in caught.value.items] == [("1", "wrong"), ("3", 5)]


def test_a_board_gives_permissions_as_a_number() -> None:
    assert MODE.parse(from_plain(0o640, Position("board"))) == 0o640
    with pytest.raises(MismatchError):
        MODE.parse(from_plain(0o17777, Position("board")))


@pytest.mark.parametrize(
    ("kind", "value", "plain"),
    [
        (PATH, Path("/x"), "/x"),
        (OPTIONAL_PATH, None, ""),
        (Nullable(TEXT), None, None),
        (LIST, ("a", "b"), ["a", "b"]),
        (MODE, 0o660, OctalInt(0o660)),
        (HexInteger(integer()), 7, HexInt(7)),
        (number(), 1.5, 1.5),
    ],
)
def test_values_become_plain_again(kind: Kind, value: object, plain: object) -> None:
    assert kind.plain(value) == plain
    assert type(kind.plain(value)) is type(plain)
