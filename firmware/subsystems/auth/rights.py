"""What each user may do: capabilities, roles made of them, and the file that gives them out.

Pure: bytes in, values out. Without the file, and for a user that it does not name unless it says otherwise,
everything is allowed: that is what a password file of PiKVM's means.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Final, Self

import msgspec

from firmware.core.errors import ValidatorError
from firmware.core.validators import valid_choice, valid_list, valid_user


class Capability(enum.StrEnum):
    """One thing that a user may do, named as in the file."""

    VIEW = "view"
    """See the picture and every state."""
    TYPE = "type"
    """Use the keyboard, and set how input and picture are sent."""
    POINT = "point"
    """Use the mouse."""
    POWER = "power"
    """Press the front panel's buttons, and choose what to start from."""
    MEDIA = "media"
    """Use the drive and its images."""
    GPIO = "gpio"
    """Switch channels."""
    SWITCH = "switch"
    """Use and set the KVM switch."""
    ADMIN = "admin"
    """Set the appliance, read its log, see and end the sessions of others."""


EVERYTHING: Final = frozenset(Capability)
NOTHING: Final[frozenset[Capability]] = frozenset()
PREDEFINED: Final[Mapping[str, frozenset[Capability]]] = MappingProxyType(
    {
        "admin": EVERYTHING,
        "operator": EVERYTHING - {Capability.ADMIN},
        "viewer": frozenset({Capability.VIEW}),
        "nobody": NOTHING,
    }
)


def valid_capabilities(
    raw: object, name: str = "capabilities", *, allowed: Sequence[str] = tuple(Capability)
) -> frozenset[Capability]:
    """Return a list of *allowed* capabilities, at least one. Raises ValidatorError."""
    words = valid_list(raw, name, item=partial(valid_choice, allowed=allowed))
    if not words:
        raise ValidatorError(f"expected at least one of {', '.join(allowed)}, got none - at {name}")
    return frozenset(map(Capability, words))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is written, in TOML. A grant is the name of a role or a list of capabilities."""

    users: dict[str, str | frozenset[Capability]] = {}
    roles: dict[str, frozenset[Capability]] = {}
    others: str | frozenset[Capability] = "admin"
    """What users have whom the file does not name."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Who may do what; by default everybody everything."""

    named: Mapping[str, frozenset[Capability]] = field(default_factory=dict)
    others: frozenset[Capability] = EVERYTHING
    roles: Mapping[str, frozenset[Capability]] = PREDEFINED

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the file. Raises ValueError saying what is wrong with it.

        A file without anything in it is an error, since an editor that is just writing leaves one, and it
        would mean that everybody may do everything.
        """
        if not data.strip():
            raise ValueError("expected who may do what, got an empty file (remove it to allow everything)")
        try:
            file = msgspec.toml.decode(data, type=_File)
        except (ValueError, RecursionError) as exc:
            raise ValueError(f"expected TOML of rights: {exc}") from None
        for role in file.roles:
            if role in PREDEFINED:
                raise ValueError(f"expected a name that no role has yet, got {role} - at roles")
        roles = {**PREDEFINED, **file.roles}
        for user in file.users:
            _require_user(user)
        named = {user: _granted(grant, roles, f"users.{user}") for user, grant in file.users.items()}
        return cls(MappingProxyType(named), _granted(file.others, roles, "others"), roles)

    def of(self, user: str) -> frozenset[Capability]:
        """Return what *user* may do."""
        return self.named.get(user, self.others)

    def of_roles(self, roles: Iterable[str]) -> frozenset[Capability]:
        """Return what somebody may do who has all of *roles*; a role that there is not gives nothing."""
        return NOTHING.union(*(self.roles.get(role, NOTHING) for role in roles))


def _require_user(user: str) -> None:
    try:
        accepted = valid_user(user) == user
    except ValidatorError as exc:
        raise ValueError(f"{exc} (at users)") from None
    if not accepted:
        raise ValueError(f"expected a user name without surrounding blanks, got {user!r} - at users")


def _granted(
    grant: str | frozenset[Capability], roles: Mapping[str, frozenset[Capability]], where: str
) -> frozenset[Capability]:
    if not isinstance(grant, str):
        return grant
    if grant not in roles:
        raise ValueError(f"expected one of the roles {', '.join(sorted(roles))}, got {grant!r} - at {where}")
    return roles[grant]
