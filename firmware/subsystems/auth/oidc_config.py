"""Section `farhand/oidc`: logging in through an OpenID Connect provider."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Self, override
from urllib.parse import urlsplit

from firmware.core.config.kinds import (
    Checked,
    Kind,
    MismatchError,
    NonEmptyText,
    OptionalPath,
    OptionalText,
    TextList,
    integer,
    text_of,
)
from firmware.core.config.section import Notes, Section
from firmware.core.config.tree import Node
from firmware.core.files import observe
from firmware.core.validators import valid_http_url

OPENID: Final = "openid"


@dataclass(frozen=True, slots=True)
class _Roles(Kind):
    """A section of names and names: groups of the provider, and roles of ours."""

    @override
    def parse(self, node: Node) -> Mapping[str, str]:
        if node.value is None:
            return MappingProxyType({})
        if not isinstance(node.value, dict):
            raise MismatchError("a section of groups and their roles (group: role)", node)
        roles: dict[str, str] = {}
        for group, role in node.value.items():
            name = text_of(role)
            if not name:
                raise MismatchError(f"the name of a role for the group {group}", role)
            roles[str(group)] = name
        return MappingProxyType(roles)

    @override
    def plain(self, value: Any) -> object:
        return dict(value)


type OptionalUrl = Annotated[str, Checked(valid_http_url, as_text=True, empty="")]


class OidcConfig(Section, frozen=True):
    """`farhand/oidc`; without an issuer there is no such login."""

    issuer: OptionalUrl = ""
    """The provider, as it calls itself; https, or http on this machine."""
    name: NonEmptyText = "Single sign-on"
    """What the login page calls it."""
    client_id: OptionalText = ""
    client_secret_file: OptionalPath = None
    """None = a public client, which PKCE alone protects."""
    scopes: TextList = (OPENID, "profile")
    user: NonEmptyText = "preferred_username"
    """The claim with the user's name."""
    groups: NonEmptyText = "groups"
    """The claim with the user's groups."""
    roles: Annotated[Mapping[str, str], _Roles()] = MappingProxyType({})
    """What members of a group are here; who is in none of them is not let in."""
    expire: Annotated[int, integer(0)] = 43_200
    """The longest session in seconds, 0 = unlimited; a change at the provider counts with the next login."""
    url: OptionalUrl = ""
    """Where browsers find the console, if not where their requests say, such as https://kvm.example.org/."""

    @override
    def settle(self, notes: Notes) -> Self:
        if not self.issuer:
            return self
        if not _is_safe(self.issuer):
            notes.error("issuer", f"expected https (or http on a loopback address), got {self.issuer}")
        if not self.client_id:
            notes.error("client_id", "expected the id that the provider gave this appliance, got none")
        if OPENID not in self.scopes:
            notes.error("scopes", f"expected {OPENID} among them, got others alone")
        if not self.roles:
            notes.error("roles", "expected roles for groups (group: role), got none; nobody could log in")
        return self


def read_client_secret(path: Path) -> str:
    """Return the client's secret in the file at *path*. Blocks. Raises ValueError without quoting it."""
    seen = observe(path)
    if seen.data is None:
        raise ValueError(f"cannot be read: {path}: {seen.error or 'there is no such file'}")
    try:
        secret = seen.data.decode("ascii").strip()
    except UnicodeDecodeError:
        secret = ""
    if not secret or not secret.isprintable():
        raise ValueError(f"expected one line of printable ASCII characters in {path}, got something else")
    if path.stat().st_mode & 0o077:
        raise ValueError(f"expected a file that only its owner may read; say `chmod 600 {path}`")
    return secret


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can read and change what is fetched from *url*."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
