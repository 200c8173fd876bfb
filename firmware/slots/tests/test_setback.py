"""What is found out about a start that went wrong."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.doctor.slots import look_at_slots
from firmware.slots import last_words, setback
from firmware.slots.last_words import MARK, OFFSET, SECTOR_BYTES, LastWords
from firmware.slots.setback import CUT_OFF, SILENT, RaucStatus, Setback, find

NOW = "2026-11-28T02:00:00+00:00"


def status(**of_b: object) -> RaucStatus:
    installed = {
        "bundle": {"version": "90.0.0"},
        "installed": {"timestamp": "2026-11-28T01:00:00Z", "count": 1},
        "activated": {"timestamp": "2026-11-28T01:00:05Z", "count": 1},
        "status": "ok",
    }
    b = {"bootname": "B", "boot_status": "bad", "slot_status": installed | of_b}
    slots = [
        {"rootfs.0": {"bootname": "A", "boot_status": "good", "slot_status": {"bundle": {"version": None}}}},
        {"rootfs.1": b},
        {"boot.1": {"bootname": None, "boot_status": None, "slot_status": {"status": "ok"}}},
    ]
    return msgspec.convert({"slots": slots, "compatible": "farhand-rpi4"}, RaucStatus)


def test_the_last_words_are_the_reason() -> None:
    found = find(status(), LastWords("B", "91.0.0", "farhand.service failed"), "A", NOW)
    assert found == Setback("B", "91.0.0", "farhand.service failed", NOW)


def test_words_of_who_did_not_know_its_version_get_it_from_what_was_installed() -> None:
    found = find(status(), LastWords("B", "", "cannot mount rootB"), "A", NOW)
    assert found is not None
    assert found.version == "90.0.0"


def test_a_slot_that_ran_out_of_tries_silently_is_a_setback() -> None:
    assert find(status(), None, "A", NOW) == Setback("B", "90.0.0", SILENT, NOW)


def test_an_installation_that_was_cut_off_is_told() -> None:
    found = find(status(status="update"), None, "A", NOW)
    assert found is not None
    assert found.reason == CUT_OFF


def test_an_untouched_slot_and_a_good_one_are_no_setback() -> None:
    assert find(status(), None, "B", NOW) is None
    untouched = msgspec.convert({"slots": [{"r": {"bootname": "B", "boot_status": "bad"}}]}, RaucStatus)
    assert find(untouched, None, "A", NOW) is None


def test_a_slot_that_was_only_written_and_never_chosen_is_no_setback() -> None:
    assert find(status(activated={"timestamp": "2026-11-27T00:00:00Z"}), None, "A", NOW) is None


def test_the_same_setback_noticed_again_is_the_same() -> None:
    first = Setback("B", "2", "why", NOW)
    assert first.same_as(msgspec.structs.replace(first, noticed="later"))
    assert not first.same_as(Setback("B", "3", "why", NOW))
    assert not first.same_as(None)


def test_the_doctor_tells_which_version_was_given_up_and_why(tmp_path: Path) -> None:
    file, version = tmp_path / "setback.json", tmp_path / "version"
    version.write_text("1.0\n")
    assert list(look_at_slots(file, version)) == []
    file.write_bytes(msgspec.json.encode(Setback("B", "2.0", "it crashed", NOW)))
    (finding,) = look_at_slots(file, version)
    assert "version 2.0 in slot B was given up: it crashed" in finding.text
    file.write_bytes(msgspec.json.encode(Setback("A", "1.0", "no disk", NOW)))
    (finding,) = look_at_slots(file, version)
    assert "an earlier start of version 1.0 in slot A went wrong" in finding.text


@pytest.mark.parametrize("data", [b"", b"{}", b"\0" * 512])
def test_a_damaged_file_is_no_setback(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "setback.json"
    file.write_bytes(data)
    assert setback.load(file) is None


def test_words_are_read_from_their_sector_and_cleared_from_it_alone(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    words = b"farhand-last-words\nB\n2.0\nthe reason\nin two lines"
    disk.write_bytes(b"x" * OFFSET + words.ljust(SECTOR_BYTES, b"\0") + b"y" * SECTOR_BYTES)
    assert last_words.read(disk) == LastWords("B", "2.0", "the reason in two lines")
    last_words.clear(disk)
    assert last_words.read(disk) is None
    assert disk.read_bytes() == b"x" * OFFSET + bytes(SECTOR_BYTES) + b"y" * SECTOR_BYTES


@given(st.binary(max_size=SECTOR_BYTES))
def test_whatever_is_in_the_sector_can_be_shown_in_one_line(rest: bytes) -> None:
    words = last_words.parse(MARK + rest)
    assert words is not None
    assert words.reason.isprintable()
    assert last_words.parse(b"?" + rest) is None
