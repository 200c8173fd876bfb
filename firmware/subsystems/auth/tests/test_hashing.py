"""Which hashes are accepted, against hashes made by other implementations."""

from __future__ import annotations

import base64
import hashlib

import argon2
import argon2.exceptions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.auth.hashing import (
    PasswordHasher,
    Scheme,
    StoredHash,
    UnsupportedHashError,
    decoy,
    parse_stored,
)

PASSWORD = "correct horse"


def ldap(label: str, algorithm: str, salt: bytes) -> str:
    digest = hashlib.new(algorithm, PASSWORD.encode() + salt).digest()
    return label + base64.b64encode(digest + salt).decode()


# The crypt hashes were made with libxcrypt's crypt(3), the apr1 one with OpenSSL, the others here by hand.
ACCEPTED = {
    Scheme.SSHA512: ldap("{SSHA512}", "sha512", b"eight678"),
    Scheme.SSHA256: ldap("{SSHA256}", "sha256", b"eight678"),
    Scheme.SSHA: ldap("{SSHA}", "sha1", b"four"),
    Scheme.SHA: ldap("{SHA}", "sha1", b""),
    Scheme.APR1: "$apr1$saltsalt$EGVZDNN6gOqijy.tv9axG/",
    Scheme.MD5_CRYPT: "$1$saltsalt$NuzA7WTAelpl95xgBGWN60",
    Scheme.SHA256_CRYPT: "$5$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC",
    Scheme.SHA512_CRYPT: (
        "$6$rounds=1400$anotherlongsalt$0PTOn8bBzyqhh2wyYzWU/brdeY8ErVYrWGtpWQ.bUqWCi7scvtbXl.9n4xWAPmBVClu7RNqg"
        "j5BNSysjCHbab0"
    ),
    Scheme.DES_CRYPT: "abhfCpXqd4GrI",
}


@pytest.mark.parametrize("scheme", ACCEPTED)
def test_hashes_of_other_programs_verify(scheme: Scheme) -> None:
    stored = parse_stored(ACCEPTED[scheme])
    assert stored.scheme is scheme
    assert PasswordHasher().verify(stored, PASSWORD)
    assert not PasswordHasher().verify(stored, "Correct horse")
    assert not PasswordHasher().verify(stored, "")


def test_new_hashes_are_argon2id_with_the_boards_parameters() -> None:
    text = PasswordHasher().hash(PASSWORD)
    assert text.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    stored = parse_stored(text)
    assert PasswordHasher().verify(stored, PASSWORD)
    assert not PasswordHasher().verify(stored, PASSWORD + " ")
    assert text != PasswordHasher().hash(PASSWORD)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "bcrypt"),
        ("$2y$10$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "bcrypt"),
        ("$y$j9T$abcdefgh$4mqd6JVlUo/.JMgenptcdPqIowfqDPoC9lSyWQhPMf1", "yescrypt"),
        ("$argon2i$v=19$m=19456,t=2,p=1$BSim6MHCi9U3UE8vLMIqmA$OdWUXimGPTql3kiL+DsAPoicRZArq0f", "argon2i"),
        ("{SMD5}abcd", "{SMD5}"),
        ("plain text password", None),
        ("", None),
        ("$2b4$abc", None),
    ],
)
def test_other_schemes_are_refused_by_name(text: str, label: str | None) -> None:
    with pytest.raises(UnsupportedHashError) as caught:
        parse_stored(text)
    assert caught.value.label == label
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "$argon2id$v=19$m=19456,t=2,p=1$BSim6MHCi9U3UE8vLMIqmA",
        "$argon2id$v=16$m=19456,t=2,p=1$BSim6MHCi9U3UE8vLMIqmA$OdWUXimGPTql3kiL+DsAPoicRZArq0fYsnHU6zUU7jI",
        "$argon2id$v=19$m=4194304,t=2,p=1$BSim6MHCi9U3UE8vLMIqmA$OdWUXimGPTql3kiL+DsAPoicRZArq0fYsnHU6zUU7jI",
        "$argon2id$v=19$m=19456,t=999,p=1$BSim6MHCi9U3UE8vLMIqmA$OdWUXimGPTql3kiL+DsAPoicRZArq0fYsnHU6zUU7jI",
        "$argon2id$v=19$m=19456,t=2,p=99$BSim6MHCi9U3UE8vLMIqmA$OdWUXimGPTql3kiL+DsAPoicRZArq0fYsnHU6zUU7jI",
        "$argon2id$v=19$m=19456,t=2,p=1$BSim6MHCi9U3UE8vLMIqmAAA1$OdWUXimGPTql3kiL+DsAPoicRZArq0fYsnHU6zUU7jI",
        "{SSHA512}" + base64.b64encode(bytes(64)).decode(),
        "{SSHA512}not base64!",
        "{SHA}" + base64.b64encode(bytes(21)).decode(),
        "$6$saltstring$short",
        "$6$saltstring$",
        "$6$rounds=999999999$saltstring$" + "a" * 86,
        "$6$rounds=10$saltstring$" + "a" * 86,
        "$apr1$saltsalt$",
        "$1$",
        "$5$00000000000000000$" + "0" * 43,
    ],
)
def test_broken_and_ruinous_hashes_are_refused_when_read(text: str) -> None:
    with pytest.raises(UnsupportedHashError):
        parse_stored(text)


