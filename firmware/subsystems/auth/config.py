"""Section `kvmd/auth` (config.md 2): who may call, by which service, for how long.

Only values; no file named here is opened, and no password is kept.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from firmware.core.config.kinds import (
    AbsolutePath,
    Checked,
    Interval,
    Mode,
    NonEmptyText,
    OptionalPath,
    OptionalText,
    Pattern,
    TextList,
    UserList,
    UserName,
    integer,
)
from firmware.core.config.section import Section
from firmware.core.validators import valid_http_url

LDAP_URL = Pattern(re.compile(r"ldaps?://\S+", re.IGNORECASE), "an ldap:// or ldaps:// URL")

type HttpUrl = Annotated[str, Checked(valid_http_url, as_text=True)]


class UscConfig(Section, frozen=True):
    """`kvmd/auth/usc`: who may call over the unix socket by the credentials of the peer process."""

    users: UserList = ()
    groups: UserList = ()
    kvmd_users: UserList = ("root",)
    kvmd_groups: UserList = ("kvmd-selfauth",)


class HtpasswdAuthConfig(Section, frozen=True):
    """Users and password hashes in a file."""

    type: Literal["htpasswd"] = "htpasswd"
    force_users: UserList = ()
    file: AbsolutePath = Path("/etc/kvmd/htpasswd")


class HttpAuthConfig(Section, frozen=True):
    """A web service decides (subsystems.md 1)."""

    type: Literal["http"] = "http"
    force_users: UserList = ()
    url: HttpUrl = "http://localhost/auth"
    verify: bool = True
    secret: OptionalText = ""
    user: OptionalText = ""
    passwd: OptionalText = ""
    timeout: Interval = 5.0


class LdapAuthConfig(Section, frozen=True, kw_only=True):
    """A directory server decides."""

    type: Literal["ldap"] = "ldap"
    force_users: UserList = ()
    url: Annotated[str, LDAP_URL]
    verify: bool = True
    base: NonEmptyText
    group: NonEmptyText
    user_domain: OptionalText = ""
    timeout: Annotated[int, integer(1)] = 5


class PamAuthConfig(Section, frozen=True):
    """The system's accounts decide."""

    type: Literal["pam"] = "pam"
    force_users: UserList = ()
    service: NonEmptyText = "login"
    allow_users: UserList = ()
    deny_users: UserList = ()
    allow_uids_at: Annotated[int, integer(0)] = 0


class OnetimeAuthConfig(Section, frozen=True):
    """A random password, written to a file for whoever may read it."""

    type: Literal["onetime"] = "onetime"
    force_users: UserList = ()
    user: UserName = "onetime"
    passwd_len: Annotated[int, integer(3, 32)] = 8
    file: AbsolutePath = Path("/run/kvmd/creds.json")
    file_mode: Mode = 0o640
    change_after_login: bool = False


class RadiusAuthConfig(Section, frozen=True):
    """A RADIUS server decides."""

    type: Literal["radius"] = "radius"
    force_users: UserList = ()
    host: NonEmptyText = "localhost"
    port: Annotated[int, integer(1, 65535)] = 1812
    secret: OptionalText = ""
    timeout: Annotated[int, integer(1)] = 5


class ForbiddenAuthConfig(Section, frozen=True):
    """Nobody is let in."""

    type: Literal["forbidden"] = "forbidden"
    force_users: UserList = ()


class NoAuthConfig(Section, frozen=True):
    """There is no such service (only `external` may be empty)."""

    type: Literal[""] = ""


type AuthServiceConfig = (
    HtpasswdAuthConfig
    | HttpAuthConfig
    | LdapAuthConfig
    | PamAuthConfig
    | OnetimeAuthConfig
    | RadiusAuthConfig
    | ForbiddenAuthConfig
)


class TotpSecretConfig(Section, frozen=True):
    """`kvmd/auth/totp/secret`: the base32 secret; an empty or missing file means no second factor."""

    file: OptionalPath = Path("/etc/kvmd/totp.secret")


class TotpConfig(Section, frozen=True):
    """`kvmd/auth/totp`: the second factor."""

    secret: TotpSecretConfig = TotpSecretConfig()


class AuthConfig(Section, frozen=True):
    """`kvmd/auth`."""

    enabled: bool = True
    expire: Annotated[int, integer(0)] = 0
    """Longest session in seconds; 0 = unlimited."""
    extend: bool = False
    allow_redirects: TextList = ("/", "/kvm", "/kvm/")
    usc: UscConfig = UscConfig()
    internal: AuthServiceConfig = HtpasswdAuthConfig()
    external: AuthServiceConfig | NoAuthConfig = NoAuthConfig()
    totp: TotpConfig = TotpConfig()
