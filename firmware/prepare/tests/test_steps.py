"""A start of the appliance, seen from the boot partition and the configuration directory."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from pathlib import Path

import pytest

from firmware.core.errors import SetupError
from firmware.core.files import observe
from firmware.prepare.places import Owner, Places
from firmware.prepare.steps import Preparation
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import load
from firmware.subsystems.backup.pending import stage_restore

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

# {SSHA512} as PiKVM writes it, of "secret" and a salt of our own.
SALT = b"saltsaltsaltsalt"
PIKVM_HASH_OF_SECRET = (
    "{SSHA512}" + base64.b64encode(hashlib.sha512(b"secret" + SALT).digest() + SALT).decode()
)


class Card:
    """A boot partition, a configuration directory, and what the machine was told."""

    def __init__(self, directory: Path) -> None:
        self.boot = directory / "boot"
        self.boot.mkdir()
        self.config = directory / "config"
        self.state = directory / "state"
        self.system = directory / "system"
        self.log = directory / "log"
        self.owner: Owner | None = None
        self.root = directory / "root"
        self.names: list[str] = []
        self.shown = ""

    def start(self) -> str:
        """Start once; return the status that the boot partition tells."""

        def show(text: str) -> None:
            self.shown += text

        Preparation(
            Places(
                boot=self.boot,
                config=self.config,
                state=self.state,
                system=self.system,
                owner=self.owner,
                log=self.log,
                root=self.root,
                set_host_name=self.names.append,
                show=show,
            )
        ).carry_out()
        return (self.boot / "farhand-status.txt").read_text()

    def opens(self, password: str) -> bool:
        passwords = load(self.config / "htpasswd")
        assert passwords is not None
        return PasswordHasher().verify(passwords.accounts["admin"], password)


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def test_the_first_start_makes_a_password_that_console_and_card_tell(card: Card) -> None:
    card.start()
    found = re.search(r"password (\S+)", (card.boot / "farhand-password.txt").read_text())
    assert found is not None
    assert found[1] in card.shown
    assert card.opens(found[1])


def test_a_second_start_changes_nothing(card: Card) -> None:
    card.start()
    before = {path: observe(path).data for path in card.config.rglob("*") if path.is_file()}
    (card.boot / "farhand-password.txt").unlink()
    card.shown = ""
    card.start()
    assert {path: observe(path).data for path in card.config.rglob("*") if path.is_file()} == before
    assert not (card.boot / "farhand-password.txt").exists()
    assert card.shown == ""
    assert len(set(card.names)) == 1


def test_two_appliances_differ_in_name_password_and_key(tmp_path: Path) -> None:
    cards = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        cards.append(Card(tmp_path / name))
        cards[-1].start()
    one, two = cards
    assert one.names != two.names
    assert one.shown != two.shown
    for own, others in (
        (one.config / "htpasswd", two.config / "htpasswd"),
        (one.system / "ssh/ssh_host_ed25519_key", two.system / "ssh/ssh_host_ed25519_key"),
    ):
        assert own.read_bytes() != others.read_bytes()
        assert stat.S_IMODE(own.stat().st_mode) == 0o600


def test_settings_of_the_card_hold(card: Card) -> None:
    (card.boot / "farhand.toml").write_text(
        f'host_name = "rack7"\npassword_hash = "{PIKVM_HASH_OF_SECRET}"\nssh_keys = ["{KEY}"]\n'
        'time_zone = "Europe/Berlin"\n[network]\naddress = "10.0.0.2/8"\n'
    )
    status = card.start()
    assert "in force" in status
    assert card.names == ["rack7"]
    assert not (card.boot / "farhand-password.txt").exists()
    assert (card.root / "run/farhand/authorized_keys").read_text() == f"{KEY}\n"
    assert (card.root / "run/farhand/localtime").readlink().parts[-2:] == ("Europe", "Berlin")
    assert "10.0.0.2/8" in (card.root / "run/systemd/network/10-farhand.network").read_text()


def test_a_password_that_is_changed_later_survives_the_card(card: Card) -> None:
    (card.boot / "farhand.toml").write_text(f'password_hash = "{PIKVM_HASH_OF_SECRET}"\n')
    card.start()
    path = card.config / "htpasswd"
    path.write_text(f"admin:{PasswordHasher().hash('changed')}\n")
    card.start()
    assert card.opens("changed")


def test_a_broken_file_leaves_the_last_good_one_in_force(card: Card) -> None:
    settings = card.boot / "farhand.toml"
    settings.write_text('host_name = "rack7"\n')
    card.start()
    settings.write_text('host_name = "rack 7"\ntime_zone = "Mars"\n')
    status = card.start()
    assert "host_name: " in status
    assert "time_zone: " in status
    assert card.names == ["rack7", "rack7"]
    settings.unlink()
    card.start()
    assert card.names[-1] != "rack7"


@pytest.mark.parametrize("zone", ["../../../etc/passwd", "Europe", "/etc/passwd"])
def test_a_time_zone_is_one_of_the_database(card: Card, zone: str) -> None:
    (card.boot / "farhand.toml").write_text(f'time_zone = "{zone}"\n')
    assert "time_zone: " in card.start()


def test_files_of_a_pikvm_are_imported_and_leave_the_card(card: Card) -> None:
    (card.boot / "override.yaml").write_text("kvmd:\n    hid:\n        mouse:\n            absolute: false\n")
    (card.boot / "htpasswd").write_text(f"admin:{PIKVM_HASH_OF_SECRET}\n")
    (card.boot / "totp.secret").write_text("JBSWY3DPEHPK3PXP\n")
    status = card.start()
    for name in ("override.yaml", "htpasswd", "totp.secret"):
        assert f"{name} was imported" in status
        assert not (card.boot / name).exists()
        assert (card.config / name).exists()
    assert not (card.boot / "farhand-password.txt").exists()


def test_files_with_mistakes_stay_on_the_card_and_are_not_used(card: Card) -> None:
    (card.boot / "override.yaml").write_text("kvmd:\n    hid:\n        mouse: nonsense\n")
    (card.boot / "htpasswd").write_text("admin:{BCRYPT}hunter2\n")
    (card.boot / "totp.secret").write_text("hunter2!\n")
    status = card.start()
    for name in ("override.yaml", "htpasswd", "totp.secret"):
        assert f"{name} has mistakes" in status or f"{name} was not imported" in status
        assert (card.boot / name).exists()
    assert "hunter2" not in status
    assert not (card.config / "override.yaml").exists()
    assert (card.boot / "farhand-password.txt").exists()


def test_a_power_cut_between_note_and_account_makes_both_again(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise SetupError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr("firmware.prepare.steps.save_passwords", cut)
        with pytest.raises(SetupError):
            card.start()
    card.start()
    found = re.search(r"password (\S+)", (card.boot / "farhand-password.txt").read_text())
    assert found is not None
    assert card.opens(found[1])


@pytest.mark.parametrize(
    ("name", "words", "images_stay"), [("factory-reset", "", True), ("factory-reset.txt", "Images\n", False)]
)
def test_a_file_on_the_card_resets_once_and_makes_a_new_password(
    card: Card, name: str, words: str, images_stay: bool
) -> None:
    card.start()
    before = (card.boot / "farhand-password.txt").read_text()
    (card.config / "override.yaml").write_text("kvmd: {}\n")
    image = card.state / "images" / "os.iso"
    image.parent.mkdir()
    image.write_bytes(b"image")
    card.log.mkdir()
    (card.log / "journal").write_text("who did what")
    (card.boot / name).write_text(words)
    assert "Factory reset" in card.start()
    assert not (card.boot / name).exists()
    assert not (card.config / "override.yaml").exists()
    assert image.exists() is images_stay
    assert list(card.log.iterdir()) == []
    after = (card.boot / "farhand-password.txt").read_text()
    assert after != before
    password = after.split("password ")[1].split()[0]
    assert card.opens(password)
    assert "Factory reset" not in card.start()
    assert (card.boot / "farhand-password.txt").read_text() == after


def test_a_file_that_cannot_be_removed_resets_nothing(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    card.start()
    asked = card.boot / "factory-reset"
    asked.touch()
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == asked:
            raise PermissionError(30, "Read-only file system")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert "nothing was reset" in card.start()
    assert (card.config / "htpasswd").exists()


def test_a_restore_that_waits_is_carried_out_before_anything_is_read(card: Card) -> None:
    card.start()
    stage_restore(card.state, {"config/host-name": b"rack7\n", "config/htpasswd": b"alice:x\n"})
    assert "A backup was restored." in card.start()
    assert card.names[-1] == "rack7"
    assert (card.config / "htpasswd").read_bytes() == b"alice:x\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_an_owner_has_the_configuration_and_the_state_and_nothing_of_the_systems(card: Card) -> None:
    (card.boot / "farhand.toml").write_text(f'host_name = "rack7"\nssh_keys = ["{KEY}"]\n')
    card.start()
    key = (card.system / "ssh/ssh_host_ed25519_key").read_bytes()
    # As a version that ran as root left it.
    (card.config / "ssh").mkdir()
    (card.system / "ssh/ssh_host_ed25519_key").rename(card.config / "ssh/ssh_host_ed25519_key")
    card.owner = Owner(65534, 65533)
    card.start()
    for directory in (card.config, card.state):
        for path in (directory, *directory.rglob("*")):
            assert (path.stat().st_uid, path.stat().st_gid) == card.owner, path
    assert (card.system / "ssh/ssh_host_ed25519_key").read_bytes() == key
    assert {path.stat().st_uid for path in (card.system, *card.system.rglob("*"))} == {0}
    # Whoever is that user cannot say with which keys root may log in.
    assert not (card.config / "boot-settings.toml").exists()


def test_a_name_that_is_none_is_replaced(card: Card) -> None:
    card.start()
    (card.config / "host-name").write_bytes(b"a\x1b[2Jb")
    card.start()
    assert re.fullmatch(r"farhand-[0-9a-f]{6}", card.names[-1])
