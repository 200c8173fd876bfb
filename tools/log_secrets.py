"""Finds secrets in what was logged, for the tests: `conftest.py` looks at every record of every test.

Random secrets are known from where they are drawn; what has a form of its own is known by that.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

LEAST_BYTES: Final = 10
"""Shorter random values are names of files and the like."""

FORMS: Final = {
    "a stored password": re.compile(r"\$argon2\w*\$v="),
    "an API token": re.compile(r"\bfht_[0-9a-f]{16,}"),
    "a share link's secret": re.compile(r"\bfhs_[0-9a-f]{16,}"),
    "a session's cookie": re.compile(r"\bauth_token=[0-9a-f]{16,}"),
    "a one-time code's secret": re.compile(r"\botpauth://"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "the password of a URL": re.compile(r"\b[a-z]+://[^/\s:@]+:(?!\*+@)[^/\s@]+@"),
}


def secret_forms_in(text: str) -> list[str]:
    """Return what kinds of secrets *text* has by their form."""
    return [kind for kind, form in FORMS.items() if form.search(text)]


class DrawnSecrets:
    """The random secrets that were drawn, as they would be written."""

    def __init__(self) -> None:
        self._written: list[str] = []

    def forget(self) -> None:
        """Begin anew."""
        self._written.clear()

    def in_text(self, text: str) -> bool:
        """Return whether one of them is in *text*."""
        return any(written in text for written in self._written)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Note what the standard library's `secrets` draws."""
        drawn_hex, drawn_bytes = secrets.token_hex, secrets.token_bytes

        def token_hex(nbytes: int | None = None) -> str:
            # As the library does, whose own calls `token_bytes`.
            value = drawn_bytes(nbytes).hex()
            # Those of 16 bytes and less name uploads, tasks and files.
            if nbytes is None or nbytes >= 2 * LEAST_BYTES:
                self._written.append(value)
            return value

        def token_bytes(nbytes: int | None = None) -> bytes:
            value = drawn_bytes(nbytes)
            if len(value) >= LEAST_BYTES:
                base32 = base64.b32encode(value).decode().rstrip("=")
                encoded = base64.b64encode(value).decode().rstrip("=")
                url = base64.urlsafe_b64encode(value).decode().rstrip("=")
                self._written += [value.hex(), base32, base32.lower(), encoded, url]
            return value

        patched: Any = secrets
        patched.token_hex, patched.token_bytes = token_hex, token_bytes
        try:
            yield
        finally:
            patched.token_hex, patched.token_bytes = drawn_hex, drawn_bytes
