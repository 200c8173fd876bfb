"""What the tests take for a secret in a log, and what they do not."""

from __future__ import annotations

import base64
import secrets

import pytest

from tools.log_secrets import DrawnSecrets, secret_forms_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hash $argon2id$v=19$m=65536,t=3$abc", ["a stored password"]),
        (f"Bearer fht_{'a1' * 32}", ["an API token"]),
        (f"GET /share/fhs_{'a1' * 32}", ["a share link's secret"]),
        (f"Cookie: auth_token={'a1' * 32}", ["a session's cookie"]),
        ("http://user:word@mirror.example/a.img", ["the password of a URL"]),
        ("http://mirror.example:8080/a.img?x=@y", []),
        ("http://user:***@mirror.example/", []),
        ("GET /share/*** as fht_...", []),
        ("the digest " + "a1" * 32, []),
    ],
)
def test_secrets_are_known_by_their_form(text: str, found: list[str]) -> None:
    assert secret_forms_in(text) == found


def test_random_secrets_are_known_however_they_are_written() -> None:
    drawn = DrawnSecrets()
    with drawn.collected():
        token, name, raw = secrets.token_hex(32), secrets.token_hex(8), secrets.token_bytes(20)
    assert drawn.in_text(f"session {token} ended")
    assert drawn.in_text(base64.b32encode(raw).decode().lower())
    assert drawn.in_text(raw.hex())
    assert not drawn.in_text(f"file {name}")
    later = secrets.token_hex(32)
    assert not drawn.in_text(later)
    drawn.forget()
    assert not drawn.in_text(token)
