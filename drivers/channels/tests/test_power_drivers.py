"""The power of other machines: ipmitool against OpenIPMI's simulated BMC, a program in meshcmd's place."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trio
from peers import ipmi_bmc
from peers.driver_runs import fault_of, running, until_phase
from peers.ipmi_bmc import Bmc
from peers.serial_line import until

from drivers.channels import tool
from drivers.channels.amt import AmtDriver
from drivers.channels.ipmi import IpmiDriver
from drivers.channels.power import PowerDriver
from drivers.channels.tool import fill, run_tool
from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError, NotSupportedError
from drivers.ports import ChannelInput
from firmware.core.supervise import Backoff, Supervisor, TaskPhase

SECRET = "a-passwd-of-ours"
STATUS = [ChannelInput("status")]


async def until_reads(driver: PowerDriver, pin: str, level: bool) -> None:
    with trio.fail_after(30):
        async with driver.changes() as changes:
            while await driver.read(pin) is not level:
                await changes.receive()


@pytest.fixture(scope="module")
def ipmi_programs() -> dict[str, str]:
    """The environment in which ipmitool and ipmi_sim are found. Fails if they cannot be had."""
    root = ipmi_bmc.installed()
    if root is None:
        return {}
    libraries = os.pathsep.join(str(path) for path in root.glob("*/lib/*-linux-*"))
    return {"PATH": f"{root}/usr/bin{os.pathsep}{os.environ['PATH']}", "LD_LIBRARY_PATH": libraries}


@pytest.fixture
def bmc(ipmi_programs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bmc:
    """A BMC that is not plugged in yet."""
    for name, value in ipmi_programs.items():
        monkeypatch.setenv(name, value)
    # ipmitool reads what its user once downloaded there.
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bmc").mkdir()
    return Bmc(tmp_path / "bmc")


def ipmi_driver(bmc: Bmc, inputs: Sequence[ChannelInput] = STATUS, passwd: str = SECRET) -> IpmiDriver:
    return IpmiDriver(
        inputs,
        host="127.0.0.1",
        port=bmc.port,
        cipher=bmc.cipher,
        user=bmc.user,
        passwd=passwd,
        passwd_env="OUR_PASSWORD",
        state_poll_s=0.1,
    )


class TestIpmi:
    async def test_a_machine_is_seen_and_switched(self, bmc: Bmc) -> None:
        async with bmc.plugged():
            driver = ipmi_driver(bmc)
            async with running(driver.run):
                assert not await driver.read("0")
                await driver.write("on", True)
                assert bmc.on
                assert await driver.read("0")
                assert await driver.read("status")
                assert not await driver.read("on")
                for pin in ("4", "3", "6", "2"):
                    await driver.write(pin, True)
                assert not await driver.read("status")
                await driver.write("1", False)
                assert not bmc.on
                # Its own button.
                bmc.on = True
                await until_reads(driver, "0", level=True)
        # A cycle is a power of 0, after which a machine comes back by itself.
        assert bmc.log == ["set power 1", "set reset 1", "set power 0", "set shutdown 1", "set power 0"]

    async def test_what_it_refuses_is_told_and_ends_nothing(self, bmc: Bmc) -> None:
        async with bmc.plugged():
            driver = ipmi_driver(bmc)
            async with running(driver.run):
                with pytest.raises(NotSupportedError, match=r"refused diag: .*Invalid data field in request"):
                    await driver.write("diag", True)
                await driver.write("on", True)
                assert bmc.on

    async def test_the_password_may_be_in_the_environment(
        self, bmc: Bmc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OUR_PASSWORD", SECRET)
        async with bmc.plugged():
            driver = ipmi_driver(bmc, passwd="")
            async with running(driver.run):
                await driver.write("on", True)

    async def test_a_wrong_password(self, bmc: Bmc) -> None:
        async with bmc.plugged():
            with pytest.raises(DriverError, match=f"BMC at 127.0.0.1:{bmc.port} does not tell .*session"):
                await ipmi_driver(bmc, passwd="another").run()

    @pytest.mark.fault("channels: BMC tools", "vanishes", "returns")
    async def test_it_returns(self, bmc: Bmc, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tool, "TOOL_DEADLINE_S", 2.0)
        driver = ipmi_driver(bmc)
        supervisor = Supervisor(backoff=Backoff(first_s=0.01, longest_s=0.05))
        async with trio.open_nursery() as nursery:
            async with bmc.plugged():
                nursery.start_soon(supervisor.supervise, "bmc", driver.run)
                await until_phase(supervisor, TaskPhase.ONLINE)
            await until_phase(supervisor, TaskPhase.BACKING_OFF)
            with pytest.raises(DeviceGoneError):
                await driver.read("0")
            async with bmc.plugged():
                await until_phase(supervisor, TaskPhase.ONLINE)
                await driver.write("on", True)
            nursery.cancel_scope.cancel()
        assert bmc.log == ["set power 1"]

    async def test_without_an_input_nobody_asks(self, bmc: Bmc) -> None:
        async with bmc.plugged():
            driver = ipmi_driver(bmc, inputs=[])
            async with running(driver.run):
                await driver.write("on", True)
                assert not await driver.read("0")
        assert (bmc._directory / "log").read_text() == "set power 1\n"


MESHCMD = """\
#!{python}
import json, pathlib, sys, time
own = pathlib.Path(__file__).parent
assert {secret!r} not in pathlib.Path("/proc/self/cmdline").read_text(), "a secret in the list of processes"
arguments = sys.argv[1:]
assert arguments.pop(0) == "amtpower"
options = {{}}
while arguments:
    key = arguments.pop(0).removeprefix("--")
    options[key] = arguments.pop(0) if arguments and not arguments[0].startswith("--") else True
