"""The USB gadget as a running whole: composed, bound, its nodes open, its host watched.

`run` is what a supervisor keeps going; run anew it composes what is missing and leaves alone what is there,
so that a restart of the appliance is not seen by the host. Ending it leaves the gadget bound; `remove` takes
it away. Releasing keys at the end is the HID service's business, drives and their media are `lun`'s.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import trio

from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    HostNotReadyError,
    NotSupportedError,
)
from drivers.fanout import Fanout
from drivers.gadget import configfs
from drivers.gadget.composer import Composer, DirectComposer
from drivers.gadget.configfs import CONFIGFS, UDC_CLASS, GadgetDirectory
from drivers.gadget.hand_over import node_of
from drivers.gadget.hid import GadgetKeyboard, GadgetPointer
from drivers.gadget.spec import GadgetSpec, HidFunction, HidRole, MassStorageFunction
from drivers.gadget.udc import UdcLink
from drivers.system.command import run_command

logger = logging.getLogger(__name__)

COMPOSE_DEADLINE_S: Final = 30.0
"""Some hundred small writes and one binding: half a second, several on a board that loads modules for it."""

CHANGE_DEADLINE_S: Final = 2 * COMPOSE_DEADLINE_S
"""For `set_linked`: an earlier change may be under way."""

UNBOUND: Final = "the USB gadget is not bound to its controller: it was unplugged on purpose"

type Port = GadgetKeyboard | GadgetPointer


@dataclasses.dataclass(frozen=True, slots=True)
class Composition:
    """What the gadget is: the controller it is for, whether it is bound to it, which functions are linked."""

    udc: str
    bound: bool
    linked: frozenset[str]


class UsbGadget:
    """What *spec* says, on this machine's controller.

    *composer* composes it, this process itself if it is None; the other arguments are for other mounts.
    """

    def __init__(
        self,
        spec: GadgetSpec,
        *,
        composer: Composer | None = None,
        configfs_root: Path = CONFIGFS,
        udc_class: Path = UDC_CLASS,
    ) -> None:
        self._spec = spec
        self._configfs_root = configfs_root
        self._directory = GadgetDirectory(spec.name, configfs=configfs_root, udc_class=udc_class)
        self._composer = DirectComposer(self._directory) if composer is None else composer
        self._link = UdcLink(udc_class=udc_class)
        self._ports: dict[str, Port] = {}
        for function in spec.functions:
            if isinstance(function, HidFunction):
                kind = GadgetKeyboard if function.role is HidRole.KEYBOARD else GadgetPointer
                self._ports[function.name] = kind(function, self._link)
        self._left_out: Mapping[str, str] = {}
        self._linked: frozenset[str] = frozenset()
        # Held by the thread that composes: one that missed its deadline must not meet another one.
        self._composing = threading.Lock()
        # One at a time, since each changes the whole.
        self._change = trio.Lock()
        self._inner: trio.CancelScope | None = None
        self._answers: trio.MemorySendChannel[DriverError | None] | None = None
        self._running = False
        self._composed = trio.Event()
        self._composition: Composition | None = None
        # Bound 1: only the newest composition matters.
        self._compositions = Fanout[Composition | None](1)

    @property
    def keyboard(self) -> GadgetKeyboard | None:
        """The keyboard, if the gadget has one."""
        return next((port for port in self._ports.values() if isinstance(port, GadgetKeyboard)), None)

    @property
    def mice(self) -> tuple[GadgetPointer, ...]:
        """The mice in the order of the functions; each says whether it is absolute."""
        return tuple(port for port in self._ports.values() if isinstance(port, GadgetPointer))

    @property
    def link(self) -> UdcLink:
        """The cable to the host."""
        return self._link

    @property
    def spec(self) -> GadgetSpec:
        """What the gadget shall be, changes by `set_linked` and `set_bound` included."""
        return self._spec

    @property
    def left_out(self) -> Mapping[str, str]:
        """Which functions the host does not see, and why, in words. As of the last composition."""
        return self._left_out

    def controllers(self) -> list[str]:
        """Return the controllers that it could be composed on. Blocks for a moment."""
        return self._directory.fitting_udcs(self._spec.udc)

    def lun_directories(self, function: str) -> tuple[Path, ...]:
        """Return the drives of a mass-storage function, such as mass_storage.usb0. Raises KeyError."""
        for one in self._spec.functions:
            if isinstance(one, MassStorageFunction) and one.name == function:
                at = self._directory.path / "functions" / one.name
                return tuple(at / f"lun.{number}" for number in range(len(one.luns)))
        raise KeyError(function)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Compose and serve until cancelled; `started` once the ports work.

        Raises DriverError: no configfs, no controller, a foreign gadget on it, no permission, gone, unbound.
        """
        worked: GadgetSpec | None = None
        self._running = True
        try:
            while True:
                try:
                    await self._load_configfs()
                    udc = await self._in_thread("composing the USB gadget", self._compose)
                except DriverError as exc:
                    if worked is None or worked is self._spec:
                        raise
                    # A change that somebody asked for does not work: they are told, and all is as it was.
                    self._spec = worked
                    self._answer(exc)
                    continue
                status = task_status if worked is None else trio.TASK_STATUS_IGNORED
                worked = self._spec
                try:
                    with trio.CancelScope() as self._inner:
                        await self._serve(udc, status)
                finally:
                    self._inner = None
                for port in self._ports.values():
                    port.pause()
        finally:
            self._running = False
            self._composed = trio.Event()
            self._tell(None)
            for port in self._ports.values():
                port.detach(DeviceGoneError("the USB gadget is not running"))
            self._answer(DeviceGoneError("the USB gadget stopped"))

    async def wait_composed(self) -> None:
        """Wait until it is composed and serves, for those who use a part of it."""
        await self._composed.wait()

    def compositions(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Composition | None]]:
        """What it is, now and after each change; None while it is not composed. Bound 1, newest wins."""
        return self._compositions.listen(self._composition)

    async def set_bound(self, bound: bool) -> None:
        """Bind it to its controller, or unbind it, which the host sees as the cable being pulled.

        Raises DeviceGoneError while `run` does not run, and DriverError; then everything is as it was.
        """
        async with self._change:
            self._require_running()
            if bound is not self._spec.bound:
                await self._become(dataclasses.replace(self._spec, bound=bound), "the USB gadget")

    async def set_linked(self, name: str, linked: bool) -> None:
        """Show function *name* to the host, or hide it; the host sees the whole gadget leave and return.

        Raises KeyError if there is no such function, DeviceGoneError while `run` does not run, and
        DriverError if it cannot be shown (no endpoints left); then everything is as it was.
        """
        if name not in {function.name for function in self._spec.functions}:
            raise KeyError(name)
        async with self._change:
            self._require_running()
            enabled, disabled = self._spec.enabled - {name}, self._spec.disabled - {name}
            wanted = (
                dataclasses.replace(self._spec, enabled=enabled | {name}, disabled=disabled)
                if linked
                else dataclasses.replace(self._spec, enabled=enabled, disabled=disabled | {name})
            )
            selection = wanted.select()
            if linked and name in selection.left_out:
                raise DeviceBusyError(selection.left_out[name])
            if selection.linked == self._spec.select().linked:
                self._spec = wanted
                return
            await self._become(wanted, name)

    async def remove(self) -> None:
        """Take the gadget away: the host sees it unplugged. Not while `run` runs. Raises DriverError."""
        if self._running:
            raise DeviceBusyError("the USB gadget is running; stop it first")
        await self._in_thread("removing the USB gadget", self._remove)

    def statistics(self) -> dict[str, dict[str, int]]:
        """Return the ports' counts by function."""
        return {name: port.statistics() for name, port in self._ports.items()}

    async def _become(self, wanted: GadgetSpec, what: str) -> None:
        """Let `run` compose *wanted*. Raises DriverError if it cannot, and then everything is as it was."""
        inner = self._require_running()
        # Bound 1: exactly one answer.
        self._answers, answers = trio.open_memory_channel[DriverError | None](1)
        self._spec = wanted
        inner.cancel()
        error: DriverError | None = DeviceTimeoutError(
            f"{what} was not changed within {CHANGE_DEADLINE_S} s - see the log"
        )
        with trio.move_on_after(CHANGE_DEADLINE_S):
            error = await answers.receive()
        if error is not None:
            raise error

    def _require_running(self) -> trio.CancelScope:
        if self._inner is None:
            raise DeviceGoneError("the USB gadget is not running")
        return self._inner

    def _tell(self, composition: Composition | None) -> None:
        if composition != self._composition:
            self._composition = composition
            self._compositions.publish(composition)

    # -- composing -----------------------------------------------------------------------------------------

    async def _load_configfs(self) -> None:
        gadgets = self._configfs_root / "usb_gadget"
        if gadgets.is_dir():
            return
        if not self._configfs_root.is_dir():
            raise NotSupportedError(
                f"expected configfs at {self._configfs_root}, got nothing - mount it "
                "(mount -t configfs none /sys/kernel/config), or use a kernel with CONFIG_CONFIGFS_FS"
            )
        done = await run_command(["modprobe", "libcomposite"])
        if not gadgets.is_dir():
            said = f" (modprobe libcomposite ended with {done.exit_status})"
            raise NotSupportedError(
                f"expected {gadgets}, got nothing{said} - use a kernel with CONFIG_USB_LIBCOMPOSITE and "
                "CONFIG_USB_CONFIGFS, and run as root"
            )

    async def _in_thread[T](self, what: str, call: Callable[[], T]) -> T:
        def alone() -> T:
            if not self._composing.acquire(blocking=False):
                raise DeviceBusyError(f"{what}: an earlier attempt still hangs in the kernel - see its log")
            try:
                return call()
            finally:
                self._composing.release()

        try:
            with trio.fail_after(COMPOSE_DEADLINE_S):
                # Abandoning is safe: what an abandoned thread still does, the lock keeps apart from the next
                # attempt, and that one starts from whatever it finds.
                return await trio.to_thread.run_sync(alone, abandon_on_cancel=True)
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"{what} did not end within {COMPOSE_DEADLINE_S} s - see the kernel log"
            ) from None

    def _compose(self) -> str:
        done = self._composer.compose(self._spec)
        self._left_out, self._linked = done.left_out, done.linked
        if not self._spec.bound:
            self._left_out = dict.fromkeys((function.name for function in self._spec.functions), UNBOUND)
        for reason in dict.fromkeys(self._left_out.values()):
            logger.warning("USB gadget: %s", reason)
        return done.udc

    def _remove(self) -> None:
        configfs.remove(self._directory)

    # -- serving -------------------------------------------------------------------------------------------

    async def _serve(self, udc: str, task_status: trio.TaskStatus[None]) -> None:
        failure: DriverError | None = None
        with ExitStack() as stack:
            try:
                for name, port in self._ports.items():
                    if name in self._left_out:
                        # As it shall be, and no fault to be tried again and again.
                        port.detach(HostNotReadyError(self._left_out[name]))
                    else:
                        stack.enter_context(port.attached(self._node_of(port.function)))
                async with trio.open_nursery() as nursery:
                    if len(self._left_out) < len(self._spec.functions):
                        await nursery.start(self._link.run, udc, partial(self._check, udc))
                    for name, port in self._ports.items():
                        if isinstance(port, GadgetKeyboard) and name not in self._left_out:
                            nursery.start_soon(port.read_leds)
                    self._tell(Composition(udc, self._spec.bound and bool(self._linked), self._linked))
                    self._answer(None)
                    self._composed.set()
                    task_status.started()
                    await trio.sleep_forever()
            except* DriverError as group:
                # The tasks fail for one reason: the first of them is enough.
                failure = _first(group)
        if failure is not None:
            raise failure

    def _answer(self, error: DriverError | None) -> None:
        """Tell whoever waits for a change how it went."""
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.send_nowait(error)

    def _check(self, udc: str) -> None:
        # An attribute that only shows a variable: reading it does not block.
        try:
            bound = self._directory.bound_to()
        except OSError as exc:
            raise DeviceGoneError(f"the USB gadget's directory does not answer: {exc}") from exc
        if bound != udc:
            raise DeviceGoneError(
                f"expected the USB gadget to be bound to {udc}, got {bound or 'nothing'} - something else "
                "changed it; it is composed again"
            )

    def _node_of(self, function: HidFunction) -> Path:
        if function.device is not None:
            return function.device
        return node_of(self._directory.path / "functions" / function.name / "dev")


def _first(group: BaseExceptionGroup[DriverError]) -> DriverError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
