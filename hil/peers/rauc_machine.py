"""A machine with RAUC: a real system bus of its own, RAUC's real service, and slots that are files.

Only the boot loader is played: a script that keeps RAUC's marks in files, as RAUC's custom backend wants it.
Bundles are of RAUC's format `plain`, which needs loop devices and root, and no device mapper.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

COMPATIBLE = "farhand-test"
SLOT_BYTES = 4 << 20
START_S = 60

_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""

_SYSTEM = """\
[system]
compatible={compatible}
bootloader=custom
bundle-formats=plain
data-directory={folder}/data
mountprefix={folder}/mnt
activate-installed=true

[keyring]
path={folder}/ca.pem

[handlers]
bootloader-custom-backend={folder}/boot-loader
"""

_SLOTS = """
[slot.rootfs.{number}]
device={folder}/root{name}
type=raw
bootname={name}

[slot.boot.{number}]
device={folder}/boot{name}
type=raw
parent=rootfs.{number}
"""

_BOOT_LOADER = """\
#!/bin/sh
cd {folder}/marks
case $1 in
get-primary) cat primary ;;
set-primary) echo "$2" >primary; echo good >"state-$2" ;;
get-state) cat "state-$2" ;;
set-state) while [ -e hold ]; do sleep 0.1; done; echo "$3" >"state-$2" ;;
get-current) echo A ;;
esac
"""


def missing() -> str | None:
    """Return why this machine cannot play it, None if it can."""
    if os.geteuid() != 0:
        return "RAUC mounts bundles through loop devices, which takes root"
    for program, package in (
        ("rauc", "rauc"),
        ("dbus-daemon", "dbus-daemon"),
        ("mksquashfs", "squashfs-tools"),
    ):
        if shutil.which(program) is None:
            return f"there is no {program}: apt-get install {package}"
    if not Path("/dev/loop-control").exists():
        return "this kernel has no loop devices"
    return None


@dataclass
class RaucMachine:
    """The machine; *address* is that of its system bus."""

    folder: Path
    address: str
    start_service: Callable[[], None]
    """Start RAUC's service, after `kill_service`, and wait until it answers."""
    service: subprocess.Popen[bytes] | None = None

    def kill_service(self) -> None:
        """Kill RAUC's service with what it has started, such as the boot loader's script."""
        assert self.service is not None
        os.killpg(self.service.pid, signal.SIGKILL)
        self.service.wait()

    def slot(self, name: str) -> bytes:
        """Return what is in a slot's file (`rootA`)."""
        return (self.folder / name).read_bytes()

    def mark(self, name: str) -> str:
        """Return a mark of the boot loader's: `primary`, `state-B`."""
        return (self.folder / "marks" / name).read_text().strip()

    def set_mark(self, name: str, value: str) -> None:
        """Set such a mark."""
        (self.folder / "marks" / name).write_text(f"{value}\n")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the boot loader take its time, so that an installation stays where it begins to write."""
        hold = self.folder / "marks" / "hold"
        hold.touch()
        try:
            yield
        finally:
            hold.unlink()

    def bundle(
        self, name: str, *, compatible: str = COMPATIBLE, version: str = "9.0.0", forged: bool = False
    ) -> Path:
        """Make a signed bundle; *forged* is signed by somebody else."""
        contents = self.folder / f"{name}.contents"
        contents.mkdir()
        (contents / "root.img").write_bytes(f"root {version}".encode().ljust(1 << 20, b"."))
        (contents / "boot.img").write_bytes(f"boot {version}".encode().ljust(1 << 16, b"."))
        (contents / "manifest.raucm").write_text(
            f"[update]\ncompatible={compatible}\nversion={version}\n\n"
            "[image.rootfs]\nfilename=root.img\n\n[image.boot]\nfilename=boot.img\n"
        )
        keys = self.folder / ("forger" if forged else "release")
        target = self.folder / f"{name}.raucb"
        command = ["rauc", "bundle", f"--cert={keys}.pem", f"--key={keys}.key", str(contents), str(target)]
        subprocess.run(command, check=True, capture_output=True)
        shutil.rmtree(contents)
        return target


def _make_keys(folder: Path) -> None:
    authority = ec.generate_private_key(ec.SECP256R1())
    root = _certificate("update root", authority, authority, "update root", is_authority=True)
    (folder / "ca.pem").write_bytes(root)
    forger = ec.generate_private_key(ec.SECP256R1())
    for name, signer, issuer in (
        ("release", authority, "update root"),
        ("forger", forger, "forger"),
    ):
        key = forger if name == "forger" else ec.generate_private_key(ec.SECP256R1())
        (folder / f"{name}.pem").write_bytes(_certificate(name, key, signer, issuer, is_authority=False))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.key").write_bytes(pem)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    is_authority: bool,
) -> bytes:
    now = dt.datetime.now(dt.UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    signing = {
        "digital_signature": not is_authority,
        "key_cert_sign": is_authority,
        "crl_sign": is_authority,
    }
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, **signing), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


@contextmanager
def rauc_machine(folder: Path) -> Iterator[RaucMachine]:
    """Run the machine in *folder* until the end of the context."""
    for name in ("data", "mnt", "marks"):
        (folder / name).mkdir()
    _make_keys(folder)
    socket = folder / "bus"
    (folder / "bus.conf").write_text(_BUS.format(socket=socket))
    system = _SYSTEM.format(compatible=COMPATIBLE, folder=folder)
    for number, name in enumerate("AB"):
        system += _SLOTS.format(number=number, name=name, folder=folder)
        for part in ("root", "boot"):
            (folder / f"{part}{name}").write_bytes(b"factory".ljust(SLOT_BYTES, b"\0"))
    (folder / "system.conf").write_text(system)
    boot_loader = folder / "boot-loader"
    boot_loader.write_text(_BOOT_LOADER.format(folder=folder))
    boot_loader.chmod(0o755)
    address = f"unix:path={socket}"
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address}
    bus = ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile"]
    service = ["rauc", f"--conf={folder}/system.conf", "--override-boot-slot=A", "service"]
    with ExitStack() as stack, (folder / "log").open("wb") as log:

        def start(command: list[str]) -> subprocess.Popen[bytes]:
            process = stack.enter_context(
                subprocess.Popen(
                    command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
            )
            stack.callback(process.terminate)
            return process

        def start_service() -> None:
            machine.service = start(service)
            _wait(lambda: _answers(environment), "RAUC")

        machine = RaucMachine(folder, address, start_service)
        for name, value in (("primary", "A"), ("state-A", "good"), ("state-B", "good")):
            machine.set_mark(name, value)
        stack.callback(_unmount_all, folder)
        start(bus)
        _wait(socket.exists, "the bus")
        start_service()
        yield machine


def _unmount_all(folder: Path) -> None:
    """Let go of the bundles that a service which was killed has left mounted."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        device, place, *_ = line.split()
        if Path(place).is_relative_to(folder):
            subprocess.run(["umount", place], check=True)
            # It detaches itself where the service had told it to.
            subprocess.run(["losetup", "--detach", device], check=False, capture_output=True)


def _answers(environment: dict[str, str]) -> bool:
    return (
        subprocess.run(["rauc", "status"], env=environment, capture_output=True, check=False).returncode == 0
    )


def _wait(happened: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + START_S
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"expected {what} to start within {START_S} s")
        time.sleep(0.05)
