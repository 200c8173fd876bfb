"""The info subsystem: what the appliance says of itself, polled and published per category.

Owns one cell per category. A source that fails makes its category (or the part of it) None; it never ends the
service. Reads only: nothing here changes the board.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol, cast

import msgspec
import trio

from drivers.errors import DriverError
from drivers.ports import Health, Sensors
from drivers.system.blocking import BlockingCalls
from drivers.system.fan import FanService, FanState
from drivers.system.platform import KernelFacts, PlatformFacts
from drivers.system.units import UnitStatus
from firmware.core.cell import Cell
from firmware.core.heartbeat import MAX_AGE_S, Heartbeat
from firmware.core.validators import INFO_CATEGORIES
from firmware.core.version import PIKVM_API_VERSION, STREAMER_API_VERSION, farhand_version
from firmware.state.info import (
    AuthInfo,
    CpuInfo,
    Document,
    FanInfo,
    HealthInfo,
    InfoState,
    KernelInfo,
    MemInfo,
    NodeInfo,
    PlatformInfo,
    StreamerInfo,
    SystemInfo,
    TempInfo,
    ThrottlingFlag,
    ThrottlingFlags,
    ThrottlingInfo,
    UptimeInfo,
    UptimeParts,
    VersionInfo,
)
from firmware.subsystems.info.config import InfoConfig
from firmware.subsystems.info.documents import read_extras, read_meta

logger = logging.getLogger(__name__)

UPTIME_POLL_S: Final = 5.0
NODE_POLL_S: Final = 1.0
"""How often uptime and host name are looked at (contract websocket.md 1.4, publication times)."""

REREAD_SPACING_S: Final = 1.0
"""Documents and versions are read at most this often, however many clients come: it starts a process."""

FRESH_DEADLINE_S: Final = 2.0
"""How long a request for the state waits for newer values; an older answer is better than none."""

STREAMER_APP: Final = "ustreamer"
STREAMER_FEATURES: Final[Mapping[str, bool]] = {"HAS_PDEATHSIG": False, "WITH_GPIO": False}
"""Our streamer is no process of its own that could die with a parent, and lights no GPIO lamps."""

# Bits of `get_throttled`; "past" is the same bit, sixteen higher.
_UNDERVOLTAGE_BIT, _FREQ_CAPPED_BIT, _THROTTLED_BIT = 0, 1, 2
_PAST_SHIFT: Final = 16


class Platform(Protocol):
    """What tells which board this is; `drivers.system.platform.LinuxPlatform`, or the emulated board."""

    async def read(self) -> PlatformFacts:
        """Return the facts; never raises a DriverError."""
        ...

    def kernel(self) -> KernelFacts:
        """Return the kernel's description."""
        ...


class Units(Protocol):
    """What tells about system services; `drivers.system.units.SystemdUnits`."""

    async def statuses(self, names: Sequence[str]) -> Mapping[str, UnitStatus]:
        """Return the status of every name; never raises a DriverError."""
        ...


class Uptime(Protocol):
    """What tells how long the machine runs; `drivers.system.uptime.LinuxUptime`."""

    async def read_s(self) -> int:
        """Return whole seconds since boot. Raises DriverError."""
        ...


class Fan(Protocol):
    """The fan daemon; `drivers.system.fan.FanDaemon`."""

    async def read(self) -> FanState:
        """Return its state. Raises DriverError."""
        ...


