"""The privileged process over a real socket: who is served, what is refused, and when it ends."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from drivers.errors import (
    BadReplyError,
    DeviceBusyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    NotSupportedError,
)
from drivers.gadget.configfs import GadgetDirectory
from drivers.gadget.spec import GadgetSpec, keyboard
from firmware.privileged.acts import GADGET, Acts
from firmware.privileged.client import PrivilegedHelper
from firmware.privileged.requests import MAX_BYTES, Failed, Ok, Ping, Reply, Request, decode_reply, encode
from firmware.privileged.server import serve

DEADLINE_S = 30
ME = os.getuid()
SPEC = GadgetSpec(functions=(keyboard("usb0"),))

type Start = Callable[..., PrivilegedHelper]


class Answers(Acts):
    """Answers as it is told, without doing anything."""

    __slots__ = ()
    reply: Reply = Ok()

    def carry_out(self, _request: Request) -> Reply:
        return type(self).reply


def listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen()
    return listener


@pytest.fixture
def at() -> Iterator[Path]:
    """Where other users can get to as well, unlike pytest's own directories."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "helper.sock"


@pytest.fixture
def start(at: Path, tmp_path: Path) -> Start:
    """Start a server and return a client; the server ends by itself, when nobody has asked for a while."""

    def make(acts: Acts | None = None, users: set[int] | None = None) -> PrivilegedHelper:
        listener = listening(at)
        directory = GadgetDirectory(GADGET, configfs=tmp_path, udc_class=tmp_path / "udc")
        made = Acts(directory, os.getgid(), restart=lambda: None) if acts is None else acts

        def run() -> None:
            with listener:
                serve(listener, made, {ME} if users is None else users)

        threading.Thread(target=run, daemon=True).start()
        return PrivilegedHelper(at, answer_s=DEADLINE_S)

    return make


def test_it_ends_when_nobody_asks(at: Path, tmp_path: Path) -> None:
    with listening(at) as listener:
        serve(listener, Acts(GadgetDirectory(GADGET, configfs=tmp_path), 0), {ME}, idle_s=0.01)


def say(at: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect(str(at))
        connection.send(data)
        return connection.recv(MAX_BYTES)


def test_whom_it_serves_it_answers_again_and_again(start: Start) -> None:
    helper = start()
    for _ in range(3):
        helper.ping()
    trio.run(helper.restart_machine)


def test_another_user_is_refused_and_the_log_says_so(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    helper = start(users={ME + 1})
    with caplog.at_level(logging.WARNING), pytest.raises(DriverError, match="this user is not served"):
        helper.ping()
    assert f"user {ME}, process {os.getpid()} is refused" in caplog.text


@pytest.mark.skipif(ME != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(("user", "served"), [(65534, True), (65533, False)])
def test_the_kernel_says_who_calls(at: Path, start: Start, user: int, served: bool) -> None:
    start(users={0, 65534})
    # Everybody may connect here, so that it is the peer's user alone that counts.
    at.chmod(0o666)
    program = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(*[int(sys.argv[2])] * 3)\n"
        "c = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); c.connect(sys.argv[1])\n"
        "c.send(sys.argv[3].encode()); sys.stdout.write(c.recv(65536).decode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(at), str(user), encode(Ping()).decode()],
        capture_output=True, timeout=DEADLINE_S, check=True,
    )  # fmt: skip
    reply = decode_reply(done.stdout)
    assert reply == (Ok() if served else Failed("refused", "this user is not served"))


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"{}", "type"),
        (b'{"type": "run", "command": "id"}', "type"),
        (b"\xff\xfe", ""),
        (b'{"type": "ping", "path": "/etc/shadow"}', "path"),
        (b" " * (MAX_BYTES + 1), "at most"),
    ],
)
def test_what_is_not_on_the_list_is_refused_and_logged(
    at: Path, start: Start, caplog: pytest.LogCaptureFixture, data: bytes, named: str
) -> None:
    helper = start()
    with caplog.at_level(logging.WARNING):
        reply = decode_reply(say(at, data))
    assert isinstance(reply, Failed)
    assert reply.kind == "refused"
    assert named in reply.text
    assert "is refused" in caplog.text
    helper.ping()


def test_a_gadget_without_functions_is_refused(start: Start) -> None:
    with pytest.raises(DriverError, match="at least one function"):
        start().compose(GadgetSpec(functions=()))


def test_who_hangs_up_or_is_silent_keeps_nobody_else_waiting_for_ever(
    at: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware.privileged.server.MESSAGE_S", 0.05)
    helper = start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(str(at))
        helper.ping()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as gone:
        gone.connect(str(at))
    helper.ping()


def test_what_fails_is_the_fault_that_it_would_be_here(start: Start) -> None:
    helper = start()
    # There is no controller in this model of a kernel.
    with pytest.raises(DeviceGoneError, match="expected a USB device controller"):
        helper.compose(SPEC)


def test_what_the_kernel_refuses_in_any_other_way_is_told_and_ends_nothing(
    start: Start, tmp_path: Path
) -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    helper = start(Acts(GadgetDirectory(GADGET, configfs=tmp_path), 0, restart=fail))
    with pytest.raises(DriverError, match="Input/output error"):
        trio.run(helper.restart_machine)
    helper.ping()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("gone", DeviceGoneError),
        ("busy", DeviceBusyError),
        ("timeout", DeviceTimeoutError),
        ("unsupported", NotSupportedError),
        ("failed", DriverError),
        ("refused", DriverError),
    ],
)
def test_each_kind_of_failure_arrives(
    start: Start, tmp_path: Path, kind: Any, error: type[Exception]
) -> None:
    class Fails(Answers):
        __slots__ = ()
        reply: Reply = Failed(kind, "the reason")

    with pytest.raises(DriverError, match="the reason") as caught:
        start(Fails(GadgetDirectory(GADGET, configfs=tmp_path), 0)).compose(SPEC)
    assert type(caught.value) is error


def test_an_answer_that_does_not_fit_is_a_fault(start: Start, tmp_path: Path) -> None:
    helper = start(Answers(GadgetDirectory(GADGET, configfs=tmp_path), 0))
    with pytest.raises(BadReplyError):
        helper.compose(SPEC)


def test_a_helper_that_is_not_there_is_a_fault_that_says_what_to_see_to(at: Path) -> None:
    with pytest.raises(DeviceGoneError, match=r"farhand-privileged\.socket"):
        PrivilegedHelper(at).ping()


def test_a_helper_that_dies_or_hangs_is_a_fault(at: Path) -> None:
    def die(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(MAX_BYTES)

    with listening(at) as listener:
        thread = threading.Thread(target=die, args=(listener,))
        thread.start()
        with pytest.raises(DeviceGoneError, match="ended without an answer"):
            PrivilegedHelper(at, answer_s=DEADLINE_S).ping()
        thread.join(DEADLINE_S)
        with pytest.raises(DeviceTimeoutError):
            PrivilegedHelper(at, answer_s=0.01).ping()


def test_another_gadget_is_not_even_asked_for(at: Path) -> None:
    with pytest.raises(DriverError, match="composes no other"):
        PrivilegedHelper(at).compose(GadgetSpec(functions=(keyboard("usb0"),), name="other"))
