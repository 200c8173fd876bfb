"""The agent: does in the guest what the host asks over the virtio-serial port `hil`. Not pid 1 itself.

Each command runs in a thread of its own, which the agent's process owns and bounds by the command's timeout.
It starts nothing on its own and trusts the host completely.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from rig import protocol
from rig.guest import system
from rig.protocol import CHUNK_BYTES, Decoder, Message, TextDecoder

PORT = "hil"
SHELL_PORT = "hil-shell"
# The port appears with the driver, milliseconds after the agent: ten seconds are for a machine under heavy
# load.
_PORT_DEADLINE_S = 10
# What is told to stop has this long until it is killed; pytest writes its report in less.
_TERM_GRACE_S = 10
_READ_BYTES = 65536
# While no host is connected (the moment around a save and restore) the port reads as ended.
_UNCONNECTED_POLL_S = 0.02


class Agent:
    """Serves one host."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._groups: dict[int, int] = {}
        self._terminals: dict[int, int] = {}

    def serve(self) -> None:
        """Answer until the machine ends."""
        decoder = Decoder()
        while True:
            try:
                data = os.read(self._port, _READ_BYTES)
            except OSError:
                data = b""
            if not data:
                time.sleep(_UNCONNECTED_POLL_S)
                continue
            for message in decoder.feed(data):
                self._handle(message)

    def _handle(self, message: Message) -> None:
        try:
            match message:
                case protocol.Hello():
                    python = ".".join(str(part) for part in sys.version_info[:3])
                    self._send(protocol.Ready(message.id, system.uptime_s(), os.uname().release, python))
                case protocol.Run():
                    self._run(message)
                case protocol.Signal():
                    # A command that has just ended is no error.
                    if group := self._groups.get(message.id):
                        _kill_group(group, message.number)
                case protocol.Put():
                    _write(message)
                    if message.last:
                        self._send(protocol.Done(message.id))
                case protocol.Get():
                    threading.Thread(target=self._read, args=[message], daemon=True).start()
                case protocol.Settle():
                    system.settle(message.unix_s, message.entropy)
                    self._send(protocol.Done(message.id))
                case protocol.Shell():
                    self._shell(message)
                case protocol.Resize():
                    terminal = self._terminals.get(message.id)
                    if terminal is not None:
                        _resize(terminal, message.rows, message.columns)
                case protocol.PowerOff():
                    system.power_off()
                case _:
                    raise protocol.ProtocolError(f"expected a request, got {type(message).__name__}")
        except (OSError, ValueError) as error:
            # Whatever the host asked for could not be done: the host is told, and the agent lives on.
            self._send(protocol.Failed(message.id, f"{type(error).__name__}: {error}"))

    def _send(self, message: Message) -> None:
        data = protocol.encode(message)
        with self._lock:
            while data:
                data = data[os.write(self._port, data) :]

    def _run(self, request: protocol.Run) -> None:
        started = time.monotonic()
        process = subprocess.Popen(
            request.argv,
            cwd=request.directory,
            env={**os.environ, **request.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._groups[request.id] = process.pid
        threading.Thread(target=self._follow, args=[request, process, started], daemon=True).start()

    def _follow(self, request: protocol.Run, process: subprocess.Popen[bytes], started: float) -> None:
        """Forward output until the command itself ends: what it left running may keep the pipe open."""
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        os.set_blocking(pipe, False)
        ended = os.pidfd_open(process.pid)
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        poll.register(ended, select.POLLIN)
        text = TextDecoder()
        deadlines = [(started + request.timeout_s, signal.SIGTERM)]
        deadlines.append((deadlines[0][0] + _TERM_GRACE_S, signal.SIGKILL))
        timed_out = exited = closed = False
        while not exited:
            wait_ms = max(0.0, deadlines[0][0] - time.monotonic()) * 1000 + 1 if deadlines else None
            ready = {descriptor for descriptor, _ in poll.poll(wait_ms)}
            exited = ended in ready
            if deadlines and time.monotonic() >= deadlines[0][0] and not exited:
                timed_out = True
                _kill_group(process.pid, deadlines.pop(0)[1])
            while not closed:
                try:
                    data = os.read(pipe, _READ_BYTES)
                except BlockingIOError:
                    break
                if not data:
                    closed = True
                    poll.unregister(pipe)
                elif whole := text.feed(data):
                    self._send(protocol.Output(request.id, whole))
        if timed_out:
            # Before the wait: as long as it is not collected, its number is nobody else's.
            _kill_group(process.pid, signal.SIGKILL)
        status = process.wait()
        if rest := text.feed(b"", last=True):
            self._send(protocol.Output(request.id, rest))
        os.close(ended)
        process.stdout.close()
        del self._groups[request.id]
        self._send(protocol.Exited(request.id, status, round(time.monotonic() - started, 3), timed_out))

    def _read(self, request: protocol.Get) -> None:
        try:
            with Path(request.path).open("rb") as file:
                data = b"-"
                while data:
                    data = file.read(CHUNK_BYTES)
                    self._send(protocol.Data(request.id, data, last=not data))
        except OSError as error:
            self._send(protocol.Failed(request.id, f"{type(error).__name__}: {error}"))

    def _shell(self, request: protocol.Shell) -> None:
        master, slave = os.openpty()
        _resize(master, request.rows, request.columns)
        process = subprocess.Popen(
            ["/bin/bash", "-i"],
            cwd="/tree" if Path("/tree").is_dir() else "/",
            env={**os.environ, "TERM": request.term},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_own_terminal,  # noqa: PLW1509  one ioctl, which takes no lock
        )
        os.close(slave)
        self._terminals[request.id] = master
        threading.Thread(target=self._join, args=[request, process, master], daemon=True).start()

    def _join(self, request: protocol.Shell, process: subprocess.Popen[bytes], master: int) -> None:
        """Carry bytes between the shell's terminal and the port until the shell ends."""
        started = time.monotonic()
        # A blocking write would wait for a person who has left, for ever.
        port = os.open(system.find_port(SHELL_PORT, _PORT_DEADLINE_S), os.O_RDWR | os.O_NONBLOCK)
        ended = os.pidfd_open(process.pid)
        poll = select.poll()
        for descriptor in (master, port, ended):
            poll.register(descriptor, select.POLLIN)
        try:
            while True:
                ready = dict(poll.poll())
                if ready.get(master, 0) & select.POLLIN:
                    _write_port(port, os.read(master, _READ_BYTES))
                elif ended in ready or ready.get(port, 0) & select.POLLHUP:
                    break
                if ready.get(port, 0) & select.POLLIN:
                    _write_all(master, os.read(port, _READ_BYTES))
        except OSError:
            # The terminal or the port went while it was used, which is the end as well.
            pass
        finally:
            del self._terminals[request.id]
            _kill_group(process.pid, signal.SIGHUP)
            for descriptor in (master, port, ended):
                os.close(descriptor)
        try:
            status = process.wait(_TERM_GRACE_S)
        except subprocess.TimeoutExpired:
            _kill_group(process.pid, signal.SIGKILL)
            status = process.wait()
        self._send(protocol.Exited(request.id, status, round(time.monotonic() - started, 3), timed_out=False))


def _own_terminal() -> None:
    fcntl.ioctl(0, 0x540E, 0)  # TIOCSCTTY


def _resize(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, 0x5414, struct.pack("HHHH", rows, columns, 0, 0))  # TIOCSWINSZ


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _write_port(port: int, data: bytes) -> None:
    poll = select.poll()
    poll.register(port, select.POLLOUT)
    while data:
        if any(event & select.POLLHUP for _, event in poll.poll()):
            raise BrokenPipeError(f"nobody reads {SHELL_PORT}")
        with contextlib.suppress(BlockingIOError):
            data = data[os.write(port, data) :]


def _write(request: protocol.Put) -> None:
    path = Path(request.path)
    if request.offset == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(request.mode)
        path.chmod(request.mode)
    with path.open("r+b") as file:
        file.seek(request.offset)
        file.write(request.data)


def main() -> None:
    """Serve the host for ever."""
    Agent(os.open(system.find_port(PORT, _PORT_DEADLINE_S), os.O_RDWR)).serve()
