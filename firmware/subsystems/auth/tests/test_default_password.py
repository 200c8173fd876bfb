"""The policy on admin/admin: a demo on this machine, nowhere else."""

from __future__ import annotations

import base64
import hashlib

import pytest

from firmware.core.errors import SetupError
from firmware.subsystems.auth.default_password import StartDecision, all_loopback, decide
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile

BCRYPT = "$2y$05$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"


def with_password(password: str, user: str = "admin") -> PasswordFile:
    """Return a file as PiKVM writes it."""
    digest = hashlib.sha512(password.encode() + b"saltsalt").digest()
    return PasswordFile.empty().with_account(
        user, "{SSHA512}" + base64.b64encode(digest + b"saltsalt").decode()
    )


def decided(passwords: PasswordFile | None, *, demo_board: bool, loopback_only: bool) -> StartDecision:
    return decide(passwords, demo_board=demo_board, loopback_only=loopback_only, hasher=PasswordHasher())


def test_a_demo_without_a_password_file_accepts_admin_admin() -> None:
    decision = decided(None, demo_board=True, loopback_only=True)
    assert decision.default_password
    assert decision.fallback is not None
    assert PasswordHasher().verify(decision.fallback.accounts["admin"], "admin")
    assert not PasswordHasher().verify(decision.fallback.accounts["admin"], "")


def test_a_demo_with_the_default_password_in_its_file_says_so() -> None:
    decision = decided(with_password("admin"), demo_board=True, loopback_only=True)
    assert decision == StartDecision(default_password=True)


@pytest.mark.parametrize(("demo_board", "loopback_only"), [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("passwords", [None, with_password("admin")])
def test_anywhere_else_a_default_password_stops_the_start(
    passwords: PasswordFile | None, demo_board: bool, loopback_only: bool
) -> None:
    with pytest.raises(SetupError, match="farhand passwd set admin") as caught:
        decided(passwords, demo_board=demo_board, loopback_only=loopback_only)
    assert ("real board" in str(caught.value)) is not demo_board


@pytest.mark.parametrize("demo_board", [True, False])
@pytest.mark.parametrize("loopback_only", [True, False])
@pytest.mark.parametrize("passwords", [with_password("Admin"), with_password("admin", "operator")])
def test_a_password_of_ones_own_is_fine_everywhere(
    passwords: PasswordFile, demo_board: bool, loopback_only: bool
) -> None:
    assert decided(passwords, demo_board=demo_board, loopback_only=loopback_only) == StartDecision()


@pytest.mark.parametrize("data", [b"", b"# nobody\n", f"admin:{BCRYPT}\n".encode()])
@pytest.mark.parametrize("demo", [True, False])
def test_a_file_that_lets_nobody_in_stops_the_start(data: bytes, demo: bool) -> None:
    with pytest.raises(SetupError, match=r"no usable account.*farhand passwd set admin"):
        decided(PasswordFile.parse(data), demo_board=demo, loopback_only=demo)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_addresses(host: str) -> None:
    assert all_loopback([host, "127.0.0.1"])


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "[::]", "192.0.2.1", "", "kvm.example", "127.0.0.1.example", "localhost.example"],
)
def test_everything_else_can_be_reached_from_outside(host: str) -> None:
    assert not all_loopback(["127.0.0.1", host])
