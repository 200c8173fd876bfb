"""Passkeys of users: making, listing, naming and removing them, and logging in by one without a password.

A passkey counts as long as the password under which it was made: a new password, or a new account of the
same name, takes no old passkey over. It needs no code besides, since its device verified the user.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec

from firmware.core.errors import ForbiddenError, OperationError
from firmware.subsystems.auth.enrolment import PasswordChecks, require_password
from firmware.subsystems.auth.kept import KeptDocument, decode
from firmware.subsystems.auth.sessions import SessionInfo
from firmware.subsystems.auth.webauthn import (
    Ceremonies,
    RelyingParty,
    WrongPasskeyError,
    from_text,
    id_of,
    to_text,
)

logger = logging.getLogger(__name__)

MAX_PER_USER: Final = 20
_HANDLE_BYTES: Final = 32


class UnknownPasskeyError(OperationError):
    """The user has no passkey of that id (any more)."""


class TooManyPasskeysError(OperationError):
    """The user has as many as there may be."""


class Passkey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One passkey as it is kept; there is nothing secret in it."""

    name: str
    host: str
    """The name that the console was opened by (the RP ID)."""
    credential: str
    """Id and public key, base64url."""
    counter: int
    made_s: int
    """Unix time."""
    account: str
    """The mark of the account when it was made."""

    def __post_init__(self) -> None:
        id_of(from_text(self.credential))

    @property
    def id(self) -> str:
        """The credential's id, base64url."""
        return to_text(id_of(from_text(self.credential)))


class _Owner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    handle: str
    """What authenticators know the user by: random, so that it tells them nothing; base64url."""
    passkeys: tuple[Passkey, ...] = ()


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    users: dict[str, _Owner] = {}
    version: Literal[1] = 1


def check_file(data: bytes) -> None:
    """Look whether *data* is a file of passkeys. Raises ValueError."""
    decode(data, _Document)


@dataclass(frozen=True, slots=True)
class ShownPasskey:
    """What its owner sees of one."""

    passkey: Passkey = field(repr=False)
    counts: bool
    """Whether it still lets its owner in: not after a change of the password."""


class Accounts(PasswordChecks, Protocol):
    """What is needed of the authentication service."""

    async def account_mark(self, user: str) -> str | None:
        """Return what changes with the account and its password; None without an account."""
        ...

    def admit(self, user: str, expire_s: int = 0, *, client: str) -> tuple[SessionInfo, str]:
        """Open a session."""
        ...

    def tell_refused(self, user: str, client: str) -> None:
        """Have a login that failed in the audit trail."""
        ...


