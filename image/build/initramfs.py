"""Writes the initramfs: busybox, the modules that finding and mounting the root needs, and our init.

No program of the target runs, so the machine that builds may have another processor. The archive depends on
nothing but its inputs: names, times and numbers are fixed. Format: "newc", as Linux's
Documentation/driver-api/early-userspace describes it.
"""

from __future__ import annotations

import argparse
import lzma
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WANTED: Final = (
    # where a card or disk may be
    *("virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi", "sd_mod", "nvme", "mmc_block", "sdhci_iproc"),
    *("bcm2835", "sdhci_brcmstb", "usb_storage", "uas", "xhci_pci", "xhci_plat_hcd"),
    # what is on it
    *("squashfs", "ext4", "vfat", "nls_ascii", "nls_cp437", "loop", "dm_verity"),
    "bcm2835_wdt",
)
FOLDERS: Final = ("bin", "dev", "proc", "sys", "run", "newroot", "modules")
FOLDER_MODE: Final = 0o040755
PROGRAM_MODE: Final = 0o100755
FILE_MODE: Final = 0o100644


def module_name(path: str) -> str:
    """Return the kernel's name of the module file at *path*."""
    return re.sub(r"\.ko.*$", "", path.rsplit("/", 1)[-1]).replace("-", "_")


@dataclass(frozen=True)
class ModuleIndex:
    """What depmod(8) wrote: paths by name, what each needs loaded first, and what is built in."""

    paths: dict[str, str]
    needs: dict[str, tuple[str, ...]]
    built_in: frozenset[str]

    @classmethod
    def parse(cls, dependencies: str, soft: str, built_in: str) -> ModuleIndex:
        """Read modules.dep, modules.softdep and modules.builtin."""
        paths: dict[str, str] = {}
        needs: dict[str, tuple[str, ...]] = {}
        for line in dependencies.splitlines():
            path, _, rest = line.partition(":")
            name = module_name(path)
            paths[name] = path
            needs[name] = tuple(module_name(needed) for needed in reversed(rest.split()))
        for line in soft.splitlines():
            found = re.match(r"softdep (\S+) pre: (.*)", line)
            if found:
                name = module_name(found[1])
                first = found[2].partition("post:")[0].split()
                needs[name] = (*map(module_name, first), *needs.get(name, ()))
        return cls(paths, needs, frozenset(map(module_name, built_in.split())))

    def order(self, wanted: tuple[str, ...]) -> list[str]:
        """Return *wanted*, each after what it needs; without what is unknown or built in."""
        ordered: dict[str, None] = {}

        def add(name: str, above: frozenset[str]) -> None:
            if name not in self.paths or name in ordered or name in above:
                return
            for needed in self.needs.get(name, ()):
                add(needed, above | {name})
            ordered[name] = None

        for name in wanted:
            add(name, frozenset())
        return list(ordered)


@dataclass(frozen=True)
class Entry:
    """A file or folder of the archive."""

    path: str
    mode: int
    data: bytes = b""


def newc(entries: list[Entry], time_s: int) -> bytes:
    """Return the archive; each entry has *time_s* as its time and belongs to root."""
    archive = bytearray()
    for inode, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], start=1):
        name = entry.path.encode() + b"\0"
        real = entry.mode != 0
        numbers = (
            inode if real else 0,
            entry.mode,
            0,
            0,
            1,
            time_s if real else 0,
            len(entry.data),
            0,
            0,
            0,
            0,
        )
        archive += b"070701" + b"".join(b"%08X" % number for number in (*numbers, len(name), 0)) + name
        archive += b"\0" * (-len(archive) % 4) + entry.data
        archive += b"\0" * (-len(archive) % 4)
    return bytes(archive)


def contents(root: Path, kernel_release: str, init: Path) -> list[Entry]:
    """Return what goes into the initramfs of the target's *root*."""
    modules = root / "usr/lib/modules" / kernel_release
    index = ModuleIndex.parse(
        *((modules / name).read_text() for name in ("modules.dep", "modules.softdep", "modules.builtin"))
    )
    entries = [Entry(folder, FOLDER_MODE) for folder in FOLDERS]
    entries.append(Entry("bin/busybox", PROGRAM_MODE, (root / "usr/bin/busybox").read_bytes()))
    entries.append(Entry("init", PROGRAM_MODE, init.read_bytes()))
    order = index.order(WANTED)
    for name in order:
        path = modules / index.paths[name]
        data = path.read_bytes()
        # busybox's insmod reads plain modules.
        entries.append(
            Entry(f"modules/{name}.ko", FILE_MODE, lzma.decompress(data) if path.suffix == ".xz" else data)
        )
    entries.append(Entry("modules/order", FILE_MODE, "".join(f"{name}\n" for name in order).encode()))
    return entries


def main() -> None:
    """Write the initramfs that the command line asks for."""
    parser = argparse.ArgumentParser(description="Write the initramfs of a root file system.")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--kernel-release", required=True)
    parser.add_argument("--init", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--time", type=int, required=True, help="seconds since 1970")
    options = parser.parse_args()
    archive = newc(contents(options.root, options.kernel_release, options.init), options.time)
    subprocess.run(["zstd", "-q", "-19", "-f", "-o", options.output], input=archive, check=True)


if __name__ == "__main__":
    main()
