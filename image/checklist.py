"""`just image-check BOARD`: walks what can be checked of an image without the board that it is for.

It reads the finished image, not what it was made of: partition table, firmware's files, device trees,
settings, kernel, modules and units. Each line is one thing to check; it ends with 1 if one is not as it
should be.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from image.layout import Partition, partitions, signature
from image.machine import CACHE, ImageError, in_builder, newest_image

SIGNATURE: Final = 0x46415248
FAT32, LINUX = 0x0C, 0x83
KINDS: Final = {1: FAT32, 2: LINUX, 3: LINUX, 5: FAT32, 6: FAT32, 7: LINUX}
CHOICE_END: Final = 96 * 512
"""Behind the boot loader's variables."""
ARM64_MAGIC: Final = b"ARM\x64"

PI_FIRMWARE: Final = ("bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat", "u-boot.bin")
PI_TREES: Final = {
    "bcm2711-rpi-4-b.dtb": "raspberrypi,4-model-b",
    "bcm2711-rpi-cm4.dtb": "raspberrypi,4-compute-module",
    "bcm2837-rpi-zero-2-w.dtb": "raspberrypi,model-zero-2-w",
    "bcm2710-rpi-zero-2-w.dtb": "raspberrypi,model-zero-2-w",
    "bcm2712-rpi-5-b.dtb": "raspberrypi,5-model-b",
}
CSI_OVERLAYS: Final = {
    "bcm2711-rpi-4-b.dtb": ("tc358743", "/i2c-mux0/i2c@1/hdmi-bridge@f"),
    "bcm2711-rpi-cm4.dtb": ("tc358743", "/i2c-mux0/i2c@1/hdmi-bridge@f"),
    "bcm2837-rpi-zero-2-w.dtb": ("tc358743-zero2", "/soc/i2c@7e205000/hdmi-bridge@f"),
}
RECEIVER: Final = "/soc/csi@7e801000"
PI_MODULES: Final = (
    "dwc2",
    "libcomposite",
    "usb_f_hid",
    "usb_f_mass_storage",
    "uvcvideo",
    "bcm2835_wdt",
    "brcmfmac",
    "tc358743",
    "bcm2835-unicam",
)
GENERIC_MODULES: Final = ("libcomposite", "usb_f_hid", "usb_f_mass_storage", "uvcvideo")
UNITS: Final = (
    *("farhand.service", "farhand-health.service", "nftables.service", "systemd-networkd.service"),
    *("systemd-resolved.service", "ssh.service", "farhand-journal.service"),
)


