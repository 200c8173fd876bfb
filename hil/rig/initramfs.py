"""The initramfs: a static busybox, the modules that mount the root, and `guest/init`; packed reproducibly."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from rig import step
from rig.errors import BuildError

_INIT = Path(__file__).parent / "guest/init"
# Packing 2 MB takes 0.1 s.
_PACK_DEADLINE_S = 60
_PACK_SCRIPT = (
    "find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc --quiet --reproducible -R 0:0"
    ' | zstd -q -3 -f -o "$1"'
)


def find_busybox() -> Path:
    """The host's static busybox; BuildError if it is a dynamic one, which cannot run in an empty guest."""
    found = shutil.which("busybox")
    if not found:
        raise BuildError("expected busybox in PATH: sudo apt-get install busybox-static")
    text = subprocess.run(
        [found, "--help"], capture_output=True, text=True, timeout=_PACK_DEADLINE_S, check=False
    ).stdout
    listed = subprocess.run(
        ["ldd", found], capture_output=True, text=True, timeout=_PACK_DEADLINE_S, check=False
    )
    if listed.returncode == 0 and "statically linked" not in listed.stdout:
        raise BuildError(
            f"expected a static busybox, got a dynamic one - at {found}: sudo apt-get install busybox-static"
        )
    missing = [name for name in ("insmod", "mount", "switch_root", "sleep") if name not in text]
    if missing:
        raise BuildError(f"expected busybox to have {', '.join(missing)} - at {found}")
    return Path(found)


def pack(modules: list[Path], directory: Path, image: Path) -> None:
    """Lay the initramfs out in *directory* and pack it into *image*; *modules* load in the order given."""
    for name in ("bin", "proc", "sys", "dev", "newroot", "modules"):
        (directory / name).mkdir(parents=True)
    # The kernel itself calls /sbin/modprobe when erofs asks for its checksum.
    (directory / "sbin").symlink_to("bin")
    shutil.copy(find_busybox(), directory / "bin/busybox")
    (directory / "bin/busybox").chmod(0o755)
    for module in modules:
        shutil.copy(module, directory / "modules" / module.name)
    (directory / "modules/order").write_text(" ".join(module.name for module in modules) + "\n")
    shutil.copy(_INIT, directory / "init")
    (directory / "init").chmod(0o755)
    step.run(
        [
            *("bash", "-euo", "pipefail", "-c"),
            _PACK_SCRIPT,
            *("pack", image.resolve()),
        ],
        "packing the initramfs",
        _PACK_DEADLINE_S,
        cwd=directory,
    )
