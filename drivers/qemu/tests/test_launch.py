from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from drivers.errors import DeviceGoneError, NotSupportedError
from drivers.qemu import launch
from drivers.qemu.launch import accelerator_arguments, command_line
from drivers.qemu.machine import QemuMachine

ROOT = Path(__file__).parents[3]


@pytest.fixture
def hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer that can virtualise: its device, processor flags and (absent) modules."""
    (tmp_path / "kvm").touch()
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu vme vmx smx\n")
    monkeypatch.setattr(launch, "_KVM_DEVICE", tmp_path / "kvm")
    monkeypatch.setattr(launch, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(launch, "_KVM_PVM_MODULE", tmp_path / "kvm_pvm")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return tmp_path


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def assert_no_children() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_kvm_where_it_works(hardware: Path) -> None:
    assert accelerator_arguments(["-m", "512"], {}) == ["-accel", "kvm"]


def test_no_kvm_in_a_kvm_pvm_guest_where_guests_would_hang(hardware: Path) -> None:
    (hardware / "kvm_pvm").mkdir()
    assert accelerator_arguments([], {}) == ["-accel", "tcg"]


def test_no_kvm_without_the_device(hardware: Path) -> None:
    (hardware / "kvm").unlink()
    assert accelerator_arguments([], {}) == ["-accel", "tcg"]


def test_no_kvm_without_the_processor_flag(hardware: Path) -> None:
    (hardware / "cpuinfo").write_text("flags\t\t: fpu vme hypervisor\n")
    assert accelerator_arguments([], {}) == ["-accel", "tcg"]


def test_no_kvm_for_another_architecture(hardware: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert accelerator_arguments([], {}) == ["-accel", "tcg"]


def test_the_environment_overrides(hardware: Path) -> None:
    assert accelerator_arguments([], {"FARHAND_QEMU_ACCEL": "tcg"}) == ["-accel", "tcg"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-accel", "tcg"],
        ["-m", "1", "--accel", "kvm"],
        ["-enable-kvm"],
        ["-machine", "q35,accel=kvm:tcg"],
        ["-M", "accel=tcg"],
    ],
)
def test_the_users_arguments_win(hardware: Path, arguments: list[str]) -> None:
    assert accelerator_arguments(arguments, {"FARHAND_QEMU_ACCEL": "kvm"}) == []


def test_another_machine_type_is_no_choice_of_accelerator(hardware: Path) -> None:
    assert accelerator_arguments(["-machine", "q35"], {}) == ["-accel", "kvm"]


@pytest.mark.fault("QEMU", "missing")
def test_a_missing_qemu_names_the_package() -> None:
    with pytest.raises(NotSupportedError, match="found none: install Debian's qemu-system-x86"):
        command_line("qemu-system-that-is-not-there", [], {}, 3)


def test_an_argument_that_would_orphan_qemu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotSupportedError, match="without -daemonize"):
        command_line("sh", ["-daemonize"], {}, 3)


async def test_a_missing_qemu_leaves_nothing_open() -> None:
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(NotSupportedError):
            await QemuMachine("qemu-system-that-is-not-there").run()
    assert open_descriptors() == before


@pytest.mark.qemu
async def test_a_wrong_argument_is_told_in_qemus_words(qemu_binary: str) -> None:
    before = open_descriptors()
    with pytest.raises(DeviceGoneError, match=r"ended with exit status 1: .*-no-such-option: invalid option"):
        await QemuMachine(qemu_binary, ["-no-such-option"]).run()
    assert open_descriptors() == before


@pytest.mark.qemu
async def test_cancelling_ends_and_reaps_qemu_and_leaves_nothing_open(qemu_binary: str) -> None:
    before = open_descriptors()
    for _ in range(2):
        machine = QemuMachine(qemu_binary, ["-m", "16"])
        async with trio.open_nursery() as nursery:
            await nursery.start(machine.run)
            await machine.power_switch.pulse(0.01)
            nursery.cancel_scope.cancel()
    assert_no_children()
    assert open_descriptors() == before
    assert not any("farhand-qemu-" in name for name in os.listdir(tempfile.gettempdir()))  # noqa: PTH208


@pytest.mark.qemu
async def test_a_qemu_that_does_not_heed_sigterm_is_killed(
    qemu_binary: str, qemu_pid: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "TERMINATE_DEADLINE_S", 0.2)
    async with trio.open_nursery() as nursery:
        await nursery.start(QemuMachine(qemu_binary, ["-m", "16"]).run)
        os.kill(qemu_pid(), signal.SIGSTOP)
        nursery.cancel_scope.cancel()
    assert_no_children()


_PARENT = """
import sys, trio
from drivers.qemu.launch import QemuProcess

async def main():
    process = QemuProcess.start(sys.argv[1], ["-m", "16"])
    await process.qmp_stream().receive_some()
    print(process.pid, flush=True)
    await trio.sleep_forever()

trio.run(main)
"""


def start_parent(qemu_binary: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PARENT, qemu_binary], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.qemu
async def test_qemu_dies_with_a_parent_that_is_killed(qemu_binary: str) -> None:
    parent = start_parent(qemu_binary)
    try:
        assert parent.stdout is not None
        pid = int(await trio.to_thread.run_sync(parent.stdout.readline))
        assert _alive(pid)
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout is not None:
            parent.stdout.close()
    with trio.fail_after(30):
        while _alive(pid):
            await trio.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    # A zombie has ended; whoever adopted it reaps it in its own time.
    return stat.rsplit(")", 1)[1].split()[0] != "Z"
