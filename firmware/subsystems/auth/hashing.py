"""Password hashes: which schemes are accepted, what a check of each costs, and the check itself.

Argon2id is what this appliance writes. The other schemes are those of existing PiKVM password files
(contract subsystems.md section 1) and are only ever verified. Never logs or quotes a hash or a password.
"""

from __future__ import annotations

import base64
import binascii
import enum
import logging
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import argon2
import argon2.exceptions
import passlib.hash

logger = logging.getLogger(__name__)

# The second recommendation of the OWASP Password Storage Cheat Sheet (argon2id, 19 MiB, 2 passes, 1 lane):
# what a board with 1 GiB can pay for every login. The library's default takes 64 MiB and four lanes.
ARGON2_MEMORY_KIB: Final = 19 * 1024
ARGON2_PASSES: Final = 2
ARGON2_LANES: Final = 1

# What a foreign entry may ask for at most. Beyond it a single check would exhaust a small board's memory
# or hold its processor for many seconds, so such an entry is refused when the file is read.
MAX_ARGON2_MEMORY_KIB: Final = 256 * 1024
MAX_ARGON2_PASSES: Final = 16
MAX_ARGON2_LANES: Final = 8
MAX_CRYPT_ROUNDS: Final = 1_000_000


class Scheme(enum.StrEnum):
    """The accepted schemes, named as they are recognised in a password file."""

    ARGON2ID = "argon2id"
    SSHA512 = "{SSHA512}"
    SSHA256 = "{SSHA256}"
    SSHA = "{SSHA}"
    SHA = "{SHA}"
    APR1 = "$apr1$"
    MD5_CRYPT = "$1$"
    SHA256_CRYPT = "$5$"
    SHA512_CRYPT = "$6$"
    DES_CRYPT = "des_crypt"


class UnsupportedHashError(ValueError):
    """The stored text is no hash that can be accepted. `label` names the scheme, None if it is unknown."""

    def __init__(self, label: str | None, reason: str) -> None:
        super().__init__(reason)
        self.label = label


@dataclass(frozen=True, slots=True)
class CostClass:
    """What a check costs: two hashes of one class take the same work, whoever they belong to."""

    scheme: Scheme
    parameters: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredHash:
    """One accepted hash as it stands in the password file."""

    text: str = field(repr=False)
    cost: CostClass

    @property
    def scheme(self) -> Scheme:
        """The scheme of this hash."""
        return self.cost.scheme


class Hasher(Protocol):
    """Whoever computes hashes. Both methods block for tens of milliseconds: call them in a thread."""

    def hash(self, password: str) -> str:
        """Return the text to store for *password*."""
        ...

    def verify(self, stored: StoredHash, password: str) -> bool:
        """Return whether *password* is the one that *stored* was made of."""
        ...


_ARGON2ID = re.compile(
    r"\$argon2id\$v=19\$m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,9})"
    r"\$(?P<salt>[A-Za-z0-9+/]{11,64})\$(?P<digest>[A-Za-z0-9+/]{22,88})"
)
# The library only warns of a longer salt and of fewer rounds, and goes on with others than stand there.
_SHA_CRYPT = re.compile(r"\$[56]\$(?:rounds=[1-9]\d{3,8}\$)?[./0-9A-Za-z]{0,16}(?:\$[./0-9A-Za-z]*)?")
_DES = re.compile(r"[./0-9A-Za-z]{13}")

# Prefix, scheme, bytes of the digest, whether a salt follows it.
_LDAP: Final[tuple[tuple[str, Scheme, int, bool], ...]] = (
    ("{SSHA512}", Scheme.SSHA512, 64, True),
    ("{SSHA256}", Scheme.SSHA256, 32, True),
    ("{SSHA}", Scheme.SSHA, 20, True),
    ("{SHA}", Scheme.SHA, 20, False),
)
_CRYPT: Final[tuple[tuple[str, Scheme], ...]] = (
    ("$apr1$", Scheme.APR1),
    ("$1$", Scheme.MD5_CRYPT),
    ("$5$", Scheme.SHA256_CRYPT),
    ("$6$", Scheme.SHA512_CRYPT),
)
# Only these names are ever shown: the text of an unknown entry may be a password in the clear.
_KNOWN_BUT_REFUSED: Final[tuple[tuple[str, str], ...]] = (
    ("$2$", "bcrypt"),
    ("$2a$", "bcrypt"),
    ("$2b$", "bcrypt"),
    ("$2x$", "bcrypt"),
    ("$2y$", "bcrypt"),
    ("$argon2i$", "argon2i"),
    ("$argon2d$", "argon2d"),
    ("$y$", "yescrypt"),
    ("$gy$", "gost-yescrypt"),
    ("$7$", "scrypt"),
    ("{SMD5}", "{SMD5}"),
    ("{MD5}", "{MD5}"),
)


def parse_stored(text: str) -> StoredHash:
    """Recognise the scheme of *text* and check its form.

    Raises UnsupportedHashError for everything that could not be verified at a bounded price.
    """
    if text.startswith("$argon2id$"):
        return _parse_argon2id(text)
    for prefix, scheme, digest_bytes, salted in _LDAP:
        if text.startswith(prefix):
            _check_ldap_body(text.removeprefix(prefix), scheme, digest_bytes, salted=salted)
            return _parse_with_libpass(text, scheme)
    for prefix, scheme in _CRYPT:
        if text.startswith(prefix):
            if scheme in {Scheme.SHA256_CRYPT, Scheme.SHA512_CRYPT} and _SHA_CRYPT.fullmatch(text) is None:
                raise UnsupportedHashError(scheme, f"the {scheme} hash is malformed")
            return _parse_with_libpass(text, scheme)
    if _DES.fullmatch(text):
        return _parse_with_libpass(text, Scheme.DES_CRYPT)
    for prefix, label in _KNOWN_BUT_REFUSED:
        if text.startswith(prefix):
            raise UnsupportedHashError(label, f"the scheme {label} is not accepted")
    raise UnsupportedHashError(None, "the scheme is unknown")


