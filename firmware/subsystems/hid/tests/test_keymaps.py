"""Every keymap against libxkbcommon, which plays the host: it reads what we type, and nothing is missing."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import tarfile
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observers.xkb import ComposeRules, HostKeyboard, Layout, LinuxKey, Xkb

from drivers.wire.hid_usages import KEYS
from firmware.core.errors import ValidatorError
from firmware.subsystems.hid.keymap import Keymap, KeymapError, make_keymap
from firmware.subsystems.hid.keymap import Layout as OurLayout
from firmware.subsystems.hid.keymap_files import MAX_FILE_BYTES, Keymaps, our_names
from firmware.subsystems.hid.text_events import _FIXED, _SUBSTITUTES, KeyEvent, TextEvents, key_events

ROOT = Path(__file__).parents[4]
COMPILED = Path(__file__).parent / "data/xkb.tar.xz"
VECTORS = json.loads((ROOT / "firmware/core/tests/data/vectors.json").read_text())["print"]["cases"]
# As subsystems.md 3 lists them.
NAMES = """
ar bepo cz da de de-ch en-gb en-us en-us-altgr-intl en-us-colemak es et fi fo fr fr-be fr-ca fr-ch hr hu is
it ja lt lv mk nl no pl pt pt-br ru sl sv th tr
""".split()  # noqa: SIM905 - as the contract writes it
LEVELS: tuple[tuple[LinuxKey, ...], ...] = (
    (),
    (LinuxKey.LEFT_SHIFT,),
    (LinuxKey.RIGHT_ALT,),
    (LinuxKey.LEFT_SHIFT, LinuxKey.RIGHT_ALT),
)
SUBSTITUTED = {chr(code) for code in _SUBSTITUTES}


def compiled_texts(archive: bytes) -> dict[str, str]:
    """XKB's layouts and rules as they were when the keymaps were made, so that no update changes the test."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {entry.name: tar.extractfile(entry).read().decode() for entry in tar}  # type: ignore[union-attr] # all are files


class Hosts:
    """A host of every layout."""

    def __init__(self) -> None:
        xkb, texts = Xkb(), compiled_texts(COMPILED.read_bytes())
        self.rules: ComposeRules = xkb.compose_rules(texts["Compose"])
        self.layouts: Mapping[str, Layout] = {
            name: xkb.layout_of_text(texts[f"{name}.xkb"]) for name in NAMES
        }

    def read(self, name: str, events: Iterable[KeyEvent]) -> str:
        """Return the text that the events make on the host of a layout."""
        host = HostKeyboard(self.layouts[name], self.rules)
        for key, pressed in events:
            (host.press if pressed else host.release)(KEYS[key].linux_code)
        return host.text.replace("\r", "\n")


@pytest.fixture(scope="module")
def hosts() -> Hosts:
    return Hosts()


@pytest.fixture(scope="module")
def keymaps() -> dict[str, Keymap]:
    files = Keymaps(Path("/nowhere/en-us"))
    return {name: files._ours(name) for name in NAMES}


def test_there_are_the_contracts_keymaps() -> None:
    assert our_names() == NAMES


# -- the contract's vectors ---------------------------------------------------------------------------------

# Cases in which we deliberately type what the reference drops: an em dash, which was meant to be two hyphens
# (subsystems.md 3), and a capital that the reference's Danish keymap lacks though it stands on the keyboard.
BEYOND_THE_REFERENCE = (("en-us", "\N{EM DASH}"), ("da", "Ø"))


@pytest.mark.parametrize("case", VECTORS, ids=[f"{case['keymap']}:{case['text']}" for case in VECTORS])
def test_events_are_those_of_the_vectors(case: dict[str, Any], keymaps: dict[str, Keymap]) -> None:
    events = key_events(case["text"], keymaps[case["keymap"]])
    typed = [("+" if pressed else "-") + key for key, pressed in events]
    beyond = any(
        case["keymap"] == keymap and character in case["text"] for keymap, character in BEYOND_THE_REFERENCE
    )
    if not beyond:
        assert typed == case["events"]
    else:
        # Nothing of what the reference types is missing, and its order is the same.
        rest = iter(typed)
        assert all(event in rest for event in case["events"])
        assert len(typed) > len(case["events"])


def test_beyond_the_reference_an_em_dash_is_two_hyphens(keymaps: dict[str, Keymap]) -> None:
    minus = [KeyEvent("Minus", True), KeyEvent("Minus", False)]
    assert key_events("\N{EM DASH}", keymaps["en-us"]) == minus * 2


