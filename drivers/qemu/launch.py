"""QEMU as a child process: its command line, its life, its last words.

Owns the process and always reaps it. It must never outlive us: the kernel kills it when we die, however that
happens. It knows nothing of what runs in the machine.
"""

from __future__ import annotations

import itertools
import os
import platform
import shutil
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from drivers.errors import DeviceGoneError, DriverError, NotSupportedError, os_errors

DEFAULT_BINARY = "qemu-system-x86_64"
ACCELERATOR_VARIABLE = "FARHAND_QEMU_ACCEL"
"""Environment variable that overrides the choice of the accelerator ("kvm", "tcg")."""

HID_BUS = "farhand-ehci.0"
"""The bus of the keyboard and mice: SeaBIOS reads EHCI at 125 reports a second, xHCI only at 18."""
STORAGE_BUS = "farhand-xhci.0"
"""The bus of the virtual drive; xHCI moves data fastest."""

# Long enough for QEMU to flush and close its images, short enough for an orderly stop of the appliance.
TERMINATE_DEADLINE_S = 4.0
# The kernel frees a killed process's memory before it can be reaped.
KILL_DEADLINE_S = 5.0

_OUTPUT_LINES = 20
_LINE_CHARACTERS = 300
_FORBIDDEN = {"daemonize": "QEMU has to stay our child, or nobody would end it"}
_KVM_DEVICE = Path("/dev/kvm")
_CPU_INFO = Path("/proc/cpuinfo")
# A host that is itself a KVM-PVM guest offers /dev/kvm, in which ordinary kernels hang without a word.
_KVM_PVM_MODULE = Path("/sys/module/kvm_pvm")


def kvm_works() -> bool:
    """Tell whether hardware virtualisation can be trusted here, not just whether /dev/kvm opens."""
    if _KVM_PVM_MODULE.exists() or not os.access(_KVM_DEVICE, os.R_OK | os.W_OK):
        return False
    if platform.machine() != "x86_64":
        return False
    flags = _CPU_INFO.read_text().split()
    return "vmx" in flags or "svm" in flags