def _parse_argon2id(text: str) -> StoredHash:
    found = _ARGON2ID.fullmatch(text)
    # An unpadded base64 text of length 4n + 1 cannot exist.
    if found is None or any(len(found[part]) % 4 == 1 for part in ("salt", "digest")):
        raise UnsupportedHashError(Scheme.ARGON2ID, "the argon2id hash is malformed")
    memory_kib, passes, lanes = (int(found[number]) for number in (1, 2, 3))
    if (
        not 8 * lanes <= memory_kib <= MAX_ARGON2_MEMORY_KIB
        or passes > MAX_ARGON2_PASSES
        or lanes > MAX_ARGON2_LANES
    ):
        raise UnsupportedHashError(
            Scheme.ARGON2ID,
            f"expected argon2id with at most {MAX_ARGON2_MEMORY_KIB} KiB, {MAX_ARGON2_PASSES} passes and "
            f"{MAX_ARGON2_LANES} lanes, got m={memory_kib}, t={passes}, p={lanes}",
        )
    return StoredHash(text, CostClass(Scheme.ARGON2ID, (memory_kib, passes, lanes)))


def _check_ldap_body(body: str, scheme: Scheme, digest_bytes: int, *, salted: bool) -> None:
    try:
        raw = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise UnsupportedHashError(scheme, f"the {scheme} hash is not base64") from None
    if len(raw) <= digest_bytes if salted else len(raw) != digest_bytes:
        raise UnsupportedHashError(scheme, f"the {scheme} hash has the wrong length")


def _parse_with_libpass(text: str, scheme: Scheme) -> StoredHash:
    try:
        parsed = _libpass_handler(scheme).from_string(text)
    except (ValueError, TypeError):
        raise UnsupportedHashError(scheme, f"the {scheme} hash is malformed") from None
    if parsed.checksum is None:
        raise UnsupportedHashError(scheme, f"the {scheme} hash lacks its digest")
    rounds = getattr(parsed, "rounds", None)
    if rounds is None:
        return StoredHash(text, CostClass(scheme))
    if rounds > MAX_CRYPT_ROUNDS:
        raise UnsupportedHashError(
            scheme, f"expected at most {MAX_CRYPT_ROUNDS} rounds of {scheme}, got {rounds}"
        )
    return StoredHash(text, CostClass(scheme, (int(rounds),)))


def _libpass_handler(scheme: Scheme) -> Any:
    """Return libpass's handler; the library loads each one only when it is asked for."""
    name = {
        Scheme.SSHA512: "ldap_salted_sha512",
        Scheme.SSHA256: "ldap_salted_sha256",
        Scheme.SSHA: "ldap_salted_sha1",
        Scheme.SHA: "ldap_sha1",
        Scheme.APR1: "apr_md5_crypt",
        Scheme.MD5_CRYPT: "md5_crypt",
        Scheme.SHA256_CRYPT: "sha256_crypt",
        Scheme.SHA512_CRYPT: "sha512_crypt",
        Scheme.DES_CRYPT: "des_crypt",
    }[scheme]
    return getattr(passlib.hash, name)


class PasswordHasher:
    """The hasher of the appliance: argon2id, and libpass for what existing files bring along."""

    def __init__(self) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=ARGON2_PASSES, memory_cost=ARGON2_MEMORY_KIB, parallelism=ARGON2_LANES
        )

    def hash(self, password: str) -> str:
        """Return the argon2id text (PHC string format) to store for *password*; about 25 ms and 19 MiB."""
        return self._argon2.hash(password)

    def verify(self, stored: StoredHash, password: str) -> bool:
        """Return whether *password* is the one *stored* was made of; digests are compared in constant time.

        A password that cannot be hashed at all (a lone surrogate, a NUL for crypt schemes) is just wrong.
        """
        try:
            if stored.scheme is Scheme.ARGON2ID:
                return self._argon2.verify(stored.text, password)
            return bool(_libpass_handler(stored.scheme).verify(password, stored.text))
        except argon2.exceptions.VerifyMismatchError:
            return False
        except argon2.exceptions.VerificationError as exc:
            # Not a mismatch but a failure of the library, which for a well-formed hash is lack of memory.
            logger.error("Cannot verify a password: %s; the login is refused", exc)  # noqa: TRY400
            return False
        except ValueError:
            return False


def decoy() -> StoredHash:
    """Return an argon2id hash of nothing, to verify against when there is no account."""
    # Drawn, not computed: a digest that no password has is all that is needed.
    salt, digest = (
        base64.b64encode(secrets.token_bytes(count)).decode("ascii").rstrip("=") for count in (16, 32)
    )
    return parse_stored(
        f"$argon2id$v=19$m={ARGON2_MEMORY_KIB},t={ARGON2_PASSES},p={ARGON2_LANES}${salt}${digest}"
    )


def verify_at_constant_cost(
    hasher: Hasher, rehearsed: Collection[StoredHash], account: StoredHash | None, password: str
) -> bool:
    """Verify *password* against *account* in a thread; the work is the same for every user and for nobody.

    For each cost class of the file one hash is computed: the account's own in its class, somebody else's,
    whose outcome is dropped, in the others.
    """
    accepted = False
    for stand_in in rehearsed:
        if account is not None and account.cost == stand_in.cost:
            accepted = hasher.verify(account, password)
        else:
            hasher.verify(stand_in, password)
    return accepted