@given(
    st.text(max_size=80)
    | st.builds(str.__add__, st.sampled_from([*Scheme, "$argon2id$"]), st.text(max_size=80))
)
def test_any_text_is_a_hash_or_refused(text: str) -> None:
    try:
        stored = parse_stored(text)
    except UnsupportedHashError as exc:
        assert len(text) < 20 or text not in str(exc)
    else:
        assert stored.text == text


@pytest.mark.parametrize("text", ACCEPTED.values())
@pytest.mark.parametrize("password", ["\x00", "a\x00b", "\ud800", "пароль", "x" * 5000])
def test_impossible_passwords_are_just_wrong(text: str, password: str) -> None:
    assert not PasswordHasher().verify(parse_stored(text), password)


def test_impossible_passwords_are_just_wrong_for_argon2() -> None:
    stored = decoy()
    assert stored.scheme is Scheme.ARGON2ID
    assert not PasswordHasher().verify(stored, "\ud800")
    assert not PasswordHasher().verify(stored, "\x00")


def test_a_board_without_memory_refuses_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def verify(self: object, text: str, password: str) -> bool:
        raise argon2.exceptions.VerificationError("Memory allocation error")

    stored = parse_stored(PasswordHasher().hash(PASSWORD))
    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)
    assert not PasswordHasher().verify(stored, PASSWORD)
    assert "Memory allocation error" in caplog.text
    assert PASSWORD not in caplog.text


def test_decoys_cost_what_new_accounts_cost_and_differ() -> None:
    assert decoy().cost == parse_stored(PasswordHasher().hash("x")).cost
    assert decoy() != decoy()


def test_cost_classes_tell_prices_apart() -> None:
    def cost(text: str) -> object:
        return parse_stored(text).cost

    salted = "$argon2id$v=19$m={},t=2,p=1$BSim6MHCi9U3UE8vLMIqmA$OdWUXimGPTql3kiL+DsAPoicRZArq0fYsnHU6zUU7jI"
    assert cost(salted.format(19456)) != cost(salted.format(65536))
    assert cost(ldap("{SSHA}", "sha1", b"four")) == cost(ldap("{SSHA}", "sha1", b"five5"))
    assert cost("$6$a$" + "a" * 86) != cost("$6$rounds=1400$a$" + "a" * 86)


def test_nothing_of_a_hash_is_in_its_representation() -> None:
    stored = parse_stored(ACCEPTED[Scheme.SSHA512])
    assert isinstance(stored, StoredHash)
    assert ACCEPTED[Scheme.SSHA512][9:20] not in repr(stored)
