"""A BMC on the loopback: OpenIPMI's simulator, whose chassis is a file and a log of what was done to it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

ROOT = Path(__file__).resolve().parents[2]
FETCH_DEADLINE_S = 300
"""3 MB of packages: seconds near a mirror."""

CONFIG = """\
name "farhand"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 {port}
  priv_limit admin
  allowed_auths_admin none md2 md5 straight
  guid 00112233445566778899aabbccddeeff
endlan
chassis_control "/bin/sh {chassis}"
user 2 true "{user}" "{passwd}" admin 10 none md2 md5 straight
"""
COMMANDS = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
"""
# It is called with "get power" or "set WHAT VALUE".
CHASSIS = """\
echo "$*" >>"{directory}/log"
case "$1 $2" in
    "get power") echo "power:$(cat "{directory}/power")" ;;
    "set power") echo "$3" >"{directory}/power" ;;
esac
"""


def installed() -> Path | None:
    """Fetch the programs, unless the machine has them, and return the directory to find them in."""
    if shutil.which("ipmi_sim") and shutil.which("ipmitool"):
        return None
    done = subprocess.run(
        [ROOT / "tools" / "fetch_ipmi.sh"],
        capture_output=True,
        text=True,
        timeout=FETCH_DEADLINE_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"no IPMI simulator: {done.stderr.strip()}")
    return Path(done.stdout.strip())


class Bmc:
    """Made by `bmc`."""

    user = "admin"
    passwd = "a-passwd-of-ours"
    cipher = 3
    """The simulator has no SHA-256, which newer ciphers use."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.on = False

    @property
    def on(self) -> bool:
        """Whether the chassis is on."""
        return (self._directory / "power").read_text().strip() == "1"

    @on.setter
    def on(self, on: bool) -> None:
        (self._directory / "power").write_text(f"{int(on)}\n")

    @property
    def log(self) -> list[str]:
        """What was done to the chassis, in order."""
        path = self._directory / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.startswith("set ")]

    def _is_up(self) -> bool:
        entry = f" 0100007F:{self.port:04X} "
        return entry in Path("/proc/net/udp").read_text()

    @asynccontextmanager
    async def plugged(self) -> AsyncIterator[None]:
        """Have it on the network while the body runs."""
        files = {"lan.conf": CONFIG, "commands": COMMANDS, "chassis.sh": CHASSIS}
        values = {
            "port": self.port,
            "chassis": self._directory / "chassis.sh",
            "user": self.user,
            "passwd": self.passwd,
            "directory": self._directory,
        }
        for name, text in files.items():
            (self._directory / name).write_text(text.format(**values))
        (self._directory / "state").mkdir(exist_ok=True)
        argv = ["ipmi_sim", "-c", "lan.conf", "-f", "commands", "-s", "state", "-n"]
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, argv, cwd=self._directory, stdout=subprocess.DEVNULL, check=False)
            process: trio.Process = await nursery.start(run)
            with trio.fail_after(30):
                while not self._is_up():
                    assert process.poll() is None, "the simulator ended"
                    await trio.sleep(0.01)
            yield
            nursery.cancel_scope.cancel()
