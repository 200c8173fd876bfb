"""Keeps the switch's settings in JSON files, one per kind, with PiKVM's names and shapes (contract 9.3).

Blocks: call it in a thread. A file that is damaged is named and kept aside with another name; whatever in it
makes sense is used. A power cut leaves each file old or new.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from drivers.wire.switch_protocol import COLOUR_ROLES, Colour, Colours
from firmware.core.errors import ValidatorError
from firmware.core.files import make_directory, observe, replace
from firmware.core.json_documents import read_json
from firmware.core.validators import (
    valid_bool,
    valid_switch_atx_delay,
    valid_switch_edid_data,
    valid_switch_edid_id,
    valid_switch_port_name,
)
from firmware.subsystems.switch.settings import (
    BUTTONS,
    PORTS,
    Button,
    StoredEdid,
    SwitchSettings,
)

logger = logging.getLogger(__name__)

# In this order they are written: an EDID is there before a port has it.
EDIDS, PORT_EDIDS, DUMMIES, COLOURS, NAMES = (
    "edids_all.json",
    "edids_port.json",
    "dummies.json",
    "colors.json",
    "port_names.json",
)
DELAYS: Final[dict[Button, str]] = {button: f"atx_click_{button}_delays.json" for button in BUTTONS}
ASIDE_MAX: Final = 9
"""How many damaged files of a kind are kept; the last one is overwritten."""

type _Document = Mapping[str, object]


class SwitchStore:
    """The files in *directory*, which is made when the first one is written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written: dict[str, bytes] = {}

    def load(self) -> SwitchSettings:
        """Read everything. What is wrong is logged, not raised: a switch is of use without its names."""
        colours = asdict(Colours()) | {
            role: asdict(colour) for role, colour in self._read(COLOURS, _role, _colour).items()
        }
        given_delays = {
            button: self._read(file, _port, valid_switch_atx_delay) for button, file in DELAYS.items()
        }
        return SwitchSettings(
            edids=self._read(EDIDS, _edid_id, _edid),
            port_edids=self._read(PORT_EDIDS, _port, partial(valid_switch_edid_id, default_allowed=True)),
            dummies=self._read(DUMMIES, _port, valid_bool),
            names=self._read(NAMES, _port, valid_switch_port_name),
            click_delays={button: delays for button, delays in given_delays.items() if delays},
            colours=Colours(**{role: Colour(**colour) for role, colour in colours.items()}),
        )

    def save(self, settings: SwitchSettings) -> None:
        """Write each file that differs from what was last read or written. Raises OSError; try again then."""
        for name, document in _documents(settings).items():
            data = msgspec.json.encode(document, order="sorted")
            if data != self._written.get(name, b"{}"):
                make_directory(self._directory)
                replace(self._directory / name, data)
                self._written[name] = data

    def _read[K, V](
        self, name: str, valid_key: Callable[[str], K], valid_value: Callable[[object], V]
    ) -> dict[K, V]:
        path = self._directory / name
        seen = observe(path)
        if seen.error is not None:
            self._keep_aside(path, [seen.error])
        if seen.data is None:
            return {}
        try:
            document = read_json(seen.data, dict[str, Any])
        except ValueError as exc:
            self._keep_aside(path, [str(exc)])
            return {}
        entries: dict[K, V] = {}
        problems = []
        for key, value in document.items():
            try:
                valid = valid_key(key)
                entries[valid] = valid_value(value)
            except (ValidatorError, ValueError, TypeError) as exc:
                problems.append(f"{exc} - at {key!r}")
        if problems:
            self._keep_aside(path, problems)
        else:
            # Compared as we would write it, so that another layout of the same is left alone.
            self._written[name] = msgspec.json.encode(document, order="sorted")
        return entries

    def _keep_aside(self, path: Path, problems: list[str]) -> None:
        # Whatever is saved next has to be written, an empty document too.
        self._written[path.name] = b""
        numbers = range(1, ASIDE_MAX + 1)
        names = [path.with_name(f"{path.name}.damaged{number}") for number in numbers]
        aside = next((name for name in names if not name.exists()), names[-1])
        try:
            path.replace(aside)
            where = f"kept as {aside.name}"
        except OSError as exc:
            where = f"which cannot be kept aside: {exc.strerror or exc}"
        logger.warning("the switch's settings are damaged: %s - at %s, %s", "; ".join(problems), path, where)


def _documents(settings: SwitchSettings) -> dict[str, _Document]:
    default = Colours()
    return {
        EDIDS: {key: asdict(edid) for key, edid in settings.edids.items()},
        PORT_EDIDS: _by_port(settings.port_edids),
        DUMMIES: _by_port(settings.dummies),
        COLOURS: {
            role: asdict(getattr(settings.colours, role))
            for role in COLOUR_ROLES
            if getattr(settings.colours, role) != getattr(default, role)
        },
        NAMES: _by_port(settings.names),
        **{file: _by_port(settings.click_delays.get(button, {})) for button, file in DELAYS.items()},
    }


def _by_port(values: Mapping[int, object]) -> _Document:
    return {str(port): value for port, value in values.items()}


def _port(key: str) -> int:
    if not key.isdecimal() or not 0 <= int(key) < PORTS:
        raise ValueError(f"expected the number of a port, 0..{PORTS - 1}")
    return int(key)


def _edid_id(key: str) -> str:
    return valid_switch_edid_id(key)


def _role(key: str) -> str:
    if key not in COLOUR_ROLES:
        raise ValueError(f"expected one of {', '.join(COLOUR_ROLES)}")
    return key


def _edid(value: object) -> StoredEdid:
    edid = msgspec.convert(value, StoredEdid)
    if not edid.name:
        raise ValueError("expected a name that is not empty")
    return StoredEdid(edid.name, valid_switch_edid_data(edid.data, "data"))


def _colour(value: object) -> Colour:
    return msgspec.convert(value, Colour)
