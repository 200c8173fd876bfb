"""State of the info subsystem, one model per category (contract http.md 4.1, subsystems.md 12).

Field names are the contract's JSON keys, so units are those of the contract: seconds, degrees Celsius, bytes
and percent. `meta` and `extras` are free-form documents of JSON values, or None on failure.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from drivers.system.fan import FanState

type Document = Mapping[str, object]
"""A free-form JSON object; whoever reads it leaves it as it is."""


class AuthInfo(msgspec.Struct, frozen=True):
    """Whether a login is needed."""

    enabled: bool = True


class NodeInfo(msgspec.Struct, frozen=True):
    """The system host name."""

    host: str = ""


class UptimeParts(msgspec.Struct, frozen=True):
    """An uptime, split."""

    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0


class UptimeInfo(msgspec.Struct, frozen=True):
    """Whole seconds since boot."""

    total: int = 0
    parts: UptimeParts = UptimeParts()


class TempInfo(msgspec.Struct, frozen=True):
    """Temperatures."""

    cpu: float | None = None


class CpuInfo(msgspec.Struct, frozen=True):
    """Processor load."""

    percent: int | None = None


class MemInfo(msgspec.Struct, frozen=True):
    """Memory."""

    percent: float | None = None
    total: int | None = None
    available: int | None = None


class ThrottlingFlag(msgspec.Struct, frozen=True):
    """Whether it holds now, and whether it ever did since boot."""

    now: bool
    past: bool


class ThrottlingFlags(msgspec.Struct, frozen=True):
    """The flags that have a name."""

    undervoltage: ThrottlingFlag
    freq_capped: ThrottlingFlag
    throttled: ThrottlingFlag


class ThrottlingInfo(msgspec.Struct, frozen=True):
    """Throttling; `ignore_past` is a wish of the configuration to whoever shows it."""

    raw_flags: int
    parsed_flags: ThrottlingFlags
    ignore_past: bool


class HealthInfo(msgspec.Struct, frozen=True):
    """The board's condition; None where it does not tell."""

    temp: TempInfo = TempInfo()
    cpu: CpuInfo = CpuInfo()
    mem: MemInfo = MemInfo()
    throttling: ThrottlingInfo | None = None


class FanInfo(msgspec.Struct, frozen=True):
    """Whether there is a fan daemon, and what it says; None if it does not answer."""

    monitored: bool = False
    state: FanState | None = None


class VersionInfo(msgspec.Struct, frozen=True):
    """The version of one program."""

    version: str


class StreamerInfo(msgspec.Struct, frozen=True):
    """The streamer, in the reference's terms."""

    app: str
    version: str
    features: Mapping[str, bool]


class KernelInfo(msgspec.Struct, frozen=True):
    """uname(2)."""

    system: str = ""
    release: str = ""
    version: str = ""
    machine: str = ""


class PlatformInfo(msgspec.Struct, frozen=True):
    """The board; `type` is always "rpi", which clients expect of every appliance of this family."""

    type: str = "rpi"
    base: str | None = None
    serial: str | None = None
    model: str | None = None
    video: str | None = None
    board: str | None = None


class SystemInfo(msgspec.Struct, frozen=True):
    """Versions and the board. `farhand` is ours, beyond the contract: the version of this program."""

    kvmd: VersionInfo
    streamer: StreamerInfo
    kernel: KernelInfo
    platform: PlatformInfo
    farhand: VersionInfo


class InfoState(msgspec.Struct, frozen=True, kw_only=True):
    """All categories at one moment."""

    auth: AuthInfo
    extras: Document | None
    fan: FanInfo
    health: HealthInfo
    meta: Document | None
    node: NodeInfo
    system: SystemInfo
    uptime: UptimeInfo
