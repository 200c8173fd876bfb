"""The rig: one guest, from images to power-off, usable from threads and from plain pytest fixtures.

It owns its machine, the channel to the agent, and the tree's image; `close` (or the end of the `with`)
ends all of it. It restores a saved machine where it can, and boots a fresh one where it cannot.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from rig import accel, bytecode, cache, protocol, step, tree, wheels
from rig.build import Guest, ensure_guest
from rig.channel import Channel, Exchange
from rig.errors import GuestDiedError, GuestRefusedError, GuestTimeoutError, RigError
from rig.machine import GUEST_ADDRESS, Images, Machine, Plan, qemu_version
from rig.protocol import Message
from rig.recipe import TRIXIE, WARM_COMMAND, Recipe
from rig.saved import SavedState
from rig.scratch import make_scratch

# From QEMU's start to the agent: 4 to 9 s emulated, on two busy processors.
_BOOT_DEADLINE_S = 120
# From QEMU's start to the agent's first answer: 0.5 to 1.3 s.
_RESTORE_DEADLINE_S = 30
# One answer of an idle agent: milliseconds.
_ANSWER_DEADLINE_S = 60
# Files travel at some MB/s.
_FILE_DEADLINE_S = 300
# Power-off takes 0.2 s; QEMU is killed then.
_POWER_OFF_DEADLINE_S = 10
# What the agent may take beyond a command's own limit: ten seconds from SIGTERM to SIGKILL, and the way back.
_COMMAND_GRACE_S = 60
_WARM_DEADLINE_S = 300
_ENTROPY_BYTES = 64
_FORWARD_ATTEMPTS = 5

DEFAULT_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Result:
    """A command that has ended."""

    argv: tuple[str, ...]
    status: int
    """Its exit status; negative for a signal, as in `subprocess`."""
    output: str
    """Standard output and error, in the order printed."""
    seconds: float
    timed_out: bool

    def check(self) -> Self:
        """Itself, or RigError with the output if the command failed."""
        if self.status:
            late = " (it was stopped, being late)" if self.timed_out else ""
            raise RigError(
                f"expected status 0, got {self.status}{late} - at {' '.join(self.argv)}:\n{self.output}"
            )
        return self


class Running:
    """A command that has been started; it goes on until it ends, its time is over, or it is told to stop."""

    def __init__(self, channel: Channel, exchange: Exchange, argv: Sequence[str], timeout_s: float) -> None:
        self._channel = channel
        self._exchange = exchange
        self._argv = tuple(argv)
        self._deadline = time.monotonic() + timeout_s + _COMMAND_GRACE_S
        self._output: list[str] = []

    def wait(self, on_output: Callable[[str], None] | None = None) -> Result:
        """Give what it prints to *on_output* until it ends."""
        what = " ".join(self._argv)
        try:
            while True:
                match self._exchange.next(self._deadline, what):
                    case protocol.Output(_, text):
                        self._output.append(text)
                        if on_output is not None:
                            on_output(text)
                    case protocol.Exited(_, status, seconds, timed_out):
                        return Result(self._argv, status, "".join(self._output), seconds, timed_out)
                    case protocol.Failed(_, message):
                        raise GuestRefusedError(f"the guest could not run {what}: {message}")
                    case other:
                        raise RigError(f"expected the output or end of {what}, got {type(other).__name__}")
        finally:
            self._channel.end(self._exchange)

    def signal(self, number: int) -> None:
        """Send a signal to the command and what it started."""
        self._channel.send(protocol.Signal(self._exchange.id, number))


@dataclass
class Rig:
    """A guest that is made, booted, used and thrown away."""

    recipe: Recipe = TRIXIE
    cold: bool = False
    """Boot even if a saved machine is there, and save none."""
    extra: tuple[str, ...] = ()
    """More QEMU arguments."""
    project: Path = cache.TREE
    restored: bool = field(default=False, init=False)
    """Whether this machine was restored."""
    start_s: float = field(default=0.0, init=False)
    """What booting or restoring took, images not counted."""
    kernel: str = field(default="", init=False)
    guest_python: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self._machine: Machine | None = None
        self._channel: Channel | None = None
        self._networked = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def machine(self) -> Machine:
        """The machine; RigError while there is none."""
        if self._machine is None:
            raise RigError("expected a started rig, got one that is off: call start()")
        return self._machine

    @property
    def channel(self) -> Channel:
        """The connection to the agent."""
        if self._channel is None:
            raise RigError("expected a started rig, got one that is off: call start()")
        return self._channel

    # --- life ---

    def start(self) -> None:
        """Build what is missing, and boot or restore a machine with the project's tree in it."""
        if self._machine is not None:
            raise RigError("expected a rig that is off, got a started one")
        guest = ensure_guest(self.recipe)
        site = wheels.ensure_site(self.recipe)
        try:
            self._stack.enter_context(cache.in_use(guest.directory))
            self._stack.enter_context(cache.in_use(site.parent))
            scratch = Path(self._stack.enter_context(make_scratch()))
            tree.make_tree_image(scratch / "tree.erofs", guest.python, self.project)
            if not bytecode.same_python(guest.python):
                step.say(
                    f"this Python is not the guest's {guest.python}: "
                    "the C extension does not load there, the appliance uses Pillow"
                )
            self._start_machine(
                guest, Images(guest.kernel, guest.initramfs, guest.root, site, scratch / "tree.erofs")
            )
            self._ask(lambda number: protocol.Settle(number, time.time(), os.urandom(_ENTROPY_BYTES)))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Power off and forget everything. Harmless when repeated."""
        machine, channel = self._machine, self._channel
        self._machine = self._channel = None
        self._networked = self.restored = False
        try:
            if machine is not None and channel is not None and machine.running:
                try:
                    channel.send(protocol.PowerOff(0))
                    machine.wait(_POWER_OFF_DEADLINE_S)
                except (GuestDiedError, GuestTimeoutError):
                    # It is on its way out already.
                    pass
        finally:
            if machine is not None:
                machine.kill()
            if channel is not None:
                channel.close()
            self._stack.close()

    def _start_machine(self, guest: Guest, images: Images) -> None:
        accelerator = accel.choose(accel.Facts.gather(), self.recipe.architecture)
        plan = Plan(self.recipe.architecture, accelerator, images, self.extra)
        saved = SavedState(guest.directory, plan.fingerprint(qemu_version(self.recipe.architecture)))
        if not self.cold and saved.exists:
            try:
                self._launch(plan, saved.path, _RESTORE_DEADLINE_S)
            except RigError as error:
                step.say(f"the saved machine does not come up, it is dropped and a fresh one booted: {error}")
                self._drop_machine()
                saved.drop()
            else:
                self.restored = True
                return
        try:
            self._launch(plan, None, _BOOT_DEADLINE_S)
        except RigError as error:
            if accelerator.name == "kvm":
                raise RigError(
                    f"{error}\nif KVM hangs on this machine, set {accel.ENVIRONMENT}=tcg"
                ) from error
            raise
        if not self.cold:
            self._save(saved)

    def _launch(self, plan: Plan, state: Path | None, deadline_s: float) -> None:
        started = time.monotonic()
        self._machine = Machine(plan, state)
        self._channel = Channel(self._machine.wait_for_socket("hil"), self._machine.obituary)
        if state is not None:
            self._machine.qmp.wait_until_running()
        ready = self._ask(protocol.Hello, deadline_s)
        if not isinstance(ready, protocol.Ready):
            raise RigError(f"expected the agent to be ready, got {type(ready).__name__}")
        self.kernel, self.guest_python = ready.kernel, ready.python
        self.start_s = time.monotonic() - started

    def _drop_machine(self) -> None:
        machine, channel = self._machine, self._channel
        self._machine = self._channel = None
        if machine is not None:
            machine.kill()
        if channel is not None:
            channel.close()

    def _save(self, saved: SavedState) -> None:
        """Save this machine for the next start, and go on with it."""
        self.run(["sh", "-euc", WARM_COMMAND], timeout_s=_WARM_DEADLINE_S).check()
        with saved.writing() as path:
            self.machine.qmp.save(path)
        self.machine.qmp("cont")

    # --- use ---

    def start_command(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str = "/",
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Running:
        """Start a command in the guest as root, and come back at once."""
        exchange = self.channel.begin(
            lambda number: protocol.Run(number, list(argv), dict(environment or {}), directory, timeout_s)
        )
        return Running(self.channel, exchange, argv, timeout_s)

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str = "/",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        on_output: Callable[[str], None] | None = None,
    ) -> Result:
        """Run a command in the guest to its end. It gets SIGTERM after *timeout_s*, then SIGKILL."""
        running = self.start_command(argv, environment=environment, directory=directory, timeout_s=timeout_s)
        return running.wait(on_output)

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file in the guest, with its directories."""
        exchange = self.channel.begin(lambda number: _put(number, path, 0, data, mode))
        try:
            for offset in range(protocol.CHUNK_BYTES, len(data), protocol.CHUNK_BYTES):
                self.channel.send(_put(exchange.id, path, offset, data, mode))
            _refused(exchange.next(time.monotonic() + _FILE_DEADLINE_S, f"writing {path}"))
        finally:
            self.channel.end(exchange)

    def get(self, path: str) -> bytes:
        """Read a file of the guest; GuestRefusedError if it cannot be read."""
        data = bytearray()
        exchange = self.channel.begin(lambda number: protocol.Get(number, path))
        deadline = time.monotonic() + _FILE_DEADLINE_S
        try:
            while True:
                message = _refused(exchange.next(deadline, f"reading {path}"))
                if not isinstance(message, protocol.Data):
                    raise RigError(f"expected data of {path}, got {type(message).__name__}")
                data += message.data
                if message.last:
                    return bytes(data)
        finally:
            self.channel.end(exchange)

    def forward(self, guest_port: int) -> int:
        """Make a TCP port of the guest reachable at 127.0.0.1; the port there. Nothing else gets in."""
        if not self._networked:
            commands = (
                f"modprobe virtio_net && ip address add {GUEST_ADDRESS}/24 dev eth0 && ip link set eth0 up"
            )
            self.run(["sh", "-c", commands]).check()
            self._networked = True
        answer = ""
        for _ in range(_FORWARD_ATTEMPTS):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            # Somebody else may take it in between: then QEMU says so.
            answer = self.machine.qmp.monitor(
                f"hostfwd_add net tcp:127.0.0.1:{port}-{GUEST_ADDRESS}:{guest_port}"
            )
            if not answer:
                return port
        raise RigError(f"expected QEMU to forward port {guest_port}, got {answer!r}")

    def console(self) -> str:
        """What the guest's kernel has printed on its console."""
        return self.machine.console()

    def keep_console(self, path: Path) -> None:
        """Copy the console's text to the host's file *path*."""
        shutil.copy(self.machine.console_path, path)

    def _ask(self, request: Callable[[int], Message], deadline_s: float = _ANSWER_DEADLINE_S) -> Message:
        exchange = self.channel.begin(request)
        try:
            return _refused(exchange.next(time.monotonic() + deadline_s, "a request of the rig"))
        finally:
            self.channel.end(exchange)


def _put(number: int, path: str, offset: int, data: bytes, mode: int) -> protocol.Put:
    end = offset + protocol.CHUNK_BYTES
    return protocol.Put(number, path, offset, data[offset:end], mode, last=end >= len(data))


def _refused(message: Message) -> Message:
    if isinstance(message, protocol.Failed):
        raise GuestRefusedError(f"the guest refused: {message.message}")
    return message
