"""How the checks use a machine from outside: files of its boot partition, SSH, HTTPS."""

from __future__ import annotations

import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from image.machine import ImageError, Machine

BOOT_DEADLINE_S: Final = 1200
"""Emulated, and beside other work: four minutes were measured with four times as many tasks as cores."""
ANSWER_DEADLINE_S: Final = 60
FIRMWARE_OFFSET: Final = "4M"


def note(machine: Machine, text: str) -> None:
    """Print what is reached, with the seconds since the machine's start."""
    print(f"[{machine.age_s:6.1f} s] {text}", flush=True)


def boot_file(disk: Path, name: str) -> str:
    """Return a file of the boot partition of *disk*."""
    command = ["mtype", "-i", f"{disk}@@{FIRMWARE_OFFSET}", f"::{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImageError(f"the boot partition has no {name}")
    return done.stdout


def put_boot_file(disk: Path, source: Path, name: str) -> None:
    """Put *source* onto the boot partition of *disk* as *name*."""
    subprocess.run(["mcopy", "-o", "-i", f"{disk}@@{FIRMWARE_OFFSET}", source, f"::{name}"], check=True)


class Key:
    """An SSH key pair in a directory."""

    def __init__(self, directory: Path) -> None:
        key = Ed25519PrivateKey.generate()
        self.path = directory / "key"
        self.path.touch(mode=0o600)
        self.path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        self.public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def ssh(self, machine: Machine) -> list[str]:
        """Return the command that runs the shell command behind it on *machine*."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        # A machine that is gone without a word ends the command.
        options += ["ConnectTimeout=60", "ServerAliveInterval=30", "ServerAliveCountMax=10"]
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-i", str(self.path), "-p", str(machine.ssh_port), *words, "root@127.0.0.1"]


def shell(machine: Machine, key: Key, command: str) -> subprocess.CompletedProcess[str]:
    """Run *command* on the appliance over SSH."""
    return subprocess.run(
        [*key.ssh(machine), command], capture_output=True, text=True, timeout=BOOT_DEADLINE_S, check=False
    )


def tls() -> ssl.SSLContext:
    """Return a context that takes the appliance's own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def client(machine: Machine, password: str) -> httpx.Client:
    """Return a client that logs in as admin."""
    headers = {"X-KVMD-User": "admin", "X-KVMD-Passwd": password}
    return httpx.Client(base_url=machine.url, verify=tls(), headers=headers, timeout=ANSWER_DEADLINE_S)


def wait_for_api(machine: Machine) -> None:
    """Wait until HTTPS says that it wants a login."""
    end = time.monotonic() + BOOT_DEADLINE_S
    with httpx.Client(base_url=machine.url, verify=tls(), timeout=ANSWER_DEADLINE_S) as stranger:
        while True:
            try:
                status = stranger.get("/api/auth/check").status_code
            except httpx.TransportError:
                if time.monotonic() > end or machine.process.poll() is not None:
                    raise ImageError(f"HTTPS does not answer; the console's log is {machine.log}") from None
                time.sleep(0.5)
                continue
            if status != httpx.codes.UNAUTHORIZED:
                raise ImageError(f"expected 401 for a stranger, got {status}")
            return


def check_login(machine: Machine, password: str) -> None:
    """The password opens the API, another one does not."""
    with client(machine, password) as admin:
        answer = admin.get("/api/info")
        if answer.status_code != httpx.codes.OK:
            raise ImageError(f"expected /api/info to answer, got {answer.status_code}: {answer.text[:200]}")
        info: dict[str, Any] = answer.json()["result"]
        note(machine, f"logged in with the first password; /api/info has {', '.join(sorted(info))}")
    with client(machine, "admin") as guesser:
        status = guesser.get("/api/info").status_code
        if status != httpx.codes.FORBIDDEN:
            raise ImageError(f"expected 403 for admin/admin, got {status}")