def test_beyond_the_reference_the_danish_capital_is_typed(keymaps: dict[str, Keymap]) -> None:
    assert KeyEvent("Quote", True) in key_events("Ø", keymaps["da"])


def test_beyond_the_reference_dead_keys_are_used(keymaps: dict[str, Keymap], hosts: Hosts) -> None:
    """The reference drops these, or presses keys of the US layout that type something else."""
    for name, text in {
        "de": "é^`ô",
        "fr": "âïÔ",
        "es": "^`à",
        "pt": "ãõ~^",
        "sv": "é~^",
        "cz": "ďťň",
    }.items():
        assert hosts.read(name, key_events(text, keymaps[name])) == text, name


# -- both directions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_character_is_read_back_by_the_host(
    name: str, keymaps: dict[str, Keymap], hosts: Hosts
) -> None:
    keymap = keymaps[name]
    typeable = [*keymap.strokes, *_FIXED]
    assert len(typeable) > 90
    for character in typeable:
        if character not in SUBSTITUTED:
            assert hosts.read(name, key_events(character, keymap)) == character
    # All of them in one text, so that modifiers go from one character to the next.
    text = "".join(character for character in typeable if character not in SUBSTITUTED)
    assert hosts.read(name, key_events(text, keymap)) == text


@pytest.mark.parametrize("name", NAMES)
def test_every_character_of_the_layout_is_in_the_keymap(
    name: str, keymaps: dict[str, Keymap], hosts: Hosts
) -> None:
    layout = hosts.layouts[name]
    produced = set()
    for held in LEVELS if HostKeyboard(layout).has_altgr else LEVELS[:2]:
        for key in KEYS.values():
            # What the keypad types depends on the host's Num Lock.
            if key.modifier_bit or key.name.startswith("Numpad"):
                continue
            host = HostKeyboard(layout)
            for modifier in held:
                host.press(modifier)
            host.press(key.linux_code)
            produced.add(host.text)
    # Control characters are those of Enter, Tab, Backspace, Escape and Delete.
    characters = {text for text in produced if text and unicodedata.category(text) != "Cc"} - {" "}
    assert len(characters) > 80
    assert characters <= keymaps[name].strokes.keys()


@pytest.mark.parametrize("name", NAMES)
def test_what_a_layout_lacks_is_typed_as_on_a_us_keyboard(
    name: str, keymaps: dict[str, Keymap], hosts: Hosts
) -> None:
    keymap = keymaps[name]
    lacking = "".join(sorted(keymap.fallback.keys() - keymap.strokes.keys()))
    assert hosts.read("en-us", key_events(lacking, keymap)) == lacking
    assert all(keymap.strokes_of(chr(code)) for code in range(0x21, 0x7F))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_back_without_what_cannot_be_typed(
    data: st.DataObject, keymaps: dict[str, Keymap], hosts: Hosts
) -> None:
    keymap = keymaps[name := data.draw(st.sampled_from(NAMES))]
    typeable = st.sampled_from(sorted({*keymap.strokes, *_FIXED} - SUBSTITUTED))
    # Private characters are on no keyboard.
    untypeable = st.sampled_from("\r\0\x1b\ue000\U000f0000")
    text = "".join(data.draw(st.lists(typeable | untypeable, max_size=60)))
    expected = "".join(c for c in text if c in keymap.strokes or c in _FIXED)
    events = key_events(text, keymap)
    typing, pieces = TextEvents(keymap), []
    for character in text:
        pieces += typing.feed(character)
    assert pieces + typing.end() == events
    assert hosts.read(name, events) == expected
    held: set[str] = set()
    for key, pressed in events:
        assert (key in held) is not pressed
        (held.add if pressed else held.remove)(key)
    assert not held


# -- text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"), [("de", "Käse"), ("fr", "forêt déjà"), ("en-us-altgr-intl", "señor")]
)
def test_accents_behind_their_letters_are_put_together(
    name: str, text: str, keymaps: dict[str, Keymap], hosts: Hosts
) -> None:
    decomposed = unicodedata.normalize("NFD", text)
    assert decomposed != text
    assert hosts.read(name, key_events(decomposed, keymaps[name])) == text


def test_an_accent_may_come_in_another_piece_than_its_letter(
    keymaps: dict[str, Keymap], hosts: Hosts
) -> None:
    typing = TextEvents(keymaps["de"])
    events = typing.feed("xa") + typing.feed("\u0308y") + typing.end()
    assert hosts.read("de", events) == "xäy"