settings = json.loads(pathlib.Path(options["actionfile"]).read_text())
with (own / "calls").open("a") as calls:
    calls.write(json.dumps({{k: v for k, v in options.items() if k != "actionfile"}}) + "\\n")
mode = (own / "mode").read_text()
print("MeshCentral Command (MeshCmd)")
if mode == "hang":
    time.sleep(1000)
if mode == "flood":
    while True:
        print("x" * 10000)
if mode == "odd":
    print("Something with", {secret!r})
    sys.exit(0)
if settings != {{"action": "amtpower", "password": {secret!r}}} or options["host"] != "host.example":
    print("Error, status 401.")
    sys.exit(1)
state = own / "state"
for name, text in dict(poweron="Power on", poweroff="Soft off", powercycle="Power on", reset="Power on",
                       sleep="Light sleep", hibernate="Hibernate (Off soft)").items():
    if name in options:
        if mode == "refuse":
            print("Error, status 1.")
            sys.exit(0)
        state.write_text(text)
        print("OK")
        break
else:
    print("Current power state: " + state.read_text())
"""


class FakeMeshcmd:
    """meshcmd as its guide tells, which cannot be had as a package, for a machine that there is not."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.mode = ""
        (directory / "state").write_text("Soft off")
        program = directory / "meshcmd"
        program.write_text(textwrap.dedent(MESHCMD).format(python=sys.executable, secret=SECRET))
        program.chmod(0o755)

    @property
    def mode(self) -> str:
        return (self.directory / "mode").read_text()

    @mode.setter
    def mode(self, mode: str) -> None:
        (self.directory / "mode").write_text(mode)

    @property
    def state(self) -> str:
        return (self.directory / "state").read_text()

    def driver(self, **options: object) -> AmtDriver:
        given = {"host": "host.example", "user": "", "passwd": SECRET, "state_poll_s": 0.2, **options}
        return AmtDriver(STATUS, **given)  # type: ignore[arg-type] # options by name


@pytest.fixture
def meshcmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMeshcmd:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return FakeMeshcmd(tmp_path)


