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
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
}


def add_security_headers(response: Response) -> Response:
    """Add those that *response* does not have, and return it."""
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def add_tls_headers(response: Response, hsts_s: int) -> None:
    """Add to *response*, which goes over TLS, what keeps a browser from going without it.

    The contract's cookie has no `Secure` (gotcha 16); over TLS it has, since the plain port only redirects.
    *hsts_s* is how long a browser is to use nothing but HTTPS (RFC 6797), 0 = it is not told.
    """
    cookies = response.headers.getlist("Set-Cookie")
    if cookies:
        response.headers.setlist("Set-Cookie", [_secure(cookie) for cookie in cookies])
    if hsts_s:
        response.headers["Strict-Transport-Security"] = f"max-age={hsts_s}"


def _secure(cookie: str) -> str:
    return cookie if "; secure" in cookie.lower() else f"{cookie}; Secure"
