"""The HID subsystem: keyboard and mouse events become reports, in order, on the devices of the board.

Owns the report state machines, one writer per device, the LED reader and the jiggler. It never blocks a
caller longer than the device's queue is full, and never leaves a key down: every session change, every stop
and every start writes the state as it has to be.
"""

from __future__ import annotations

import logging
import math
import random
from collections import deque
from collections.abc import Iterable

import msgspec
import trio

from drivers.errors import DeviceGoneError
from drivers.ports import (
    ControllerState,
    HidController,
    KeyboardPort,
    LinkCondition,
    PointerPort,
    UsbLink,
)
from drivers.wire.hid_report import KeyboardReports, PointerReports, remap_coord, squash_deltas
from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS
from firmware.core.cell import Cell
from firmware.core.heartbeat import Heartbeat
from firmware.core.supervise import Supervisor
from firmware.state.hid import HidState, JigglerState, KeyboardState, Leds, MouseState, Outputs
from firmware.subsystems.hid.config import HidConfig, HidMouseAltConfig, HidMouseConfig
from firmware.subsystems.hid.jiggler import STEP_PAUSE_S, JiggleSchedule, absolute_steps, relative_steps
from firmware.subsystems.hid.writer import DeviceWriter

logger = logging.getLogger(__name__)

SHORTCUT_PAUSE_S = 0.05
JIGGLER_CHECK_S = 1.0
# Hosts throw away what comes while their driver still settles (Linux for 50 ms after it opens the device), so
# what is held is said again, as a keyboard with an idle rate does (HID 1.11, 7.2.4): after each of these.
TELL_AGAIN_S = (0.25, 1.0, 3.0)

USB, USB_REL, USB_WIN98 = "usb", "usb_rel", "usb_win98"


class _Mouse:
    """One mouse device: its state machine and its writer."""

    def __init__(self, reports: PointerReports, writer: DeviceWriter) -> None:
        self.reports = reports
        self.writer = writer


