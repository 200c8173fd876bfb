"""What the rig promises of its guest. (Its parts are tested beside them, in `rig/tests`.)"""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import CoverageData
from rig import cache, in_guest, protocol
from rig.errors import (
    BrokenRigError,
    GuestDiedError,
    GuestRefusedError,
    GuestTimeoutError,
    RigError,
)
from rig.rig import Rig
from rig.states import PANEL_LINES, RigStrategy
from rig.terminal import ESCAPE

# Restoring takes half a second, a first boot with its build minutes.
GUEST = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(900)]
GONE_DEADLINE_S = 60


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as started:
        yield started


@pytest.fixture
def own_rig() -> Iterator[Rig]:
    with Rig() as started:
        yield started


def wait_until_gone(pid: int) -> None:
    """Wait until no process has that number, a zombie included if it is not ours."""
    end = time.monotonic() + GONE_DEADLINE_S
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} is still there")


class TestGuest:
    pytestmark = GUEST

    @pytest.mark.parametrize(
        ("script", "status"), [("true", 0), ("exit 3", 3), ("kill -9 $$", -9), ("exit 255", 255)]
    )
    def test_the_exit_status_is_exact(self, rig: Rig, script: str, status: int) -> None:
        assert rig.run(["sh", "-c", script]).status == status

    def test_a_command_that_is_not_there_is_refused(self, rig: Rig) -> None:
        with pytest.raises(GuestRefusedError, match="could not run no-such-program"):
            rig.run(["no-such-program"])

    def test_output_comes_while_the_command_runs(self, rig: Rig) -> None:
        # The command only ends after its first line has come here and been answered with a file.
        script = "echo first; until [ -e /tmp/answer ]; do sleep 0.05; done; echo last"
        running = rig.start_command(["sh", "-c", script])

        def answer(text: str) -> None:
            if "first" in text:
                rig.put("/tmp/answer", b"")

        result = running.wait(answer)
        rig.run(["rm", "/tmp/answer"]).check()
        assert (result.status, result.output) == (0, "first\nlast\n")

    def test_output_is_bytes_exact(self, rig: Rig) -> None:
        result = rig.run(["printf", r"\xe2\x82\xac \xff\xfe\0 end"])
        assert protocol.text_bytes(result.output) == b"\xe2\x82\xac \xff\xfe\0 end"

    def test_what_is_left_in_the_background_does_not_keep_a_command_open(self, rig: Rig) -> None:
        result = rig.run(["sh", "-c", "sleep 1000 & echo $!"], timeout_s=GONE_DEADLINE_S)
        assert not result.timed_out
        rig.run(["sh", "-c", f"kill {result.output}"]).check()

    def test_orphans_are_collected(self, rig: Rig) -> None:
        rig.run(["sh", "-c", "(sleep 0.01 & sleep 0.02 &) ; exit 0"]).check()
        script = "while grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null; do sleep 0.05; done"
        assert not rig.run(["sh", "-c", script], timeout_s=GONE_DEADLINE_S).timed_out

    def test_a_command_that_takes_too_long_is_ended(self, rig: Rig) -> None:
        result = rig.run(["sh", "-c", "echo here; sleep 1000"], timeout_s=0.5)
        assert (result.status, result.output, result.timed_out) == (-signal.SIGTERM, "here\n", True)

    def test_files_travel_both_ways(self, rig: Rig) -> None:
        data = os.urandom(3 * protocol.CHUNK_BYTES + 17)
        for content in (data, b"", data[: protocol.CHUNK_BYTES]):
            rig.put("/tmp/some/where/file", content, mode=0o750)
            assert rig.get("/tmp/some/where/file") == content
        assert rig.run(["stat", "-c", "%a", "/tmp/some/where/file"]).output == "750\n"
        with pytest.raises(GuestRefusedError, match="FileNotFoundError"):
            rig.get("/tmp/nothing")
        with pytest.raises(GuestRefusedError, match="refused"):
            rig.put("/proc/nothing/file", b"")

    def test_the_guest_is_as_the_drivers_need_it(self, rig: Rig) -> None:
        script = """
        import os, socket, time
        from pathlib import Path
        import drivers.errors, msgspec, trio
        print(os.getuid(), os.environ["FARHAND_RIG"])
        print(Path("/proc/sys/kernel/ctrl-alt-del").read_text().strip())
        print(Path("/proc/sys/kernel/sysrq").read_text().strip(), Path("/sys/kernel/config").is_mount())
        print(drivers.errors.__file__, int(time.time()))
        socket.create_server(("127.0.0.1", 0)).close()
        """
        result = rig.run(
            ["python3", "-c", "\n".join(line.strip() for line in script.splitlines())], directory="/"
        ).check()
        *words, now = result.output.split()
        assert words == ["0", "1", "0", "0", "True", "/tree/drivers/errors.py"]
        assert abs(int(now) - time.time()) < GONE_DEADLINE_S

    def test_the_tree_can_be_written_to_and_is_not_the_hosts(self, rig: Rig) -> None:
        rig.run(["sh", "-c", "echo x >>README.md && touch new && rm new"], directory="/tree").check()
        assert not (cache.TREE / "README.md").read_text().endswith("x\n")

    def test_a_port_is_reached_from_outside_and_nothing_from_inside(self, rig: Rig) -> None:
        with socket.create_server(("127.0.0.1", 0)) as host:
            host.settimeout(GONE_DEADLINE_S)
            threading.Thread(target=_accept_once, args=[host], daemon=True).start()
            port = rig.forward(8099)
            server = "import socket; s = socket.create_server(('', 8099)); s.accept()[0].send(b'from inside')"
            running = rig.start_command(["python3", "-c", server])
            assert _read_all("127.0.0.1", port) == b"from inside"
            running.wait().check()
            reach = "import socket, sys; socket.create_connection(('10.0.2.2', int(sys.argv[1])), 20)"
            result = rig.run(["python3", "-c", reach, str(host.getsockname()[1])])
            assert result.status == 1, result.output
            # The same listener is there for the host itself, so that it was the guest that was kept from it.
            assert _read_all("127.0.0.1", host.getsockname()[1]) == b"reached the host"

    def test_pytest_inside_tells_its_result(
        self, rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig.put("/tree/hil/kernel/tried/test_one.py", b"def test_one():\n    assert 1 + 1 == 3\n")
        printed: list[str] = []
        # The path exists in the guest only, so that it is found by the default selection.
        what = in_guest.PytestRun(("-q", "-k", "test_one", "-p", "no:randomly"), artefacts=tmp_path)
        assert in_guest.run_pytest(rig, what, printed.append) == 1
        rig.run(["rm", "-r", "/tree/hil/kernel/tried"]).check()
        assert "assert (1 + 1) == 3" in "".join(printed)
        assert 'failures="1"' in (tmp_path / "junit.xml").read_text()
        assert (tmp_path / "console.log").is_file()
        assert capsys.readouterr().err == ""

    def test_coverage_of_the_guest_is_the_projects(self, rig: Rig, tmp_path: Path) -> None:
        script = "import drivers.errors"
        rig.put("/tmp/covered.py", script.encode())
        command = [
            "python3",
            "-m",
            "coverage",
            "run",
            "--parallel-mode",
            "--data-file=/tmp/cov/data",
            "/tmp/covered.py",
        ]
        rig.run(["mkdir", "-p", "/tmp/cov"]).check()
        rig.run(command, directory="/tree").check()
        (name,) = rig.run(["ls", "/tmp/cov"]).check().output.split()
        in_guest.keep_coverage(rig.get(f"/tmp/cov/{name}"), tmp_path)
        (kept,) = tmp_path.glob(".coverage.rig.*")
        data = CoverageData(str(kept))
        data.read()
        assert str(tmp_path / "drivers/errors.py") in data.measured_files()
        data.close()


SIMPLE_GADGET = """
cd /sys/kernel/config/usb_gadget
case $1 in
up)
    modprobe usb_f_acm
    mkdir -p rig/configs/c.1 rig/functions/acm.0 && cd rig
    echo 0x1d6b >idVendor && echo 0x0104 >idProduct
    ln -s functions/acm.0 configs/c.1/ && echo dummy_udc.0 >UDC ;;
down)
    cd rig && echo >UDC && rm configs/c.1/acm.0
    rmdir configs/c.1 functions/acm.0 && cd .. && rmdir rig ;;
esac
"""
"""What composes the gadget is the product's; this serial port is enough to be configured."""


class TestStates:
    pytestmark = GUEST

    def test_a_gadget_and_a_source_come_and_go(self, own_rig: Rig) -> None:
        own_rig.put("/tmp/gadget.sh", SIMPLE_GADGET.encode())
        gadget = ["sh", "-eu", "/tmp/gadget.sh"]
        strategy = RigStrategy(own_rig, compose=[*gadget, "up"], decompose=[*gadget, "down"], booted=True)
        strategy.to("source_on")
        assert own_rig.run(["sh", "-c", "cat /sys/class/udc/*/state"]).output == "configured\n"
        lines = own_rig.run(["gpioinfo"]).check().output
        assert all(f'"{name}"' in lines for name in PANEL_LINES), lines
        assert "vivid" in own_rig.run(["v4l2-ctl", "--list-devices"]).output
        strategy.to("booted")
        left = "find /sys/class/udc/ /sys/class/video4linux/ /sys/kernel/config/*/ -mindepth 1 -type l"
        assert own_rig.run(["sh", "-c", left]).output == ""
        assert own_rig.run(
            ["ls", "/sys/kernel/config/usb_gadget", "/sys/kernel/config/gpio-sim"]
        ).output.split() == [
            "/sys/kernel/config/gpio-sim:",
            "/sys/kernel/config/usb_gadget:",
        ]
        strategy.to("gadget_up")
        strategy.to("off")
        assert strategy.state == "off"

    def test_without_a_command_that_composes_there_is_no_gadget(self, own_rig: Rig) -> None:
        strategy = RigStrategy(own_rig, booted=True)
        with pytest.raises(BrokenRigError, match=r"bring_gadget_up failed.*expected a command that composes"):
            strategy.to("gadget_up")
        assert strategy.state == "broken"


class TestCommandLine:
    pytestmark = GUEST

    def test_a_command_with_its_status_and_its_bytes(self) -> None:
        done = _command_line("exec", "--", "sh", "-c", r"printf 'a\377b'; pwd; exit 7")
        assert (done.returncode, done.stdout) == (7, b"a\xffb/tree\n"), done.stderr

    def test_a_run_of_nothing_has_pytests_status(self) -> None:
        done = _command_line("run", "-q", "drivers/wire/tests/test_debounce.py", "-k", "no_such_test")
        assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stderr
        assert b"deselected" in done.stdout

    def test_a_shell_for_people(self) -> None:
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ["PYTHONPATH"] = str(cache.TREE / "hil")
            os.execv(sys.executable, [sys.executable, "-m", "rig", "shell"])
        _wait_for(terminal, b"# ")
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 121, 0, 0))
        os.write(terminal, b"until [ \"$(stty size)\" = '33 121' ]; do sleep 0.1; done; echo si''ze; tty\n")
        _wait_for(terminal, b"size\r\n/dev/pts/")
        # Its own word says that the terminal is its, and no longer the shell's line editor's.
        os.write(terminal, b"sh -c \"echo run''ning; exec sleep 1000\"\n")
        _wait_for(terminal, b"running\r\n")
        os.write(terminal, b"\x03\n")
        _wait_for(terminal, b"^C")
        os.write(terminal, ESCAPE)
        while _read_terminal(terminal):
            pass
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        os.close(terminal)


