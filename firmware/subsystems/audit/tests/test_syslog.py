"""The trail on a syslog server of one's own: real sockets, and no line left out where there is an answer."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from firmware.core.supervise import Backoff, Supervisor
from firmware.subsystems.audit import service as service_module
from firmware.subsystems.audit.config import SyslogServer
from firmware.subsystems.audit.service import Actor, AuditService
from firmware.subsystems.audit.syslog import AuditSyslog, message

ALICE = Actor("alice", "token", "192.0.2.1")
DEADLINE_S = 60
AT_ONCE = Backoff(first_s=0.01, longest_s=0.02)


def test_a_message_is_of_rfc_5424() -> None:
    line = b'{"n":7,"at":"2026-05-04T09:12:33.120+00:00","what":"x"}\n'
    head = b"<110>1 2026-05-04T09:12:33.120+00:00 kvm farhand 42 audit - "
    assert message(line, "kvm", 42) == head + line.rstrip()
    assert b" - farhand " in message(line, "", 42)


class Server:
    """A syslog server over TCP, or TLS with *context*; what it got is in `records`."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.context = context
        self.records: list[dict[str, Any]] = []
        self.connections = 0
        self.cut_after: int | None = None

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        talk: trio.abc.Stream = stream
        if self.context is not None:
            talk = trio.SSLStream(stream, self.context, server_side=True)
        buffered = b""
        async with talk:
            while True:
                try:
                    data = await talk.receive_some(4096)
                except trio.BrokenResourceError:
                    return
                if not data:
                    return
                buffered += data
                while (space := buffered.find(b" ")) > 0 and len(buffered) > space + (
                    size := int(buffered[:space])
                ):
                    text, buffered = buffered[space + 1 : space + 1 + size], buffered[space + 1 + size :]
                    self.records.append(json.loads(text[text.index(b"{") :]))
                    if self.cut_after == len(self.records):
                        self.cut_after = None
                        return

    async def got(self, count: int) -> None:
        with trio.fail_after(DEADLINE_S):
            while len({record["n"] for record in self.records}) < count:
                await trio.sleep(0.01)


@asynccontextmanager
async def sending(audit: AuditService, server: SyslogServer, **given: Any) -> AsyncIterator[Supervisor]:
    """Run the trail and what sends it, as the appliance does."""
    syslog = AuditSyslog(audit, server, process_id=1, host_name="kvm", **given)
    supervisor = Supervisor()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.supervise, "audit", audit.run)
        nursery.start_soon(supervisor.supervise, "audit-syslog", syslog.run, AT_ONCE)
        yield supervisor
        nursery.cancel_scope.cancel()


async def listening(nursery: trio.Nursery, server: Server) -> int:
    listeners = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
    return int(listeners[0].socket.getsockname()[1])


async def test_each_line_goes_to_the_server_in_its_order(tmp_path: Path) -> None:
    # What an earlier life has written is not sent again.
    async with trio.open_nursery() as nursery:
        earlier = AuditService(tmp_path, version="1")
        await nursery.start(earlier.run)
        earlier.note("earlier", ALICE)
        await earlier.settled()
        nursery.cancel_scope.cancel()
    server = Server()
    audit = AuditService(tmp_path, version="1")
    async with trio.open_nursery() as nursery:
        port = await listening(nursery, server)
        async with sending(audit, SyslogServer("tcp", "127.0.0.1", port)):
            await server.got(1)
            for number in range(20):
                audit.note(f"act {number}", ALICE, status=200)
            await server.got(21)
        nursery.cancel_scope.cancel()
    assert [record["what"] for record in server.records] == ["started", *(f"act {n}" for n in range(20))]
    assert [record["n"] for record in server.records] == list(range(4, 25))
    assert server.records[1]["who"] == "alice"


async def test_nothing_is_left_out_when_the_server_goes_away(tmp_path: Path) -> None:
    server = Server()
    server.cut_after = 3
    audit = AuditService(tmp_path, version="1")
    async with trio.open_nursery() as nursery:
        port = await listening(nursery, server)
        async with sending(audit, SyslogServer("tcp", "127.0.0.1", port)) as supervisor:
            for number in range(30):
                audit.note(f"act {number}", ALICE)
                await trio.sleep(0.005)
            # TCP tells of a lost connection only with the next line but one.
            with trio.fail_after(DEADLINE_S):
                while server.connections < 2:
                    audit.note_refused("more", ALICE)
                    await trio.sleep(0.05)
            last = audit.last_number
            with trio.fail_after(DEADLINE_S):
                while last not in {record["n"] for record in server.records}:
                    await trio.sleep(0.01)
            assert supervisor.tasks.value["audit-syslog"].faults >= 1
        nursery.cancel_scope.cancel()
    # What the kernel had taken when the server left is lost to both sides; the chain shows where.
    numbers = [record["n"] for record in server.records]
    assert numbers == sorted(numbers)


async def test_a_burst_that_memory_does_not_hold_comes_from_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "FOLLOWER_LINES", 3)
    server = Server()
    audit = AuditService(tmp_path, version="1")
    async with trio.open_nursery() as nursery:
        port = await listening(nursery, server)
        async with sending(audit, SyslogServer("tcp", "127.0.0.1", port)):
            await server.got(1)
            for number in range(100):
                audit.note(f"act {number}", ALICE)
            await server.got(101)
        nursery.cancel_scope.cancel()
    assert [record["n"] for record in server.records] == list(range(1, 102))


async def test_tls_is_spoken_only_with_a_server_that_is_who_it_says(tmp_path: Path) -> None:
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.create_default_context()
    server = Server(theirs)
    audit = AuditService(tmp_path, version="1")
    async with trio.open_nursery() as nursery:
        port = await listening(nursery, server)
        async with sending(audit, SyslogServer("tls", "127.0.0.1", port), tls=ours) as supervisor:
            with trio.fail_after(DEADLINE_S):
                while "audit-syslog" not in supervisor.tasks.value or not (
                    error := supervisor.tasks.value["audit-syslog"].last_error
                ):
                    await trio.sleep(0.01)
            assert "did not agree on TLS" in error
            assert not server.records
            authority.configure_trust(ours)
            await server.got(1)
        nursery.cancel_scope.cancel()
    assert server.records[0]["what"] == "started"


async def test_udp_sends_a_line_in_a_datagram(tmp_path: Path) -> None:
    receiver = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver:
        await receiver.bind(("127.0.0.1", 0))
        audit = AuditService(tmp_path, version="1")
        async with sending(audit, SyslogServer("udp", "127.0.0.1", receiver.getsockname()[1])):
            with trio.fail_after(DEADLINE_S):
                datagram = await receiver.recv(65536)
    assert datagram.startswith(b"<110>1 ")
    assert json.loads(datagram[datagram.index(b"{") :])["what"] == "started"


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (SyslogServer("udp", "192.0.2.5", 514), "udp://192.0.2.5:514"),
        (SyslogServer("tls", "2001:db8::1", 6514), "tls://[2001:db8::1]:6514"),
    ],
)
def test_a_server_is_shown_as_it_is_configured(server: SyslogServer, text: str) -> None:
    assert str(server) == text
