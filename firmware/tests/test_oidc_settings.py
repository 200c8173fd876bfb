"""What a configuration of a login provider asks for, and this appliance cannot give."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware import usable
from firmware.core.config.errors import ConfigurationError
from firmware.settings import load

OIDC = "issuer: https://id.example.org, client_id: kvm, roles: {a: admin, b: night-shift}"


def configured(directory: Path, more: str = "") -> list[str]:
    (directory / "override.yaml").write_text(f"farhand: {{oidc: {{{OIDC}{more}}}}}")
    return usable.check(load(directory))


def test_a_role_that_there_is_not_is_told(tmp_path: Path) -> None:
    (warning,) = configured(tmp_path)
    assert "farhand/oidc/roles/b" in warning
    assert "'night-shift'" in warning
    (tmp_path / "rights.toml").write_text('roles.night-shift = ["power"]')
    assert configured(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        (None, 0o600, "no such file"),
        (b"", 0o600, "printable"),
        (b"two\nlines", 0o600, "printable"),
        (b"\xff", 0o600, "printable"),
        (b"secret", 0o640, "chmod 600"),
    ],
)
def test_a_secret_that_cannot_be_used_is_an_error(
    tmp_path: Path, content: bytes | None, mode: int, complaint: str
) -> None:
    path = tmp_path / "oidc.secret"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        configured(tmp_path, f", client_secret_file: {path}")
    assert "client_secret_file" in str(caught.value)
    path.write_text("secret\n")
    path.chmod(0o600)
    (tmp_path / "rights.toml").write_text('roles.night-shift = ["power"]')
    assert configured(tmp_path, f", client_secret_file: {path}") == []
