"""Makes our keymaps of XKB's layouts: `just keymaps`.

Reads Debian's xkb-data and the compose rules of libx11-data through libxkbcommon, and writes
`firmware/subsystems/hid/keymaps/*.toml` and, for the tests, the same layouts in XKB's own compiled form. The
appliance needs neither library; only people who regenerate the data do.
"""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from observers.xkb import HostKeyboard, Layout, LinuxKey, Xkb, is_dead

from drivers.wire.hid_usages import KEYS

ROOT = Path(__file__).resolve().parent.parent
KEYMAPS = ROOT / "firmware/subsystems/hid/keymaps"
COMPILED = ROOT / "firmware/subsystems/hid/tests/data/xkb.tar.xz"
COMPOSE_FILE = Path("/usr/share/X11/locale/en_US.UTF-8/Compose")

# Our names (contract subsystems.md 3) and XKB's layout and variant. Where there are several, it is the one
# that the contract's vectors are true of: `bepo` is a Dvorak layout there.
LAYOUTS: Mapping[str, tuple[str, str]] = {
    "ar": ("ara", ""),
    "bepo": ("fr", "dvorak"),
    "cz": ("cz", ""),
    "da": ("dk", ""),
    "de": ("de", ""),
    "de-ch": ("ch", ""),
    "en-gb": ("gb", ""),
    "en-us": ("us", ""),
    "en-us-altgr-intl": ("us", "altgr-intl"),
    "en-us-colemak": ("us", "colemak"),
    "es": ("es", ""),
    "et": ("ee", ""),
    "fi": ("fi", ""),
    "fo": ("fo", ""),
    "fr": ("fr", ""),
    "fr-be": ("be", ""),
    "fr-ca": ("ca", ""),
    "fr-ch": ("ch", "fr"),
    "hr": ("hr", ""),
    "hu": ("hu", ""),
    "is": ("is", ""),
    "it": ("it", ""),
    "ja": ("jp", ""),
    "lt": ("lt", ""),
    "lv": ("lv", ""),
    "mk": ("mk", ""),
    "nl": ("nl", ""),
    "no": ("no", ""),
    "pl": ("pl", ""),
    "pt": ("pt", ""),
    "pt-br": ("br", ""),
    "ru": ("ru", ""),
    "sl": ("si", ""),
    "sv": ("se", ""),
    "th": ("th", ""),
    "tr": ("tr", ""),
}

LEVELS: tuple[tuple[LinuxKey, ...], ...] = (
    (),
    (LinuxKey.LEFT_SHIFT,),
    (LinuxKey.RIGHT_ALT,),
    (LinuxKey.LEFT_SHIFT, LinuxKey.RIGHT_ALT),
)

# Symbols that we leave out because another key has them too, and the contract's vectors type them there.
LEFT_OUT: frozenset[tuple[str, str, str]] = frozenset({("nl", "Backquote", "@")})

# Rules of one dead key and one other key; nobody types longer ones who has the character on a keyboard.
_DEAD_RULE = re.compile(r"\s*<dead_\w+>\s+<(?!dead_)\w+>\s*:")


def levels_of(layout: Layout, linux_code: int) -> list[int]:
    """Return the symbols of a key by level, as many as the layout's right Alt key can reach."""
    keysyms = []
    for held in LEVELS if HostKeyboard(layout).has_altgr else LEVELS[:2]:
        keyboard = HostKeyboard(layout)
        for modifier in held:
            keyboard.press(modifier)
        keysyms.append(keyboard.keysym(linux_code))
    if keysyms[2:] == keysyms[:2]:
        # The key has two levels only.
        del keysyms[2:]
    return keysyms


def typing_keys() -> list[tuple[str, int]]:
    """List the keys that may type, in the order of the keyboard.

    What the keypad types depends on the host's Num Lock, so it is left out.
    """
    keys = [key for key in KEYS.values() if not key.modifier_bit and not key.name.startswith("Numpad")]
    return [(key.name, key.linux_code) for key in sorted(keys, key=lambda key: key.linux_code)]


def quoted(text: str) -> str:
    """Return *text* as a TOML string in which everything can be seen."""
    shown = []
    for character in text:
        if character in '"\\':
            shown.append("\\" + character)
        elif character != " " and unicodedata.category(character)[0] in "MZC":
            code = ord(character)
            shown.append(f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}")
        else:
            shown.append(character)
    return '"' + "".join(shown) + '"'


