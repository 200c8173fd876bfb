"""The commands `farhand config --check` and `--dump`: what a configuration directory says, for people.

They read and print; they never start anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TextIO

from firmware import usable
from firmware.boards.choose import choose_board
from firmware.boards.data import read_board
from firmware.core.config.errors import ConfigurationError
from firmware.core.config.yaml_reader import display_name
from firmware.core.errors import SetupError
from firmware.settings import LoadedSettings, dump, load

OK_STATUS: Final = 0
ERROR_STATUS: Final = 2
"""A configuration that cannot be used, as for every other set-up error."""


def command_check(config_dir: Path, out: TextIO, *, base: Mapping[str, object] | None = None) -> int:
    """Print warnings and errors and a last line that counts them; return the exit status."""
    try:
        loaded = load(config_dir, base=_board_settings(config_dir) if base is None else base)
        warnings = (*loaded.warnings, *usable.check(loaded))
    except ConfigurationError as exc:
        _print(out, "warning", map(str, exc.warnings))
        _print(out, "error", map(str, exc.errors))
        counts = f"{_count(len(exc.errors), 'error')}, {_count(len(exc.warnings), 'warning')}"
        out.write(f"{config_dir}: {counts}\n")
        return ERROR_STATUS
    _print(out, "warning", warnings)
    counts = f"{_count(len(loaded.files), 'file')} read, {_count(len(warnings), 'warning')}"
    out.write(f"{config_dir}: {counts}, can be used\n")
    return OK_STATUS


def command_dump(config_dir: Path, out: TextIO, *, base: Mapping[str, object] | None = None) -> int:
    """Print the effective configuration as YAML, secrets masked; or the errors, with status 2."""
    try:
        loaded = load(config_dir, base=_board_settings(config_dir) if base is None else base)
    except ConfigurationError as exc:
        _print(out, "error", map(str, exc.errors))
        return ERROR_STATUS
    out.write(_heading(config_dir, loaded))
    out.write(dump(loaded.settings))
    return OK_STATUS


def _board_settings(config_dir: Path) -> Mapping[str, object]:
    """Return the configuration that the board brings along; nothing if there is none that we know."""
    try:
        return read_board(choose_board(load(config_dir).settings.farhand.board)).settings
    except SetupError:
        # A configuration can be checked on any machine; that its board is unknown is said by `usable`.
        return {}


def _heading(config_dir: Path, loaded: LoadedSettings) -> str:
    files = (
        ", ".join(display_name(path, loaded.directory) for path in loaded.files) or "no files, defaults only"
    )
    return f"# The effective configuration of {config_dir} ({files}); secrets are masked.\n"


def _print(out: TextIO, label: str, lines: Iterable[str]) -> None:
    out.writelines(f"{label}: {line}\n" for line in lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
