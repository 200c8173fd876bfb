"""How many guesses somebody has, and that nobody's guesses keep somebody else out. Times are made up."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.auth.guessing import ACCOUNT, NETWORK, PAIR, PAIR_UNDER_ATTACK, GuessingLimits
from firmware.subsystems.auth.networks import LOCAL, network_of

OWNER = "192.0.2.1"
STRANGERS = [f"198.51.100.{number}" for number in range(60)]

accounts = st.sampled_from(["admin", "guest", "nobody"])
strangers = st.sampled_from(STRANGERS[:5])
pauses = st.floats(0, 400)
attempts = st.lists(st.tuples(accounts, strangers, pauses, st.booleans()), max_size=200)


def guess(limits: GuessingLimits, account: str, network: str, now_s: float, *, right: bool = False) -> bool:
    """Try once; return whether the password was looked at."""
    if limits.wait_s(account, network, now_s) > 0:
        return False
    attempt = limits.begin(account, network, now_s)
    if right:
        limits.succeeded(attempt, now_s)
    return True


def guesses(limits: GuessingLimits, account: str, network: str, now_s: float, most: int = 1000) -> int:
    """Try wrong ones until told to wait, and return how many there were."""
    return next(done for done in range(most) if not guess(limits, account, network, now_s))


def test_ten_wrong_passwords_and_then_one_a_minute() -> None:
    limits = GuessingLimits()
    assert guesses(limits, "admin", OWNER, 0.0) == PAIR.at_once == 10
    assert limits.wait_s("admin", OWNER, 0.0) == 60
    assert guesses(limits, "admin", OWNER, 60.0) == 1
    assert guesses(limits, "admin", OWNER, 3600.0) == 10


def test_a_network_that_tries_many_accounts_is_limited_as_a_whole() -> None:
    limits = GuessingLimits()
    tried = sum(guess(limits, f"user{number}", OWNER, 0.0) for number in range(100))
    assert tried == NETWORK.at_once
    assert limits.wait_s("never_tried", OWNER, 0.0) == 10
    assert limits.wait_s("never_tried", STRANGERS[0], 0.0) == 0


def test_a_forgotten_script_does_not_shut_out_its_neighbours() -> None:
    limits = GuessingLimits()
    for second in range(0, 36_000, 2):
        guess(limits, "script", OWNER, float(second))
        assert limits.wait_s("admin", OWNER, float(second)) == 0


def test_an_account_that_many_networks_try_gives_each_of_them_less() -> None:
    limits = GuessingLimits()
    tried = [guesses(limits, "admin", network, 0.0) for network in STRANGERS]
    assert tried[:3] == [PAIR.at_once] * 3
    assert tried[4:] == [PAIR_UNDER_ATTACK.at_once] * (len(STRANGERS) - 4)
    assert sum(tried[:3]) == ACCOUNT.at_once
    # The owner types it wrong twice, and then right.
    assert [guess(limits, "admin", OWNER, 1.0, right=right) for right in (False, False, True)] == [True] * 3
    assert limits.wait_s("admin", OWNER, 1.0) == 0


def test_ones_own_password_buys_no_guesses_at_those_of_others() -> None:
    limits = GuessingLimits()
    tried = 0
    for number in range(200):
        guess(limits, "mallory", OWNER, 0.0, right=True)
        tried += guess(limits, f"user{number}", OWNER, 0.0)
    assert tried == NETWORK.at_once


def test_a_client_that_knows_its_password_is_not_shut_out_by_its_neighbours() -> None:
    limits = GuessingLimits()
    assert guess(limits, "script", OWNER, 0.0, right=True)
    for number in range(100):
        guess(limits, f"user{number}", OWNER, 1.0)
    assert limits.wait_s("never_tried", OWNER, 1.0) > 0
    assert limits.wait_s("script", OWNER, 1.0) == 0
    # Nor by a crowd elsewhere, when it mistypes as often as anybody may.
    for network in STRANGERS:
        guesses(limits, "script", network, 1.0)
    assert guesses(limits, "script", OWNER, 1.0) == PAIR.at_once
    # After a day it is like any other.
    for number in range(100):
        guess(limits, f"user{number}", OWNER, 90_000.0)
    assert limits.wait_s("script", OWNER, 90_000.0) > 0


def test_who_polls_with_the_right_password_is_never_told_to_wait() -> None:
    limits = GuessingLimits()
    assert all(guess(limits, "script", OWNER, 0.0, right=True) for _ in range(1000))
    assert limits.statistics() == {"limited": 0, "limited_networks": 0, "limited_pairs": 0}


@given(attempts)
def test_no_stranger_locks_out_the_owner(made: list[tuple[str, str, float, bool]]) -> None:
    limits = GuessingLimits()
    now_s = 0.0
    for account, network, pause_s, right in made:
        now_s += pause_s
        guess(limits, account, network, now_s, right=right)
        assert all(limits.wait_s(each, OWNER, now_s) == 0 for each in ("admin", "guest", "nobody"))


@given(attempts)
def test_who_waits_as_long_as_told_has_a_try(made: list[tuple[str, str, float, bool]]) -> None:
    limits = GuessingLimits()
    now_s = 0.0
    for account, network, pause_s, _ in made:
        now_s += pause_s
        wait_s = limits.wait_s(account, network, now_s)
        assert 0 <= wait_s <= PAIR_UNDER_ATTACK.forgotten_s
        now_s += wait_s
        assert guess(limits, account, network, now_s)


@given(st.lists(st.tuples(accounts, pauses), max_size=300))
def test_no_rhythm_of_guesses_gets_more_than_the_allowance(made: list[tuple[str, float]]) -> None:
    limits = GuessingLimits()
    now_s, tried = 0.0, dict.fromkeys(["admin", "guest", "nobody"], 0)
    for account, pause_s in made:
        now_s += pause_s
        guess(limits, "mallory", OWNER, now_s, right=True)  # the guesser's own password changes nothing
        tried[account] += guess(limits, account, OWNER, now_s)
    assert all(count <= PAIR.at_once + now_s / PAIR.forgotten_s for count in tried.values())
    assert sum(tried.values()) <= NETWORK.at_once + now_s / NETWORK.forgotten_s


@given(st.lists(st.tuples(st.text("ab", max_size=4), st.integers(0, 40), pauses), max_size=200))
def test_what_is_remembered_is_bounded(made: list[tuple[str, int, float]]) -> None:
    limits = GuessingLimits(capacity=8)
    now_s = 0.0
    for account, network, pause_s in made:
        now_s += pause_s
        guess(limits, account, str(network), now_s)
        remembered = limits.statistics()
        assert remembered["limited_networks"] <= 8
        assert remembered["limited_pairs"] <= 8


# ----- networks


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", LOCAL),
        ("<local>", LOCAL),
    ],
)
def test_an_address_belongs_to_a_network(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_addresses_of_one_ipv6_network_are_one(address: ipaddress.IPv6Address, suffix: int) -> None:
    neighbour = ipaddress.IPv6Address(int(address) >> 64 << 64 | suffix)
    if address.ipv4_mapped is None and neighbour.ipv4_mapped is None:
        assert network_of(str(neighbour)) == network_of(str(address))


@given(st.text())
def test_whatever_comes_for_an_address_has_a_network(address: str) -> None:
    assert network_of(address)
