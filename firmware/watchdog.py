"""The watchdog feeder: tells systemd and the hardware that we are alive, only while we have just proved it.

It runs checks of our own code. When one of them fails it stops feeding, says so, and leaves the rest to
whoever watches: systemd ends and restarts the service, the hardware resets the board. A device that is broken
must never be a failing check: a missing cable is no reason to restart. Never feeds without a round of checks
that passed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import trio

from drivers.errors import DeviceGoneError, DriverError, NotSupportedError
from drivers.system.hardware_watchdog import DEFAULT_TIMEOUT_S, HardwareWatchdog, open_watchdog
from drivers.system.sd_notify import ServiceManager
from firmware.core.cell import Cell
from firmware.core.supervise import describe

logger = logging.getLogger(__name__)

ROUNDS_PER_TIMEOUT: Final = 4
"""Checks begin four times within the shorter timeout and may take a fourth of it: while all is well the
watchers are fed at twice the rate that they need, and one round that fails by chance is followed by another
before they act."""

PERIOD_UNWATCHED_S: Final = 15.0
"""How often the checks run where nobody watches; their outcome can still be seen in the state."""

SHORTEST_PERIOD_S: Final = 0.25
"""A timeout below a second is a mistake that must not turn the checks into load."""

CHECK_DEADLINE_S: Final = 10.0
"""What a check may take if the watchers leave it that long; an answer of ours that takes longer helps
nobody."""

HEALTHY_STATUS: Final = "Serving"


@dataclass(frozen=True, slots=True)
class Check:
    """A proof that some part of our own code works.

    *run* returns if it does and raises if it does not; it is cancelled at its deadline, which fails it too.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    deadline_s: float = CHECK_DEADLINE_S


