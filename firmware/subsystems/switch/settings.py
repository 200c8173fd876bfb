"""What the switch's ports shall be like: EDIDs, names, delays, dummies and colours (contract 9.3).

Values and their changes only; `store` keeps them, `chain` brings the units to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from drivers.wire.switch_protocol import COLOUR_ROLES, MAX_UNITS, PORTS_PER_UNIT, Colour, Colours
from firmware.core.errors import OperationError
from firmware.state.switch import ClickDelays

PORTS: Final = MAX_UNITS * PORTS_PER_UNIT
DEFAULT_EDID: Final = "default"
DEFAULT_EDID_NAME: Final = "Default"
DEFAULT_DUMMY: Final = True
EDIDS_MAX: Final = 256
"""Every client is sent all of them, and their file is read in one piece; a chain has twenty ports."""

type Button = Literal["power", "power_long", "reset"]
BUTTONS: Final[tuple[Button, ...]] = ("power", "power_long", "reset")


class SwitchUnknownEdidError(OperationError):
    """There is no EDID with that identifier."""


class SwitchTooManyEdidsError(OperationError):
    """There is no room for another EDID."""


@dataclass(frozen=True, slots=True)
class StoredEdid:
    """An EDID that a person gave; *data* are 256 or 512 upper-case hexadecimal digits."""

    name: str
    data: str


def _nothing[K, V]() -> Mapping[K, V]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SwitchSettings:
    """All settings; the mappings by virtual port hold only what is not the default."""

    edids: Mapping[str, StoredEdid] = field(default_factory=_nothing)
    port_edids: Mapping[int, str] = field(default_factory=_nothing)
    dummies: Mapping[int, bool] = field(default_factory=_nothing)
    names: Mapping[int, str] = field(default_factory=_nothing)
    click_delays: Mapping[Button, Mapping[int, float]] = field(default_factory=_nothing)
    colours: Colours = Colours()

    # -- reading ---------------------------------------------------------------------------------------------

    def edid_id(self, port: int) -> str:
        """Return which EDID a port has."""
        edid_id = self.port_edids.get(port, DEFAULT_EDID)
        return edid_id if edid_id in self.edids else DEFAULT_EDID

    def dummy(self, port: int) -> bool:
        """Return whether a display is simulated at a port that is not shown."""
        return self.dummies.get(port, DEFAULT_DUMMY)

    def name(self, port: int) -> str:
        """Return what a port is called."""
        return self.names.get(port, "")

    def click_delay_s(self, port: int, button: Button) -> float:
        """Return how long a button of a port is pressed."""
        default: float = getattr(ClickDelays(), button)
        return self.click_delays.get(button, {}).get(port, default)

    def click_delays_of(self, port: int) -> ClickDelays:
        """Return the same for all buttons of a port."""
        return ClickDelays(**{button: self.click_delay_s(port, button) for button in BUTTONS})

    # -- changing --------------------------------------------------------------------------------------------

    def with_edid(self, edid_id: str, edid: StoredEdid) -> SwitchSettings:
        """Return the same with another EDID, new or instead of the one with that identifier.

        Raises SwitchTooManyEdidsError.
        """
        if edid_id not in self.edids and len(self.edids) >= EDIDS_MAX:
            raise SwitchTooManyEdidsError(
                f"expected at most {EDIDS_MAX} EDIDs, got another one; remove one that no port has"
            )
        return replace(self, edids={**self.edids, edid_id: edid})

    def changed_edid(self, edid_id: str, *, name: str | None, data: str | None) -> SwitchSettings:
        """Return the same with a changed EDID; None and an empty name leave what there is.

        Raises SwitchUnknownEdidError.
        """
        self.require_edid(edid_id)
        old = self.edids[edid_id]
        return self.with_edid(edid_id, StoredEdid(name or old.name, data or old.data))

    def without_edid(self, edid_id: str) -> SwitchSettings:
        """Return the same without an EDID; its ports have the default one. Raises SwitchUnknownEdidError."""
        self.require_edid(edid_id)
        return replace(
            self, edids=_without(self.edids, edid_id), port_edids=_without_value(self.port_edids, edid_id)
        )

    def require_edid(self, edid_id: str) -> None:
        """Raise SwitchUnknownEdidError if there is no such EDID among those that can be changed."""
        if edid_id not in self.edids:
            raise SwitchUnknownEdidError(f"expected the identifier of an EDID that is there, got {edid_id!r}")

    def with_port(
        self,
        port: int,
        *,
        edid_id: str | None = None,
        dummy: bool | None = None,
        name: str | None = None,
        click_delays: Mapping[Button, float] | None = None,
    ) -> SwitchSettings:
        """Return the same with what is given changed at a port; a delay of 0 is the default one.

        A port that no chain can have changes nothing. Raises SwitchUnknownEdidError.
        """
        if edid_id is not None and edid_id != DEFAULT_EDID:
            self.require_edid(edid_id)
        if not 0 <= port < PORTS:
            return self
        new = self
        if edid_id is not None:
            new = replace(new, port_edids=_with(new.port_edids, port, edid_id, default=DEFAULT_EDID))
        if dummy is not None:
            new = replace(new, dummies=_with(new.dummies, port, dummy, default=DEFAULT_DUMMY))
        if name is not None:
            new = replace(new, names=_with(new.names, port, name, default=""))
        for button, delay_s in (click_delays or {}).items():
            default: float = getattr(ClickDelays(), button)
            of_button = _with(new.click_delays.get(button, {}), port, delay_s or default, default=default)
            new = replace(new, click_delays=_with(new.click_delays, button, of_button, default={}))
        return new

    def with_colours(self, colours: Mapping[str, Colour | None]) -> SwitchSettings:
        """Return the same with other colours for some roles; None is the default one."""
        changes = {
            role: getattr(Colours(), role) if colour is None else colour
            for role, colour in colours.items()
            if role in COLOUR_ROLES
        }
        return replace(self, colours=replace(self.colours, **changes))


def _with[K, V](mapping: Mapping[K, V], key: K, value: V, *, default: V) -> Mapping[K, V]:
    return _without(mapping, key) if value == default else {**mapping, key: value}


def _without[K, V](mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    return {other: value for other, value in mapping.items() if other != key}


def _without_value[K, V](mapping: Mapping[K, V], unwanted: V) -> Mapping[K, V]:
    return {key: value for key, value in mapping.items() if value != unwanted}


def virtual_port(port: float) -> int:
    """Return the 0-based port that a port argument means (contract http.md 4.7).

    A whole number is that port. U.C is channel C of unit U, both counted from 1 and moved to the nearest that
    a chain can have; its digits count, so 1.05 is channel 5, which is the fourth.
    """
    if float(port).is_integer():
        return int(port)
    unit, _, channel = repr(float(port)).partition(".")
    return (_within(int(unit), MAX_UNITS) - 1) * PORTS_PER_UNIT + _within(int(channel), PORTS_PER_UNIT) - 1


def _within(number: int, last: int) -> int:
    return min(max(number, 1), last)
