"""The file that says who may do what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.auth.rights import EVERYTHING, NOTHING, Capability, Rights

NIGHT_SHIFT = b"""
others = "viewer"

[users]
alice = "admin"
bob = "night-shift"
carol = ["view", "gpio"]
dave = "nobody"
"erin@example.org" = []

[roles]
night-shift = ["view", "power"]
"""


def test_users_have_roles_or_capabilities_of_their_own() -> None:
    rights = Rights.parse(NIGHT_SHIFT)
    assert rights.of("alice") == EVERYTHING
    assert rights.of("bob") == {Capability.VIEW, Capability.POWER}
    assert rights.of("carol") == {Capability.VIEW, Capability.GPIO}
    assert rights.of("dave") == rights.of("erin@example.org") == NOTHING
    assert rights.of("somebody") == {Capability.VIEW}


def test_where_nothing_is_said_everybody_may_do_everything() -> None:
    assert Rights().of("admin") == EVERYTHING
    assert Rights.parse(b'users.bob = "viewer"').of("admin") == EVERYTHING


def test_an_operator_may_do_everything_but_administer() -> None:
    assert EVERYTHING - Rights.parse(b'others = "operator"').of("bob") == {Capability.ADMIN}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "an empty file"),
        (b"# nothing yet\n", None),
        (b"users.bob = 'owner'", "at users.bob"),
        (b"others = 'owner'", "at others"),
        (b"users.bob = ['view', 'fly']", "fly"),
        (b"roles.admin = ['view']", "got admin - at roles"),
        (b"user.bob = 'viewer'", "user"),
        (b"users.Bob = 'viewer'", "at users"),
        (b"users.a.b = 'viewer'", "users"),
        (b"users.bob = 'viewer'\nusers.bob = 'admin'", "TOML"),
        (b"users = [", "TOML"),
        (b"\xff", "TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: bytes, reason: str | None) -> None:
    if reason is None:
        assert Rights.parse(text).of("admin") == EVERYTHING
        return
    with pytest.raises(ValueError, match=reason.replace(".", r"\.")):
        Rights.parse(text)


@given(st.binary())
def test_whatever_is_in_the_file_is_rights_or_an_error(data: bytes) -> None:
    try:
        rights = Rights.parse(data)
    except ValueError:
        return
    assert rights.of("admin") <= EVERYTHING
