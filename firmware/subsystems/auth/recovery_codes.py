"""Recovery codes: each stands once for a code of the second factor, if the device that makes those is lost.

Eighty random bits each, so a plain hash of one is as good as its secrecy. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Final

COUNT: Final = 8
_BYTES: Final = 10
_GROUP: Final = 4
_CODE: Final = r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}"
_AT_END: Final = re.compile(rf"(?P<rest>.*)(?P<code>{_CODE})", re.DOTALL)


def draw() -> list[str]:
    """Return new codes, such as `kq3v-7xwa-m2cd-zz5p`."""
    return [_grouped(base64.b32encode(secrets.token_bytes(_BYTES)).decode().lower()) for _ in range(COUNT)]


def digest(code: str) -> str:
    """Return what is kept of *code*."""
    return hashlib.sha256(code.encode()).hexdigest()


def split(passwd: str) -> tuple[str, str] | None:
    """Split a password with a recovery code at its end; None if there is none."""
    found = _AT_END.fullmatch(passwd)
    return None if found is None else (found["rest"], found["code"])


def find(code: str, kept: Iterable[str]) -> str | None:
    """Return which one of the *kept* digests is that of *code*; all of them are compared."""
    presented = digest(code)
    found = None
    for one in kept:
        if hmac.compare_digest(one, presented):
            found = one
    return found


def _grouped(text: str) -> str:
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))
