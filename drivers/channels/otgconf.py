"""The USB gadget itself as channels: the whole plugged or unplugged, its functions shown or hidden.

Works through the gadget's own commands, whose task composes it, and never beside it. Must never set anything
at start: what is shown then is said where the gadget is configured (`otg/devices/*/start`), and an output's
`initial` would take the keyboard away by its mere default.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import trio

from drivers.errors import DeviceGoneError, NotSupportedError
from drivers.fanout import Fanout
from drivers.gadget.gadget import Composition
from drivers.gadget.spec import GadgetSpec

logger = logging.getLogger(__name__)

UDC_PIN: Final = "udc"
"""The pin that stands for the whole gadget; the others are names of functions, such as mass_storage.usb0."""


class Gadget(Protocol):
    """What is needed of the gadget: `drivers.gadget.gadget.UsbGadget`, or another one in tests."""

    @property
    def spec(self) -> GadgetSpec:
        """What it shall be."""
        ...

    def compositions(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Composition | None]]:
        """What it is, now and after each change."""
        ...

    async def set_bound(self, bound: bool) -> None:
        """Bind it, or not. Raises DriverError."""
        ...

    async def set_linked(self, name: str, linked: bool) -> None:
        """Show a function, or hide it. Raises DriverError."""
        ...


class OtgconfDriver:
    """Implements `drivers.ports.ChannelDriver` on *gadget*, None if the board has none.

    *pins* are those in use. *udc*: the controller that is expected, "" = any. *init_delay_s*: how long the
    gadget may take at start before its channels are shown offline.
    """

    def __init__(self, gadget: Gadget | None, pins: Sequence[str], *, udc: str, init_delay_s: float) -> None:
        self._gadget = gadget
        self._pins = pins
        self._udc = udc
        self._init_delay_s = init_delay_s
        self._now: Composition | None = None
        # Bound 1: it only says that there is something to read.
        self._changes = Fanout[None](1)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the gadget until cancelled. Raises NotSupportedError if there is none, or on another UDC."""
        try:
            async with self._there().compositions() as compositions:
                with trio.move_on_after(self._init_delay_s):
                    while self._now is None:
                        self._take(await compositions.receive())
                self._warn_of_unknown_pins()
                task_status.started()
                async for composition in compositions:
                    self._take(composition)
        finally:
            self._now = None

    async def read(self, pin: str) -> bool:
        """Return whether the gadget is bound, or a function linked. Raises DriverError."""
        await trio.lowlevel.checkpoint()
        self._require_pin(pin)
        if self._now is None:
            raise DeviceGoneError("the USB gadget is not composed")
        return self._now.bound if pin == UDC_PIN else pin in self._now.linked

    async def write(self, pin: str, level: bool) -> None:
        """Bind the gadget or link a function, or the contrary; the host sees it go and come.

        Raises DriverError, as when no endpoints are left; then everything is as it was.
        """
        self._require_pin(pin)
        if pin == UDC_PIN:
            await self._there().set_bound(level)
        else:
            await self._there().set_linked(pin, level)

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        """See `ChannelDriver.changes`."""
        return self._changes.listen()

    def _take(self, composition: Composition | None) -> None:
        if composition is not None and self._udc not in ("", composition.udc):
            raise NotSupportedError(
                f"expected the USB gadget on {self._udc}, got it on {composition.udc} - correct udc of "
                "the GPIO driver, or otg/udc"
            )
        self._now = composition
        self._changes.publish(None)

    def _there(self) -> Gadget:
        if self._gadget is None:
            raise NotSupportedError("this board has no USB gadget")
        return self._gadget

    def _warn_of_unknown_pins(self) -> None:
        for pin in self._pins:
            try:
                self._require_pin(pin)
            except NotSupportedError as exc:
                logger.warning("otgconf: %s", exc)

    def _require_pin(self, pin: str) -> None:
        names = [UDC_PIN, *(function.name for function in self._there().spec.functions)]
        if pin not in names:
            raise NotSupportedError(f"expected one of {', '.join(names)}, got {pin!r} - at the pin")