class HidService:
    """Handle and service of the HID subsystem; `state` is the cell that the API shows."""

    def __init__(
        self,
        config: HidConfig,
        *,
        keyboard: KeyboardPort,
        mouse: PointerPort,
        mouse_alt: PointerPort | None,
        supervisor: Supervisor,
        link: UsbLink | None = None,
        controller: HidController | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Drive the given devices.

        *link* tells of the host, where the board knows of it; *controller* is what is behind all devices, if
        that can be switched by itself.
        """
        self._config = config
        self._link = link
        self._controller = controller
        # Until the link says otherwise, writing tells whether there is a host.
        self._link_up = True
        self._supervisor = supervisor
        self._rng = rng or random.Random()  # noqa: S311 - spreads jiggles, not a secret
        self._keyboard_port = keyboard
        self._last_event_time = trio.current_time()
        self.key_events_discarded = 0
        """How often a release-all has dropped key events that were queued."""
        self.heartbeats = {"hid": Heartbeat()}
        """By the names of the tasks whose loops beat."""
        self._keyboard = KeyboardReports()
        self._keyboard_writer = DeviceWriter(
            "hid.keyboard",
            keyboard,
            write_retries=config.keyboard.write_retries,
            retry_interval_s=config.keyboard.select_timeout,
            present_report=lambda: self._keyboard.report,
            clear_report=lambda: self._keyboard.cleared_report,
            on_online=self._keyboard_online,
        )
        self._mice = self._build_mice(mouse, mouse_alt)
        self._active = USB if mouse.absolute else USB_REL
        self._online = dict.fromkeys(("hid.keyboard", "hid.mouse", "hid.mouse_alt"), True)
        available = tuple(name for name in (USB, USB_REL, USB_WIN98) if name in self._mice)
        self.state = Cell(
            HidState(
                keyboard=KeyboardState(),
                mouse=MouseState(
                    absolute=mouse.absolute,
                    outputs=Outputs(available, self._active) if mouse_alt is not None else Outputs(),
                ),
                jiggler=JigglerState(
                    enabled=config.jiggler.enabled,
                    active=config.jiggler.enabled and config.jiggler.active,
                    interval=config.jiggler.interval,
                ),
            )
        )

    def _build_mice(self, mouse: PointerPort, mouse_alt: PointerPort | None) -> dict[str, _Mouse]:
        """Return the outputs; two that speak through one device share its state, the position above all."""
        mice: dict[str, _Mouse] = {}
        for name, port, config in (
            ("hid.mouse", mouse, self._config.mouse),
            ("hid.mouse_alt", mouse_alt, self._config.mouse_alt),
        ):
            if port is None:
                continue
            reports = PointerReports(absolute=port.absolute, horizontal_wheel=port.horizontal_wheel)
            device = _Mouse(reports, self._pointer_writer(name, port, config, reports))
            mice[USB if port.absolute else USB_REL] = device
            # Doubling is for the USB gadget; a microcontroller has a win98 output of its own (2.2).
            doubles = self._config.type == "otg" and self._config.mouse.absolute_win98_fix
            if port.absolute and mouse_alt is not None and doubles:
                mice[USB_WIN98] = device
        return mice

    def _pointer_writer(
        self,
        name: str,
        port: PointerPort,
        config: HidMouseConfig | HidMouseAltConfig,
        reports: PointerReports,
    ) -> DeviceWriter:
        return DeviceWriter(
            name,
            port,
            write_retries=config.write_retries,
            retry_interval_s=config.select_timeout,
            present_report=lambda: reports.report,
            clear_report=lambda: reports.cleared_report,
            on_online=lambda online: self._mouse_online(name, online=online),
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the subsystem's tasks until cancelled; each device is supervised on its own."""
        try:
            async with trio.open_nursery() as nursery:
                supervise = self._supervisor.supervise
                nursery.start_soon(supervise, "hid.keyboard", self._keyboard_writer.run)
                nursery.start_soon(supervise, "hid.leds", self._read_leds)
                if self._link is not None:
                    nursery.start_soon(supervise, "hid.link", self._watch_link)
                for mouse in self._devices():
                    nursery.start_soon(supervise, mouse.writer.name, mouse.writer.run)
                if self._controller is not None:
                    nursery.start_soon(supervise, "hid.controller", self._watch_controller)
                nursery.start_soon(self._jiggle)
                task_status.started()
        finally:
            # A writer that was between two attempts had no chance to release what it had pressed.
            for writer in self._writers():
                await writer.release_all()

    def _writers(self) -> list[DeviceWriter]:
        return [self._keyboard_writer, *(mouse.writer for mouse in self._devices())]

    def _devices(self) -> set[_Mouse]:
        return set(self._mice.values())

    # -- state ------------------------------------------------------------------------------------------

    def _publish(self, **changes: object) -> None:
        self.state.publish(msgspec.structs.replace(self.state.value, **changes))

    def _keyboard_online(self, online: bool) -> None:
        self._online["hid.keyboard"] = online
        self._publish_keyboard()

    def _publish_keyboard(self) -> None:
        keyboard = self.state.value.keyboard
        online = self._link_up and self._online["hid.keyboard"]
        if keyboard.online != online:
            self._publish(keyboard=msgspec.structs.replace(keyboard, online=online))

    def _mouse_online(self, name: str, *, online: bool) -> None:
        self._online[name] = online
        self._publish_mouse()

    def _publish_mouse(self) -> None:
        active = self._mice[self._active]
        mouse = self.state.value.mouse
        outputs = mouse.outputs
        if self._controller is None:
            outputs = msgspec.structs.replace(outputs, active=self._active)
        self._publish(
            mouse=MouseState(
                online=self._link_up and self._online[active.writer.name],
                absolute=active.reports.absolute,
                outputs=outputs if mouse.outputs.available else mouse.outputs,
            )
        )

    async def _read_leds(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with self._keyboard_port.leds() as channel:
            task_status.started()
            async for byte in channel:
                leds = Leds(num=bool(byte & 0x01), caps=bool(byte & 0x02), scroll=bool(byte & 0x04))
                self._publish(keyboard=msgspec.structs.replace(self.state.value.keyboard, leds=leds))
        raise DeviceGoneError("the keyboard's LED reports ended: its driver stopped")

    async def _watch_link(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Show devices offline while no host has configured them (contract subsystems.md 2.5)."""
        assert self._link is not None, "watched only where there is a link"
        condition: LinkCondition | None = None
        again: deque[float] = deque()
        async with self._link.conditions() as conditions:
            task_status.started()
            while True:
                newer = None
                try:
                    with trio.move_on_at(again[0] if again else math.inf):
                        newer = await conditions.receive()
                except trio.EndOfChannel:
                    raise DeviceGoneError("the USB link's conditions ended: its driver stopped") from None
                if newer is None:
                    again.popleft()
                    for writer in self._writers():
                        writer.tell_held()
                    continue
                # A host that slept remembers what is held; one that was away, or has reset us, does not. Of
                # what was in between, the newest is all that is told.
                new_host = condition not in (None, LinkCondition.SUSPENDED)
                condition = newer
                self._link_up = condition is LinkCondition.CONFIGURED
                again.clear()
                if self._link_up and new_host:
                    now = trio.current_time()
                    again.extend(now + seconds for seconds in TELL_AGAIN_S)
                    for writer in self._writers():
                        writer.host_is_new()
                        self._supervisor.hasten(writer.name)
                    self._supervisor.hasten("hid.leds")
                self._publish_keyboard()
                self._publish_mouse()

    async def _watch_controller(self, *, task_status: trio.TaskStatus[None]) -> None:
        assert self._controller is not None, "watched only where there is a controller"
        async with self._controller.states() as states:
            task_status.started()
            async for state in states:
                self._show_controller(state)
        raise DeviceGoneError("the HID controller's states ended: its driver stopped")

    def _show_controller(self, state: ControllerState) -> None:
        active = USB if state.mouse_absolute else USB_REL
        if active != self._active:
            old = self._mice[self._active]
            old.writer.queue.replace(old.reports.clear())
            self._active = active
        current = self.state.value
        keyboard_outputs = Outputs(state.keyboard_outputs, state.keyboard_output)
        mouse_outputs = Outputs(state.mouse_outputs, state.mouse_output)
        self._publish(
            online=state.online,
            busy=state.busy,
            connected=state.connected,
            keyboard=msgspec.structs.replace(current.keyboard, outputs=keyboard_outputs),
            mouse=msgspec.structs.replace(current.mouse, outputs=mouse_outputs),
        )
        self._publish_mouse()

    # -- commands ---------------------------------------------------------------------------------------

    def _touch(self) -> None:
        self._last_event_time = trio.current_time()

    async def send_key(self, name: str, state: bool, *, finish: bool = False) -> None:
        """Press or release a key of the key table; *finish* releases a pressed one at once (2.1)."""
        key = KEYS[name]
        reports = self._keyboard.press(key) if state else self._keyboard.release(key)
        if state and finish and key.finish_releases:
            reports += self._keyboard.release(key)
        self._touch()
        await self._keyboard_writer.queue.put(reports)

    async def send_shortcut(self, names: list[str]) -> None:
        """Press the keys in order and release them in reverse, with a pause before every event.

        If the caller goes away in between, what it pressed is released.
        """
        pressed: list[str] = []
        try:
            for name in names:
                await trio.sleep(SHORTCUT_PAUSE_S)
                pressed.append(name)
                await self.send_key(name, True)
            while pressed:
                await trio.sleep(SHORTCUT_PAUSE_S)
                await self.send_key(pressed[-1], False)
                pressed.pop()
        finally:
            self.release_nowait(reversed(pressed))

    def release_nowait(self, names: Iterable[str]) -> None:
        """Release keys without waiting for room, for whoever is being cancelled."""
        for name in names:
            self._keyboard_writer.queue.put_nowait(self._keyboard.release(KEYS[name]))

    def release_buttons_nowait(self, names: Iterable[str]) -> None:
        """Release buttons of the active mouse, as `release_nowait`."""
        mouse = self._mice[self._active]
        for name in names:
            mouse.writer.queue.put_nowait(mouse.reports.release(MOUSE_BUTTONS[name]))

    def holds(self, name: str) -> bool:
        """Return whether a key is down, as far as it is up to us."""
        return self._keyboard.holds(KEYS[name])

    async def send_mouse_button(self, name: str, state: bool) -> None:
        """Press or release a button of the active mouse."""
        mouse, button = self._mice[self._active], MOUSE_BUTTONS[name]
        await self._send_mouse(mouse, mouse.reports.press(button) if state else mouse.reports.release(button))

    async def click_mouse_button(self, name: str) -> None:
        """Press and release a button; both or, if the caller goes away, both all the same."""
        mouse, button = self._mice[self._active], MOUSE_BUTTONS[name]
        await self._send_mouse(mouse, mouse.reports.press(button) + mouse.reports.release(button))

    async def send_mouse_move(self, x: int, y: int) -> None:
        """Move the active mouse if it is absolute; the configured ranges apply."""
        range_x, range_y = self._config.mouse_x_range, self._config.mouse_y_range
        mouse = self._mice[self._active]
        x, y = remap_coord(x, range_x.min, range_x.max), remap_coord(y, range_y.min, range_y.max)
        await self._send_mouse(mouse, mouse.reports.move(x, y))

    async def send_mouse_relative(self, deltas: list[tuple[int, int]], *, squash: bool = False) -> None:
        """Move the active mouse if it is relative; *squash* adds small deltas up."""
        mouse = self._mice[self._active]
        for dx, dy in squash_deltas(deltas) if squash else deltas:
            await self._send_mouse(mouse, mouse.reports.relative(dx, dy))

    async def send_mouse_wheel(self, deltas: list[tuple[int, int]], *, squash: bool = False) -> None:
        """Turn the wheel of the active mouse; positive y scrolls up."""
        mouse = self._mice[self._active]
        for dx, dy in squash_deltas(deltas) if squash else deltas:
            await self._send_mouse(mouse, mouse.reports.wheel(dx, dy))

    async def _send_mouse(self, mouse: _Mouse, reports: list[bytes]) -> None:
        self._touch()
        await mouse.writer.queue.put(reports)

    def release_all(self) -> None:
        """Drop what is queued and release every key and button, for everybody (websocket.md 1.8)."""
        if self._keyboard_writer.queue.replace(self._keyboard.clear()):
            self.key_events_discarded += 1
        for mouse in self._devices():
            mouse.writer.queue.replace(mouse.reports.clear())

    def release_from_thread(self) -> list[str]:
        """Release everything on the host while the event loop stands still; for another thread.

        Return the names of the devices that were released.
        """
        return [writer.name for writer in self._writers() if writer.release_from_thread()]

    def release_after_stall(self) -> None:
        """Count every key and button as released, after `release_from_thread`.

        Unlike `release_all` it drops nothing: what was queued before is input that nobody took back.
        """
        self._keyboard_writer.queue.put_nowait(self._keyboard.clear())
        for mouse in self._devices():
            mouse.writer.queue.put_nowait(mouse.reports.clear())

    def set_jiggler(self, active: bool) -> None:
        """Switch the jiggler if the configuration allows it; without effect otherwise."""
        jiggler = self.state.value.jiggler
        if jiggler.enabled:
            self._publish(jiggler=msgspec.structs.replace(jiggler, active=active))

    async def set_keyboard_output(self, output: str) -> None:
        """Select a keyboard output; one that the board lacks is ignored. Raises DriverError."""
        await trio.lowlevel.checkpoint()
        if self._controller is not None and output in self.state.value.keyboard.outputs.available:
            await self._controller.set_keyboard_output(output)

    async def set_connected(self, connected: bool) -> None:
        """Plug or unplug the devices, where the backend can; ignored elsewhere. Raises DriverError."""
        await trio.lowlevel.checkpoint()
        if self._controller is not None and self.state.value.connected is not None:
            await self._controller.set_connected(connected)

    async def reset(self) -> None:
        """Release everything, and reset what is behind the devices. Raises DriverError."""
        self.release_all()
        await trio.lowlevel.checkpoint()
        if self._controller is not None:
            await self._controller.reset()

    async def set_mouse_output(self, output: str) -> None:
        """Select a mouse output; one that the board lacks is ignored, as the contract wants (http.md 4.2).

        Raises DriverError if it is up to a controller that does not answer.
        """
        await trio.lowlevel.checkpoint()
        outputs = self.state.value.mouse.outputs
        if output not in outputs.available or output == outputs.active:
            return
        if self._controller is not None:
            await self._controller.set_mouse_output(output)
            return
        old, new = self._mice[self._active], self._mice[output]
        old.writer.queue.replace(old.reports.clear())
        new.reports.win98 = output == USB_WIN98
        self._active = output
        self._publish_mouse()

    def inactivity_s(self) -> float:
        """Seconds since the last event, jiggler moves included, or since the start."""
        return trio.current_time() - self._last_event_time

    def statistics(self) -> dict[str, dict[str, int]]:
        """Return the writers' counts by device."""
        return {writer.name: writer.statistics() for writer in self._writers()}

    # -- jiggler ----------------------------------------------------------------------------------------

    async def _jiggle(self) -> None:
        schedule = JiggleSchedule(self._config.jiggler.interval, self._rng)
        while True:
            self.heartbeats["hid"].beat()
            await trio.sleep(JIGGLER_CHECK_S)
            if self.state.value.jiggler.active and schedule.is_due(self.inactivity_s()):
                schedule.jiggled()
                await self._jiggle_once()

    async def _jiggle_once(self) -> None:
        mouse = self._mice[self._active]
        if mouse.reports.absolute:
            for x, y in absolute_steps(*mouse.reports.position):
                await self._send_mouse(mouse, mouse.reports.move(x, y))
                await trio.sleep(STEP_PAUSE_S)
        else:
            for dx, dy in relative_steps():
                await self._send_mouse(mouse, mouse.reports.relative(dx, dy))
                await trio.sleep(STEP_PAUSE_S)
