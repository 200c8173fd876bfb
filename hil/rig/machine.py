"""The machine: QEMU's arguments as data, and the process, which ends with whoever started it.

QEMU's own output never is ours, so that a pipe that somebody reads to its end does not stay open with it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rig.accel import Accelerator
from rig.errors import GuestDiedError, RigError
from rig.qmp import Qmp, load_argument
from rig.recipe import KERNEL_ARGUMENTS, WARM_COMMAND, Architecture
from rig.scratch import make_scratch
from rig.tree import IMAGE_BYTES

MEMORY_MIB = 1024
PROCESSORS = 2
GUEST_ADDRESS = "10.0.2.15"
_CONSOLE_TAIL_BYTES = 4000
# QEMU makes its sockets within 0.1 s, or ends.
_SOCKET_DEADLINE_S = 30
_END_DEADLINE_S = 30
# QEMU closes its sockets milliseconds before it ends.
_LAST_WORDS_DEADLINE_S = 5
_POLL_S = 0.01


@dataclass(frozen=True)
class Images:
    """What a guest is made of: files of a finished build, and the tree of this run."""

    kernel: Path
    initramfs: Path
    root: Path
    site: Path
    tree: Path


@dataclass(frozen=True)
class Plan:
    """A machine that could be started."""

    architecture: Architecture
    accelerator: Accelerator
    images: Images
    extra: tuple[str, ...] = ()
    """More QEMU arguments, such as another serial port."""

    def arguments(self, directory: Path, state: Path | None = None) -> list[str]:
        """QEMU's arguments, its sockets and console below *directory*, to resume from *state* if given."""
        arch, images = self.architecture, self.images
        command_line = f"console={arch.console} " + " ".join(KERNEL_ARGUMENTS)
        arguments = [
            *(arch.qemu, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-name", "farhand-rig", "-M", arch.machine, *self.accelerator.arguments),
            *("-smp", str(PROCESSORS), "-m", str(MEMORY_MIB)),
            *("-kernel", str(images.kernel), "-initrd", str(images.initramfs), "-append", command_line),
            *("-chardev", f"file,id=console,path={directory / 'console'}", "-serial", "chardev:console"),
            *("-qmp", f"unix:{directory / 'qmp'},server=on,wait=off"),
            *("-device", "virtio-serial-pci"),
        ]
        for name in ("hil", "hil-shell"):
            arguments += ["-chardev", f"socket,id={name},path={directory / name},server=on,wait=off"]
            arguments += ["-device", f"virtserialport,chardev={name},name={name}"]
        arguments += [
            "-object",
            "rng-random,id=rng,filename=/dev/urandom",
            "-device",
            "virtio-rng-pci,rng=rng",
        ]
        for name, path in (("root", images.root), ("site", images.site), ("tree", images.tree)):
            arguments += ["-drive", f"if=none,id={name},format=raw,readonly=on,file={path}"]
            arguments += ["-device", f"virtio-blk-pci,drive={name},serial={name}"]
        # restrict=on keeps the guest from everything, the host's loopback included (10.0.2.2);
        # ports of the guest are forwarded one by one while it runs.
        arguments += ["-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile="]
        arguments += self.extra
        if state is not None:
            arguments += ["-incoming", load_argument(state)]
        return arguments

    def fingerprint(self, qemu_version: str) -> str:
        """Names what a saved state depends on: QEMU, its arguments, and what the guest has mounted."""
        # The tree changes from run to run and is mounted after the restore; only its size matters,
        # which is fixed.
        images = replace(self.images, tree=Path(f"tree-{IMAGE_BYTES}"))
        arguments = replace(self, images=images).arguments(Path("/run"))
        return hashlib.sha256("\0".join([qemu_version, WARM_COMMAND, *arguments]).encode()).hexdigest()[:16]


def qemu_version(architecture: Architecture) -> str:
    """The first line of what QEMU says about itself."""
    output = subprocess.run(
        [architecture.qemu, "--version"],
        capture_output=True,
        text=True,
        timeout=_SOCKET_DEADLINE_S,
        check=True,
    ).stdout
    return output.splitlines()[0]


class Machine:
    """One QEMU process and the directory of its sockets, which goes with it."""

    def __init__(self, arguments_of: Plan, state: Path | None = None) -> None:
        self._scratch = make_scratch()
        self.directory = Path(self._scratch.name)
        self.console_path = self.directory / "console"
        self._errors_path = self.directory / "qemu.log"
        self._ended = threading.Event()
        self._started = threading.Event()
        self._status: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        arguments = arguments_of.arguments(self.directory, state)
        # The kernel sends the death signal when the *thread* that forked ends: this one lives as
        # long as QEMU.
        threading.Thread(target=self._keep, args=[arguments], name="rig-qemu", daemon=True).start()
        self._started.wait()
        if failure := self._start_failure():
            self._scratch.cleanup()
            raise RigError(f"{arguments[0]} could not be started: {failure}") from failure
        try:
            self.qmp = Qmp(self.wait_for_socket("qmp"))
        except BaseException:
            self.kill()
            raise

    def _keep(self, arguments: Sequence[str]) -> None:
        wrapper = [
            sys.executable,
            "-I",
            "-S",
            str(Path(__file__).with_name("with_parent.py")),
            str(os.getpid()),
        ]
        try:
            with self._errors_path.open("wb") as errors:
                self._process = subprocess.Popen(
                    [*wrapper, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    # Ctrl+C in a terminal is for the runner, which then ends the machine in its own order.
                    start_new_session=True,
                )
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        self._status = self._process.wait()
        self._ended.set()

    def _start_failure(self) -> OSError | None:
        return self._failure

    @property
    def pid(self) -> int:
        """QEMU's process number."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether QEMU has not ended."""
        return not self._ended.is_set()

    def wait_for_socket(self, name: str) -> Path:
        """The path of one of QEMU's sockets, once it accepts; GuestDiedError if QEMU ends before."""
        path = self.directory / name
        end = time.monotonic() + _SOCKET_DEADLINE_S
        while not path.is_socket():
            if not self.running or time.monotonic() > end:
                raise GuestDiedError(self.obituary(f"expected QEMU to make {name}"))
            time.sleep(_POLL_S)
        return path

    def console(self) -> str:
        """Everything the guest's kernel has printed."""
        try:
            return self.console_path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def obituary(self, what: str, *, ended: bool = False) -> str:
        """*what* with all that QEMU and the guest's console have to say about it."""
        if ended:
            self._ended.wait(_LAST_WORDS_DEADLINE_S)
        state = "QEMU is running" if self.running else f"QEMU ended with {self._status}"
        errors = self._errors_path.read_text("utf-8", "replace").strip()
        console = self.console()[-_CONSOLE_TAIL_BYTES:].strip()
        return f"{what}, but {state}\n{errors}\nend of the console:\n{console or '(empty)'}"

    def wait(self, deadline_s: float) -> bool:
        """Whether QEMU ended within *deadline_s*."""
        return self._ended.wait(deadline_s)

    def kill(self) -> None:
        """End QEMU now and forget its directory. Harmless when repeated."""
        if self.running and self._process is not None:
            self._process.kill()
            self._ended.wait(_END_DEADLINE_S)
        if hasattr(self, "qmp"):
            self.qmp.close()
        self._scratch.cleanup()

    def keep_console(self, path: Path) -> None:
        """Copy the console's text to *path*, as an artefact."""
        if self.console_path.exists():
            shutil.copy(self.console_path, path)
