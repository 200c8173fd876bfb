"""A machine that boots an image: QEMU with a copy of the disk, a network card, and a serial console to read.

QEMU comes from the builder (image/build/builder.sh), so that its version is the suite's. Its network is cut
off from ours; HTTPS and SSH are forwarded from loopback ports.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

REPO: Final = Path(__file__).resolve().parent.parent
CACHE: Final = REPO / ".cache/image"
DISK_BYTES: Final = 4 << 30
"""As a card of 4 GB: larger than the image, so that the data partition has something to grow into."""
STOP_DEADLINE_S: Final = 20


class ImageError(Exception):
    """The image is not there, or does not do what it should; the message says what."""


def newest_image(board: str) -> Path:
    """Return the image that was built for *board*. Raises ImageError if there is none."""
    images = sorted((CACHE / "out" / board).glob("farhand-*.img"), key=lambda path: path.stat().st_mtime)
    if not images:
        raise ImageError(f"there is no image of {board}: build it with `just image {board}`")
    return images[-1]


def fresh_disk(image: Path, disk: Path) -> None:
    """Make *disk* a card with *image* on it; holes stay holes."""
    disk.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--sparse=always", image, disk], check=True)
    os.truncate(disk, DISK_BYTES)


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Machine:
    """A running machine and what its serial console said."""

    process: subprocess.Popen[bytes]
    port: int
    ssh_port: int
    log: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def url(self) -> str:
        """Where its HTTPS answers."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def age_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    def console(self) -> str:
        """What the console said up to now."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def wait_for(self, text: str, deadline_s: float, *, times: int = 1) -> str:
        """Wait until the console said *text* so many times; return all that it said, or raise ImageError."""
        end = time.monotonic() + deadline_s
        while (said := self.console()).count(text) < times:
            if self.process.poll() is not None:
                raise ImageError(f"QEMU ended before the console said {text!r}; its log is {self.log}")
            if time.monotonic() > end:
                raise ImageError(
                    f"the console did not say {text!r} in {deadline_s:g} s; its log is {self.log}"
                )
            time.sleep(0.3)
        return said

    def cut_power(self) -> None:
        """End the machine as a loss of power does."""
        self.process.kill()
        self.process.wait(STOP_DEADLINE_S)


@contextlib.contextmanager
def running(board: str, disk: Path, log: Path, beside: Path | None = None) -> Iterator[Machine]:
    """Run a machine of *board* from *disk*; its console goes to *log*. It ends with the block.

    *beside* is a second disk, which it can only read.
    """
    port, ssh_port = free_port(), free_port()
    log.unlink(missing_ok=True)
    arguments = [*_machine(board), "-smp", "2", "-m", "1024", "-nodefaults", "-nographic"]
    arguments += ["-serial", f"file:{log}"]
    # The host's page cache is enough: a power cut ends QEMU and not this machine.
    arguments += ["-drive", f"if=none,id=disk,format=raw,file={disk},cache=writeback"]
    arguments += ["-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"]
    if beside is not None:
        arguments += ["-drive", f"if=none,id=beside,format=raw,file={beside},readonly=on"]
        arguments += ["-device", "virtio-blk-pci,drive=beside"]
    arguments += [
        "-netdev",
        f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:443,hostfwd=tcp:127.0.0.1:{ssh_port}-:22",
    ]
    arguments += ["-device", "virtio-net-pci,netdev=net,romfile="]
    # It ends with us, also where we are killed.
    command = ["setpriv", "--pdeathsig", "TERM", *in_builder(arguments)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    machine = Machine(process, port, ssh_port, log)
    try:
        yield machine
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_DEADLINE_S)


def _machine(board: str) -> list[str]:
    if board == "amd64":
        boot = CACHE / "out/amd64/boot"
        words = (boot / "cmdline").read_text().strip()
        # The quick variant has no boot loader: it always starts slot A.
        return [
            *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"),
            *("-kernel", str(boot / "vmlinuz"), "-initrd", str(boot / "initramfs.img")),
            *("-append", f"{words} farhand.root=rootA rauc.slot=A"),
        ]
    if board == "generic-arm64":
        return [
            *(
                "qemu-system-aarch64",
                "-M",
                "virt",
                "-accel",
                "tcg,thread=multi,tb-size=512",
                "-cpu",
                "cortex-a53",
            ),
            *("-bios", "/usr/lib/u-boot/qemu_arm64/u-boot.bin"),
        ]
    raise ImageError(f"expected amd64 or generic-arm64, got {board}: no emulator plays the other boards")


def in_builder(arguments: list[str]) -> list[str]:
    """Return the command that runs *arguments* with the builder's programs, as one process."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        raise ImageError("booting the image needs root, for the builder's QEMU: run it with sudo")
    script = (
        'mount --make-rprivate /; mount --rbind /dev "$0/dev"; mount -t proc proc "$0/proc"; '
        'mkdir -p "$0$1"; mount --bind "$1" "$0$1"; cd "$1"; root=$0; shift; exec chroot "$root" "$@"'
    )
    return ["unshare", "--mount", "bash", "-euc", script, str(CACHE / "builder"), str(REPO), *arguments]