class Passkeys:
    """All of them, kept at *path*. *clock* is monotonic, *wall_clock* Unix time, both in seconds."""

    def __init__(
        self,
        accounts: Accounts,
        path: Path | None,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._kept = KeptDocument(path, _Document())
        self._ceremonies = Ceremonies()
        self._clock = clock
        self._wall_clock = wall_clock

    async def load(self) -> None:
        """Read the file. Raises SetupError if it is there and cannot be used."""
        await self._kept.load()

    async def of(self, user: str) -> list[ShownPasskey]:
        """Return the passkeys of *user*, the oldest first."""
        mark = await self._accounts.account_mark(user)
        return [ShownPasskey(one, _counts(one, mark)) for one in self._of(user)]

    async def begin_registration(self, user: str, passwd: str, *, client: str, host: str) -> dict[str, Any]:
        """Return the options for `navigator.credentials.create`, for a console opened at *host*.

        Raises ForbiddenError, TooManyAttemptsError, NoHostNameError, TooManyPasskeysError, NotKeptError.
        """
        party = RelyingParty.of(host)
        await require_password(self._accounts, user, passwd, client)
        self._require_room(self._of(user))
        # Kept before any passkey is made with it: an authenticator has one for each handle and host.
        await self._kept.change(lambda document: _with_owner(document, user))
        handle = from_text(self._kept.value.users[user].handle)
        known = [id_of(from_text(one.credential)) for one in self._of(user) if one.host == party.id]
        return self._ceremonies.begin_registration(party, user, handle, known, self._clock())

    async def finish_registration(self, user: str, name: str, response: bytes, *, host: str) -> str:
        """Keep the passkey that `navigator.credentials.create` made, and return its id.

        Raises WrongPasskeyError, NoHostNameError, TooManyPasskeysError, NotKeptError.
        """
        party = RelyingParty.of(host)
        mark = await self._accounts.account_mark(user)
        if mark is None:
            raise ForbiddenError(f"expected a user with a password here, got {user}")
        made = self._ceremonies.finish_registration(party, user, response, self._clock())
        passkey = Passkey(
            name, party.id, to_text(made.credential), made.counter, int(self._wall_clock()), mark
        )

        def with_it(document: _Document) -> _Document:
            if any(one.id == passkey.id for owner in document.users.values() for one in owner.passkeys):
                raise WrongPasskeyError("expected a new passkey, got one that is known")
            document = _with_owner(document, user)
            mine = document.users[user].passkeys
            self._require_room(mine)
            return _with_passkeys(document, user, (*mine, passkey))

        await self._kept.change(with_it)
        logger.info("User %s has a new passkey for %s", user, party.id)
        return passkey.id

    async def rename(self, user: str, passkey_id: str, name: str) -> None:
        """Give the passkey another name. Raises UnknownPasskeyError, NotKeptError."""
        await self._change_one(user, passkey_id, lambda one: msgspec.structs.replace(one, name=name))

    async def remove(self, user: str, passkey_id: str) -> None:
        """Have the passkey count no more. Raises UnknownPasskeyError, NotKeptError."""
        await self._change_one(user, passkey_id, lambda _one: None)
        logger.info("User %s removed a passkey", user)

    def begin_login(self, host: str) -> dict[str, Any]:
        """Return the options for `navigator.credentials.get`. Raises NoHostNameError."""
        return self._ceremonies.begin_login(RelyingParty.of(host), self._clock())

    async def finish_login(self, response: bytes, *, client: str, host: str) -> tuple[str, str]:
        """Open a session by what `navigator.credentials.get` answered; return its user and its token.

        Raises WrongPasskeyError, NoHostNameError, NotKeptError.
        """
        party = RelyingParty.of(host)
        user = ""
        try:
            user, passkey = await self._owner_of(party, response)
            counter = self._ceremonies.finish_login(
                party, response, from_text(passkey.credential), passkey.counter, self._clock()
            )
        except WrongPasskeyError as exc:
            logger.warning("Refused a passkey of %s: %s", user or "nobody", exc)
            self._accounts.tell_refused(user, client)
            raise
        if counter != passkey.counter:
            await self._change_one(
                user, passkey.id, lambda one: msgspec.structs.replace(one, counter=max(counter, one.counter))
            )
        return user, self._accounts.admit(user, client=client)[1]

    def _of(self, user: str) -> tuple[Passkey, ...]:
        owner = self._kept.value.users.get(user)
        return () if owner is None else owner.passkeys

    async def _owner_of(self, party: RelyingParty, response: bytes) -> tuple[str, Passkey]:
        """Return whose passkey *response* says that it is by. Raises WrongPasskeyError."""
        presented = self._ceremonies.presented(response)
        wanted = to_text(presented.credential_id)
        for user, owner in self._kept.value.users.items():
            for one in owner.passkeys:
                if one.id != wanted or one.host != party.id:
                    continue
                if presented.user_handle is not None and from_text(owner.handle) != presented.user_handle:
                    raise WrongPasskeyError("expected a passkey of its user, got one of another's")
                if not _counts(one, await self._accounts.account_mark(user)):
                    raise WrongPasskeyError(
                        "expected a passkey that was made under the present password, got an older one; "
                        "log in with the password and make a new one"
                    )
                return user, one
        raise WrongPasskeyError("expected a passkey that this appliance knows, got another one")

    async def _change_one(
        self, user: str, passkey_id: str, edit: Callable[[Passkey], Passkey | None]
    ) -> None:
        def changed(document: _Document) -> _Document:
            owner = document.users.get(user)
            if owner is None or not any(one.id == passkey_id for one in owner.passkeys):
                raise UnknownPasskeyError("expected the id of one of your passkeys, got one of none - at id")
            edited = [edit(one) if one.id == passkey_id else one for one in owner.passkeys]
            return _with_passkeys(document, user, tuple(one for one in edited if one is not None))

        await self._kept.change(changed)

    def _require_room(self, passkeys: tuple[Passkey, ...]) -> None:
        if len(passkeys) >= MAX_PER_USER:
            raise TooManyPasskeysError(
                f"expected fewer than {MAX_PER_USER} passkeys of one user, got as many; remove one"
            )


def _counts(passkey: Passkey, mark: str | None) -> bool:
    return mark is not None and hmac.compare_digest(passkey.account, mark)


def _with_owner(document: _Document, user: str) -> _Document:
    if user in document.users:
        return document
    owner = _Owner(to_text(secrets.token_bytes(_HANDLE_BYTES)))
    return msgspec.structs.replace(document, users=document.users | {user: owner})


def _with_passkeys(document: _Document, user: str, passkeys: tuple[Passkey, ...]) -> _Document:
    owner = msgspec.structs.replace(document.users[user], passkeys=passkeys)
    return msgspec.structs.replace(document, users=document.users | {user: owner})
