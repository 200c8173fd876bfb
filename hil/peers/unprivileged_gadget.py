"""A service without rights: the product's gadget and drive, composed by the privileged process.

`python3 -m peers.unprivileged_gadget SOCKET CONTROLLER SERIAL`; see `peers.privileged`. Each line of its
standard input is a JSON list, an act and its arguments; each line of its output is what came of it.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from drivers.errors import DeviceBusyError, DeviceTimeoutError, DriverError
from drivers.gadget.gadget import UsbGadget
from drivers.gadget.lun import LunSlot
from drivers.gadget.spec import Lun, MassStorageFunction
from drivers.ports import Medium
from firmware.privileged.client import PrivilegedHelper
from peers.compose_gadget import default_spec
from peers.usb_host import write

DEADLINE_S = 180.0
RETRY_S = 1.0
DRIVE = "mass_storage.usb0"


class Service:
    """What a line can ask for: the methods without an underscore."""

    def __init__(self, nursery: trio.Nursery, socket: str, controller: str, serial: str) -> None:
        self._nursery = nursery
        spec = default_spec()
        functions = (
            *(one for one in spec.functions if one.name != DRIVE),
            MassStorageFunction("usb0", (Lun(), Lun(cdrom=False, ro=False))),
        )
        self._helper = PrivilegedHelper(Path(socket), answer_s=DEADLINE_S)
        self._gadget = UsbGadget(
            dataclasses.replace(spec, functions=functions, udc=controller, serial=serial),
            composer=self._helper,
        )
        self._slot: LunSlot | None = None
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._ended.set()

    async def start(self) -> list[str]:
        """Compose, once the run before has ended; return the functions that the host sees.

        On a busy machine the privileged process may take long to start: it is asked again, as supervisors do.
        """
        await self.wait_ended()
        give_up_at = trio.current_time() + DEADLINE_S
        while True:
            self._scope, self._ended = trio.CancelScope(), trio.Event()
            try:
                await self._nursery.start(self._run)
                break
            except (DeviceTimeoutError, DeviceBusyError):
                if trio.current_time() > give_up_at:
                    raise
                await trio.sleep(RETRY_S)
        return sorted(one.name for one in self._gadget.spec.select().linked)

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        scope, ended = self._scope, self._ended
        started = False

        class Status:
            def started(self, value: None = None) -> None:
                nonlocal started
                started = True
                task_status.started(value)

        with scope:
            try:
                await self._gadget.run(task_status=Status())
            except DriverError:
                # Once it ran, a fault is the supervisor's, who starts it again.
                if not started:
                    raise
            finally:
                ended.set()

    async def wait_ended(self) -> None:
        """Wait until the run has ended: stopped, or by a fault."""
        with trio.fail_after(DEADLINE_S):
            await self._ended.wait()

    async def stop(self) -> None:
        """Let go of the gadget; it stays bound."""
        self._scope.cancel()

    async def watch(self, lun: int) -> None:
        """Watch a drive from now on."""
        self._slot = LunSlot(self._gadget.lun_directories(DRIVE)[lun])
        await self._nursery.start(self._slot.run)

    async def insert(self, path: str, cdrom: bool, rw: bool) -> None:
        """Put an image into the drive."""
        assert self._slot is not None
        await self._slot.insert(Medium(Path(path), cdrom, rw=rw))

    async def eject(self, force: bool) -> None:
        """Take it out."""
        assert self._slot is not None
        await self._slot.eject(force=force)

    async def press(self, report: str) -> None:
        """Send a keyboard report."""
        assert self._gadget.keyboard is not None
        with trio.fail_after(DEADLINE_S):
            await write(self._gadget.keyboard, bytes.fromhex(report))

    async def wake(self) -> None:
        """Wake the host."""
        await self._gadget.link.wake()

    async def link(self, name: str, linked: bool) -> None:
        """Show or hide a function."""
        await self._gadget.set_linked(name, linked)

    async def bind(self, bound: bool) -> None:
        """Plug or unplug."""
        await self._gadget.set_bound(bound)

    async def put(self, path: str, text: str) -> None:
        """Try to write a file that is there."""
        await trio.to_thread.run_sync(_put, Path(path), text)

    async def make(self, path: str) -> None:
        """Try to make a directory."""
        await trio.Path(path).mkdir()


def _put(path: Path, text: str) -> None:
    with path.open("r+") as file:
        file.write(text)


async def _main() -> None:
    async with trio.open_nursery() as nursery:
        service = Service(nursery, *sys.argv[1:])
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            name, *arguments = json.loads(line)
            act: Callable[..., Awaitable[Any]] = getattr(service, name)
            try:
                result: Any = await act(*arguments)
            except (DriverError, OSError) as exc:
                result = {"error": type(exc).__name__, "text": str(exc)}
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(_main)
