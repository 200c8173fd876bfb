"""The policy on default passwords (admin/admin): fine for a demo on this very machine, refused anywhere else.

Decides, and says what to do about it. It starts nothing and reads no file.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from firmware.core.errors import SetupError
from firmware.subsystems.auth.hashing import Hasher
from firmware.subsystems.auth.password_file import PasswordFile

DEFAULT_USER: Final = "admin"
DEFAULT_PASSWORD: Final = "admin"  # noqa: S105 (the published default that this module is about)

_MEND: Final = "set one with `farhand passwd set admin`"


@dataclass(frozen=True, slots=True)
class StartDecision:
    """The appliance may start. `fallback` are the accounts to use while there is no password file."""

    fallback: PasswordFile | None = None
    default_password: bool = False
    """Whether admin/admin lets one in: to be said on start."""


def has_default_password(passwords: PasswordFile, hasher: Hasher) -> bool:
    """Return whether admin/admin lets one in. Blocks for one hash computation."""
    stored = passwords.accounts.get(DEFAULT_USER)
    return stored is not None and hasher.verify(stored, DEFAULT_PASSWORD)


def decide(
    passwords: PasswordFile | None, *, demo_board: bool, loopback_only: bool, hasher: Hasher
) -> StartDecision:
    """Decide whether the appliance may start with *passwords* (None: there is no password file).

    *demo_board*: the target is emulated or a local virtual machine; *loopback_only*: no listener can be
    reached from outside this machine. Blocks for one hash computation: call it in a thread. Raises SetupError
    saying how to set a password.
    """
    demo = demo_board and loopback_only
    where = "on an address that others can reach" if demo_board else "on a real board"
    if passwords is None:
        if not demo:
            raise SetupError(
                f"there is no password file, and there are no default passwords {where}; {_MEND}"
            )
        stored = hasher.hash(DEFAULT_PASSWORD)
        return StartDecision(PasswordFile.empty().with_account(DEFAULT_USER, stored), default_password=True)
    if not passwords.accounts:
        raise SetupError(f"the password file has no usable account, so nobody could log in; {_MEND}")
    if not has_default_password(passwords, hasher):
        return StartDecision()
    if not demo:
        raise SetupError(
            f"the password of {DEFAULT_USER} is the default one, which is refused {where}; {_MEND}"
        )
    return StartDecision(default_password=True)


def all_loopback(hosts: Iterable[str]) -> bool:
    """Return whether every one of *hosts* (IP addresses, `localhost`) is a loopback address.

    Other names are not looked up: what they mean may change, so they count as reachable from outside.
    """
    return all(_is_loopback(host) for host in hosts)


def _is_loopback(host: str) -> bool:
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare.lower() == "localhost"