class Image:
    """A finished image and the files in it."""

    def __init__(self, board: str) -> None:
        self.board = board
        self.path = newest_image(board)
        self.folder = self.path.parent
        with self.path.open("rb") as disk:
            self.signature = signature(disk)
            self.partitions: dict[int, Partition] = partitions(disk)
        self.root_files = self._root_files()

    def fat_file(self, number: int, name: str) -> bytes:
        """Return a file of a FAT partition. Raises ImageError if it is not there."""
        place = f"{self.path}@@{self.partitions[number].start}"
        done = subprocess.run(["mtype", "-i", place, f"::{name}"], capture_output=True, check=False)
        if done.returncode:
            raise ImageError(f"partition {number} has no {name}")
        return done.stdout

    def root_text(self, name: str) -> str:
        """Return a text file of the root. Raises ImageError if it is not there."""
        return self._unsquashfs("-cat", str(self._root()), name)

    def _root(self) -> Path:
        return self.folder / "root.squashfs"

    def _root_files(self) -> set[str]:
        listing = self._unsquashfs("-l", "-d", "", str(self._root()))
        return {line.removeprefix("/") for line in listing.splitlines()}

    def _unsquashfs(self, *arguments: str) -> str:
        done = subprocess.run(
            in_builder(["unsquashfs", *arguments]), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ImageError(f"the root cannot be read: {done.stderr.strip()}")
        return done.stdout

    def has(self, ending: str) -> bool:
        """Return whether the root has a file whose path ends so."""
        return any(name.endswith(ending) for name in self.root_files)


def expect(condition: bool, reason: str) -> None:
    """Raise ImageError with *reason* unless *condition* holds."""
    if not condition:
        raise ImageError(reason)


def check_table(image: Image) -> None:
    """Partitions: signature, kinds, order, room for the boot loader's variables."""
    expect(image.signature == SIGNATURE, f"expected signature {SIGNATURE:x}, got {image.signature:x}")
    kinds = {number: part.kind for number, part in image.partitions.items() if number != 4}
    expect(kinds == KINDS, f"expected partitions {KINDS}, got {kinds}")
    ordered = [image.partitions[number] for number in sorted(KINDS)]
    expect(image.partitions[1].bootable, "partition 1 is not marked bootable")
    expect(ordered[0].start >= CHOICE_END, "partition 1 lies over the boot loader's variables")
    for before, after in pairwise(ordered):
        expect(before.end <= after.start, f"partitions {before.number} and {after.number} overlap")
    for one, other in ((2, 3), (5, 6)):
        sizes = image.partitions[one].size, image.partitions[other].size
        expect(sizes[0] == sizes[1], f"the slots' partitions {one} and {other} differ in size")
    expect(ordered[-1].end <= image.path.stat().st_size, "the image ends within its last partition")


def check_root_is_in_slot_a(image: Image) -> None:
    """Slot A: the root that was built, byte for byte; and it fits with room to grow."""
    part = image.partitions[2]
    built = (image.folder / "root.squashfs").read_bytes()
    with image.path.open("rb") as disk:
        disk.seek(part.start)
        expect(disk.read(len(built)) == built, "partition 2 is not the root that was built")
    expect(len(built) < part.size * 9 // 10, f"the root fills its slot: {len(built)} of {part.size} bytes")


def check_boot_slot(image: Image) -> None:
    """Kernel, initramfs and command line of slot A."""
    expect(len(image.fat_file(5, "initramfs.img")) > 0, "the initramfs is empty")
    if image.board == "amd64":
        expect(b"HdrS" in image.fat_file(5, "vmlinuz")[:1024], "the kernel is none of x86")
        words = image.fat_file(5, "cmdline").decode().split()
    else:
        kernel = gzip.decompress(image.fat_file(5, "vmlinuz.gz"))
        expect(kernel[56:60] == ARM64_MAGIC, "the kernel is none of arm64")
        words = image.fat_file(5, "cmdline.env").decode().removeprefix("board_args=").split()
    for word in (
        f"farhand.disk={SIGNATURE:x}",
        "ro",
        "panic=5",
        "systemd.volatile=state",
        "systemd.crash_action=reboot",
    ):
        expect(word in words, f"the kernel's command line lacks {word}")


def check_person_files(image: Image) -> None:
    """The example of farhand.toml, and no password or key of anybody."""
    expect(b"host_name" in image.fat_file(1, "farhand.example.toml"), "the example says nothing")
    for name in ("farhand.toml", "farhand-password.txt"):
        try:
            image.fat_file(1, name)
        except ImageError:
            continue
        raise ImageError(f"partition 1 has {name}, which is made at the first start")
    secrets = [
        name for name in image.root_files if "ssh_host_" in name or name.endswith(("htpasswd", ".key.pem"))
    ]
    expect(not secrets, f"the root has {', '.join(secrets)}")
    accounts = [line.split(":") for line in image.root_text("etc/shadow").splitlines()]
    opened = [name for name, stored, *_ in accounts if not stored.startswith(("*", "!"))]
    expect(not opened and bool(accounts), f"accounts have a password: {', '.join(opened)}")


def check_units(image: Image) -> None:
    """Units that start the appliance are enabled; what it needs is there."""
    for unit in UNITS:
        expect(image.has(f".wants/{unit}"), f"{unit} is not enabled")
    for unit in ("data.mount", "boot-firmware.mount"):
        expect(image.has(f"local-fs.target.requires/{unit}"), f"{unit} is not enabled")
    for name in (
        "etc/systemd/system/emergency.service.d/farhand.conf",
        "etc/rauc/ca.cert.pem",
        "etc/nftables.conf",
        "etc/udev/rules.d/70-farhand.rules",
        "usr/bin/farhand",
    ):
        expect(name in image.root_files, f"the root has no {name}")
    compatible = f"compatible=farhand-{image.board}"
    expect(compatible in image.root_text("etc/rauc/system.conf"), f"RAUC's settings lack {compatible}")
    architecture = "x86_64" if image.board == "amd64" else "aarch64"
    for extension in ("_jpeg", "_i420"):
        ending = f"drivers/video/{extension}.cpython-313-{architecture}-linux-gnu.so"
        expect(image.has(ending), f"the root has no {ending}")


def check_modules(image: Image) -> None:
    """Kernel modules for gadget, capture and network."""
    for name in PI_MODULES if image.board == "rpi4" else GENERIC_MODULES:
        dashed = name.replace("_", "-")
        there = image.has(f"/{name}.ko.xz") or image.has(f"/{dashed}.ko.xz")
        expect(there, f"the root has no module {name}")


def check_bill(image: Image) -> None:
    """Bill of materials and checksums."""
    bill = json.loads(image.path.with_suffix(".cdx.json").read_text())
    expect(bill["bomFormat"] == "CycloneDX", "the bill of materials is none")
    names = {component["name"].lower() for component in bill["components"]}
    for name in ("systemd", "farhand", "trio", "python3.13"):
        expect(name in names, f"the bill of materials lacks {name}")
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=image.folder, capture_output=True, check=False
    )
    expect(done.returncode == 0, "a checksum of SHA256SUMS does not fit")


def check_pi_firmware(image: Image) -> None:
    """Raspberry Pi: firmware, U-Boot, boot script, config.txt, wireless firmware."""
    for name in PI_FIRMWARE:
        expect(len(image.fat_file(1, name)) > 1000, f"{name} is empty")
    script = image.fat_file(1, "boot.scr")
    expect(b"BOOT_ORDER" in script, "boot.scr does not choose between slots")
    lines = image.fat_file(1, "config.txt").decode().splitlines()
    for line in ("arm_64bit=1", "kernel=u-boot.bin", "dtoverlay=usb-peripheral", "[cm4]"):
        expect(line in lines, f"config.txt lacks {line}")
    image.fat_file(1, "user.txt")
    for chip in ("43430", "43455", "43456"):
        expect(
            any(chip in name and "firmware/brcm" in name for name in image.root_files), f"no firmware {chip}"
        )


def check_pi_trees(image: Image) -> None:
    """Raspberry Pi: device trees are of the boards that they are named after."""
    for name, board in PI_TREES.items():
        told = _fdtget(_from_boot(image, name), "/", "compatible")
        expect(board in told.split(), f"expected {name} to be of {board}, got {told}")


def check_pi_overlays(image: Image) -> None:
    """Raspberry Pi: overlays fit on the device trees, and do what they are for."""
    merged = _merged(image, "bcm2711-rpi-cm4.dtb", "usb-peripheral")
    mode = _fdtget(merged, "/soc/usb@7e980000", "dr_mode")
    expect(mode == "peripheral", "the overlay does not make the port a device port")
    for tree, (overlay, chip) in CSI_OVERLAYS.items():
        merged = _merged(image, tree, overlay)
        bridge, receiver = f"{chip}/port/endpoint", f"{RECEIVER}/port/endpoint"
        expect(_fdtget(merged, chip, "compatible") == "toshiba,tc358743", f"{tree}: there is no bridge")
        expect(_fdtget(merged, RECEIVER, "status") == "okay", f"{tree}: the receiver is not enabled")
        for one, other in ((bridge, receiver), (receiver, bridge)):
            leads_to = _fdtget(merged, one, "remote-endpoint")
            expect(leads_to == _fdtget(merged, other, "phandle"), f"{tree}: {one} does not lead to {other}")


def _from_boot(image: Image, name: str) -> Path:
    """Return a file with what *name* of the boot partition has."""
    scratch = CACHE / "check"
    scratch.mkdir(parents=True, exist_ok=True)
    file = scratch / name.rpartition("/")[2]
    file.write_bytes(image.fat_file(1, name))
    return file


def _fdtget(tree: Path, node: str, name: str) -> str:
    command = in_builder(["fdtget", str(tree), node, name])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"{tree.name} has no {node} {name}")
    return done.stdout.strip()


