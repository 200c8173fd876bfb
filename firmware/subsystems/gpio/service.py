"""The GPIO subsystem: user-defined channels on drivers that each fail alone (contract subsystems.md 6).

An output is a region that one action at a time may use. An action that has begun is finished whatever happens
to the client that asked for it; only the end of the appliance cuts a pulse short, and then it is released.
Knows no device: drivers stand behind `drivers.ports.ChannelDriver`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import msgspec
import trio

from drivers.errors import DeviceTimeoutError, DriverError
from drivers.ports import ChannelDriver
from firmware.core.cell import Cell
from firmware.core.errors import OperationError
from firmware.core.supervise import Supervisor
from firmware.state.gpio import GpioInputState, GpioLevels, GpioModel, GpioOutputState, GpioState
from firmware.subsystems.gpio.channels import (
    can_pulse,
    inputs_of,
    make_scheme,
    outputs_of,
    pulse_seconds,
)
from firmware.subsystems.gpio.config import GpioConfig, GpioOutputConfig
from firmware.subsystems.gpio.view import make_view

logger = logging.getLogger(__name__)

READ_DEADLINE_S: Final = 5.0
"""All channels of one driver: a line takes microseconds, most drivers answer from their last poll."""
WRITE_DEADLINE_S: Final = 60.0
"""Drivers have deadlines of their own, the longest is a command's (30 s); this is for one that hangs."""
RELEASE_DEADLINE_S: Final = 6.0
"""The end of a pulse, which nothing cancels: above the time that network devices get by default (5 s), and
well below what the appliance has for its own end."""


class GpioChannelNotFoundError(OperationError):
    """There is no such output."""


class GpioSwitchNotSupported(OperationError):  # noqa: N818 - the contract's name
    """The output cannot be switched."""


class GpioPulseNotSupported(OperationError):  # noqa: N818 - the contract's name
    """The output cannot be pulsed."""


class GpioDriverOfflineError(OperationError):
    """The channel's driver could not do it."""


class GpioChannelIsBusyError(OperationError):
    """Another action is using the output."""

    status = 409


class _Action(msgspec.Struct):
    """A reserved action on its way to the driver; `error` is set when it is `done` and went wrong."""

    channel: str
    perform: Callable[[], Awaitable[None]]
    done: trio.Event
    error: GpioDriverOfflineError | None = None


