"""The appliance as it was made, and the nursery tree that runs it.

The tree closes in order: the front first, so that nobody can press what is being released; then the
subsystems, which release keys and lines; then the drivers.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from api.app import Application
from api.redfish.task_list import TaskList
from api.routing import Route
from api.server import Listeners, Server, ServerConfig
from api.ws.hub import Hub
from drivers.system.sd_notify import ServiceManager
from firmware.boards.board import Board
from firmware.core.errors import SetupError
from firmware.core.supervise import SupervisedTask, Supervisor, TaskPhase
from firmware.liveness import heartbeats_check, threads_check
from firmware.loop_guard import guard_loop
from firmware.selfcheck import self_check
from firmware.slots.self_report import SelfReporter
from firmware.stall_release import release_when_stalled
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.audit.service import AuditService
from firmware.subsystems.audit.syslog import AuditSyslog
from firmware.subsystems.auth.service import AuthService
from firmware.subsystems.boot.service import BootService
from firmware.subsystems.gpio.service import GpioService
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.hid.typist import Typist
from firmware.subsystems.info.service import InfoService
from firmware.subsystems.log.service import LogService
from firmware.subsystems.msd.service import MsdService
from firmware.subsystems.sessions.service import SessionsService
from firmware.subsystems.snapshot.service import SnapshotService
from firmware.subsystems.streamer.service import StreamerService
from firmware.subsystems.switch.service import SwitchService
from firmware.subsystems.update.service import UpdateService
from firmware.watchdog import Check, WatchdogFeeder

logger = logging.getLogger(__name__)

# Longer than the front's grace period, the last HID reports and a guest's farewell together; a service
# manager kills after 90 s, a person's patience ends earlier.
SHUTDOWN_DEADLINE_S = 15.0
# How long the subsystems wait for the board's own tasks before they start all the same, and retry.
BOARD_START_S = 3.0


@dataclass(frozen=True, slots=True)
class Appliance:
    """Everything that was made, for whoever runs the tree."""

    board: Board
    supervisor: Supervisor
    audit: AuditService
    audit_syslog: AuditSyslog | None
    auth: AuthService
    hid: HidService
    typist: Typist
    atx: AtxService
    boot: BootService
    redfish_tasks: TaskList
    gpio: GpioService
    msd: MsdService
    streamer: StreamerService
    snapshots: SnapshotService
    switch: SwitchService
    info: InfoService
    log: LogService
    sessions: SessionsService
    update: UpdateService
    hub: Hub
    routes: Sequence[Route]
    application: Application
    server: Server
    server_config: ServerConfig
    demo_password: bool
    service_manager: ServiceManager
    self_reporter: SelfReporter | None = None
    """There where the image's gate asks how the appliance is."""
    hardware_watchdog: Path | None = None
    stall_limit_s: float = 0.0

    @property
    def subsystems(self) -> Mapping[str, SupervisedTask]:
        """The tasks of the subsystems; adding one here is what adds a subsystem to the tree."""
        return {
            "audit": self.audit.run,
            **({} if self.audit_syslog is None else {"audit-syslog": self.audit_syslog.run}),
            "auth": self.auth.run,
            "hid": self.hid.run,
            "atx": self.atx.run,
            "boot": self.boot.run,
            "redfish": self.redfish_tasks.run,
            "gpio": self.gpio.run,
            "msd": self.msd.run,
            "streamer": self.streamer.run,
            **({"snapshot": self.snapshots.run} if self.snapshots.enabled else {}),
            "switch": self.switch.run,
            "info": self.info.run,
            "log": self.log.run,
            "sessions": self.sessions.run,
            "update": self.update.run,
            "events": self.hub.run,
            **({"self_report": self.self_reporter.run} if self.self_reporter is not None else {}),
        }

    def watchdog(self, urls: Sequence[str]) -> WatchdogFeeder:
        """Make the watchdogs' feeder, which proves that *urls* answer and that nothing of ours is stuck."""
        beats = {
            **self.hid.heartbeats,
            **self.atx.heartbeats,
            **self.info.heartbeats,
            **self.switch.heartbeats,
            **self.msd.heartbeats,
        }
        checks = [
            *(Check(f"front {url}", self_check(url)) for url in urls),
            Check("threads", threads_check),
            Check("tasks", heartbeats_check(self.supervisor, beats)),
        ]
        return WatchdogFeeder(
            checks, service_manager=self.service_manager, hardware_path=self.hardware_watchdog
        )


