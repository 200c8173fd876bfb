"""`just image-update`: updates, refusals and the way back, in QEMU with the boot loader that the boards have.

It installs a newer version and expects the state to survive; offers bundles that must be refused (of
another board, forged, cut short, older) and expects the reason; installs a version whose root is
garbage, signed like the real one, and expects the machine to return to the version before by itself.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from image.boot_check import Key, check_login, note, put_boot_file, shell, wait_for_api
from image.machine import CACHE, REPO, ImageError, Machine, fresh_disk, in_builder, newest_image, running

BOARD: Final = "generic-arm64"
BOOT_DEADLINE_S: Final = 1200
"""Emulated, and beside other work, as for the first start."""
COPY_DEADLINE_S: Final = 900
MARKER: Final = "/data/state/update-check"


def make_bundle(target: Path, version: str, **files: Path) -> Path:
    """Make a signed bundle at *target* of the images *files* (`rootfs`, `boot`); return it."""
    return sign(target, version, f"farhand-{BOARD}", CACHE / "pki", files)


def sign(target: Path, version: str, compatible: str, keys: Path, files: dict[str, Path]) -> Path:
    """Make a bundle for *compatible* machines, signed with the release key in *keys*."""
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        contents = Path(folder)
        manifest = f"[update]\ncompatible={compatible}\nversion={version}\n\n[bundle]\nformat=verity\n"
        for slot, source in files.items():
            (contents / f"{slot}.img").hardlink_to(source)
            manifest += f"\n[image.{slot}]\nfilename={slot}.img\n"
        (contents / "manifest.raucm").write_text(manifest)
        command = ["rauc", "bundle", f"--cert={keys}/release.cert.pem", f"--key={keys}/release.key.pem"]
        command += [f"--keyring={keys}/ca.cert.pem", "--mksquashfs-args=-comp zstd -Xcompression-level 1"]
        subprocess.run(in_builder([*command, str(contents), str(target)]), check=True, capture_output=True)
    return target


def other_root(target: Path, version: str) -> Path:
    """Write the image's root with another *version* number; return it."""
    script = (
        'set -e; rm -rf "$1" "$4"; unsquashfs -q -n -d "$1" "$2" >/dev/null; '
        'echo "$3" >"$1/usr/lib/farhand/version"; '
        'mksquashfs "$1" "$4" -quiet -no-progress -comp zstd -Xcompression-level 1 -b 256K >/dev/null; '
        'rm -rf "$1"'
    )
    source = CACHE / "out" / BOARD / "root.squashfs"
    words = [str(target.with_suffix(".tree")), str(source), version, str(target)]
    subprocess.run(in_builder(["sh", "-c", script, "other_root", *words]), check=True)
    return target


def copy(machine: Machine, key: Key, source: Path) -> None:
    """Put *source* onto the appliance, as /data/update.raucb."""
    with source.open("rb") as stream:
        subprocess.run(
            [*key.ssh(machine), "cat >/data/update.raucb"], stdin=stream, check=True, timeout=COPY_DEADLINE_S
        )


