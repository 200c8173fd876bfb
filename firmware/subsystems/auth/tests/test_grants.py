"""Tokens and share links as values: secrets, ends, numbers, and what is kept of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.auth.grants import (
    MAX_OF_USER,
    Grant,
    GrantBook,
    GrantExistsError,
    GrantKind,
    TooManyGrantsError,
    digest_of,
    is_token,
    make_grant,
)
from firmware.subsystems.auth.rights import Capability

NOW = 1_700_000_000.0
VIEW = frozenset({Capability.VIEW})


def made(
    kind: GrantKind = GrantKind.TOKEN,
    user: str = "alice",
    label: str = "backup",
    lifetime_s: int | None = 60,
    *,
    now: float = NOW,
) -> tuple[Grant, str]:
    return make_grant(kind, user, label, VIEW, lifetime_s=lifetime_s, now=now)


def test_a_secret_is_found_by_a_scanner_and_is_another_one_each_time() -> None:
    secrets = {made()[1] for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch("fht_[0-9a-f]{64}", secret) and is_token(secret) for secret in secrets)
    link = made(GrantKind.SHARE)[1]
    assert re.fullmatch("fhs_[0-9a-f]{64}", link)
    assert not is_token(link)


def test_what_is_kept_holds_no_secret() -> None:
    grant, secret = made()
    kept = GrantBook().with_grant(grant, NOW).dump()
    assert secret.encode() not in kept
    assert secret.removeprefix("fht_").encode() not in kept
    assert digest_of(secret).encode() in kept
    assert secret not in repr(grant)


def test_a_grant_is_good_until_its_end_and_as_what_it_is() -> None:
    grant, secret = made()
    book = GrantBook().with_grant(grant, NOW)
    assert book.find(GrantKind.TOKEN, secret, NOW + 59) == grant
    assert book.find(GrantKind.TOKEN, secret, NOW + 60) is None
    assert book.find(GrantKind.SHARE, secret, NOW) is None
    assert book.find(GrantKind.TOKEN, secret.upper(), NOW) is None
    assert (book.get(grant.id, NOW), book.get(grant.id, NOW + 60)) == (grant, None)
    assert book.live(NOW + 60) == []
    for_ever, secret = made(lifetime_s=None)
    assert GrantBook([for_ever]).find(GrantKind.TOKEN, secret, NOW + 1e9) == for_ever


def test_two_tokens_of_a_user_have_two_names() -> None:
    book = GrantBook().with_grant(made()[0], NOW)
    with pytest.raises(GrantExistsError, match="no token of alice has yet, got 'backup'"):
        book.with_grant(made()[0], NOW)
    book.with_grant(made(user="bob")[0], NOW)
    book.with_grant(made(GrantKind.SHARE)[0], NOW).with_grant(made(GrantKind.SHARE)[0], NOW)
    # The name of one that has ended is free, and that one is not kept.
    later = book.with_grant(made(now=NOW + 60)[0], NOW + 60)
    assert len(GrantBook.parse(later.dump()).live(NOW)) == 1


def test_a_user_has_a_bounded_number_and_takes_no_room_from_others() -> None:
    book = GrantBook()
    for number in range(MAX_OF_USER):
        book = book.with_grant(made(label=str(number))[0], NOW)
    with pytest.raises(TooManyGrantsError, match="fewer than 32 of alice, got 32"):
        book.with_grant(made(label="one more")[0], NOW)
    book = book.with_grant(made(user="bob")[0], NOW).with_grant(made(GrantKind.SHARE)[0], NOW)
    book.without(lambda grant: grant.label == "0").with_grant(made(label="one more")[0], NOW)


GRANTS = st.lists(
    st.builds(
        Grant,
        id=st.text("0123456789abcdef", min_size=1, max_size=16),
        kind=st.sampled_from(GrantKind),
        user=st.text(min_size=1, max_size=8),
        label=st.text(max_size=8),
        digest=st.text("0123456789abcdef", min_size=64, max_size=64),
        capabilities=st.frozensets(st.sampled_from(Capability)),
        made_at=st.integers(0, 2**40),
        ends_at=st.none() | st.integers(0, 2**40),
    ),
    unique_by=(lambda grant: grant.id, lambda grant: grant.digest),
    max_size=5,
)


@given(GRANTS)
def test_every_book_is_read_back_as_it_was(grants: list[Grant]) -> None:
    book = GrantBook(grants)
    again = GrantBook.parse(book.dump())
    assert again.live(0) == book.live(0)
    assert again.dump() == book.dump()


@given(st.binary(max_size=200) | GRANTS.map(lambda grants: GrantBook(grants).dump()[:-3]))
def test_what_is_no_book_is_said_so_without_quoting_it(data: bytes) -> None:
    try:
        GrantBook.parse(data)
    except ValueError as exc:
        assert str(exc) == "expected a file of tokens and share links, got something else"


@given(st.text(max_size=80))
def test_no_text_makes_a_look_up_fail(text: str) -> None:
    book = GrantBook().with_grant(made()[0], NOW)
    assert book.find(GrantKind.TOKEN, text, NOW) is None
