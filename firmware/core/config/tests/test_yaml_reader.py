"""Reading YAML: what its scalars mean, where values stand, and what broken or hostile files lead to."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from firmware.core.config.errors import ConfigurationError
from firmware.core.config.yaml_reader import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_INCLUDE_DEPTH,
    MAX_TOTAL_BYTES,
    Budget,
    read_file,
)


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def plain(directory: Path, text: str) -> object:
    write(directory, {"x.yaml": text})
    return read_file(directory / "x.yaml", root=directory).plain()


def error(directory: Path, text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    (directory / "x.yaml").write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        read_file(directory / "x.yaml", root=directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("Y", "Y"),
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("0660", 0o660),
        ("-017", -15),
        ("0x1D6B", 0x1D6B),
        ("0b101", 5),
        ("1_000", 1000),
        ("0", 0),
        ("08", "08"),
        ("0.1", 0.1),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.5e3", 1500.0),
        ("-2.5", -2.5),
        ("~", None),
        ("null", None),
        ("", None),
        ("12:34:56", "12:34:56"),
        ("10:20", "10:20"),
        ("1:30.5", "1:30.5"),
        ("2020-01-02", "2020-01-02"),
        ("2020-99-99", "2020-99-99"),
        ("=", "="),
        ("'5'", "5"),
        ('"true"', "true"),
        ("''", ""),
        ("!!str 5", "5"),
        ("!!int '7'", 7),
        ("!!float 1", 1.0),
        ("text", "text"),
        ("192.0.2.1", "192.0.2.1"),
        ("[1, a]", [1, "a"]),
        ("{b: 1}", {"b": 1}),
    ],
)
def test_the_meaning_of_values(tmp_path: Path, written: str, value: object) -> None:
    read = plain(tmp_path, f"a: {written}\n")
    assert read == {"a": value}
    assert isinstance(read, dict)
    assert type(read["a"]) is type(value)


def test_infinity_and_nan_are_read_as_such(tmp_path: Path) -> None:
    assert str(plain(tmp_path, "[.inf, -.Inf, .nan]")) == "[inf, -inf, nan]"


def test_scalars_keep_what_was_written(tmp_path: Path) -> None:
    write(tmp_path, {"x.yaml": "revision: 1.00\nsecret: 0123\nname: on\n"})
    tree = read_file(tmp_path / "x.yaml", root=tmp_path)
    assert [node.text for _, node in tree.leaves()] == ["1.00", "0123", "on"]


def test_keys_are_text_as_written(tmp_path: Path) -> None:
    assert plain(tmp_path, "1: a\ntrue: b\n0x10: c\n~: d\n2020-01-01: e\n") == {
        "1": "a",
        "true": "b",
        "0x10": "c",
        "~": "d",
        "2020-01-01": "e",
    }


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    write(tmp_path, {"x.yaml": "# a comment\na:\n  b: 1\n  c:\n    - x\n    -\n      - y\nd: |\n  text\n"})
    tree = read_file(tmp_path / "x.yaml", root=tmp_path)
    assert {path: str(node.position) for path, node in tree.leaves()} == {
        "a/b": "x.yaml:3",
        "a/c": "x.yaml:4",
        "d": "x.yaml:8",
    }
    items = tree.find("a/c")
    assert items is not None
    assert isinstance(items.value, list)
    assert [item.position.line for item in items.value] == [5, 7]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "\ufeff"])
def test_an_empty_file_is_an_empty_section(tmp_path: Path, text: str) -> None:
    assert plain(tmp_path, text) in ({}, None)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert plain(tmp_path, "\ufeffa: 1\n") == {"a": 1}


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    text = """
one: &one {a: 1, b: 1}
two: &two {b: 2, c: 2}
both:
  a: 0
  <<: [*one, *two]
