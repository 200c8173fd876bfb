"""The first start and a reset from the card, on a disk that fails at each of their operations in turn."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from peers.disk_trials import Store, at, blocking, trials_of

from firmware.prepare.places import Places
from firmware.prepare.steps import Preparation
from firmware.subsystems.auth import hashing
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import load


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "ARGON2_MEMORY_KIB", 8)
    monkeypatch.setattr(hashing, "ARGON2_PASSES", 1)
    monkeypatch.setattr(hashing, "ARGON2_LANES", 1)


def carry_out(root: Path) -> None:
    preparation = Preparation(
        Places(
            boot=root / "boot",
            config=root / "data/config",
            state=root / "data/state",
            system=root / "data/system",
            # What lies in /run is gone after every end.
            root=Path(tempfile.mkdtemp(dir=root.parent)),
            set_host_name=lambda _name: None,
            show=lambda _text: None,
        )
    )
    preparation.carry_out()
    for note in preparation.notes:
        if "nothing was reset" in note:
            raise OSError(note)


def opens(root: Path) -> bool:
    """Whether the password that the card tells lets in."""
    note = (root / "boot/farhand-password.txt").read_text()
    password = re.findall(r"password (\S+)", note)[0]
    passwords = load(root / "data/config/htpasswd")
    assert passwords is not None
    return PasswordHasher().verify(passwords.accounts["admin"], password)


def next_start(root: Path) -> Path:
    """Return a copy that has been started once more, whose card's password has to open it."""
    copy = Path(tempfile.mkdtemp(dir=root.parent)) / "copy"
    shutil.copytree(root, copy)
    carry_out(copy)
    assert opens(copy)
    return copy


def has_account(root: Path) -> bool:
    """Whether there is an account, which the card's password opens."""
    next_start(root)
    return (root / "data/config/htpasswd").exists() and opens(root)


def is_to_be_reset(root: Path) -> bool:
    """Whether it will be reset; what there was before is gone after the next start in any case."""
    assert not (next_start(root) / "data/config/own.txt").exists()
    return (root / "boot/factory-reset.txt").exists() or (root / "data/state/factory-reset").exists()


def new_card(root: Path) -> None:
    (root / "boot").mkdir()


def used_card_with_a_request(root: Path) -> None:
    new_card(root)
    carry_out(root)
    (root / "data/config/own.txt").write_text("own")
    (root / "boot/factory-reset.txt").touch()


STORES: list[Store[Any]] = [
    Store("the first start", at, blocking(carry_out), has_account, blocking(new_card)),
    Store("a reset", at, blocking(carry_out), is_to_be_reset, blocking(used_card_with_a_request)),
]


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
async def test_whatever_the_disk_does_the_password_on_the_card_opens(store: Store[Any]) -> None:
    assert await trials_of(store) > 0
