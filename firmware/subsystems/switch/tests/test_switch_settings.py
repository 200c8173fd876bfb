"""Settings of the switch's ports, port arguments, and the files that keep them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from drivers.wire.edid import build_edid
from drivers.wire.switch_protocol import Colour, Colours
from firmware.core.validators import valid_switch_port
from firmware.state.switch import ClickDelays
from firmware.subsystems.switch.settings import (
    BUTTONS,
    EDIDS_MAX,
    StoredEdid,
    SwitchSettings,
    SwitchTooManyEdidsError,
    SwitchUnknownEdidError,
    virtual_port,
)
from firmware.subsystems.switch.store import ASIDE_MAX, SwitchStore

ROOT = Path(__file__).parents[4]
VECTORS: dict[str, Any] = json.loads((ROOT / "firmware/core/tests/data/vectors.json").read_text())
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
OTHER_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
EDID = StoredEdid("Mine", build_edid().hex().upper())

ports = st.integers(0, 19)
delays = st.floats(0.001, 10.0)
colours = st.builds(Colour, *[st.integers(0, 255)] * 4, st.integers(0, 65535))
ALL_SETTINGS = st.builds(
    SwitchSettings,
    edids=st.dictionaries(
        st.uuids(version=4).map(str),
        st.builds(StoredEdid, st.text(min_size=1, max_size=20), st.just(EDID.data)),
        max_size=3,
    ),
    port_edids=st.dictionaries(ports, st.just(ID), max_size=3),
    dummies=st.dictionaries(ports, st.just(False), max_size=3),
    names=st.dictionaries(ports, st.sampled_from(["rack", "Käse 3"]), max_size=3),
    click_delays=st.dictionaries(
        st.sampled_from(BUTTONS), st.dictionaries(ports, delays, min_size=1, max_size=3)
    ),
    colours=st.builds(Colours, *[colours] * 5),
)


@pytest.mark.parametrize("case", VECTORS["switch_port_translation"], ids=lambda case: case["port"])
def test_port_arguments_of_the_contract(case: dict[str, Any]) -> None:
    assert virtual_port(valid_switch_port(case["port"])) == case["virtual"]


@given(st.floats(0.0, 1e9))
def test_any_port_that_is_admitted_has_a_number(port: float) -> None:
    if "e" not in repr(port):
        virtual = virtual_port(port)
        assert virtual == port if port.is_integer() else 0 <= virtual < 20


def test_a_port_has_defaults() -> None:
    settings = SwitchSettings()
    assert (settings.edid_id(3), settings.dummy(3), settings.name(3)) == ("default", True, "")
    assert settings.click_delays_of(3) == ClickDelays(0.5, 5.5, 0.5)


def test_a_port_is_changed_and_changed_back() -> None:
    settings = SwitchSettings().with_edid(ID, EDID)
    changed = settings.with_port(
        3, edid_id=ID, dummy=False, name="rack", click_delays={"power": 1.0, "reset": 0.25}
    )
    assert (changed.edid_id(3), changed.dummy(3), changed.name(3)) == (ID, False, "rack")
    assert changed.click_delays_of(3) == ClickDelays(1.0, 5.5, 0.25)
    assert changed.click_delays_of(2) == ClickDelays()
    back = changed.with_port(
        3, edid_id="default", dummy=True, name="", click_delays={"power": 0.0, "reset": 0.5}
    )
    assert back == settings


def test_a_port_that_no_chain_can_have_changes_nothing() -> None:
    for port in (20, -1, 10**9):
        assert SwitchSettings().with_port(port, dummy=False, name="x", click_delays={"power": 2}) == (
            SwitchSettings()
        )


def test_edids_are_changed_and_forgotten() -> None:
    settings = SwitchSettings().with_edid(ID, EDID).with_edid(OTHER_ID, EDID).with_port(1, edid_id=ID)
    changed = settings.changed_edid(ID, name="Other", data=None)
    assert changed.edids[ID] == StoredEdid("Other", EDID.data)
    assert changed.changed_edid(ID, name="", data="00" * 128).edids[ID] == StoredEdid("Other", "00" * 128)
    forgotten = settings.without_edid(ID)
    assert (set(forgotten.edids), forgotten.edid_id(1), dict(forgotten.port_edids)) == (
        {OTHER_ID},
        "default",
        {},
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: settings.without_edid(ID),
        lambda settings: settings.changed_edid(ID, name="x", data=None),
        lambda settings: settings.with_port(0, edid_id=ID, name="x"),
        lambda settings: settings.with_port(99, edid_id=ID),
        lambda settings: settings.without_edid("default"),
    ],
)
def test_an_edid_that_is_not_there_is_refused(change: Callable[[SwitchSettings], object]) -> None:
    with pytest.raises(SwitchUnknownEdidError, match="expected the identifier of an EDID"):
        change(SwitchSettings())


def test_an_edid_of_a_port_that_got_lost_is_the_default_one() -> None:
    assert SwitchSettings(port_edids={2: ID}).edid_id(2) == "default"


def test_there_is_an_end_to_how_many_edids_are_kept() -> None:
    settings = SwitchSettings(edids={str(number): EDID for number in range(EDIDS_MAX)})
    with pytest.raises(SwitchTooManyEdidsError, match=f"at most {EDIDS_MAX} EDIDs"):
        settings.with_edid(ID, EDID)
    assert settings.changed_edid("0", name="Other", data=None).edids["0"].name == "Other"
    assert ID in settings.without_edid("0").with_edid(ID, EDID).edids


def test_as_many_edids_as_may_be_are_loaded_again(tmp_path: Path) -> None:
    """With names that take as many bytes in the file as any can."""
    many = {
        f"0f8fad5b-d9cb-469f-a165-{number:012x}": StoredEdid("\U0001f5b5" * 255, EDID.data)
        for number in range(EDIDS_MAX)
    }
    settings = SwitchSettings(edids=many)
    SwitchStore(tmp_path).save(settings)
    assert SwitchStore(tmp_path).load() == settings


def test_colours_of_roles() -> None:
    blue = Colour(0, 0, 255, 1, 2)
    settings = SwitchSettings().with_colours({"active": blue, "beacon": blue})
    assert settings.with_colours({"active": None, "nonsense": blue}).colours == Colours(beacon=blue)


# -- files ------------------------------------------------------------------------------------------------


@given(settings=ALL_SETTINGS)
@hypothesis_settings(max_examples=25, deadline=None)
def test_what_was_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, settings: SwitchSettings) -> None:
    directory = tmp_path_factory.mktemp("switch")
    SwitchStore(directory).save(settings)
    assert SwitchStore(directory).load() == settings


def test_the_files_are_pikvms(tmp_path: Path) -> None:
    settings = (
        SwitchSettings()
        .with_edid(ID, EDID)
        .with_port(3, edid_id=ID, dummy=False, name="rack", click_delays=dict.fromkeys(BUTTONS, 2.5))
        .with_colours({"beacon": Colour(255, 165, 0, 191, 40)})
    )
    SwitchStore(tmp_path / "made/when/needed").save(settings)
    files = {path.name: json.loads(path.read_text()) for path in (tmp_path / "made/when/needed").iterdir()}
    assert files == {
        "edids_all.json": {ID: {"name": "Mine", "data": EDID.data}},
        "edids_port.json": {"3": ID},
        "dummies.json": {"3": False},
        "colors.json": {"beacon": {"red": 255, "green": 165, "blue": 0, "brightness": 191, "blink_ms": 40}},
        "port_names.json": {"3": "rack"},
        "atx_click_power_delays.json": {"3": 2.5},
        "atx_click_power_long_delays.json": {"3": 2.5},
        "atx_click_reset_delays.json": {"3": 2.5},
    }


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    store = SwitchStore(tmp_path)
    store.save(SwitchSettings())
    assert list(tmp_path.iterdir()) == []
    named = SwitchSettings(names={1: "a"}, dummies={2: False})
    store.save(named)
    written = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    store.save(named)
    other = SwitchStore(tmp_path)
    other.save(other.load())
    assert {path.name: path.stat().st_ino for path in tmp_path.iterdir()} == written
    other.save(named.with_port(2, dummy=True))
    assert json.loads((tmp_path / "dummies.json").read_text()) == {}
    assert (tmp_path / "port_names.json").stat().st_ino == written["port_names.json"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("port_names.json", b"{", "truncated"),
        ("port_names.json", b"", "truncated"),
        ("port_names.json", b"\xff\xfe", "malformed"),
        ("port_names.json", b'{"1": "\xb1"}', "utf-8"),
        ("port_names.json", b'{"1":' * 50_000, "too deeply"),
        ("port_names.json", b"[]", "got `array`"),
        ("port_names.json", b'{"20": "x"}', "0..19 - at '20'"),
        ("port_names.json", b'{"1": 5}', "at '1'"),
        ("port_names.json", b'{"1.5": "x"}', "at '1.5'"),
        ("dummies.json", b'{"1": "maybe"}', "at '1'"),
        ("edids_port.json", b'{"1": "nonsense"}', "UUID"),
        ("edids_all.json", b'{"x": {"name": "a", "data": "00"}}', "UUID"),
        ("edids_all.json", json.dumps({ID: {"name": "a", "data": "00"}}).encode(), "digits"),
        ("edids_all.json", json.dumps({ID: {"name": "", "data": EDID.data}}).encode(), "not empty"),
        ("edids_all.json", json.dumps({ID: {"name": "a"}}).encode(), "data"),
        (
            "colors.json",
            b'{"beacon": {"red": 256, "green": 0, "blue": 0, "brightness": 0, "blink_ms": 0}}',
            "256",
        ),
        ("colors.json", b'{"purple": {}}', "one of inactive"),
        ("atx_click_reset_delays.json", b'{"1": 10.5}', "at '1'"),
    ],
)
def test_a_damaged_file_is_named_and_kept_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    other = "dummies.json" if name != "dummies.json" else "port_names.json"
    (tmp_path / other).write_text('{"2": false}' if other == "dummies.json" else '{"2": "b"}')
    with caplog.at_level(logging.WARNING):
        settings = SwitchStore(tmp_path).load()
    assert (settings.dummies, settings.names) in (({2: False}, {}), ({}, {2: "b"}))
    assert words in caplog.text
    assert f"at {tmp_path / name}, kept as {name}.damaged1" in caplog.text
    assert (tmp_path / f"{name}.damaged1").read_bytes() == content


def test_what_makes_sense_in_a_damaged_file_is_used_and_saved(tmp_path: Path) -> None:
    (tmp_path / "port_names.json").write_text('{"1": "good", "99": "bad"}')
    store = SwitchStore(tmp_path)
    settings = store.load()
    assert settings.names == {1: "good"}
    store.save(settings)
    assert json.loads((tmp_path / "port_names.json").read_text()) == {"1": "good"}


def test_damaged_files_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(ASIDE_MAX + 3):
        (tmp_path / "dummies.json").write_text(f"nonsense {number}")
        SwitchStore(tmp_path).load()
    aside = sorted(path.name for path in tmp_path.iterdir())
    assert len(aside) == ASIDE_MAX
    assert (tmp_path / aside[0]).read_text() == "nonsense 0"
    assert (tmp_path / aside[-1]).read_text() == f"nonsense {ASIDE_MAX + 2}"


def test_a_file_that_cannot_be_read_is_no_reason_to_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dummies.json").mkdir()

    def refuse(self: Path, target: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    assert SwitchStore(tmp_path).load() == SwitchSettings()
    assert "which cannot be kept aside: Read-only file system" in caplog.text


@pytest.mark.fault("KVM switch", "ENOSPC")
def test_a_failing_disk_leaves_the_old_file_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SwitchStore(tmp_path)
    store.save(SwitchSettings(names={1: "old"}))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space left"):
            store.save(SwitchSettings(names={1: "new"}))
        assert json.loads((tmp_path / "port_names.json").read_text()) == {"1": "old"}
    store.save(SwitchSettings(names={1: "new"}))
    assert json.loads((tmp_path / "port_names.json").read_text()) == {"1": "new"}
