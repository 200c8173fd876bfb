"""The memory of verified credentials: what it spares, and what it must forget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.auth.verified_cache import VerifiedCache


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_the_very_password_of_the_very_user_is_remembered() -> None:
    cache = VerifiedCache(Clock())
    cache.remember(1, "admin", "secret")
    assert cache.contains(1, "admin", "secret")
    assert not cache.contains(1, "admin", "Secret")
    assert not cache.contains(1, "admin", "")
    assert not cache.contains(1, "guest", "secret")


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_no_two_credentials_are_mistaken_for_each_other(
    known: tuple[str, str], presented: tuple[str, str]
) -> None:
    cache = VerifiedCache(Clock())
    cache.remember(1, *known)
    assert cache.contains(1, *presented) is (known == presented)


def test_memory_fades_and_is_not_prolonged_by_use() -> None:
    clock = Clock()
    cache = VerifiedCache(clock, lifetime_s=300)
    cache.remember(1, "admin", "secret")
    for _ in range(3):
        clock.now += 99
        assert cache.contains(1, "admin", "secret")
    clock.now += 3
    assert not cache.contains(1, "admin", "secret")
    assert cache.statistics()["remembered"] == 0


def test_a_new_generation_of_the_files_empties_it() -> None:
    cache = VerifiedCache(Clock())
    cache.remember(1, "admin", "secret")
    assert not cache.contains(2, "admin", "secret")
    assert not cache.contains(1, "admin", "secret")
    assert cache.statistics()["remembered"] == 0


def test_a_verification_that_was_overtaken_is_not_remembered() -> None:
    cache = VerifiedCache(Clock())
    cache.remember(2, "guest", "secret")
    cache.remember(1, "admin", "secret")
    assert not cache.contains(2, "admin", "secret")
    assert not cache.contains(1, "guest", "secret")
    assert cache.contains(2, "guest", "secret")


def test_the_least_recently_used_makes_room() -> None:
    cache = VerifiedCache(Clock(), capacity=2)
    for user in ("first", "second"):
        cache.remember(1, user, "secret")
    assert cache.contains(1, "first", "secret")
    cache.remember(1, "third", "secret")
    assert cache.contains(1, "first", "secret")
    assert not cache.contains(1, "second", "secret")
    assert cache.statistics()["remembered"] == 2


def test_a_changed_password_replaces_the_old_one() -> None:
    cache = VerifiedCache(Clock())
    cache.remember(1, "admin", "old")
    cache.remember(1, "admin", "new")
    assert not cache.contains(1, "admin", "old")
    assert cache.contains(1, "admin", "new")


def test_it_holds_no_password_and_no_macs_that_another_process_could_make() -> None:
    caches = [VerifiedCache(Clock()) for _ in range(2)]
    for cache in caches:
        cache.remember(1, "admin", "very secret")
        assert "very secret" not in repr(vars(cache))
    # The same credentials leave different traces in two runs: the key is drawn anew.
    macs = [cache._by_user["admin"].mac for cache in caches]
    assert macs[0] != macs[1]
