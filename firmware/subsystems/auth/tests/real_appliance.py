"""An authentication service on real files and real hashes; the hashes are counted, never timed."""

from __future__ import annotations

import threading
from pathlib import Path

import pyotp

from firmware.subsystems.auth.hashing import CostClass, PasswordHasher, StoredHash
from firmware.subsystems.auth.material import AuthOptions
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.auth.service import AuthService

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
NOW_S = 1_234_567_890.0
CODE = pyotp.TOTP(SECRET).at(int(NOW_S))
ADMIN = PasswordHasher().hash("correct horse")
GUEST = PasswordHasher().hash("guest pass")


class CountingHasher:
    """The real hasher, counting what it computes and at how many places at once."""

    def __init__(self) -> None:
        self._real = PasswordHasher()
        self._lock = threading.Lock()
        self._running = 0
        self.most_at_once = 0
        self.verified: list[CostClass] = []
        self.started = threading.Event()
        self.hold = threading.Event()
        self.hold.set()

    def hash(self, password: str) -> str:
        return self._real.hash(password)

    def verify(self, stored: StoredHash, password: str) -> bool:
        with self._lock:
            self.verified.append(stored.cost)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        self.started.set()
        try:
            self.hold.wait(timeout=30)
            return self._real.verify(stored, password)
        finally:
            with self._lock:
                self._running -= 1

    def spent(self) -> list[CostClass]:
        """Return what was computed since the last call."""
        verified, self.verified = self.verified, []
        return verified


class Appliance:
    """An authentication service and the files behind it."""

    def __init__(
        self, directory: Path, *, extend: bool = False, enabled: bool = True, expire_s: int = 0
    ) -> None:
        self.path = directory / "htpasswd"
        self.secret_path = directory / "totp.secret"
        self.rights_path = directory / "rights.toml"
        self.hasher = CountingHasher()
        self.now_s = NOW_S
        save(self.path, PasswordFile.empty().with_account("admin", ADMIN).with_account("guest", GUEST))
        self.options = AuthOptions(
            password_file=self.path,
            totp_secret_file=self.secret_path,
            rights_file=self.rights_path,
            enabled=enabled,
            extend=extend,
            expire_s=expire_s,
        )
        self.service = self.start()

    def start(self, fallback: PasswordFile | None = None) -> AuthService:
        return AuthService(self.options, fallback=fallback, hasher=self.hasher, wall_clock=lambda: self.now_s)
