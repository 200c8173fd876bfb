"""The root file system: a minimal Debian by mmdebstrap, the modules and the agent in it, as one erofs image.

It is made through a tar, so that root and others build the same: nothing needs to be owned by anybody.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from rig import step
from rig.errors import BuildError, RigError
from rig.recipe import KEYRING, ROOT_EXCLUDES, Recipe

# 19 to 27 s here with a near mirror.
_BOOTSTRAP_DEADLINE_S = 1800
_UNPACK_DEADLINE_S = 300
_IMAGE_DEADLINE_S = 300
_PROBE_DEADLINE_S = 30

AGENT = "usr/lib/farhand-rig"
"""Where the guest's side of the rig is, below the root."""
_HERE = Path(__file__).parent
_MAIN = '"""Pid 1 of the rig."""\n\nfrom rig.guest.pid1 import main\n\nmain()\n'


def bootstrap_mode() -> str:
    """How mmdebstrap can work here: as root, or with user namespaces; RigError says what is missing."""
    if os.geteuid() == 0:
        return "root"
    user = pwd.getpwuid(os.geteuid()).pw_name
    if not shutil.which("newuidmap"):
        raise RigError(
            "building the rig without root needs newuidmap: sudo apt-get install uidmap, or build as root"
        )
    owners = {line.partition(":")[0] for line in _lines(Path("/etc/subuid"))}
    if not owners & {user, str(os.geteuid())}:
        raise RigError(f"building the rig without root needs subordinate ids: sudo usermod --add-subuids "
                       f"100000-165535 --add-subgids 100000-165535 {user}, or build as root")  # fmt: skip
    probe = subprocess.run(
        ["unshare", "--user", "--map-root-user", "true"],
        capture_output=True,
        timeout=_PROBE_DEADLINE_S,
        check=False,
    )
    if probe.returncode:
        raise RigError(
            "building the rig without root needs user namespaces, which this kernel refuses: build as root"
        )
    return "unshare"


def bootstrap(recipe: Recipe, mirror: str, root: Path) -> None:
    """Install the recipe's packages into the fresh directory *root*."""
    mode = bootstrap_mode()
    archive = root.with_suffix(".tar")
    step.run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--mode={mode}", "--format=tar"),
            *("--architectures=" + recipe.architecture.debian, f"--keyring={KEYRING}"),
            *('--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"'),
            *('--aptopt=Acquire::Retries "2"', '--aptopt=Acquire::http::Timeout "30"'),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in ROOT_EXCLUDES),
            "--include=" + ",".join(recipe.packages),
            *(recipe.suite, archive, f"deb [signed-by={KEYRING}] {mirror} {recipe.suite} main"),
        ],
        "installing Debian for the guest",
        _BOOTSTRAP_DEADLINE_S,
    )  # fmt: skip
    root.mkdir()
    # The kernel makes the devices, which only root could unpack.
    step.run(
        [
            *("tar", "--extract", "--file", archive, "--directory", root),
            *("--preserve-permissions", "--no-same-owner"),
            *("--exclude=./dev/*", "--exclude=./var/lib/apt/lists/*", "--exclude=./var/cache/*"),
        ],
        "unpacking the guest's root",
        _UNPACK_DEADLINE_S,
    )  # fmt: skip
    archive.unlink()


def add_agent(root: Path) -> None:
    """Put the guest's side of the rig into *root*, compiled as far as this Python can."""
    target = root / AGENT
    for name in (
        "__init__.py",
        "protocol.py",
        "guest/__init__.py",
        "guest/agent.py",
        "guest/system.py",
        "guest/pid1.py",
    ):
        (target / "rig" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_HERE / name, target / "rig" / name)
    (target / "__main__.py").write_text(_MAIN)
    (root / "etc/hostname").write_text("rig\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost rig\n::1 localhost\n")


def guest_python(root: Path) -> str:
    """Version of the Python in *root*, as `3.13`."""
    found = sorted((root / "usr/bin").glob("python3.[0-9]*"))
    if not found:
        raise BuildError(f"expected a Python in the guest's root, got none - at {root / 'usr/bin'}")
    return found[0].name.removeprefix("python")


def make_image(directory: Path, image: Path, size_bytes: int | None = None) -> None:
    """Pack *directory* as erofs, the same bytes for the same contents; padded to *size_bytes* if given."""
    image.unlink(missing_ok=True)
    uuid = "00000000-0000-0000-0000-000000000000"
    step.run(
        ["mkfs.erofs", "-zlz4", "-T0", f"-U{uuid}", "--all-root", image, directory],
        f"packing {image.name}",
        _IMAGE_DEADLINE_S,
    )
    if size_bytes is not None:
        if image.stat().st_size > size_bytes:
            raise BuildError(
                f"expected {image.name} to take at most {size_bytes >> 20} MiB, "
                f"got {image.stat().st_size >> 20}"
            )
        os.truncate(image, size_bytes)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