class GpioService:
    """Handle and service of the GPIO subsystem; `state` is the cell that the API shows.

    *drivers* holds those that channels use, by their configured names.
    """

    def __init__(
        self, config: GpioConfig, *, drivers: Mapping[str, ChannelDriver], supervisor: Supervisor
    ) -> None:
        self._drivers = drivers
        self._supervisor = supervisor
        self._inputs = inputs_of(config)
        self._outputs = outputs_of(config)
        self._running: set[str] = set()
        self._reading = {name: trio.Lock() for name in drivers}
        self._counts = {"switches": 0, "pulses": 0, "failures": 0}
        scheme = make_scheme(config)
        self.state = Cell(
            GpioState(
                GpioModel(scheme, make_view(config.view, scheme)),
                GpioLevels(
                    {name: GpioInputState() for name in scheme.inputs},
                    {name: GpioOutputState() for name in scheme.outputs},
                ),
            )
        )
        # Bound: every output has at most one action, which is reserved before it is sent.
        self._send_action, self._actions = trio.open_memory_channel[_Action](max(1, len(self._outputs)))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled: one supervised task per driver, and the actions."""
        # Shielded, so that a pulse which the end cuts short finds its driver: the drivers end right after the
        # actions, whose releases are bounded by `RELEASE_DEADLINE_S`.
        outliving = trio.CancelScope(shield=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_drivers, outliving)
            try:
                async with trio.open_nursery() as actions:
                    task_status.started()
                    async for action in self._actions:
                        actions.start_soon(self._act, action)
            finally:
                outliving.cancel()

    # -- drivers ----------------------------------------------------------------------------------------

    async def _run_drivers(self, scope: trio.CancelScope) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                for name in self._drivers:
                    nursery.start_soon(
                        self._supervisor.supervise, f"gpio.{name}", partial(self._run_driver, name)
                    )

    async def _run_driver(self, name: str, *, task_status: trio.TaskStatus[None]) -> None:
        driver = self._drivers[name]
        try:
            async with driver.changes() as changes, trio.open_nursery() as nursery:
                await nursery.start(driver.run)
                self._running.add(name)
                await self._read_channels(name)
                task_status.started()
                async for _ in changes:
                    await self._read_channels(name)
        finally:
            self._running.discard(name)
            self._show(name, {})

    async def _read_channels(self, name: str) -> None:
        """Read every channel of a driver, one reader at a time, so that an older level never comes later."""
        async with self._reading[name]:
            levels: dict[str, bool] = {}
            with trio.move_on_after(READ_DEADLINE_S) as scope:
                for channel in self._channels_of(name):
                    level = await self._read(channel)
                    if level is not None:
                        levels[channel] = level
            if scope.cancelled_caught:
                logger.warning("gpio.%s: not all channels answered within %s s", name, READ_DEADLINE_S)
            self._show(name, levels)

    async def _read(self, channel: str) -> bool | None:
        """Return the logical level, None if the driver does not tell it."""
        config = self._inputs.get(channel) or self._outputs[channel]
        if channel in self._outputs and self._output_state(channel).busy:
            # Not read (subsystems.md 6.1); it counts as online as long as its driver does.
            return False if config.driver in self._running else None
        try:
            return await self._drivers[config.driver].read(config.pin) is not config.inverted
        except DriverError as exc:
            logger.debug("the channel %s cannot be read: %s", channel, exc)
            return None

    def _channels_of(self, name: str) -> list[str]:
        levels = self.state.value.state
        inputs = [channel for channel in levels.inputs if self._inputs[channel].driver == name]
        return inputs + [channel for channel in levels.outputs if self._outputs[channel].driver == name]

    def _show(self, name: str, levels: Mapping[str, bool]) -> None:
        """Publish the channels of a driver; those that are not in *levels* are offline."""
        inputs, outputs = dict(self.state.value.state.inputs), dict(self.state.value.state.outputs)
        for channel in self._channels_of(name):
            online, level = channel in levels, levels.get(channel, False)
            if channel in inputs:
                inputs[channel] = GpioInputState(online, level)
            else:
                busy = outputs[channel].busy
                outputs[channel] = GpioOutputState(online, level and not busy, busy)
        self._publish(GpioLevels(inputs, outputs))

    def _publish(self, levels: GpioLevels) -> None:
        self.state.publish(GpioState(self.state.value.model, levels))

    # -- actions ----------------------------------------------------------------------------------------

    async def switch(self, channel: str, state: bool, *, wait: bool = False) -> None:
        """Switch an output on or off.

        Returns when the output is reserved, or with *wait* when it is free again. Raises
        GpioChannelNotFoundError, GpioSwitchNotSupported, GpioChannelIsBusyError, and with *wait*
        GpioDriverOfflineError.
        """
        output = self._output(channel)
        if not output.switch:
            raise GpioSwitchNotSupported(f"expected a channel that can be switched, got {channel!r}")
        await self._begin(channel, partial(self._switch, channel, state), wait=wait)

    async def pulse(self, channel: str, delay_s: float = 0.0, *, wait: bool = False) -> None:
        """Switch an output on for *delay_s* (0 = as configured; clamped to its limits), then off.

        Returns and raises as `switch`; GpioPulseNotSupported if it cannot be pulsed.
        """
        output = self._output(channel)
        if not can_pulse(output):
            raise GpioPulseNotSupported(f"expected a channel that can be pulsed, got {channel!r}")
        seconds = pulse_seconds(output, delay_s)
        await self._begin(channel, partial(self._pulse, channel, seconds), wait=wait)

    def statistics(self) -> dict[str, int]:
        """Return how many actions were done since the start, and how many of them failed."""
        return dict(self._counts)

    def _output(self, channel: str) -> GpioOutputConfig:
        output = self._outputs.get(channel)
        if output is None:
            raise GpioChannelNotFoundError(f"expected the name of an output, got {channel!r}")
        return output

    async def _begin(self, channel: str, perform: Callable[[], Awaitable[None]], *, wait: bool) -> None:
        if self._output_state(channel).busy:
            raise GpioChannelIsBusyError(f"the channel {channel} is being used; try again when it is free")
        self._set_busy(channel, busy=True)
        action = _Action(channel, perform, trio.Event())
        # Never full: the channel has room for every output, and an output is reserved before it is used.
        self._send_action.send_nowait(action)
        await trio.lowlevel.checkpoint()
        if wait:
            await action.done.wait()
            if action.error is not None:
                raise action.error

    async def _act(self, action: _Action) -> None:
        channel = action.channel
        output = self._outputs[channel]
        try:
            try:
                await action.perform()
                await trio.sleep(output.busy_delay)
            finally:
                self._set_busy(channel, busy=False)
                await self._read_channels(output.driver)
        except DriverError as exc:
            self._counts["failures"] += 1
            action.error = GpioDriverOfflineError(f"the driver {output.driver} of {channel}: {exc}")
            logger.warning("gpio.%s: %s could not be changed: %s", output.driver, channel, exc)
        except Exception as exc:
            # A bug in one driver must not cut short the pulses of the others.
            self._counts["failures"] += 1
            action.error = GpioDriverOfflineError(f"the driver {output.driver} of {channel} failed: {exc}")
            logger.exception("gpio.%s: a bug ended the action of %s", output.driver, channel)
        except BaseException:
            action.error = GpioDriverOfflineError(f"the action of {channel} was cut short")
            raise
        finally:
            action.done.set()

    async def _switch(self, channel: str, state: bool) -> None:
        self._counts["switches"] += 1
        await self._write(channel, state, WRITE_DEADLINE_S)

    async def _pulse(self, channel: str, seconds: float) -> None:
        self._counts["pulses"] += 1
        try:
            await self._write(channel, True, WRITE_DEADLINE_S)
            await trio.sleep(seconds)
        except BaseException:
            try:
                await self._release(channel)
            except DriverError as exc:
                # Logged, since why we are here must not be replaced.
                logger.warning("the channel %s could not be released: %s", channel, exc)
            raise
        await self._release(channel)

    async def _release(self, channel: str) -> None:
        # Shielded, or a pulse would stay on; short, and the deadline bounds it.
        with trio.CancelScope(shield=True):
            await self._write(channel, False, RELEASE_DEADLINE_S)

    async def _write(self, channel: str, level: bool, deadline_s: float) -> None:
        output = self._outputs[channel]
        with trio.move_on_after(deadline_s) as scope:
            await self._drivers[output.driver].write(output.pin, level is not output.inverted)
        if scope.cancelled_caught:
            raise DeviceTimeoutError(f"expected an answer within {deadline_s} s, got none - at {channel}")

    # -- outputs' state ---------------------------------------------------------------------------------

    def _output_state(self, channel: str) -> GpioOutputState:
        return self.state.value.state.outputs.get(channel, GpioOutputState())

    def _set_busy(self, channel: str, *, busy: bool) -> None:
        levels = self.state.value.state
        shown = msgspec.structs.replace(levels.outputs[channel], busy=busy, state=False)
        self._publish(msgspec.structs.replace(levels, outputs={**levels.outputs, channel: shown}))