class InfoService:
    """Handle and service of the info subsystem.

    `cells` maps each category of `INFO_CATEGORIES` to the cell that WebSocket clients follow; its values can
    be encoded by msgspec. A cell is published when the category changes, `uptime` at every poll. Not every
    new value is a change (the fan daemon's clock), so `state` may be newer than the cells.
    """

    def __init__(
        self,
        config: InfoConfig,
        *,
        auth_enabled: bool,
        sensors: Sensors,
        platform: Platform,
        units: Units,
        uptime: Uptime,
        host_name: Callable[[], str],
        fan: Fan | None,
        resolve_port: Callable[[str], int | None],
        streamer_features: Mapping[str, bool] = STREAMER_FEATURES,
    ) -> None:
        """Take the sources. *fan* is None where no socket is configured.

        *resolve_port* returns the number at a key path of the configuration ("vnc/server/port"), None if
        there is none.
        """
        self._config = config
        # The polls beat together; the configured pauses are for people to choose, a day among them.
        pause_s = max(config.hw.state_poll, config.fan.state_poll)
        self.heartbeats = {"info": Heartbeat(max_age_s=MAX_AGE_S + pause_s)}
        """By the names of the tasks whose loops beat."""
        self._sensors = sensors
        self._platform = platform
        self._units = units
        self._uptime = uptime
        self._host_name = host_name
        self._fan = fan
        self._resolve_port = resolve_port
        self._streamer_features = dict(streamer_features)
        self._documents = BlockingCalls()
        self._latest: dict[str, object] = {
            "auth": AuthInfo(auth_enabled),
            "extras": None,
            "fan": FanInfo(),
            "health": HealthInfo(),
            "meta": None,
            "node": NodeInfo(host_name()),
            "system": self._system(PlatformFacts()),
            "uptime": UptimeInfo(),
        }
        self.cells: Mapping[str, Cell[object]] = {
            category: Cell(self._latest[category]) for category in INFO_CATEGORIES
        }
        self._reread_wanted = trio.Event()
        self._reread_lock = trio.Lock()
        self._reread_at = -math.inf
        self._reads = 0
        self._failing: set[str] = set()
        self._failures = 0

    @property
    def state(self) -> InfoState:
        """The newest values of all categories, without reading anything."""
        return InfoState(**cast("dict[str, Any]", self._latest))

    async def fresh_state(self) -> InfoState:
        """Read again what is not polled often, as far as the deadline allows, and return all categories."""
        with trio.move_on_after(FRESH_DEADLINE_S):
            self._read_node()
            await self._read_uptime()
            await self._reread()
        return self.state

    def request_refresh(self) -> None:
        """Have documents and versions read again soon, as for a new client; changes are published."""
        self._reread_wanted.set()

    def statistics(self) -> dict[str, int]:
        """Return how many readings were made and how many of them failed."""
        return {"reads": self._reads, "failures": self._failures}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read everything once, say that it works, then poll until cancelled."""
        polls: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._poll_uptime, UPTIME_POLL_S),
            (self._read_health, self._config.hw.state_poll),
            (self._poll_node, NODE_POLL_S),
        ]
        if self._fan is not None:
            polls.append((partial(self._read_fan, self._fan), self._config.fan.state_poll))
        async with trio.open_nursery() as nursery:
            for poll, _ in polls:
                nursery.start_soon(poll)
            nursery.start_soon(self._reread)
        task_status.started()
        async with trio.open_nursery() as nursery:
            for poll, every_s in polls:
                nursery.start_soon(self._repeat, poll, every_s)
            nursery.start_soon(self._serve_rereads)

    async def _repeat(self, poll: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            self.heartbeats["info"].beat()
            await trio.sleep(every_s)
            await poll()

    async def _serve_rereads(self) -> None:
        while True:
            await self._reread_wanted.wait()
            self._reread_wanted = trio.Event()
            await trio.sleep_until(self._reread_at + REREAD_SPACING_S)
            await self._reread()

    async def _reread(self) -> None:
        async with self._reread_lock:
            if trio.current_time() < self._reread_at + REREAD_SPACING_S:
                return
            self._put("meta", await self._read_meta())
            self._put("extras", await self._read_extras())
            self._put("system", self._system(await self._platform.read()))
            # Last: a reading that was cancelled half-way is made again by the next who asks.
            self._reread_at = trio.current_time()

    def _put(self, category: str, value: object, *, is_change: bool | None = None) -> None:
        """Take a new value; publish it if it differs from the published one, or as *is_change* says."""
        self._reads += 1
        self._latest[category] = value
        if is_change is None:
            self.cells[category].publish(value)
        elif is_change:
            self.cells[category].publish(value, even_if_equal=True)

    async def _or_none[T](self, what: str, reader: Callable[[], Awaitable[T]]) -> T | None:
        try:
            value = await reader()
        except DriverError as exc:
            self._failures += 1
            if what not in self._failing:
                # Once per outage; a poll every few seconds would fill the journal.
                self._failing.add(what)
                logger.warning("no %s: %s", what, exc)
            return None
        self._failing.discard(what)
        return value

    async def _poll_uptime(self) -> None:
        await self._read_uptime()
        self.cells["uptime"].publish(self._latest["uptime"], even_if_equal=True)

    async def _read_uptime(self) -> None:
        total_s = await self._or_none("uptime", self._uptime.read_s)
        if total_s is not None:
            self._put("uptime", split_uptime(total_s), is_change=False)

    async def _poll_node(self) -> None:
        self._read_node()
        await trio.lowlevel.checkpoint()

    def _read_node(self) -> None:
        self._put("node", NodeInfo(self._host_name()))

    async def _read_health(self) -> None:
        health = await self._sensors.read()
        self._put("health", health_info(health, ignore_past=self._config.hw.ignore_past))

    async def _read_fan(self, fan: Fan) -> None:
        daemon = self._config.fan.daemon
        state = await self._or_none("answer of the fan daemon", fan.read)
        # A daemon that answers is running; only a silent one is looked for, since that starts a process.
        monitored = state is not None
        if not monitored:
            status = (await self._units.statuses([daemon]))[daemon]
            monitored = status.enabled or status.started
        info = FanInfo(monitored, state)
        published = cast("FanInfo", self.cells["fan"].value)
        self._put("fan", info, is_change=_without_clock(info) != _without_clock(published))

    async def _read_meta(self) -> Document | None:
        path = self._config.meta
        read = partial(read_meta, path, self._host_name())
        return await self._or_none(str(path), lambda: self._documents.run(str(path), read))

    async def _read_extras(self) -> Document | None:
        path = self._config.extras
        read = partial(read_extras, path, self._resolve_port)
        extras = await self._or_none(str(path), lambda: self._documents.run(str(path), read))
        if extras is None:
            return None
        daemons = {key: daemon for key, value in extras.items() if (daemon := _daemon(value))}
        statuses = await self._units.statuses(sorted(set(daemons.values())))
        return {
            key: {**manifest, **_status(statuses[daemons[key]])} if key in daemons else manifest
            for key, manifest in extras.items()
        }

    def _system(self, facts: PlatformFacts) -> SystemInfo:
        kernel = self._platform.kernel()
        return SystemInfo(
            kvmd=VersionInfo(PIKVM_API_VERSION),
            streamer=StreamerInfo(STREAMER_APP, STREAMER_API_VERSION, self._streamer_features),
            kernel=KernelInfo(kernel.system, kernel.release, kernel.version, kernel.machine),
            platform=PlatformInfo(
                base=facts.base, serial=facts.serial, model=facts.model, video=facts.video, board=facts.board
            ),
            farhand=VersionInfo(farhand_version()),
        )


def split_uptime(total_s: int) -> UptimeInfo:
    """Return an uptime with its parts."""
    minutes, seconds = divmod(total_s, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return UptimeInfo(total_s, UptimeParts(days, hours, minutes, seconds))


def health_info(health: Health, *, ignore_past: bool) -> HealthInfo:
    """Return the contract's form of the board's readings."""
    flags = health.throttling_flags
    return HealthInfo(
        temp=TempInfo(health.cpu_temp_c),
        cpu=CpuInfo(health.cpu_percent),
        mem=MemInfo(health.mem_percent, health.mem_total_bytes, health.mem_available_bytes),
        throttling=None
        if flags is None
        else ThrottlingInfo(
            raw_flags=flags,
            parsed_flags=ThrottlingFlags(
                undervoltage=_flag(flags, _UNDERVOLTAGE_BIT),
                freq_capped=_flag(flags, _FREQ_CAPPED_BIT),
                throttled=_flag(flags, _THROTTLED_BIT),
            ),
            ignore_past=ignore_past,
        ),
    )


def _flag(flags: int, bit: int) -> ThrottlingFlag:
    return ThrottlingFlag(now=bool(flags >> bit & 1), past=bool(flags >> bit + _PAST_SHIFT & 1))


def _without_clock(info: FanInfo) -> FanInfo:
    """Return *info* with the daemon's clock at zero: that it ticks is no change."""
    if info.state is None:
        return info
    return msgspec.structs.replace(
        info, state=msgspec.structs.replace(info.state, service=FanService(now_ts=0.0))
    )


def _daemon(manifest: Mapping[str, object]) -> str:
    daemon = manifest.get("daemon")
    return daemon if isinstance(daemon, str) else ""


def _status(status: UnitStatus) -> dict[str, bool]:
    return {"enabled": status.enabled, "started": status.started}
