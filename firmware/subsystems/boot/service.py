"""The boot override: what the target is to start from, kept until it has been honoured.

An IP-KVM has no wire into a firmware. What it can do is what a person would: have the medium in the drive
before the machine looks for it, and press the firmware's keys while it starts. A start is what the front
panel shows: the power LED goes on, or reset is pressed while it is on; who caused it does not matter.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol

import msgspec
import trio

from firmware.core.cell import Cell
from firmware.core.errors import OperationError
from firmware.state.atx import AtxState
from firmware.state.boot import BootMode, BootOverride, BootState, BootTarget
from firmware.subsystems.boot.config import BootConfig
from firmware.subsystems.boot.errors import BootOverrideError, BootStoreError
from firmware.subsystems.boot.store import BootStore, Stored

logger = logging.getLogger(__name__)

FROM_DRIVE: Final = frozenset({BootTarget.CD, BootTarget.USB})
"""What is started from the virtual drive."""
# Inserting a medium takes a fraction of a second; the machine is not kept waiting for a drive that hangs.
MEDIUM_DEADLINE_S: Final = 10.0
# Between two keys in a menu, which is drawn anew after each.
KEY_PAUSE_S: Final = 0.2


class Keyboard(Protocol):
    """The keyboard at the target; `HidService` is one."""

    async def send_shortcut(self, names: list[str]) -> None:
        """Press keys in order and release them in reverse."""
        ...


class BootMedium(Protocol):
    """The virtual drive, as far as it goes here."""

    @property
    def there(self) -> bool:
        """Whether there is a drive at all."""
        ...

    async def make_ready(self) -> None:
        """Have the selected image in the drive, if there is one. Raises OperationError."""
        ...


class BootService:
    """Handle and service; `state` is for the API. *power* is the front panel's cell."""

    def __init__(
        self,
        config: BootConfig,
        *,
        power: Cell[AtxState],
        keyboard: Keyboard,
        medium: BootMedium,
        store: BootStore,
    ) -> None:
        self._config = config
        self._power = power
        self._keyboard = keyboard
        self._medium = medium
        self._store = store
        # One change at a time, so that what is on disk is the last one.
        self._changing = trio.Lock()
        # A start that begins anew waits for the keys of the one before to be released.
        self._pressing = trio.Lock()
        self._honoured = 0
        self.state = Cell(BootState(targets=self._targets(), modes=tuple(map(BootMode, config.modes))))

    def _targets(self) -> tuple[BootTarget, ...]:
        """What can be honoured: by keys, or from the drive by a firmware that looks there first."""
        drive = FROM_DRIVE if self._medium.there else frozenset[BootTarget]()
        return tuple(target for target in BootTarget if target in drive or self._config.keys.of(target))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read what was kept, then honour it at every start of the target until cancelled."""
        stored = await trio.to_thread.run_sync(self._store.load)
        override = stored.override
        if override is not None and override.target not in self.state.value.targets:
            logger.warning("The target can no longer be started from %s: not overridden", override.target)
            override = None
        self._publish(override=override, mode=stored.mode, busy=False)
        task_status.started()
        seen, before = self._power.version, self._power.value
        async with trio.open_nursery() as nursery:
            pressing = trio.CancelScope()
            while True:
                seen = await self._power.wait_newer(seen)
                now = self._power.value
                if _has_started(before, now):
                    # A start in the middle of a start begins anew.
                    pressing.cancel()
                    pressing = trio.CancelScope()
                    nursery.start_soon(self._honour, pressing)
                elif not now.leds.power:
                    pressing.cancel()
                before = now

    async def set_override(
        self,
        *,
        target: BootTarget | None,
        continuous: bool | None = None,
        mode: BootMode | None = None,
    ) -> None:
        """Override what the target starts from; None as *target* leaves the present one.

        *continuous* None means for the next start, or as before if there is an override. *mode* None leaves
        it. Raises BootOverrideError if it cannot be honoured, BootStoreError.
        """
        async with self._changing:
            state = self.state.value
            present = state.override
            if target is None:
                target = present.target if present is not None else None
            if target is not None and target not in state.targets:
                raise BootOverrideError(
                    f"expected {_one_of(state.targets)}, got {target} - at the boot target: nobody has said "
                    f"by which keys (farhand/boot/keys/{target})"
                )
            if mode is not None and mode not in state.modes:
                raise BootOverrideError(f"expected {_one_of(state.modes)}, got {mode} - at the boot mode")
            if continuous is not None and target is None:
                raise BootOverrideError("expected a boot target with it, got none - at the override")
            if continuous is None:
                continuous = present.continuous if present is not None else False
            override = BootOverride(target, continuous) if target is not None else None
            await self._change(Stored(override, mode or state.mode))

    async def clear(self, *, mode: BootMode | None = None) -> None:
        """Let the firmware choose again. Raises BootStoreError."""
        async with self._changing:
            await self._change(Stored(None, mode or self.state.value.mode))

    async def make_ready(self) -> None:
        """Do what has to be done before the machine is started: the medium is in the drive.

        Never fails: a machine is started all the same, and the log says what it cannot start from.
        """
        override = self.state.value.override
        if override is None or override.target not in FROM_DRIVE or not self._medium.there:
            return
        try:
            with trio.move_on_after(MEDIUM_DEADLINE_S) as scope:
                await self._medium.make_ready()
            if scope.cancelled_caught:
                logger.warning("The medium to start from was not in the drive in time")
        except OperationError as exc:
            logger.warning("The medium to start from is not in the drive: %s", exc)

    def statistics(self) -> dict[str, int]:
        """Return how many starts were overridden."""
        return {"honoured": self._honoured}

    async def _honour(self, scope: trio.CancelScope) -> None:
        override = self.state.value.override
        if override is None:
            return
        with scope:
            await self._honour_now(override)

    async def _honour_now(self, override: BootOverride) -> None:
        async with self._pressing:
            logger.info("The target starts, and is told to start from %s", override.target)
            self._publish(busy=True)
            try:
                await self.make_ready()
                await self._press(self._config.keys.of(override.target))
                self._honoured += 1
                await self._used(override)
            finally:
                self._publish(busy=False)

    async def _press(self, keys: tuple[str, ...]) -> None:
        if not keys:
            return
        first, *others = keys
        config = self._config
        with trio.move_on_after(config.window):
            while True:
                await self._keyboard.send_shortcut([first])
                await trio.sleep(config.interval)
        await trio.sleep(config.menu_delay)
        for key in others:
            await self._keyboard.send_shortcut([key])
            await trio.sleep(KEY_PAUSE_S)

    async def _used(self, override: BootOverride) -> None:
        """Forget an override for one start, unless it is another one by now."""
        async with self._changing:
            if override.continuous or self.state.value.override != override:
                return
            self._publish(override=None)
            try:
                await self._save(Stored(None, self.state.value.mode))
            except BootStoreError as exc:
                logger.warning("%s: after a restart of the appliance it counts once more", exc)

    async def _change(self, stored: Stored) -> None:
        await self._save(stored)
        self._publish(override=stored.override, mode=stored.mode)

    async def _save(self, stored: Stored) -> None:
        try:
            await trio.to_thread.run_sync(self._store.save, stored)
        except OSError as exc:
            raise BootStoreError(f"the boot override cannot be kept: {exc.strerror or exc}") from exc

    def _publish(self, **changes: object) -> None:
        self.state.publish(msgspec.structs.replace(self.state.value, **changes))


def _has_started(before: AtxState, now: AtxState) -> bool:
    """Whether the target was powered on or reset between the two; an LED that is back online is no start."""
    if not (before.online and now.online and now.leds.power):
        return False
    return not before.leds.power or (now.acts.reset and not before.acts.reset)


def _one_of(values: tuple[BootTarget, ...] | tuple[BootMode, ...]) -> str:
    return f"one of {', '.join(values)}" if values else "none, as there are no keys for any"