def test_an_accent_that_no_key_types_is_left_out(keymaps: dict[str, Keymap], hosts: Hosts) -> None:
    assert hosts.read("en-us", key_events("e\u0301\u0301x\u0301\u0301", keymaps["en-us"])) == "ex"


# -- files --------------------------------------------------------------------------------------------------


def test_the_data_is_what_the_tool_makes_of_the_installed_layouts() -> None:
    tool = load_tool()
    made_of, installed = (
        compiled_texts(COMPILED.read_bytes())["version"].strip(),
        tool.package_version("xkb-data"),
    )
    if made_of != installed:
        pytest.skip(
            f"made of xkb-data {made_of}, and {installed} is installed: `just keymaps` would follow it"
        )
    for path, data in tool.generate().items():
        made: object = data if path != COMPILED else compiled_texts(data)
        there: object = path.read_bytes() if path != COMPILED else compiled_texts(path.read_bytes())
        assert there == made, f"{path.name}: run `just keymaps`"


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_keymaps", ROOT / "tools/generate_keymaps.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)
    spec.loader.exec_module(module)
    return module


async def test_a_configured_path_selects_by_its_base_name(tmp_path: Path) -> None:
    keymaps = Keymaps(tmp_path / "de-ch")
    assert keymaps.default == "de-ch"
    assert list(keymaps.state.value.keymaps.available) == NAMES
    assert (await keymaps.get("de-ch")).strokes["ü"][0].key == "BracketLeft"


def test_an_unknown_default_is_replaced(tmp_path: Path) -> None:
    assert Keymaps(tmp_path / "klingon").default == "en-us"


@pytest.mark.parametrize("raw", ["", "klingon", "../en-us", "de/..", "EN-US", ".de"])
def test_names_that_are_none(raw: str) -> None:
    with pytest.raises(ValidatorError, match="at keymap"):
        Keymaps(Path("/nowhere/de")).valid_name(raw)


async def test_files_of_the_users_own_are_available_and_win(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[keys]\nKeyA = ["q", "Q", "dead_acute"]\nKeyB = ["e", "ж"]\n')
    (tmp_path / "de.toml").write_text('[keys]\nKeyA = ["@"]\n')
    (tmp_path / "en-us").write_text("include common\na 0x1e\n")
    keymaps = Keymaps(tmp_path / "mine")
    assert keymaps.default == "mine"
    assert set(keymaps.state.value.keymaps.available) == {*NAMES, "mine"}
    mine = await keymaps.get("mine")
    assert [key for key, pressed in key_events("éж", mine) if pressed] == [
        "AltRight", "KeyA", "KeyB", "ShiftLeft", "KeyB",
    ]  # fmt: skip
    assert [key for key, pressed in key_events("x", mine) if pressed] == ["KeyX"]
    assert (await keymaps.get("de")).strokes["@"][0].key == "KeyA"
    assert keymaps.valid_name(" mine ") == "mine"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a", "[keys]\nKeyNone = ['a']", "'KeyNone' - at keys"),
        ("a", "[keys]\nShiftLeft = ['a']", "'ShiftLeft' - at keys"),
        ("a", "[keys]\nKeyA = ['ab']", "'ab' - at keys/KeyA"),
        ("a", "[keys]\nKeyA = ['dead_fish']", "'dead_fish' - at keys/KeyA"),
        ("a", "[keys]\nKeyA = ['a', 'b', 'c', 'd', 'e']", "got 5"),
        ("a", "[keys]\nKeyA = 'a'", "array"),
        ("a", "[keys", "keymap"),
        ("a", "[keys]\nKeyA = ['\xff']".encode("latin-1"), "keymap"),
        ("a", "#" * (MAX_FILE_BYTES + 1), "at most"),
        ("white space", "[keys]", "letters"),
    ],
)
def test_files_that_are_broken_are_said_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, text: str | bytes, reason: str
) -> None:
    (tmp_path / f"{name}.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "folder.toml").mkdir()
    keymaps = Keymaps(tmp_path / "de")
    assert list(keymaps.state.value.keymaps.available) == NAMES
    assert reason in caplog.text
    assert "folder.toml is left out" in caplog.text


def test_a_layout_says_what_is_wrong_with_it() -> None:
    with pytest.raises(KeymapError, match="expected the name of a key that types, got 'Nope' - at keys"):
        make_keymap("x", OurLayout({"Nope": ["a"]}), {})