def _merged(image: Image, tree: str, name: str) -> Path:
    """Return the file of *tree* with an overlay on it."""
    overlay = _from_boot(image, f"overlays/{name}.dtbo")
    merged = overlay.with_suffix(".dtb")
    command = ["fdtoverlay", "-i", str(_from_boot(image, tree)), "-o", str(merged), str(overlay)]
    done = subprocess.run(in_builder(command), capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"the overlay {name} does not fit on {tree}: {done.stderr.strip()}")
    return merged


def checks(board: str) -> Iterator[Callable[[Image], None]]:
    """Yield the checks for *board*."""
    yield from (check_table, check_root_is_in_slot_a, check_boot_slot, check_person_files, check_units)
    yield from (check_modules, check_bill)
    if board == "rpi4":
        yield from (check_pi_firmware, check_pi_trees, check_pi_overlays)


def main() -> int:
    """Walk the checklist of the board that the command line names."""
    parser = argparse.ArgumentParser(description="Check a built image without its board.")
    parser.add_argument("board", choices=("amd64", "generic-arm64", "rpi4"))
    board = parser.parse_args().board
    failed = 0
    try:
        image = Image(board)
        print(image.path.name)
        for check in checks(board):
            title = (check.__doc__ or "").strip().rstrip(".")
            try:
                check(image)
            except ImageError as error:
                failed += 1
                print(f"FAILED  {title}\n        {error}")
            else:
                print(f"ok      {title}")
    except ImageError as error:
        print(f"image-check: {error}", file=sys.stderr)
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
