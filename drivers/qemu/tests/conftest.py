"""A running QEMU machine with the demo guest, and the means to type on it and to read its screen."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest
import trio
from PIL import Image

from drivers.errors import HostNotReadyError
from drivers.ports import NoSignal
from drivers.qemu.launch import DEFAULT_BINARY
from drivers.qemu.machine import QemuMachine
from drivers.video.frame import Frame
from drivers.wire.hid_report import KeyboardReports
from drivers.wire.hid_usages import KEYS

ROOT = Path(__file__).parents[3]

# Emulation on a loaded machine with one core to spare boots to the menu in 2 to 10 s.
GUEST_DEADLINE_S = 60.0
# How often the screen is read; each reading takes 30 ms.
READ_INTERVAL_S = 0.1


def _load(name: str) -> ModuleType:
    """Load a module of the hil folder, which is no package that the drivers could import."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "hil" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def guest() -> ModuleType:
    """hil/qemu_guest.py: its builder and the texts that it shows."""
    return _load("qemu_guest")


@pytest.fixture(scope="session")
def demo_iso(guest: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo guest's image."""
    path: Path = guest.build_demo_iso(tmp_path_factory.mktemp("guest"))
    return path


class Console:
    """A person at the machine: eyes and hands."""

    def __init__(self, machine: QemuMachine, screen_text: ModuleType) -> None:
        self.machine = machine
        self._screen_text = screen_text
        self._keyboard = KeyboardReports()

    async def picture(self) -> Frame | NoSignal:
        async with self.machine.video.open(max_fps=0) as stream:
            return await stream.next()

    async def lines(self) -> list[str]:
        """What is on the screen now; no lines without a picture."""
        frame = await self.picture()
        if isinstance(frame, NoSignal):
            return []
        image = Image.frombuffer(
            "RGB", (frame.width, frame.height), bytes(frame.data), "raw", "BGRX", frame.stride_bytes, 1
        )
        frame.release()
        if not self._screen_text.is_text_mode(image):
            return []
        lines: list[str] = self._screen_text.read_text_mode(image)
        return lines

    async def wait_for_line(self, accept: Callable[[str], bool]) -> str:
        """Wait for a line that *accept* likes and return it; fails with the screen's content."""
        lines: list[str] = []
        with trio.move_on_after(GUEST_DEADLINE_S):
            while True:
                lines = await self.lines()
                for line in lines:
                    if accept(line):
                        return line
                await trio.sleep(READ_INTERVAL_S)
        pytest.fail("the awaited text did not appear, the screen is:\n" + "\n".join(lines))

    async def wait_for_text(self, text: str) -> str:
        return await self.wait_for_line(lambda line: text in line)

    async def press(self, *names: str) -> None:
        """Press keys together and release them."""
        for name in names:
            await self._write(self._keyboard.press(KEYS[name]))
        for name in reversed(names):
            await self._write(self._keyboard.release(KEYS[name]))

    async def type(self, text: str) -> None:
        for character in text:
            await self.press(*_STROKES[character])

    async def _write(self, reports: list[bytes]) -> None:
        for report in reports:
            with trio.fail_after(GUEST_DEADLINE_S):
                # As the HID subsystem does: a report that the guest did not take is repeated.
                while True:
                    try:
                        await self.machine.keyboard.write(report)
                        break
                    except HostNotReadyError:
                        await trio.sleep(READ_INTERVAL_S)


_STROKES: dict[str, tuple[str, ...]] = {
    **{letter: (f"Key{letter.upper()}",) for letter in "abcdefghijklmnopqrstuvwxyz"},
    **{digit: (f"Digit{digit}",) for digit in "0123456789"},
    " ": ("Space",),
    "\n": ("Enter",),
    "-": ("Minus",),
    "_": ("ShiftLeft", "Minus"),
    "$": ("ShiftLeft", "Digit4"),
    ";": ("Semicolon",),
    "(": ("ShiftLeft", "Digit9"),
    ")": ("ShiftLeft", "Digit0"),
    "/": ("Slash",),
    ",": ("Comma",),
}


@pytest.fixture
def qemu_pid() -> Callable[[], int]:
    """Finds the process id of the only QEMU among our children."""

    def find() -> int:
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        (pid,) = [int(child) for child in children if "qemu" in Path(f"/proc/{child}/comm").read_text()]
        return pid

    return find


type RunMachine = Callable[..., AbstractAsyncContextManager[Console]]


@pytest.fixture(scope="session")
def qemu_binary() -> str:
    """The QEMU under test; the variable makes it possible to try another version."""
    return os.environ.get("FARHAND_TEST_QEMU", DEFAULT_BINARY)


@pytest.fixture
def run_machine(qemu_binary: str) -> RunMachine:
    """A context manager that runs a machine with the given QEMU arguments, off at first."""
    screen_text = _load("screen_text")

    @asynccontextmanager
    async def run(*arguments: str, attach: Path | None = None) -> AsyncGenerator[Console]:
        machine = QemuMachine(qemu_binary, ("-m", "64", *arguments), attach=attach)
        async with trio.open_nursery() as nursery:
            await nursery.start(machine.run)
            yield Console(machine, screen_text)
            nursery.cancel_scope.cancel()

    return run