def keymap_rows(xkb: Xkb, keymap: str, layout: Layout, used: dict[str, int]) -> Iterator[str]:
    """Yield the lines of one keymap; *used* collects the symbols by what we call them."""
    for name, code in typing_keys():
        columns = []
        for keysym in levels_of(layout, code):
            character = xkb.character_of(keysym)
            if is_dead(keysym):
                column = xkb.name_of(keysym)
            elif character and (character == " " or character.isprintable() or is_format(character)):
                column = character
            else:
                column = ""
            columns.append("" if (keymap, name, column) in LEFT_OUT else column)
            if column:
                used.setdefault(column, keysym)
        if name == "Space" and columns[0] == " ":
            # Always typed unmodified; only what else the key types is of interest.
            columns = ["" if column == " " else column for column in columns]
        while columns and not columns[-1]:
            columns.pop()
        if columns:
            yield f"{name} = [{', '.join(map(quoted, columns))}]"


def is_format(character: str) -> bool:
    """Return whether a character is an invisible one that people mean: spaces, joiners, direction marks."""
    return unicodedata.category(character) in ("Zs", "Cf")


def composition_rows(compose: HostKeyboard, used: Mapping[str, int]) -> Iterator[str]:
    """Yield the compositions of every dead key with every character of any keymap, and with space."""
    for dead in sorted(name for name, keysym in used.items() if is_dead(keysym)):
        pairs = []
        for base in sorted(name for name, keysym in used.items() if not is_dead(keysym)):
            result = compose.compose([used[dead], used[base]])
            if len(result) == 1:
                pairs.append(quoted(base + result))
        yield f"{dead} = ["
        for start in range(0, len(pairs), 12):
            yield "    " + ", ".join(pairs[start : start + 12]) + ","
        yield "]"


def package_version(name: str) -> str:
    """Return the version of an installed Debian package."""
    query = ["dpkg-query", "-W", "-f", "${Version}", name]
    return subprocess.run(query, check=True, capture_output=True, text=True).stdout


def dead_key_rules() -> str:
    """Return the rules of the installed Compose file that we use."""
    lines = COMPOSE_FILE.read_text().splitlines()
    return "\n".join(line for line in lines if _DEAD_RULE.match(line)) + "\n"


def generate() -> dict[Path, bytes]:
    """Return the contents of every generated file."""
    xkb = Xkb()
    layouts = {name: xkb.layout(*names) for name, names in LAYOUTS.items()}
    rules = dead_key_rules()
    compose = HostKeyboard(layouts["en-us"], xkb.compose_rules(rules))
    used: dict[str, int] = {" ": 0x20}
    files: dict[Path, bytes] = {}
    for name, layout in layouts.items():
        of = f"({LAYOUTS[name][1]})" if LAYOUTS[name][1] else ""
        lines = [
            f"# {LAYOUTS[name][0]}{of} of XKB, made by `just keymaps`; NOTICE tells the origin.",
            "# key = what it types by itself, with Shift, with AltGr, with both.",
            "",
            "[keys]",
            *keymap_rows(xkb, name, layout, used),
            "",
        ]
        files[KEYMAPS / f"{name}.toml"] = "\n".join(lines).encode()
    lines = [
        "# What dead keys make of the character after them, of Xlib's compose rules; made by `just keymaps`.",
        "# dead key = [ character and result, ... ]",
        "",
        *composition_rows(compose, used),
        "",
    ]
    files[KEYMAPS.parent / "dead_keys.toml"] = "\n".join(lines).encode()
    compiled = {
        **{f"{name}.xkb": layout.text() for name, layout in layouts.items()},
        "Compose": rules,
        "version": f"{package_version('xkb-data')}\n",
    }
    files[COMPILED] = archive(compiled)
    return files


def archive(texts: Mapping[str, str]) -> bytes:
    """Return a tar.xz of *texts* by name, the same for the same texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=9) as tar:
        for name, text in texts.items():
            entry = tarfile.TarInfo(name)
            data = text.encode()
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def main() -> None:
    """Write what is generated."""
    for path, data in generate().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(LAYOUTS)} keymaps of xkb-data {package_version('xkb-data')}")


if __name__ == "__main__":
    main()
