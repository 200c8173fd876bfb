"""Update bundles for the checks: good ones, sabotaged ones, and such that must be refused.

They are put on a disk of their own, which the machine mounts: to copy each over an emulated network takes
minutes.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from image.machine import CACHE, in_builder

BOARD: Final = "generic-arm64"
OUT: Final = CACHE / "out" / BOARD
KEYS: Final = CACHE / "pki"
COMPATIBLE: Final = f"farhand-{BOARD}"
MOUNT: Final = "/run/bundles"
"""Where the machine has them."""


def sign(
    target: Path, version: str, files: dict[str, Path], *, compatible: str = COMPATIBLE, keys: Path = KEYS
) -> Path:
    """Make a bundle at *target* of the images *files* (`rootfs`, `boot`), signed with *keys*."""
    target.unlink(missing_ok=True)
    contents = target.with_suffix(".contents")
    contents.mkdir(exist_ok=True)
    manifest = f"[update]\ncompatible={compatible}\nversion={version}\n\n[bundle]\nformat=verity\n"
    for slot, source in files.items():
        image = contents / f"{slot}.img"
        image.unlink(missing_ok=True)
        image.hardlink_to(source)
        manifest += f"\n[image.{slot}]\nfilename={slot}.img\n"
    (contents / "manifest.raucm").write_text(manifest)
    # Without a keyring it is not checked here whether the key is still good.
    command = ["rauc", "bundle", f"--cert={keys}/release.cert.pem", f"--key={keys}/release.key.pem"]
    command += ["--mksquashfs-args=-comp zstd -Xcompression-level 1", str(contents), str(target)]
    subprocess.run(in_builder(command), check=True, capture_output=True)
    for file in contents.iterdir():
        file.unlink()
    contents.rmdir()
    return target


class Root:
    """The image's root, unpacked, out of which other versions are made."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._run('rm -rf "$1"; unsquashfs -q -n -d "$1" "$2" >/dev/null', str(OUT / "root.squashfs"))

    def pack(self, target: Path, version: str, sabotage: str = "") -> Path:
        """Write it as *version* to *target*; *sabotage* is shell code that spoils it, run in its folder.

        What was spoiled stays so: the good version is made first.
        """
        script = (
            'cd "$1"; echo "$2" >usr/lib/farhand/version; '
            'sed -i "s/^min-bundle-version=.*/min-bundle-version=$2/" etc/rauc/system.conf; '
            f'{sabotage}\nrm -f "$3"; '
            'mksquashfs "$1" "$3" -quiet -no-progress -comp zstd -Xcompression-level 1 -b 256K >/dev/null'
        )
        self._run(script, version, str(target))
        return target

    def remove(self) -> None:
        """Remove the unpacked root."""
        self._run('rm -rf "$1"')

    def _run(self, script: str, *words: str) -> None:
        subprocess.run(in_builder(["sh", "-ec", script, "root", str(self._tree), *words]), check=True)


def expired_keys(directory: Path) -> Path:
    """Make a release key in *directory* that the image's own root signed, and whose time is over."""
    script = (
        'mkdir -p "$1"; cd "$1"; openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes '
        '-keyout release.key.pem -out release.csr -subj "/O=Farhand/CN=expired"; '
        'printf "basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature\\n" >extensions; '
        'openssl x509 -req -in release.csr -CA "$2/ca.cert.pem" -CAkey "$2/ca.key.pem" -CAcreateserial '
        "-not_before 20240101000000Z -not_after 20250101000000Z -extfile extensions -out release.cert.pem"
    )
    command = ["sh", "-ec", script, "expired_keys", str(directory), str(KEYS)]
    subprocess.run(in_builder(command), check=True, capture_output=True)
    return directory


def disk_of(folder: Path, target: Path) -> Path:
    """Make the disk with all bundles of *folder* at *target*."""
    target.unlink(missing_ok=True)
    script = 'cd "$1" && mksquashfs *.raucb "$2" -quiet -no-progress -noI -noD -noF -noX >/dev/null'
    subprocess.run(in_builder(["sh", "-ec", script, "disk_of", str(folder), str(target)]), check=True)
    return target
