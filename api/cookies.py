"""The session cookie (contract http.md 3.2, gotcha 16)."""

from __future__ import annotations

from api.credentials import TOKEN_COOKIE


def session_cookie(token: str) -> str:
    """Return the Set-Cookie value for *token*; a session cookie that scripts and other sites cannot use."""
    return f"{TOKEN_COOKIE}={token}; HttpOnly; Path=/; SameSite=Strict"
