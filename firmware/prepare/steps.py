"""The steps: settings, imports, the first password, keys, files for other services.

Each step can be cut short by a loss of power and is done again at the next start. What is wrong is told in
`farhand-status.txt` on the boot partition; a broken `farhand.toml` leaves the last good one in force.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from firmware import passwd_command
from firmware.core.errors import SetupError
from firmware.core.files import make_directory, observe, replace
from firmware.passwd_command import PASSWORD_FILE_NAME
from firmware.prepare import document as documents
from firmware.prepare.changes import waiting_changes
from firmware.prepare.document import Document
from firmware.prepare.owners import adopt, hand_over
from firmware.prepare.places import Places
from firmware.prepare.render import render
from firmware.settings import load
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile
from firmware.subsystems.auth.password_file import load as load_passwords
from firmware.subsystems.auth.password_file import save as save_passwords
from firmware.subsystems.auth.totp import TotpSecret

ADMIN: Final = "admin"
STATUS_NAME: Final = "farhand-status.txt"
PASSWORD_NAME: Final = "farhand-password.txt"  # noqa: S105 (a file name)
LAST_GOOD_NAME: Final = "boot-settings.toml"
HOST_NAME_NAME: Final = "host-name"
HOST_KEY_NAME: Final = "ssh/ssh_host_ed25519_key"
APPLIED_NAME: Final = "applied-password-hash"
# No letters or digits that look like others: it is read off a screen. 16 of 31 are 79 bits.
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_PASSWORD_LENGTH: Final = 16
_GROUP: Final = 4


class Preparation:
    """One run over *places*; `notes` are the sentences for the person who holds the card."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.notes: list[str] = []

    def carry_out(self) -> None:
        """Do all steps. Raises OSError or SetupError if the machine cannot be made ready."""
        make_directory(self._places.config, mode=0o755)
        make_directory(self._places.state, mode=0o755)
        make_directory(self._places.system)
        self.notes += waiting_changes(self._places)
        document = self._settings()
        self._import_settings()
        self._import_passwords()
        self._import_totp()
        self._apply_password_hash(document)
        self._first_password()
        self._host_key()
        host_name = document.host_name or self._own_host_name()
        self._places.set_host_name(host_name)
        self._system_files(document, host_name)
        self._time_zone(document)
        if self._places.owner is not None:
            for directory in (self._places.config, self._places.state):
                hand_over(directory, self._places.owner)
        self._status(host_name)

    def _is_time_zone(self, name: str) -> bool:
        zones = self._places.zones
        path = (zones / name).resolve()
        return path.is_relative_to(zones.resolve()) and path.is_file() and path.read_bytes()[:4] == b"TZif"

    def _settings(self) -> Document:
        """Return what the boot partition's file says; if it is broken, the last good one."""
        # Not beside the configuration: it may name keys that root can log in with.
        last_good = self._places.system / LAST_GOOD_NAME
        seen = observe(self._places.boot / documents.NAME)
        if seen.data is None and seen.error is None:
            last_good.unlink(missing_ok=True)
            return Document()
        if seen.data is not None:
            document, problems = documents.parse(seen.data, is_time_zone=self._is_time_zone)
            if not problems:
                if observe(last_good).data != seen.data:
                    replace(last_good, seen.data)
                self.notes.append(f"{documents.NAME} was read and is in force.")
                return document
        else:
            problems = [f"the file cannot be read: {seen.error}"]
        self.notes.append(f"{documents.NAME} has mistakes; nothing of it was used:")
        self.notes += [f"  - {problem}" for problem in problems]
        before = observe(last_good).data
        if before is not None:
            document, problems = documents.parse(before, is_time_zone=self._is_time_zone)
            if not problems:
                self.notes.append(f"The last {documents.NAME} without mistakes stays in force.")
                return document
        return Document()

    def _import_settings(self) -> None:
        source = self._places.boot / "override.yaml"
        seen = observe(source)
        if seen.data is None:
            self._note_unreadable(source, seen.error)
            return
        with tempfile.TemporaryDirectory() as trial:
            (Path(trial) / "override.yaml").write_bytes(seen.data)
            try:
                load(Path(trial))
            except SetupError as exc:
                self.notes.append("override.yaml has mistakes and was not imported:")
                self.notes += [f"  - {line.replace(trial + '/', '')}" for line in str(exc).splitlines()]
                return
        replace(self._places.config / "override.yaml", seen.data)
        self._imported(source)

    def _import_passwords(self) -> None:
        source = self._places.boot / PASSWORD_FILE_NAME
        if not source.exists():
            return
        complaints = io.StringIO()
        status = passwd_command.run(
            ["import", str(source)],
            config_dir=self._places.config,
            stdin=io.StringIO(),
            stdout=io.StringIO(),
            stderr=complaints,
        )
        if status == passwd_command.DONE:
            self._imported(source)
            return
        self.notes.append(f"{PASSWORD_FILE_NAME} was not imported:")
        lines = complaints.getvalue().replace(f"{self._places.boot}/", "").splitlines()
        self.notes += [f"  - {line.removeprefix('farhand passwd: ')}" for line in lines]

    def _import_totp(self) -> None:
        source = self._places.boot / "totp.secret"
        seen = observe(source)
        if seen.data is None:
            self._note_unreadable(source, seen.error)
            return
        try:
            if TotpSecret.parse(seen.data) is None:
                raise ValueError("expected a base32 secret, got an empty file")
        except ValueError as exc:
            self.notes.append(f"totp.secret was not imported: {exc}.")
            return
        replace(self._places.config / "totp.secret", seen.data)
        self._imported(source)

    def _note_unreadable(self, source: Path, error: str | None) -> None:
        if error is not None:
            self.notes.append(f"{source.name} was not imported: it cannot be read: {error}.")

    def _imported(self, source: Path) -> None:
        # It may hold secrets, and the boot partition can be read by whoever takes the card.
        source.unlink()
        self.notes.append(f"{source.name} was imported and removed from here.")

    def _apply_password_hash(self, document: Document) -> None:
        if document.password_hash is None:
            return
        # Once only: a password that is changed later on the appliance stays.
        applied = self._places.config / APPLIED_NAME
        mark = hashlib.sha256(document.password_hash.encode()).hexdigest().encode()
        if observe(applied).data == mark:
            return
        path = self._places.config / PASSWORD_FILE_NAME
        present = load_passwords(path) or PasswordFile.empty()
        save_passwords(path, present.with_account(ADMIN, document.password_hash))
        replace(applied, mark)

    def _first_password(self) -> None:
        path = self._places.config / PASSWORD_FILE_NAME
        if load_passwords(path) is not None:
            return
        letters = "".join(secrets.choice(_ALPHABET) for _ in range(_PASSWORD_LENGTH))
        password = "-".join(letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))
        # The note first: with the account but without it nobody could ever log in.
        replace(
            self._places.boot / PASSWORD_NAME,
            f"user {ADMIN}\r\npassword {password}\r\n\r\n"
            "Made at the first start, for this appliance alone. Change it and delete this file.\r\n".encode(),
        )
        save_passwords(path, PasswordFile.empty().with_account(ADMIN, PasswordHasher().hash(password)))
        self._places.show(f"\r\nFarhand: first start. Log in as {ADMIN} with the password {password}\r\n")
        self.notes.append(f"The first password is in {PASSWORD_NAME}.")

    def _host_key(self) -> None:
        path = self._places.system / HOST_KEY_NAME
        if observe(path).data:
            return
        make_directory(path.parent)
        if adopt(self._places.config / HOST_KEY_NAME, path):
            return
        key = Ed25519PrivateKey.generate()
        replace(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))

    def _own_host_name(self) -> str:
        path = self._places.config / HOST_NAME_NAME
        data = observe(path).data
        name = (data or b"").decode("ascii", "replace").strip()
        if documents.is_host_name(name):
            return name
        name = f"farhand-{secrets.token_hex(3)}"
        replace(path, f"{name}\n".encode())
        return name

    def _system_files(self, document: Document, host_name: str) -> None:
        for relative, content in render(document, host_name).items():
            path = self._places.root / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, content.text.encode())
            path.chmod(content.mode)

    def _time_zone(self, document: Document) -> None:
        link = self._places.root / "run/farhand/localtime"
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(self._places.zones / (document.time_zone or "Etc/UTC"))

    def _status(self, host_name: str) -> None:
        text = "\r\n".join([f"Host name: {host_name}", *self.notes, ""]).encode()
        path = self._places.boot / STATUS_NAME
        # A FAT that is not written to cannot be damaged by a loss of power.
        if observe(path).data != text:
            replace(path, text)
