"""What credentials are checked against: the files of accounts, of the second factor and of rights.

Looks whether they changed and says in the log what is wrong with them. Something that cannot be read lets
nobody in.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import trio

from firmware.core.files import Observed, observe
from firmware.subsystems.auth.password_file import PasswordFile
from firmware.subsystems.auth.rights import Rights
from firmware.subsystems.auth.totp import TotpSecret

logger = logging.getLogger(__name__)

# Looking at small files takes microseconds; more threads than this would only wait for the same disk.
FILE_READS_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """What the configuration says (contract config.md, `kvmd/auth`)."""

    password_file: Path
    totp_secret_file: Path | None = None
    """None if the configuration names no file: then there is no second factor."""
    rights_file: Path | None = None
    """None if the configuration names no file: then every user may do everything."""
    factors_file: Path | None = None
    """Where second factors that users have of their own are kept; None = nobody can have one."""
    grants_file: Path | None = None
    """Where API tokens and share links are kept; None = there are none."""
    enabled: bool = True
    expire_s: int = 0
    """The longest lifetime of a session in seconds; 0 = unlimited."""
    extend: bool = False
    """Whether an open WebSocket keeps its session from expiring."""


class _Files(NamedTuple):
    passwords: Observed = Observed()
    totp_secret: Observed = Observed()
    rights: Observed = Observed()

    def same_as(self, other: _Files) -> bool:
        return all(mine.same_as(theirs) for mine, theirs in zip(self, other, strict=True))


@dataclass(frozen=True, slots=True)
class Material:
    """What credentials are checked against: one reading of the files."""

    generation: int
    accounts: PasswordFile
    totp: TotpSecret | None
    rights: Rights | None = Rights()
    """None if they cannot be read: then nobody may do anything."""
    members_known: bool = True
    """Whether a user without an account has none, or the accounts could not be read."""
    complaints: tuple[str, ...] = ()
    """Why nobody gets in, if so."""
    warnings: tuple[str, ...] = ()


class MaterialFiles:
    """The files, and what they said when they were looked at last.

    *fallback* holds the accounts that count while there is no password file.
    """

    def __init__(self, options: AuthOptions, fallback: PasswordFile) -> None:
        self._options = options
        self._fallback = fallback
        self._files: _Files | None = None
        self._told: frozenset[str] = frozenset()
        self._had_rights = False
        self._looks = 0
        self._seen = 0
        self._threads = trio.CapacityLimiter(FILE_READS_AT_ONCE)
        self.material = Material(0, PasswordFile.empty(), None)

    async def refresh(self) -> Material:
        """Look whether the files changed and return what credentials are now checked against.

        No deadline here: whoever waits for a dead disk is ended by the deadline of its request.
        """
        self._looks += 1
        look = self._looks
        files = await trio.to_thread.run_sync(
            self._observe, self._files, abandon_on_cancel=True, limiter=self._threads
        )
        if look < self._seen:
            return self.material  # somebody began to look later and is back already
        self._seen = look
        if self._files is None or not files.same_as(self._files):
            self.material = self._build(files, self.material.generation + 1)
            self._tell({*self.material.complaints, *self.material.warnings})
        self._files = files
        return self.material

    def _observe(self, known: _Files | None) -> _Files:
        """Look at the files, in a thread."""
        secret_file, rights_file = self._options.totp_secret_file, self._options.rights_file
        return _Files(
            observe(self._options.password_file, known and known.passwords),
            observe(secret_file, known and known.totp_secret) if secret_file else Observed(),
            observe(rights_file, known and known.rights) if rights_file else Observed(),
        )

    def _read_rights(self, seen: Observed, complaints: list[str]) -> Rights | None:
        """Return what *seen* says, None with a complaint if that cannot be told."""
        where = f"- at {self._options.rights_file}"
        try:
            if seen.error is not None:
                raise ValueError(f"cannot read the file of rights: {seen.error}")
            if seen.data is not None:
                rights = Rights.parse(seen.data)
                self._had_rights = True
                return rights
            if self._had_rights:
                # It may be on its way back, as an editor writes it; nobody is everything meanwhile.
                raise ValueError("the file of rights is gone; restart to allow everything")
        except ValueError as exc:
            complaints.append(f"{exc} {where}")
            return None
        return Rights()

    def _build(self, files: _Files, generation: int) -> Material:
        complaints: list[str] = []
        if files.passwords.error is not None:
            complaints.append(
                f"cannot read the password file: {files.passwords.error} - at {self._options.password_file}"
            )
        accounts = self._fallback
        if files.passwords.data is not None:
            accounts = PasswordFile.parse(files.passwords.data)
        totp: TotpSecret | None = None
        if files.totp_secret.error is not None:
            complaints.append(
                f"cannot read the secret of the second factor: {files.totp_secret.error} "
                f"- at {self._options.totp_secret_file}"
            )
        elif files.totp_secret.data is not None:
            try:
                totp = TotpSecret.parse(files.totp_secret.data)
            except ValueError as exc:
                complaints.append(f"{exc} - at {self._options.totp_secret_file}")
        rights = self._read_rights(files.rights, complaints)
        warnings = [f"{problem.message} - at {self._options.password_file}" for problem in accounts.problems]
        return Material(
            generation,
            accounts,
            totp,
            rights=rights,
            members_known=files.passwords.error is None,
            complaints=tuple(complaints),
            warnings=tuple(warnings),
        )

    def _tell(self, messages: Collection[str]) -> None:
        """Log what has not been said of the previous reading already."""
        for message in sorted(set(messages) - self._told):
            if message in self.material.complaints:
                logger.error("Nobody can log in: %s", message)
            else:
                logger.warning("Password file: %s", message)
        self._told = frozenset(messages)