async def serve_until_signal(appliance: Appliance, listeners: Listeners) -> None:
    """Open the tree and close it in order when a signal asks for it; a second one changes nothing.

    SIGHUP is the end of the terminal or of the session that started us: an end like any other. All the while
    the loop is guarded; where nobody would start us again a hung process is only described.
    """
    watched = appliance.service_manager.watchdog_timeout_s is not None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        stop = trio.Event()
        async with trio.open_nursery() as listening:

            async def stop_on_signal() -> None:
                async for number in signals:
                    logger.info("stopping on %s", signal.Signals(number).name)
                    if not stop.is_set():
                        stop.set()
                        # A stalled device or client must not keep the process: what is not done is cut off.
                        tree.cancel_scope.deadline = trio.current_time() + SHUTDOWN_DEADLINE_S

            async with trio.open_nursery() as tree:
                tree.start_soon(run_tree, appliance, listeners, stop)
                listening.start_soon(stop_on_signal)
                if appliance.stall_limit_s:
                    listening.start_soon(partial(guard_loop, appliance.stall_limit_s, end_process=watched))
                    listening.start_soon(release_when_stalled, appliance.hid)
            listening.cancel_scope.cancel()


async def run_tree(
    appliance: Appliance,
    listeners: Listeners,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the appliance until *stop* is set; announces the URLs that it serves."""
    supervise = appliance.supervisor.supervise
    async with trio.open_nursery() as drivers:
        for name, task in appliance.board.tasks.items():
            drivers.start_soon(supervise, name, task)
        # Subsystems that find their devices at once start without a first fault to recover from.
        with trio.move_on_after(BOARD_START_S):
            await appliance.supervisor.settled(appliance.board.tasks.keys())
        _refuse_dead_target(appliance)
        async with trio.open_nursery() as subsystems:
            for name, task in appliance.subsystems.items():
                subsystems.start_soon(supervise, name, task)
            async with trio.open_nursery() as front:
                bound = await front.start(partial(appliance.server.run, listeners=listeners))
                urls = list(bound.app_urls)
                feeder = appliance.watchdog(urls)
                feeding = trio.CancelScope()
                front.start_soon(_feed, feeder, feeding)
                _announce(appliance, urls)
                await appliance.service_manager.ready(f"Serving {' '.join(urls)}")
                task_status.started(urls)
                await stop.wait()
                # First, since a front that is closing answers no self-check, which is no failure now.
                feeding.cancel()
                await appliance.service_manager.stopping("Releasing keys and lines")
                appliance.server.stop()
            subsystems.cancel_scope.cancel()
        drivers.cancel_scope.cancel()


async def _feed(feeder: WatchdogFeeder, scope: trio.CancelScope) -> None:
    with scope:
        await feeder.run()


def _refuse_dead_target(appliance: Appliance) -> None:
    """Refuse to start on a demo board whose own target does not: that is a mistake in its arguments.

    A real board starts all the same, because a target that is broken is what people come for.
    """
    for name in appliance.board.tasks if appliance.board.demo else ():
        state = appliance.supervisor.tasks.value[name]
        if state.phase in (TaskPhase.BACKING_OFF, TaskPhase.FAILED):
            raise SetupError(f"the board {appliance.board.name} does not start: {state.last_error}")


def _announce(appliance: Appliance, urls: list[str]) -> None:
    lines = [f"Farhand on {appliance.board.description} is ready: {' '.join(urls)}"]
    if appliance.demo_password:
        lines.append("Log in as admin with the password admin (a demo on loopback only).")
    try:
        for line in lines:
            print(line, flush=True)  # noqa: T201
    except OSError:
        # Whoever started us reads no more; that is no reason to stop serving.
        for line in lines:
            logger.info("%s", line)