"""
    read = plain(tmp_path, text)
    assert isinstance(read, dict)
    assert read["both"] == {"a": 0, "b": 1, "c": 2}


def test_a_key_twice_is_an_error_that_names_both_lines(tmp_path: Path) -> None:
    assert error(tmp_path, "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n") == (
        "x.yaml:5: expected each key once, got 'c' again (first in line 3)"
    )


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: [1\n", 3, "invalid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a:\n\tb: 1\n", 2, "invalid YAML: found character '\\t' that cannot start any token"),
        ("a: 1\n b: 2\n", 2, "invalid YAML: mapping values are not allowed here"),
        ("a: *nobody\n", 1, "invalid YAML: found undefined alias 'nobody'"),
        ("a: 1\n---\nb: 2\n", 2, "invalid YAML: but found another document"),
        (
            "a: !!python/object:os.system x\n",
            1,
            "expected no YAML tag but !include here, got !!python/object:os.system",
        ),
        ("a: 1\nb: !secret x\n", 2, "expected no YAML tag but !include here, got !secret"),
        ("a: !!set {x, y}\n", 1, "expected no YAML tag but !include here, got !!set"),
        ("a: !!int abc\n", 1, "expected a value of the YAML type int, got 'abc'"),
        ("a: !!int ''\n", 1, "expected a value of the YAML type int, got ''"),
        ("a: !!bool maybe\n", 1, "expected a value of the YAML type bool, got 'maybe'"),
        ("a: 1" + "0" * 5000, 1, "expected a value of the YAML type int, got '1" + "0" * 59 + "'"),
        ("? [a, b]\n: 1\n", 1, "expected a key that is text, got something else"),
        ("? !include x\n: 1\n", 1, "expected a key that is text, got something else"),
        ("a: 1\nb: \x07\n", 2, "invalid YAML: expected a printable character, got U+0007"),
        ('a: 1\nb: "\\ud800"\n', 2, "expected Unicode text, got half of a surrogate pair"),
        ("a: &x\n  b: *x\n", 2, "expected a value, got an alias of something that contains it"),
        ("a: {<<: 5}\n", 1, "expected a section or a list of sections to merge with <<, got something else"),
    ],
)
def test_errors_say_where_and_why(tmp_path: Path, text: str, line: int, reason: str) -> None:
    assert error(tmp_path, text) == f"x.yaml:{line}: {reason}"


def test_an_escape_beyond_unicode_is_an_error(tmp_path: Path) -> None:
    assert error(tmp_path, 'a: "\\UFFFFFFFF"').startswith("x.yaml:1: invalid YAML")


def test_other_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    assert error(tmp_path, b"a: 1\nb: caf\xe9\n") == "x.yaml:2: expected UTF-8 text, got the byte 0xe9"


@pytest.mark.parametrize(
    "text",
    ["[" * 20_000, "{a: " * 20_000, "- " * 20_000, "".join(" " * level + "a:\n" for level in range(400))],
    ids=["flow lists", "flow sections", "lists", "sections"],
)
def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path, text: str) -> None:
    assert f"more than {MAX_DEPTH} levels" in error(tmp_path, text)


def test_the_deepest_allowed_nesting_is_read(tmp_path: Path) -> None:
    depth = MAX_DEPTH - 1
    read = plain(tmp_path, "[" * depth + "]" * depth)
    for _ in range(depth - 1):
        assert isinstance(read, list)
        (read,) = read
    assert read == []


def test_many_aliases_of_aliases_are_an_error(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "values in all (aliases expanded), got more" in error(tmp_path, "\n".join(lines))


def test_a_file_that_is_too_big_is_refused(tmp_path: Path) -> None:
    assert error(tmp_path, "#" * (MAX_FILE_BYTES + 1)) == (
        f"x.yaml: expected at most {MAX_FILE_BYTES} bytes of YAML, got more"
    )


def test_all_files_together_are_limited(tmp_path: Path) -> None:
    files = MAX_TOTAL_BYTES // MAX_FILE_BYTES + 1
    write(tmp_path, {f"{n}.yaml": "#" * MAX_FILE_BYTES for n in range(files)})
    (tmp_path / "x.yaml").write_text(f"!include [{', '.join(f'{n}.yaml' for n in range(files))}]")
    with pytest.raises(ConfigurationError, match=f"at most {MAX_TOTAL_BYTES} bytes in all files together"):
        read_file(tmp_path / "x.yaml", root=tmp_path)


def test_unreadable_files_say_why(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path / "missing.yaml", "missing.yaml: cannot be read: No such file or directory"),
        (tmp_path, ".: cannot be read: Is a directory"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            read_file(path, root=tmp_path)
        assert str(caught.value) == reason


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(ConfigurationError, match=r"x\.yaml: expected a regular file, got a pipe"):
        read_file(tmp_path / "x.yaml", root=tmp_path)


def test_include_of_a_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "sub/a.yaml": "b: !include c.yaml\n",
            "sub/c.yaml": "\n\nd: 1\n",
            "x.yaml": "a: !include sub/a.yaml\n",
        },
    )
    budget = Budget()
    tree = read_file(tmp_path / "x.yaml", root=tmp_path, budget=budget)
    assert tree.plain() == {"a": {"b": {"d": 1}}}
    node = tree.find("a/b/d")
    assert node is not None
    assert str(node.position) == "sub/c.yaml:3"
    assert [path.name for path in budget.files] == ["x.yaml", "a.yaml", "c.yaml"]


def test_include_of_a_directory_merges_its_files_in_name_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "d/10-b": "k: {x: 1, y: 1}\n",
            "d/20-a.yaml": "k: {y: 2}\n",
            "d/05": "k: {x: 0, z: 0}\n",
            "d/inner/no.yaml": "k: {x: 9}\n",
            "x.yaml": "a: !include d\n",
        },
    )
    assert read_file(tmp_path / "x.yaml", root=tmp_path).plain() == {"a": {"k": {"x": 1, "y": 2, "z": 0}}}


def test_include_of_a_list_merges_files_and_directories(tmp_path: Path) -> None:
    write(tmp_path, {"d/1": "a: 1\nb: 1\n", "f.yaml": "b: 2\n", "x.yaml": "!include [d, f.yaml]\n"})
    assert read_file(tmp_path / "x.yaml", root=tmp_path).plain() == {"a": 1, "b": 2}


def test_include_of_values_and_of_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"l.yaml": "[1, 2]", "x.yaml": "a: !include l.yaml\nb: !include []\n"})
    assert read_file(tmp_path / "x.yaml", root=tmp_path).plain() == {"a": [1, 2], "b": {}}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"x.yaml": "a: 1\nb: !include no.yaml\n"},
            "x.yaml:2: no.yaml cannot be read: No such file or directory",
        ),
        (
            {"x.yaml": "a: !include y.yaml\n", "y.yaml": "\nb: !include x.yaml\n"},
            "y.yaml:2: !include: expected no circle of files, got x.yaml including itself",
        ),
        (
            {"x.yaml": "a: !include ../../etc/passwd\n"},
            "x.yaml:1: !include: expected a file below {root}, got '../../etc/passwd'",
        ),
        (
            {"x.yaml": "a: !include /etc/passwd\n"},
            "x.yaml:1: !include: expected a file below {root}, got '/etc/passwd'",
        ),
        (
            {"x.yaml": "a: !include {b: c}\n"},
            "x.yaml:1: !include: expected a file, a directory or a list of them, got a section",
        ),
        (
            {"x.yaml": "a: !include [[b]]\n"},
            "x.yaml:1: !include: expected a list of file names, got something else in it",
        ),
        (
            {"x.yaml": "a: !include [l, m]\n", "l": "[1]\n", "m": "b: 1\n"},
            "l:1: expected a section, as it is included together with others",
        ),
        (
            {"x.yaml": 'a: !include "a\\0b"\n'},
            "x.yaml:1: !include: expected a file name, got a NUL character in it",
        ),
        (
            {"x.yaml": "a: !include y.yaml\n", "y.yaml": "b: [\n"},
            "y.yaml:2: invalid YAML: expected the node content, but found '<stream end>'",
        ),
    ],
)
def test_wrong_includes(tmp_path: Path, files: dict[str, str], message: str) -> None:
    write(tmp_path, files)
    with pytest.raises(ConfigurationError) as caught:
        read_file(tmp_path / "x.yaml", root=tmp_path)
    assert str(caught.value) == message.format(root=tmp_path)


def test_links_out_of_the_directory_are_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    write(tmp_path, {"out/o.yaml": "b: 1\n", "in/x.yaml": "a: !include link.yaml\n"})
    (inside / "link.yaml").symlink_to(outside / "o.yaml")
    assert read_file(inside / "x.yaml", root=inside).plain() == {"a": {"b": 1}}


def test_a_circle_by_way_of_a_link_is_found(tmp_path: Path) -> None:
    write(tmp_path, {"x.yaml": "a: !include y.yaml\n"})
    (tmp_path / "y.yaml").symlink_to("x.yaml")
    with pytest.raises(ConfigurationError, match="expected no circle of files"):
        read_file(tmp_path / "x.yaml", root=tmp_path)


def test_a_relative_root_confines_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"secret.yaml": "b: 1\n", "cfg/x.yaml": "a: !include ../secret.yaml\n"})
    monkeypatch.chdir(tmp_path / "cfg")
    with pytest.raises(ConfigurationError, match="expected a file below"):
        read_file(Path("x.yaml"), root=Path())


def test_includes_have_a_limit_of_depth(tmp_path: Path) -> None:
    write(tmp_path, {f"{n}.yaml": f"a: !include {n + 1}.yaml\n" for n in range(MAX_INCLUDE_DEPTH + 2)})
    with pytest.raises(ConfigurationError, match=f"at most {MAX_INCLUDE_DEPTH} levels of !include"):
        read_file(tmp_path / "0.yaml", root=tmp_path)


def test_includes_that_multiply_are_stopped(tmp_path: Path) -> None:
    wide = ", ".join(["{}.yaml"] * 12)
    write(tmp_path, {f"{n}.yaml": "a: !include [" + wide.replace("{}", str(n + 1)) + "]\n" for n in range(7)})
    write(tmp_path, {"7.yaml": "b: 1\n"})
    with pytest.raises(ConfigurationError, match=f"expected at most {MAX_FILES} files in all"):
        read_file(tmp_path / "0.yaml", root=tmp_path)


YAML_PIECES = st.sampled_from(
    [
        *(
            "a",
            "b: ",
            "- ",
            ": ",
            "\n",
            "  ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "&x ",
            "*x",
            "<<: ",
            "? ",
            "|",
            ">",
            "#",
        ),
        *("!include ", "!!int ", "!!map ", "x.yaml", "'", '"', "\\x", "\t", "0x", "1_", ".inf", "\u2028"),
        *("---\n", "...\n", "%YAML 1.1\n"),
    ]
)


@hypothesis_settings(deadline=None)  # files and a busy machine
@given(st.one_of(st.lists(YAML_PIECES, max_size=40).map("".join), st.text(max_size=80)), st.booleans())
def test_any_text_is_read_or_refused_in_one_line(text: str, with_bytes: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass") + (b"\xff" if with_bytes else b""))
        try:
            tree = read_file(path, root=path.parent)
        except ConfigurationError as exc:
            refusal = str(exc)
        else:
            tree.plain()
            return
    assert refusal.startswith("x.yaml")
    assert refusal.isprintable()
