"""The headers that every answer carries."""

from __future__ import annotations

from quart import Response

# A console page may load only what we serve, run no inline script, and be framed by nobody.
_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; connect-src 'self' ws: wss:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
}


def add_security_headers(response: Response) -> Response:
    """Add those that *response* does not have, and return it."""
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
