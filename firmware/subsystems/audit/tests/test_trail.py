"""The chain and its files: whatever is changed in them is found, and a crash breaks nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.audit.chain import FIRST_PREV, BrokenChainError, End, append, read_end, verified
from firmware.subsystems.audit.trail_files import CURRENT, MAX_FILES, TrailFiles, files_of, verify

records = st.lists(
    st.dictionaries(
        st.text().filter(lambda name: name not in ("n", "prev", "hash")), st.text() | st.integers(0, 9)
    ),
    min_size=1,
    max_size=8,
)


def chain_of(contents: list[dict[str, object]]) -> list[bytes]:
    lines, end = [], End()
    for record in contents:
        line, end = append(end, record)
        lines.append(line)
    return lines


def numbered(count: int, start: int = 1) -> list[dict[str, object]]:
    return [{"what": f"act {number}"} for number in range(start, start + count)]


# ----- the chain


@given(records)
def test_what_was_appended_is_verified_and_reads_as_json(contents: list[dict[str, object]]) -> None:
    lines = chain_of(contents)
    ends = list(verified(lines))
    assert [end.number for end in ends] == list(range(1, len(contents) + 1))
    for line, record in zip(lines, contents, strict=True):
        assert line.count(b"\n") == 1
        document = json.loads(line)
        assert {name: document[name] for name in record} == record
    assert json.loads(lines[0])["prev"] == FIRST_PREV


@given(records, st.data())
def test_a_changed_byte_is_found(contents: list[dict[str, object]], data: st.DataObject) -> None:
    lines = chain_of(contents)
    which = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[which]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != lines[which][at]))
    lines[which] = lines[which][:at] + bytes([other]) + lines[which][at + 1 :]
    with pytest.raises(BrokenChainError):
        list(verified(lines))


@given(records.filter(lambda contents: len(contents) > 2), st.data())
def test_lines_that_are_missing_moved_or_repeated_are_found(
    contents: list[dict[str, object]], data: st.DataObject
) -> None:
    lines = chain_of(contents)
    inner = data.draw(st.integers(1, len(lines) - 2))
    for changed in (
        lines[:inner] + lines[inner + 1 :],
        [*lines[:inner], lines[inner + 1], lines[inner], *lines[inner + 2 :]],
        lines[: inner + 1] + lines[inner:],
    ):
        with pytest.raises(BrokenChainError):
            list(verified(changed))


@given(st.binary())
def test_whatever_stands_in_a_line_is_a_line_or_an_error(line: bytes) -> None:
    with pytest.raises(BrokenChainError):
        read_end(line)


# ----- files


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    TrailFiles(tmp_path).append(numbered(2))
    TrailFiles(tmp_path).append(numbered(1, 3))
    verdict = verify(files_of(tmp_path))
    assert (verdict.lines, verdict.first, verdict.end.number) == (3, 1, 3)
    assert (tmp_path / CURRENT).stat().st_mode & 0o777 == 0o600


def test_files_are_rotated_and_the_chain_runs_through_all_of_them(tmp_path: Path) -> None:
    files = TrailFiles(tmp_path, max_file_bytes=1000)
    for number in range(1, 101):
        files.append(numbered(1, number))
        assert verify(files_of(tmp_path)).end.number == number
    assert len(files_of(tmp_path)) <= MAX_FILES
    assert verify(files_of(tmp_path)).first > 1
    TrailFiles(tmp_path, max_file_bytes=1000).append(numbered(1))
    assert verify(files_of(tmp_path)).end.number == 101


def test_a_file_that_is_gone_from_the_middle_is_found(tmp_path: Path) -> None:
    files = TrailFiles(tmp_path, max_file_bytes=500)
    for number in range(1, 20):
        files.append(numbered(1, number))
    paths = files_of(tmp_path)
    assert len(paths) > 3
    paths[1].unlink()
    with pytest.raises(BrokenChainError, match="lines are missing"):
        verify(files_of(tmp_path))


@pytest.mark.parametrize("kept", [1, 20, 100])
def test_a_line_that_a_power_cut_left_half_is_noted_and_the_chain_is_whole(tmp_path: Path, kept: int) -> None:
    TrailFiles(tmp_path).append(numbered(3))
    path = tmp_path / CURRENT
    *whole, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole) + last[:kept])
    TrailFiles(tmp_path).append(numbered(1, 3))
    assert verify(files_of(tmp_path)).end.number == 4
    assert json.loads(path.read_bytes().splitlines()[2])["bytes"] == kept


def test_a_trail_that_was_tampered_with_goes_on_and_never_verifies(tmp_path: Path) -> None:
    TrailFiles(tmp_path).append(numbered(3))
    path = tmp_path / CURRENT
    path.write_bytes(path.read_bytes().replace(b"act 3", b"act 9"))
    TrailFiles(tmp_path).append(numbered(1))
    with pytest.raises(BrokenChainError, match="line 3: the line was changed"):
        verify(files_of(tmp_path))
    assert json.loads(path.read_bytes().splitlines()[3])["what"] == "broken"


def test_a_hash_that_was_kept_elsewhere_shows_a_trail_that_was_cut_at_its_end(tmp_path: Path) -> None:
    files = TrailFiles(tmp_path)
    files.append(numbered(3))
    kept = verify(files_of(tmp_path)).end.hash
    files.append(numbered(1))
    assert verify(files_of(tmp_path), expected=kept).has_expected
    path = tmp_path / CURRENT
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert not verify(files_of(tmp_path), expected=kept).has_expected


def test_a_write_that_fails_leaves_no_half_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = TrailFiles(tmp_path)
    files.append(numbered(1))
    real_write = os.write

    def write_in_pieces(descriptor: int, data: bytes) -> int:
        written.append(1)
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        return real_write(descriptor, bytes(data)[:10])

    written: list[int] = []
    monkeypatch.setattr(os, "write", write_in_pieces)
    with pytest.raises(OSError, match="No space left"):
        files.append(numbered(1, 2))
    monkeypatch.setattr(os, "write", real_write)
    assert verify(files_of(tmp_path)).end.number == 1
    files.append(numbered(1, 2))
    assert verify(files_of(tmp_path)).end.number == 2


KILLED = """
import pathlib, sys
from firmware.subsystems.audit.trail_files import TrailFiles
files = TrailFiles(pathlib.Path(sys.argv[1]), max_file_bytes=5000)
number = 0
while True:
    number += 1
    files.append([{"what": "act", "text": "x" * (number % 200)}])
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines_until_kill", [1, 7, 40, 90])
def test_what_was_written_is_there_after_a_kill(tmp_path: Path, lines_until_kill: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(lines_until_kill)][-1]
        child.kill()
    TrailFiles(tmp_path).append([{"what": "after"}])
    assert verify(files_of(tmp_path)).end.number > acknowledged