class TestEnds:
    pytestmark = GUEST

    def test_a_guest_that_dies_is_reported_with_its_console(self, own_rig: Rig) -> None:
        own_rig.run(["sh", "-c", "echo 7 >/proc/sys/kernel/printk; echo 'last words' >/dev/kmsg"]).check()
        with pytest.raises(GuestDiedError, match=r"(?s)QEMU ended.*end of the console:.*last words"):
            own_rig.run(
                ["sh", "-c", "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 100"]
            )

    def test_an_agent_that_dies_is_the_end_of_the_guest(self, own_rig: Rig) -> None:
        with pytest.raises(GuestDiedError, match="the agent ended with -9"):
            own_rig.run(["sh", "-c", "kill -9 $PPID; sleep 100"])

    def test_a_guest_that_stands_still_is_reported(self, own_rig: Rig) -> None:
        own_rig.machine.qmp("stop")
        with pytest.raises(GuestTimeoutError, match="expected the guest to answer in time"):
            own_rig._ask(protocol.Hello, 1)
        own_rig.machine.qmp("cont")

    def test_closing_twice_and_using_it_afterwards(self, own_rig: Rig) -> None:
        pid, directory = own_rig.machine.pid, own_rig.machine.directory
        own_rig.close()
        own_rig.close()
        wait_until_gone(pid)
        assert not directory.exists()
        with pytest.raises(RigError, match="got one that is off"):
            own_rig.run(["true"])

    def test_a_killed_runner_leaves_no_qemu_behind(self) -> None:
        script = (
            "import threading\nfrom rig.rig import Rig\nrig = Rig()\n"
            # Started by a thread that has ended since, as test runners may do.
            "starter = threading.Thread(target=rig.start)\nstarter.start()\nstarter.join()\n"
            "print(rig.machine.pid, rig.run(['echo', 'alive']).output, flush=True)\n"
            "rig.run(['sleep', '1000'])\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(cache.TREE / "hil")}
        runner = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
        )
        try:
            assert runner.stdout is not None
            pid, word = runner.stdout.readline().split()
            assert word == "alive"
        finally:
            runner.kill()
            runner.communicate(timeout=GONE_DEADLINE_S)
        wait_until_gone(int(pid))

    def test_a_saved_machine_that_does_not_load_is_dropped(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Rig() as first:
            first.run(["true"]).check()
        with Rig() as rig:
            assert rig.restored
            state = _state_of(rig)
        good = state.with_name("keep-this")
        state.rename(good)
        try:
            state.write_bytes(b"no machine at all")
            # The one that is saved instead does not stay, so it need not be as warm.
            monkeypatch.setattr("rig.rig.WARM_COMMAND", "true")
            with Rig() as rig:
                assert not rig.restored
                assert rig.run(["echo", "booted"]).output == "booted\n"
            assert "does not come up, it is dropped" in capsys.readouterr().err
            assert state.stat().st_size > 1 << 20
        finally:
            good.rename(state)


def _state_of(rig: Rig) -> Path:
    words = Path(f"/proc/{rig.machine.pid}/cmdline").read_bytes().decode().split("\0")
    return Path(words[words.index("-incoming") + 1].removeprefix("exec:cat ").strip("'"))


def _accept_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"reached the host")


