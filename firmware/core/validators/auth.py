"""Validators of credentials and sessions (contract http.md 2.4 and 3.2).

Never shows a password or a token in an error message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from firmware.core.validators.basic import fail, fail_secret, matching, stripped, valid_int

USER_MAX_CHARS: Final = 128
PASSWD_MAX_CHARS: Final = 512
TOKEN_CHARS: Final = 64
SESSION_ID_MAX_CHARS: Final = 32
PASSKEY_ID_MAX_CHARS: Final = 1364
"""1023 bytes in base64url (WebAuthn Level 3, section 4)."""
PASSKEY_NAME_MAX_CHARS: Final = 64
OIDC_TEXT_MAX_CHARS: Final = 4096
"""Codes of some providers are tokens in themselves."""
LABEL_MAX_CHARS: Final = 64

_TOKEN_RAW_MAX_CHARS: Final = 128
_USER: Final = re.compile(r"[a-z_]([a-z0-9@._-]*[a-z0-9_-])?")
_PASSWD: Final = re.compile(r"[\x20-\x7e]*")
_SESSION_ID: Final = re.compile(r"[0-9a-f]+")
_PASSKEY_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_TOKEN: Final = re.compile(rf"[0-9a-f]{{{TOKEN_CHARS}}}")


def valid_user(raw: object, name: str = "user") -> str:
    """Return a user name: a lower-case letter or `_`, then letters, digits and `@._-`; no `@` or `.` last."""
    expected = "a user name (lower-case letters, digits and @._-, beginning with a letter or _)"
    return matching(_USER, raw, name, expected=expected, max_chars=USER_MAX_CHARS)


def valid_passwd(raw: object, name: str = "passwd") -> str:
    """Return a password as it is: printable ASCII, possibly empty, not stripped."""
    expected = f"at most {PASSWD_MAX_CHARS} printable ASCII characters"
    if not isinstance(raw, str) or len(raw) > PASSWD_MAX_CHARS or _PASSWD.fullmatch(raw) is None:
        fail_secret(expected, raw, name)
    return raw


def valid_auth_token(raw: object, name: str = "auth_token") -> str:
    """Return a session token: 64 lower-case hexadecimal digits."""
    expected = f"{TOKEN_CHARS} lower-case hexadecimal digits"
    if not isinstance(raw, str) or len(raw) > _TOKEN_RAW_MAX_CHARS:
        fail_secret(expected, raw, name)
    text = raw.strip()
    if _TOKEN.fullmatch(text) is None:
        fail_secret(expected, raw, name)
    return text


def valid_session_id(raw: object, name: str = "id") -> str:
    """Return the id of a session: hexadecimal digits, which give nobody its token."""
    expected = "a session's id (hexadecimal digits)"
    return matching(_SESSION_ID, raw, name, expected=expected, max_chars=SESSION_ID_MAX_CHARS)


def valid_passkey_id(raw: object, name: str = "id") -> str:
    """Return the id of a passkey: base64url without padding."""
    expected = "a passkey's id (letters, digits, - and _)"
    return matching(_PASSKEY_ID, raw, name, expected=expected, max_chars=PASSKEY_ID_MAX_CHARS)


def valid_passkey_name(raw: object, name: str = "name") -> str:
    """Return what a user calls a passkey: some printable characters."""
    expected = "a name of printable characters"
    text = stripped(raw, name, expected=expected, max_chars=PASSKEY_NAME_MAX_CHARS)
    if not text or not text.isprintable():
        fail(expected, raw, name)
    return text


def valid_oidc_text(raw: object, name: str = "state") -> str:
    """Return what a provider of logins hands back in an address: printable ASCII, possibly empty."""
    expected = f"at most {OIDC_TEXT_MAX_CHARS} printable ASCII characters"
    if not isinstance(raw, str) or len(raw) > OIDC_TEXT_MAX_CHARS or _PASSWD.fullmatch(raw) is None:
        fail_secret(expected, raw, name)
    return raw


def valid_session_expire(raw: object, name: str = "expire") -> int:
    """Return a requested session lifetime in seconds; 0 means as long as the server allows."""
    return valid_int(raw, name, minimum=0)


def valid_token_name(raw: object, name: str = "name") -> str:
    """Return the name of an API token: printable text, not empty."""
    text = valid_share_label(raw, name)
    if not text:
        fail(f"a name of at most {LABEL_MAX_CHARS} printable characters", raw, name)
    return text


def valid_share_label(raw: object, name: str = "label") -> str:
    """Return what a share link is called: printable text, possibly empty."""
    expected = f"at most {LABEL_MAX_CHARS} printable characters"
    text = stripped(raw, name, expected=expected, max_chars=LABEL_MAX_CHARS)
    if not text.isprintable():
        fail(expected, raw, name)
    return text


def valid_login_redirect(raw: object, name: str = "redirect", *, allowed: Iterable[str]) -> str:
    """Return "" or the one of the *allowed* targets that *raw* names in any letter case."""
    targets = list(allowed)
    expected = f"one of {', '.join(targets)}, or nothing"
    # The contract sets no length: the value only ever is compared with the configured targets.
    text = stripped(raw, name, expected=expected, max_chars=None).lower()
    if not text:
        return ""
    target = next((target for target in targets if target.lower() == text), None)
    if target is None:
        fail(expected, raw, name)
    return target
