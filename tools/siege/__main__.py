"""Attacks an appliance in every way of `attacks`, and fails if its owner notices more than slowness.

In a network of its own (a Linux network namespace, for which root or user namespaces are needed), so that
attackers and owner have different addresses: `python -m tools.siege [SECONDS]` for each attack.
"""

from __future__ import annotations

import argparse
import ipaddress
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import httpx
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket

from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile, save
from tools.siege.attacks import ATTACKS, Target, untrusting_context

HOST, PORT, OWNER = "192.0.2.1", 8443, "192.0.2.2"
ATTACKERS = ipaddress.IPv4Network("198.51.100.0/24")
PASSWORD = "a password for a siege"
DEADLINE_S = 60
ENOUGH_CONNECTIONS = 40
ENOUGH_MESSAGES = 200
MEMORY_KIB = 128 * 1024
"""How much more memory a siege may leave in use. What 128 connections used is freed, but in pieces that the C
library does not give back; more attacks use them again (measured: 1000 handshakes 55 MiB, 5000 100 MiB)."""
STOP_DEADLINE_S = 30
LOG_LINES = 30


def headers(user: str) -> dict[str, str]:
    """Return credentials."""
    return {"X-KVMD-User": user, "X-KVMD-Passwd": PASSWORD}


@contextmanager
def appliance() -> Iterator[None]:
    """Run one with an owner and a viewer, reachable by HTTPS from the attackers' addresses."""
    with tempfile.TemporaryDirectory(prefix="farhand-siege-") as name:
        config = Path(name) / "config"
        config.mkdir()
        hashed = PasswordHasher().hash(PASSWORD)
        save(
            config / "htpasswd",
            PasswordFile.empty().with_account("admin", hashed).with_account("viewer", hashed),
        )
        (config / "rights.toml").write_text('others = "viewer"\n[users]\nadmin = "admin"\n')
        (config / "override.yaml").write_text("farhand: {watchdog: {device: ''}}\n")
        command = [
            str(Path(sys.executable).with_name("farhand")),
            *(
                "run",
                "--board",
                "emulated",
                "--http",
                "",
                "--https",
                f"0.0.0.0:{PORT}",
                "--log-level",
                "warning",
            ),
            *("--config", str(config), "--state", str(Path(name) / "state")),
        ]
        with (Path(name) / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            try:
                assert process.stdout is not None
                if f":{PORT}" not in process.stdout.readline():
                    sys.exit("the appliance did not start:\n" + (Path(name) / "log").read_text())
                yield
            finally:
                process.terminate()
                process.wait(STOP_DEADLINE_S)
        lines = (Path(name) / "log").read_text().splitlines()
        print("of its log:", *lines[:LOG_LINES], sep="\n  ")
        if bugs := [line for line in lines if "a bug" in line or "Traceback" in line]:
            sys.exit("the appliance logged bugs:\n" + "\n".join(bugs[:20]))


class Owner:
    """Somebody with another address, who works on while the siege goes on."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.events = 0
        self.ended = ""
        self.counted: dict[str, int] = {}

    def _client(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(local_address=OWNER, verify=untrusting_context())
        return httpx.AsyncClient(
            transport=transport,
            base_url=f"https://{HOST}:{PORT}",
            headers=headers("admin"),
            timeout=DEADLINE_S,
        )

    async def ask(self) -> None:
        """Ask on a new connection, and note how long the answer took. Raises what goes wrong."""
        began_s = trio.current_time()
        async with self._client() as client:
            (await client.post("/api/hid/events/send_key?key=KeyA")).raise_for_status()
        self.latencies_s.append(trio.current_time() - began_s)

    async def work(self) -> None:
        """Type on, each time on a new connection."""
        while True:
            await self.ask()
            await trio.sleep(0.1)

    async def watch(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Hold a control socket open, whose pings are to be answered all the time; note its end."""
        pairs = [(name.encode(), value.encode()) for name, value in headers("admin").items()]
        context = untrusting_context()
        try:
            async with (
                open_websocket(HOST, PORT, "/api/ws", use_ssl=context, extra_headers=pairs) as socket,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(self._ping, socket)
                task_status.started()
                while True:
                    self.events += json.loads(await socket.get_message())["event_type"] == "pong"
        except* ConnectionClosed as closed:
            self.ended = f"its socket ended: {closed.exceptions[0]!r}"

    async def _ping(self, socket: WebSocketConnection) -> None:
        while True:
            await socket.send_message('{"event_type": "ping", "event": {}}')
            await trio.sleep(0.5)

    async def count(self) -> dict[str, int]:
        """Ask for what the server counts, and return what its process has in use."""
        async with self._client() as client:
            result = (await client.get("/api/supervisor")).raise_for_status().json()["result"]
        self.counted = result["statistics"]["front"]
        return dict(result["statistics"]["process"])

    async def at_rest(self) -> dict[str, int]:
        """Wait until no connection but this one is open, and return what the process has in use."""
        with trio.fail_after(DEADLINE_S):
            while True:
                process = await self.count()
                if self.counted["open_connections"] <= 1 + self.counted["open_websockets"]:
                    return process
                await trio.sleep(0.5)

    async def until_it_is_attacked(self) -> None:
        """Wait until the server has far more to do with others than with this client."""
        before = self.counted
        with trio.fail_after(DEADLINE_S):
            for own in itertools.count():
                await self.count()
                rose = {key: self.counted[key] - before[key] for key in before}
                tried = rose["accepted"] + rose["refused_total"] + rose["refused_per_address"]
                if tried - own > ENOUGH_CONNECTIONS or rose["websocket_messages"] > ENOUGH_MESSAGES:
                    return
                await trio.sleep(0.2)


async def besiege(seconds: float, only: str) -> list[str]:
    """Attack in every way whose name has *only* in it, for so long each; return the owner's complaints."""
    owner = Owner()
    await owner.ask()
    before = await owner.at_rest()
    complaints: list[str] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(owner.watch)
        for name in ATTACKS:
            if only in name:
                complaints += await _one(owner, name, seconds)
        after = await owner.at_rest()
        nursery.cancel_scope.cancel()
    print("before: ", before, "\nafter:  ", after)
    if after["resident_kib"] > before["resident_kib"] + MEMORY_KIB:
        complaints.append(f"{after['resident_kib'] - before['resident_kib']} KiB more memory after the siege")
    return complaints


async def _terminate(process: trio.Process) -> None:
    process.terminate()


async def _one(owner: Owner, name: str, seconds: float) -> list[str]:
    # The attackers before may still have the places of their address.
    await owner.at_rest()
    owner.latencies_s, owner.events = [], 0
    before = owner.counted
    complaints = []
    memory = 0
    async with trio.open_nursery() as attackers:
        # A process of their own, or the owner would wait for them; and outside of this test it is not the
        # appliance's processor that attackers use.
        command = ["nice", "-n", "10", sys.executable, "-m", "tools.siege", "--attack", name]
        attackers.start_soon(partial(trio.run_process, command, check=False, deliver_cancel=_terminate))
        try:
            await owner.until_it_is_attacked()
            with trio.move_on_after(seconds):
                await owner.work()
            # However slow it is: one more answer has to come while the attack goes on.
            await owner.ask()
            memory = (await owner.count())["resident_kib"]
        except (httpx.HTTPError, OSError, trio.TooSlowError) as exc:
            complaints.append(f"{name}: the owner got {exc!r}")
        attackers.cancel_scope.cancel()
    if owner.ended or not owner.events:
        complaints.append(f"{name}: the owner's socket was silent {owner.ended}")
    p50, most = median(owner.latencies_s or [0]), max(owner.latencies_s, default=0)
    print(f"{name:32} {len(owner.latencies_s):4} answers, p50 {p50:.2f} s, most {most:.2f} s", flush=True)
    print(f"    {memory} KiB resident")
    rose = {key: count - before[key] for key, count in owner.counted.items() if count > before[key]}
    print("    the server counted", ", ".join(f"{count} {key}" for key, count in rose.items()), flush=True)
    return complaints


def main() -> None:
    """Go into a network of one's own, and attack there."""
    parser = argparse.ArgumentParser(prog="python -m tools.siege", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=10)
    parser.add_argument("--only", default="", help="a part of the name of the attacks to make")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--attack", choices=ATTACKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        target = Target(HOST, PORT, headers("viewer"), ATTACKERS)
        trio.run(ATTACKS[options.attack], target)
        return
    if not options.inside:
        for program in ("unshare", "ip", "slowhttptest"):
            if shutil.which(program) is None:
                sys.exit(f"expected the program {program}, found none")
        again = [
            sys.executable,
            "-m",
            "tools.siege",
            str(options.seconds),
            "--only",
            options.only,
            "--inside",
        ]
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", *again])
    # The whole subnet is then on the loopback device; who does not choose an address comes from its first.
    for arguments in (
        "link set lo up",
        f"addr add {HOST}/24 dev lo",
        "addr add 198.51.100.1/24 dev lo",
        f"route replace local {HOST} dev lo table local src 198.51.100.1",
    ):
        subprocess.run(["ip", *arguments.split()], check=True)
    with appliance():
        complaints = trio.run(besiege, options.seconds, options.only)
    if complaints:
        sys.exit("\n".join(complaints))
    print("the owner noticed nothing but slowness")


if __name__ == "__main__":
    main()