def _read_all(host: str, port: int) -> bytes:
    """Read until the end, and try again while nobody listens inside yet."""
    end = time.monotonic() + GONE_DEADLINE_S
    while True:
        data = b""
        try:
            with socket.create_connection((host, port), GONE_DEADLINE_S) as connection:
                while piece := connection.recv(4096):
                    data += piece
        except ConnectionError:
            # QEMU accepts at once, and resets when the guest does not.
            pass
        if data or time.monotonic() > end:
            return data
        time.sleep(0.05)


def _command_line(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(cache.TREE / "hil")}
    command = [sys.executable, "-m", "rig", *arguments]
    return subprocess.run(command, capture_output=True, env=environment, timeout=600, check=False)


def _read_terminal(terminal: int) -> bytes:
    ready, _, _ = select.select([terminal], [], [], GONE_DEADLINE_S)
    assert ready, "the terminal stays silent"
    try:
        return os.read(terminal, 4096)
    except OSError as error:
        # So ends a terminal whose last user is gone.
        if error.errno != errno.EIO:
            raise
        return b""


def _wait_for(terminal: int, expected: bytes) -> None:
    seen = b""
    while expected not in seen:
        data = _read_terminal(terminal)
        assert data, f"expected {expected!r} on the terminal, got {seen!r}"
        seen += data