class TestAmt:
    async def test_a_machine_is_seen_and_switched(self, meshcmd: FakeMeshcmd) -> None:
        driver = meshcmd.driver()
        async with running(driver.run):
            assert not await driver.read("0")
            for pin, level, state in (
                ("1", True, "Power on"),
                ("sleep", False, "Light sleep"),
                ("poweron", True, "Power on"),
                ("6", False, "Hibernate (Off soft)"),
                ("2", False, "Soft off"),
            ):
                await driver.write(pin, True)
                assert meshcmd.state == state
                assert await driver.read("status") is level
            await driver.write("1", False)
            assert meshcmd.state == "Soft off"
        first = (meshcmd.directory / "calls").read_text().splitlines()[0]
        assert first == '{"host": "host.example", "user": "admin", "tls": true}'

    async def test_without_tls_and_with_a_password_of_the_environment(
        self, meshcmd: FakeMeshcmd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AMT_PASSWORD", SECRET)
        driver = meshcmd.driver(user="operator", passwd="", passwd_env="AMT_PASSWORD", tls=False)
        async with running(driver.run):
            assert not await driver.read("0")
        first = (meshcmd.directory / "calls").read_text().splitlines()[0]
        assert first == '{"host": "host.example", "user": "operator"}'

    async def test_what_it_refuses_is_told_and_ends_nothing(self, meshcmd: FakeMeshcmd) -> None:
        driver = meshcmd.driver()
        async with running(driver.run):
            meshcmd.mode = "refuse"
            with pytest.raises(
                NotSupportedError, match=r"AMT at host\.example refused reset: Error, status 1"
            ):
                await driver.write("reset", True)
            assert not await driver.read("0")

    async def test_a_wrong_password(self, meshcmd: FakeMeshcmd) -> None:
        with pytest.raises(DriverError, match="does not tell its power state: Error, status 401"):
            await meshcmd.driver(passwd="another").run()

    @pytest.mark.parametrize(
        ("mode", "error", "text"),
        [
            ("hang", DeviceTimeoutError, "expected meshcmd to end within"),
            ("flood", BadReplyError, "bytes of meshcmd, got more"),
            ("odd", BadReplyError, r"got: Something with \*\*\*"),
        ],
    )
    @pytest.mark.fault("channels: BMC tools", "stalls", "garbage")
    async def test_a_tool_that_misbehaves(
        self,
        meshcmd: FakeMeshcmd,
        mode: str,
        error: type[DriverError],
        text: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        driver = meshcmd.driver()

        def spoil() -> None:
            monkeypatch.setattr(tool, "TOOL_DEADLINE_S", 1.0 if mode == "hang" else 20.0)
            meshcmd.mode = mode

        with pytest.raises(error, match=text):
            raise await fault_of(driver.run, spoil)
        with pytest.raises(DeviceGoneError):
            await driver.read("0")
        for level in (True, False):
            with pytest.raises(DeviceGoneError):
                await driver.write("1", level)

    @pytest.mark.fault("channels: BMC tools", "killed", "returns")
    async def test_a_tool_that_is_killed_is_a_fault_and_the_next_one_works(self, tmp_path: Path) -> None:
        healthy = tmp_path / "healthy"
        command = ["/bin/sh", "-c", f"[ -e {healthy} ] || kill -9 $$; echo on"]
        driver = AmtDriver(STATUS, host="x", command=command, state_poll_s=100.0)
        with pytest.raises(DriverError, match="power state"):
            await driver.run()
        healthy.touch()
        async with running(driver.run):
            assert await driver.read("0")

    @pytest.mark.fault("channels: BMC tools", "missing")
    async def test_there_is_no_such_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(DeviceGoneError, match="no program meshcmd; install it"):
            await AmtDriver(STATUS, host="x").run()


class TestCommandsOfTheUsers:
    @pytest.mark.parametrize("kind", ["ipmi", "amt"])
    async def test_their_words_and_their_environment(self, kind: str, tmp_path: Path) -> None:
        program = tmp_path / "mine"
        program.write_text(
            f'#!/bin/sh\n(printf "%s|" "$@" "$MY_PASSWORD"; echo) >>{tmp_path}/calls\necho on\n'
        )
        program.chmod(0o755)
        make: Callable[..., PowerDriver] = IpmiDriver if kind == "ipmi" else AmtDriver
        command = [str(program), "{user}@{host}", "{unknown}", "{action}"]
        driver = make(
            STATUS,
            host="a host",
            user="{action}",
            passwd=SECRET,
            passwd_env="MY_PASSWORD",
            command=command,
            state_poll_s=100.0,
        )
        async with running(driver.run):
            assert await driver.read("0")
            await driver.write("1", True)
        action = {"ipmi": "on", "amt": "--poweron"}[kind]
        calls = (tmp_path / "calls").read_text().splitlines()
        assert f"{{action}}@a host|{{unknown}}|{action}|{SECRET}|" in calls

    def test_placeholders(self) -> None:
        values = {"host": "h", "tls": None, "user": "{host}", "empty": ""}
        assert fill(["x", "{tls}", "{host}:{user}", "a{tls}b", "{empty}", "{", "{no}"], values) == [
            "x",
            "h:{host}",
            "ab",
            "",
            "{",
            "{no}",
        ]

    async def test_what_a_tool_starts_ends_with_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tool, "TOOL_DEADLINE_S", 0.5)
        script = f"sleep 1000 & echo $! >{tmp_path}/pid; trap '' TERM; wait"
        with pytest.raises(DeviceTimeoutError, match=r"expected sh to end within 0\.5 s"):
            await run_tool(["sh", "-c", script])
        child = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
        await until(lambda: not child.exists() or ") Z " in child.read_text())
