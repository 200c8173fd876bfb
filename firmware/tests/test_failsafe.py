"""The page in the place of an appliance that does not start: as a process, with real sockets."""

from __future__ import annotations

import http.client
import json
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.server import ensure_certificate
from firmware import failsafe
from firmware.failsafe import CONNECTIONS, LINE_CHARS, is_local, masked, page

START_S = 60
JOURNAL = """#!/bin/sh
echo 'farhand: override.yaml:3: kvmd/hid/type: expected one of otg, serial, got nonsense'
echo 'password=hunter22 <script>alert(1)</script>'
"""


@dataclass
class Failsafe:
    """A running one: its ports in the order of its announcement, and where it told the console."""

    process: subprocess.Popen[str]
    ports: list[int]
    console: Path

    def ask(self, path: str = "/", method: str = "GET", *, tls: bool = False) -> tuple[int, str, str]:
        """Return status, content type and body."""
        connection: http.client.HTTPConnection
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", self.ports[1], timeout=30, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=30)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, answer.headers["Content-Type"], body


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    ready, _, _ = select.select([process.stderr], [], [], START_S)
    assert ready, "it says nothing"
    return process.stderr.readline()


@contextmanager
def running(folder: Path, *, tls: bool = True, journal: str = JOURNAL) -> Iterator[Failsafe]:
    journalctl = folder / "journalctl"
    journalctl.write_text(journal)
    journalctl.chmod(0o755)
    if tls:
        ensure_certificate(folder / "tls", ["localhost"])
    console = folder / "console"
    console.touch()
    # -S: not even what is installed beside the standard library.
    command = [
        sys.executable,
        "-I",
        "-S",
        failsafe.__file__,
        "--http",
        "127.0.0.1:0",
        "--https",
        "127.0.0.1:0",
    ]
    command += ["--tls", str(folder / "tls"), "--console", str(console), "--journalctl", str(journalctl)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = _line(process)
            while "status page" not in line:
                assert line, "it ended"
                line = _line(process)
            yield Failsafe(process, [int(port) for port in re.findall(r"\d+", line)], console)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(START_S) == 0


def test_the_machine_itself_is_told_why_without_secrets(tmp_path: Path) -> None:
    with running(tmp_path) as page_server:
        for tls in (False, True):
            status, kind, body = page_server.ask(tls=tls)
            assert (status, kind) == (503, "text/html; charset=utf-8")
            assert "does not start" in body
            assert "kvmd/hid/type: expected one of otg" in body
            assert "hunter22" not in body
            assert "<script>" not in body
        told = page_server.console.read_text()
    assert "systemctl restart farhand" in told
    assert "kvmd/hid/type" in told
    assert "hunter22" not in told


def test_every_method_and_path_is_answered_and_nothing_looks_like_the_appliance(tmp_path: Path) -> None:
    with running(tmp_path) as page_server:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            assert page_server.ask("/any/thing?x=1", method)[0] == 503
        # What the gate of a new version asks: 401 would confirm it.
        status, kind, body = page_server.ask("/api/auth/check")
        assert (status, kind) == (503, "application/json")
        assert json.loads(body)["ok"] is False


def test_without_a_certificate_there_is_a_page_without_tls(tmp_path: Path) -> None:
    with running(tmp_path, tls=False) as page_server:
        assert len(page_server.ports) == 1
        assert page_server.ask()[0] == 503


def test_a_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with running(tmp_path, journal="#!/bin/sh\nexit 1\n") as page_server:
        assert "cannot be read" in page_server.ask()[2]


def test_clients_that_say_nothing_or_no_tls_keep_nobody_out(tmp_path: Path) -> None:
    with running(tmp_path) as page_server:
        silent = [
            socket.create_connection(("127.0.0.1", port)) for port in page_server.ports for _ in range(8)
        ]
        with socket.create_connection(("127.0.0.1", page_server.ports[1])) as rude:
            rude.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert page_server.ask()[0] == 503
            assert page_server.ask(tls=True)[0] == 503
        for connection in silent:
            connection.close()


def test_more_connections_than_there_is_room_for_are_closed(tmp_path: Path) -> None:
    with running(tmp_path) as page_server:
        held = []
        for _ in range(CONNECTIONS * 2):
            connection = socket.create_connection(("127.0.0.1", page_server.ports[0]))
            connection.settimeout(30)
            held.append(connection)
        assert any(_is_closed(connection) for connection in held[CONNECTIONS:])
        for connection in held:
            connection.close()


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_stranger_is_told_nothing_but_that_it_does_not_start() -> None:
    body = page(None).decode()
    assert "does not start" in body
    assert "<pre>" not in body
    assert "journalctl" not in body
    assert [is_local(address) for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == [True] * 3
    assert [is_local(address) for address in ("192.0.2.1", "fe80::1%eth0", "::ffff:192.0.2.1", "")] == [
        False
    ] * 4


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("passwd: hunter22", "hunter22"),
        ('password = "two words"', "words"),
        ("kvmd.ipmi.password='x y'", "x y"),
        ("auth_token=0123456789abcdef", "0123456789abcdef"),
        ("https://user:hunter22@example.org/x", "hunter22"),
        ("admin:$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA", "aGFzaA"),
        ("admin:{SSHA512}c29tZWhhc2g", "c29tZWhhc2g"),
        ("Authorization: Basic YWRtaW46YWRtaW4=", "YWRtaW46"),
        ("cookie 4f0c9ab24f0c9ab24f0c9ab24f0c9ab24f0c9ab2", "4f0c9ab24f"),
        ("-----BEGIN PRIVATE KEY----- MIGH", "MIGH"),
    ],
)
def test_secrets_are_masked(line: str, secret: str) -> None:
    assert secret not in masked(line)
    assert "***" in masked(line)


def test_what_a_person_needs_stays() -> None:
    line = "farhand: override.yaml:3: kvmd/hid/type: expected one of otg, serial, got 'nonsense'"
    assert masked(line) == line


@given(st.text(max_size=2000))
def test_any_line_is_short_and_printable(line: str) -> None:
    shown = masked(line)
    assert len(shown) <= LINE_CHARS + 3
    assert shown.isprintable()
