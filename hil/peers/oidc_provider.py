"""An OpenID Connect provider on loopback, run with the clients' environment: a library's, made stricter.

    python oidc_provider.py USERS [--any-client]        USERS is JSON: a list of users' claims

The library does not look at PKCE (RFC 7636), so what the browser brought is kept here for each code, and
tokens are given only for the verifier that belongs to it. `POST /test/new-key` has it sign with another key
from then on. It prints its issuer and runs until it is killed. Clients register themselves (RFC 7591), or
need not with `--any-client`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
from joserfc.jwk import RSAKey
from oidc_provider_mock import app as make_app
from oidc_provider_mock._storage import User
from werkzeug.serving import make_server

type Start = Callable[..., Any]


class WithPkce:
    """WSGI around the provider: no code is worth anything without its verifier."""

    def __init__(self, app: Callable[[dict[str, Any], Start], Iterable[bytes]]) -> None:
        self._app = app
        self._challenges: dict[str, str] = {}

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        query = _first(environ["QUERY_STRING"])
        if path == "/oauth2/authorize":
            if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
                return _refused(start, "PKCE is required")

            def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                code = _first(urlsplit(dict(headers).get("Location", "")).query).get("code")
                if code is not None:
                    self._challenges[code] = query["code_challenge"]
                return start(status, headers, *rest)

            return self._app(environ, started)
        if path == "/oauth2/token" and method == "POST":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(body)
            form = _first(body.decode())
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if self._challenges.pop(form.get("code", ""), None) != challenge:
                return _refused(start, "the verifier does not fit")
        return self._app(environ, start)


def _first(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def _refused(start: Start, why: str) -> Iterable[bytes]:
    start("400 Bad Request", [("Content-Type", "application/json")])
    return [json.dumps({"error": "invalid_grant", "error_description": why}).encode()]


def _new_key() -> str:
    flask.g.oidc_provider_mock_storage.jwk = RSAKey.generate_key(2048, private=True)
    return "done"


def main() -> None:
    """Serve until killed."""
    users = [User(sub=claims["sub"], claims=claims) for claims in json.loads(sys.argv[1])]
    app = make_app(
        require_client_registration="--any-client" not in sys.argv, require_nonce=True, user_claims=users
    )
    app.add_url_rule("/test/new-key", view_func=_new_key, methods=["POST"])
    server = make_server("127.0.0.1", 0, WithPkce(app), threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