def accelerator_arguments(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the `-accel` to add: none if *arguments* choose, else the environment's, else what works."""
    for option, value in itertools.pairwise([*arguments, ""]):
        name = option.lstrip("-")
        if name in ("accel", "enable-kvm") or (name in ("machine", "M") and "accel=" in value):
            return []
    chosen = environment.get(ACCELERATOR_VARIABLE) or ("kvm" if kvm_works() else "tcg")
    return ["-accel", chosen]


def command_line(
    binary: str, arguments: Sequence[str], environment: Mapping[str, str], qmp_fd: int
) -> list[str]:
    """Return the whole command: ours, then the user's *arguments*, which therefore win.

    The machine starts stopped (that is "off") and survives the guest's shutdown. Its display has no listening
    socket: we hand it ours over QMP. Raises NotSupportedError naming the Debian package if a program is
    missing, or the argument that cannot work here.
    """
    for argument in arguments:
        if (reason := _FORBIDDEN.get(argument.lstrip("-"))) is not None:
            raise NotSupportedError(f"expected QEMU arguments without {argument}: {reason}")
    qemu = shutil.which(binary)
    if qemu is None:
        raise NotSupportedError(f"expected QEMU at {binary}, found none: install Debian's qemu-system-x86")
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise NotSupportedError("expected setpriv on the PATH, found none: install Debian's util-linux")
    return [
        # The kernel kills QEMU when the thread that started it ends: see `QemuProcess.start`.
        *(setpriv, "--pdeathsig", "KILL", "--", qemu),
        *("-name", "Farhand"),
        *("-S", "-no-shutdown"),
        *("-display", "none", "-vnc", "none"),
        *("-chardev", f"socket,id=farhand-qmp,fd={qmp_fd}", "-mon", "chardev=farhand-qmp,mode=control"),
        *("-device", f"usb-ehci,id={HID_BUS.removesuffix('.0')}"),
        *("-device", f"qemu-xhci,id={STORAGE_BUS.removesuffix('.0')}"),
        *accelerator_arguments(arguments, environment),
        *arguments,
    ]


class QemuProcess:
    """A running QEMU and our end of its QMP connection."""

    def __init__(self, process: subprocess.Popen[bytes], qmp: socket.socket) -> None:
        self._process = process
        self._pid_fd = os.pidfd_open(process.pid)
        assert process.stdout is not None
        self._output = trio.lowlevel.FdStream(os.dup(process.stdout.fileno()))
        process.stdout.close()
        self._qmp = qmp
        # The tail of what QEMU printed: enough for its error messages, whatever a guest prints.
        self._lines: deque[str] = deque(maxlen=_OUTPUT_LINES)

    @classmethod
    def start(cls, binary: str, arguments: Sequence[str]) -> QemuProcess:
        """Start QEMU, stopped before its first instruction.

        Blocks for the few milliseconds of a fork, on purpose: the kernel ties the death signal to the
        *thread* that starts the process, and Trio's worker threads end when idle.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                command = command_line(binary, arguments, os.environ, theirs.fileno())
                with os_errors(f"QEMU at {binary}"):
                    process = subprocess.Popen(  # noqa: S603 - a list, no shell; the user's own arguments
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        pass_fds=[theirs.fileno()],
                        # Ctrl-C in our terminal is for us; QEMU is ended in order.
                        process_group=0,
                    )
            except DriverError:
                ours.close()
                raise
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """The process id, QEMU's own."""
        return self._process.pid

    def qmp_stream(self) -> trio.SocketStream:
        """Return our end of the QMP connection as a stream; the caller closes it."""
        duplicate = self._qmp.dup()
        duplicate.setblocking(False)
        return trio.SocketStream(trio.socket.from_stdlib_socket(duplicate))

    async def watch(self) -> None:
        """Collect what QEMU prints until it ends, which raises DeviceGoneError with its last words."""
        line = b""
        try:
            while data := await self._output.receive_some():
                *lines, line = (line + bytes(data)).split(b"\n")
                self._lines.extend(_printable(each) for each in lines)
                line = line[-_LINE_CHARACTERS:]
        finally:
            if line:
                self._lines.append(_printable(line))
        await self._wait()
        raise DeviceGoneError(self.last_words())

    async def last_words_if_ended(self, deadline_s: float) -> str | None:
        """Return what QEMU said on ending if it ends within *deadline_s*, else None."""
        with trio.move_on_after(deadline_s):
            await self._wait()
            await self._drain()
            return self.last_words()
        return None

    def last_words(self) -> str:
        """Say how QEMU ended and what it printed last."""
        status = self._process.poll()
        if status is None:
            how = "runs"
        elif status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        else:
            how = f"ended with exit status {status}"
        words = "; ".join(line for line in self._lines if line)
        return f"QEMU (pid {self.pid}) {how}" + (f": {words}" if words else "")

    async def stop(self) -> None:
        """End QEMU in order, or by force after a while; reaped in any case. Bounded by the two deadlines.

        SIGTERM is QEMU's `quit`, and works at any moment of the QMP connection's life.
        """
        if await self._ended_within(0):
            return
        self._process.terminate()
        if await self._ended_within(TERMINATE_DEADLINE_S):
            return
        self._process.kill()
        if not await self._ended_within(KILL_DEADLINE_S):
            raise DriverError(f"QEMU (pid {self.pid}) does not even end by SIGKILL")

    async def aclose(self) -> None:
        """End QEMU and give everything back; the caller shields it, those of `stop` bound it."""
        try:
            await self.stop()
        finally:
            self._qmp.close()
            os.close(self._pid_fd)
            await trio.aclose_forcefully(self._output)

    async def _wait(self) -> None:
        if self._process.poll() is None:
            await trio.lowlevel.wait_readable(self._pid_fd)
            self._process.wait()

    async def _drain(self) -> None:
        """Read what is left in the pipe; the process has ended, so there is an end unless a child has it."""
        while data := await self._output.receive_some():
            self._lines.extend(_printable(each) for each in bytes(data).split(b"\n"))

    async def _ended_within(self, deadline_s: float) -> bool:
        with trio.move_on_after(deadline_s):
            await self._wait()
        return self._process.poll() is not None


def _printable(line: bytes) -> str:
    return line.decode(errors="replace").strip()[:_LINE_CHARACTERS]