def install(machine: Machine, key: Key, source: Path) -> subprocess.CompletedProcess[str]:
    """Copy a bundle and have it installed; return how that ended."""
    copy(machine, key, source)
    done = shell(
        machine, key, "rauc install /data/update.raucb; status=$?; rm /data/update.raucb; exit $status"
    )
    note(machine, f"{source.name}: {'installed' if done.returncode == 0 else 'refused: ' + reason(done)}")
    return done


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the line in which RAUC says why."""
    said = done.stdout + done.stderr
    return next((line for line in said.splitlines() if "LastError" in line), said[-200:]).strip()


def must_refuse(machine: Machine, key: Key, source: Path, why: str) -> None:
    """Expect that *source* is refused, and that the reason given has *why* in it."""
    done = install(machine, key, source)
    if done.returncode == 0:
        raise ImageError(f"{source.name} was installed")
    if why not in reason(done):
        raise ImageError(f"expected {source.name} to be refused for its {why}, got {reason(done)}")


def must_install(machine: Machine, key: Key, source: Path) -> None:
    """Expect that *source* is installed."""
    done = install(machine, key, source)
    if done.returncode:
        raise ImageError(f"{source.name} was refused: {reason(done)}")


def restart(machine: Machine, key: Key, slot: str, version: str) -> None:
    """Restart, and expect that *slot* with *version* is what is up and confirmed in the end."""
    confirmed = f"slot {slot} with version {version} is confirmed"
    before = machine.console().count(confirmed)
    shell(machine, key, "systemctl reboot")
    machine.wait_for(confirmed, BOOT_DEADLINE_S * 4, times=before + 1)
    note(machine, f"slot {slot} with version {version} is up and confirmed")
    if shell(machine, key, f"cat {MARKER}").stdout.strip() != "kept":
        raise ImageError("the state was lost")


@dataclass(frozen=True)
class Bundles:
    """What is offered to the appliance."""

    newer: Path
    garbage: Path
    refused: tuple[tuple[Path, str], ...]
    """Each with a word of the reason."""

    @classmethod
    def make(cls, scratch: Path) -> Bundles:
        """Make all of them in *scratch*."""
        out = CACHE / "out" / BOARD
        boot = out / "boot.vfat"
        garbage = scratch / "garbage.root"
        garbage.write_bytes(random.Random(7).randbytes(1 << 20))
        newer = make_bundle(
            scratch / "newer.raucb",
            "90.0.0",
            rootfs=other_root(scratch / "newer.root", "90.0.0"),
            boot=boot,
        )
        short = scratch / "short.raucb"
        short.write_bytes(newer.read_bytes()[: 1 << 20])
        forger = scratch / "forger"
        subprocess.run([REPO / "image/build/pki.sh", forger], check=True)
        # What is refused may be small: it is refused before any of its images is read.
        small = {"boot": garbage}
        return cls(
            newer,
            make_bundle(scratch / "garbage.raucb", "92.0.0", rootfs=garbage, boot=boot),
            (
                (
                    sign(scratch / "foreign.raucb", "93.0.0", "farhand-rpi4", CACHE / "pki", small),
                    "ompatible",
                ),
                (sign(scratch / "forged.raucb", "93.0.0", f"farhand-{BOARD}", forger, small), "signature"),
                (make_bundle(scratch / "older.raucb", "0.0.1", **small), "ersion"),
                (short, ""),
            ),
        )


def updates(machine: Machine, key: Key, bundles: Bundles, password: str) -> None:
    """Install, refuse, return: all without a loss of power."""
    shell(machine, key, f"echo kept >{MARKER}")
    for bad, why in bundles.refused:
        must_refuse(machine, key, bad, why)
    must_install(machine, key, bundles.newer)
    restart(machine, key, "B", "90.0.0")
    check_login(machine, password)
    must_install(machine, key, bundles.garbage)
    restart(machine, key, "B", "90.0.0")


def main() -> int:
    """Update the image that was built last."""
    argparse.ArgumentParser(description="Update the built image in QEMU.").parse_args()
    scratch = CACHE / "update"
    scratch.mkdir(parents=True, exist_ok=True)
    disk = scratch / "card.img"
    try:
        with tempfile.TemporaryDirectory() as directory:
            fresh_disk(newest_image(BOARD), disk)
            key = Key(Path(directory))
            settings = Path(directory) / "farhand.toml"
            settings.write_text(f'ssh_keys = ["{key.public}"]\n')
            put_boot_file(disk, settings, "farhand.toml")
            with running(BOARD, disk, scratch / "first.log") as machine:
                bundles = Bundles.make(scratch)
                said = machine.wait_for("is confirmed", BOOT_DEADLINE_S)
                password = said.partition("with the password ")[2].split()[0]
                wait_for_api(machine)
                note(machine, "the first start is over")
                updates(machine, key, bundles, password)
    except ImageError as error:
        print(f"image-update: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