class WatchdogState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the appliance's own life.

    `healthy` is None until the first round is over. `failing` maps the failing checks to what is wrong.
    The timeouts are those of the watchers that we feed, None where there is none; `hardware_error` is why
    there is no hardware watchdog although one was asked for.
    """

    healthy: bool | None = None
    failing: Mapping[str, str] = msgspec.field(default_factory=dict)
    service_manager_timeout_s: float | None = None
    hardware: str | None = None
    hardware_timeout_s: float | None = None
    hardware_error: str | None = None


class WatchdogFeeder:
    """Runs *checks*, and feeds *service_manager* and the hardware watchdog at *hardware_path*, None for none.

    `state` tells the outcome; it changes only when something does.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        *,
        service_manager: ServiceManager,
        hardware_path: Path | None = None,
        hardware_timeout_s: int = DEFAULT_TIMEOUT_S,
    ) -> None:
        names = [check.name for check in checks]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"expected one check or more, each with its own name, got {names}")
        self._checks = tuple(checks)
        self._service_manager = service_manager
        self._hardware_path = hardware_path
        self._hardware_timeout_s = hardware_timeout_s
        self._hardware: HardwareWatchdog | None = None
        self._held = AsyncExitStack()
        self._rounds = 0
        self._rounds_failed = 0
        self.state: Cell[WatchdogState] = Cell(
            WatchdogState(service_manager_timeout_s=service_manager.watchdog_timeout_s)
        )

    @property
    def period_s(self) -> float:
        """The time from the beginning of one round to that of the next."""
        state = self.state.value
        shortest_s = min(
            state.service_manager_timeout_s or math.inf,
            state.hardware_timeout_s or math.inf,
            PERIOD_UNWATCHED_S * ROUNDS_PER_TIMEOUT,
        )
        return max(shortest_s / ROUNDS_PER_TIMEOUT, SHORTEST_PERIOD_S)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Check and feed until cancelled; started when the first round is over, whatever came of it.

        Cancellation disarms the hardware watchdog, an error does not. Never raises a DriverError.
        """
        async with AsyncExitStack() as stack:
            is_first = True
            start_s = trio.current_time()
            while True:
                failing = await self._run_checks()
                await self._tell(failing)
                if not failing:
                    await self._feed(stack)
                if is_first:
                    is_first = False
                    task_status.started()
                # On the clock and not from the end of the round, or slow checks would stretch the period.
                # After a stall the rounds that were missed are left out. Feeding may have armed a shorter
                # watchdog.
                start_s = max(start_s + self.period_s, trio.current_time())
                await trio.sleep_until(start_s)

    async def _run_checks(self) -> dict[str, str]:
        """Return what is wrong by the name of the check, in the order of the checks."""
        found: dict[str, str] = {}
        deadline_s = self.period_s

        async def run_one(check: Check) -> None:
            allowed_s = min(check.deadline_s, deadline_s)
            with trio.move_on_after(allowed_s) as scope:
                try:
                    await check.run()
                except Exception as exc:  # noqa: BLE001 - a check that breaks has not proved anything
                    found[check.name] = describe(exc)
            if scope.cancelled_caught:
                found[check.name] = f"expected it to end within {allowed_s:g} s, it did not"

        async with trio.open_nursery() as nursery:
            for check in self._checks:
                nursery.start_soon(run_one, check)
        self._rounds += 1
        self._rounds_failed += bool(found)
        return {check.name: found[check.name] for check in self._checks if check.name in found}

    async def _tell(self, failing: Mapping[str, str]) -> None:
        """Log and publish what has changed since the last round."""
        before = self.state.value
        for name, why in failing.items():
            if name not in before.failing:
                logger.error("not healthy, the watchdog is not fed: %s: %s", name, why)
        for name in before.failing:
            if name not in failing:
                logger.warning("healthy again: %s", name)
        # The text of a failure may differ each time (a count, an age); it is news only together with its
        # name.
        told = {name: before.failing.get(name, why) for name, why in failing.items()}
        changed = self.state.publish(msgspec.structs.replace(before, healthy=not failing, failing=told))
        if not changed:
            return
        if failing:
            reasons = "; ".join(f"{name}: {why}" for name, why in told.items())
            await self._service_manager.status(f"Not healthy, the watchdog is not fed: {reasons}")
        else:
            await self._service_manager.status(HEALTHY_STATUS)

    async def _feed(self, stack: AsyncExitStack) -> None:
        if self._service_manager.watchdog_timeout_s is not None:
            await self._service_manager.watchdog()
        if self._hardware_path is None:
            return
        try:
            if self._hardware is None:
                self._held = await stack.enter_async_context(AsyncExitStack())
                self._hardware = await self._arm(self._hardware_path)
            await self._hardware.feed()
            self.state.publish(msgspec.structs.replace(self.state.value, hardware_error=None))
        except NotSupportedError as exc:
            self._hardware_path = None
            self._hardware_failed(exc)
        except DeviceGoneError as exc:
            # What comes in its place is another device under the same name.
            self._hardware_failed(exc)
            self._hardware = None
            await self._held.aclose()
        except DriverError as exc:
            self._hardware_failed(exc)

    async def _arm(self, path: Path) -> HardwareWatchdog:
        watchdog = await self._held.enter_async_context(
            open_watchdog(path, timeout_s=self._hardware_timeout_s)
        )
        facts = watchdog.facts
        logger.info("%s (%s) is armed with %d s", path, facts.identity, facts.timeout_s)
        if facts.has_reset_us:
            logger.warning("%s (%s) caused the last start of this machine", path, facts.identity)
        self.state.publish(
            msgspec.structs.replace(
                self.state.value,
                hardware=facts.identity,
                hardware_timeout_s=float(facts.timeout_s),
            )
        )
        return watchdog

    def _hardware_failed(self, exc: DriverError) -> None:
        # Once per outage: one that systemd owns stays busy for all our life, and is tried again in each
        # round.
        if self.state.value.hardware_error is None:
            logger.warning("no hardware watchdog is fed: %s", exc)
            self.state.publish(msgspec.structs.replace(self.state.value, hardware_error=str(exc)))

    def statistics(self) -> dict[str, int]:
        """Return how many rounds of checks there were, how many failed, and what was told to systemd."""
        told = self._service_manager.statistics()
        return {
            "rounds": self._rounds,
            "rounds_failed": self._rounds_failed,
            "notifications_sent": told["sent"],
            "notifications_lost": told["lost"],
        }
