"""Section `kvmd/streamer` (config.md 2, subsystems.md 7): picture parameters, their limits, process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Protocol, Self, override

import msgspec

from firmware.core.config.kinds import (
    OPTIONAL_RESOLUTION,
    RESOLUTION,
    AbsolutePath,
    Command,
    Interval,
    ListOf,
    NonEmptyText,
    Seconds,
    Switchable,
    TextList,
    integer,
)
from firmware.core.config.section import Notes, Section

type Fps = Annotated[int, integer(0, 120)]
type Bitrate = Annotated[int, integer(25, 20000)]
type Gop = Annotated[int, integer(0, 60)]


class _Range(Protocol):
    @property
    def default(self) -> int: ...
    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int: ...


def _settled_default(limits: _Range, notes: Notes) -> int:
    """Clamp the default into its limits (subsystems.md 7), saying so if somebody set it outside."""
    if limits.min > limits.max:
        notes.error("min", f"expected at most max ({limits.max}), got {limits.min}")
        return limits.default
    clamped = max(limits.min, min(limits.max, limits.default))
    if clamped != limits.default and notes.given("default"):
        notes.warning("default", f"{limits.default} is outside {limits.min}..{limits.max}, using {clamped}")
    return clamped


class StreamerResolutionConfig(Section, frozen=True):
    """`resolution`: WxH as text; default "" means the feature is off."""

    default: Annotated[str, OPTIONAL_RESOLUTION] = ""
    available: Annotated[tuple[str, ...], ListOf(RESOLUTION)] = ()


class StreamerFpsConfig(Section, frozen=True):
    """`desired_fps`: frames a second; 0 = as fast as the source goes."""

    default: Fps = 30
    min: Fps = 0
    max: Fps = 90

    @override
    def settle(self, notes: Notes) -> Self:
        return msgspec.structs.replace(self, default=_settled_default(self, notes))


class StreamerBitrateConfig(Section, frozen=True):
    """`h264_bitrate`: kbit/s; default 0 means the feature is off."""

    default: Annotated[int, Switchable(integer(25, 20000))] = 0
    min: Bitrate = 25
    max: Bitrate = 20000

    @override
    def settle(self, notes: Notes) -> Self:
        clamped = _settled_default(self, notes) if self.default else 0
        return msgspec.structs.replace(self, default=clamped)


class StreamerGopConfig(Section, frozen=True):
    """`h264_gop`: frames from one key frame to the next; 0 = only on demand."""

    default: Gop = 0
    min: Gop = 0
    max: Gop = 60

    @override
    def settle(self, notes: Notes) -> Self:
        return msgspec.structs.replace(self, default=_settled_default(self, notes))


class StreamerConfig(Section, frozen=True):
    """`kvmd/streamer`; delays in seconds."""

    forever: bool = False
    reset_delay: Seconds = 1.0
    shutdown_delay: Interval = 10.0
    state_poll: Interval = 1.0
    quality: Annotated[int, Switchable(integer(1, 100))] = 80
    """JPEG quality; 0 means the feature is off."""
    resolution: StreamerResolutionConfig = StreamerResolutionConfig()
    desired_fps: StreamerFpsConfig = StreamerFpsConfig()
    h264_bitrate: StreamerBitrateConfig = StreamerBitrateConfig()
    h264_gop: StreamerGopConfig = StreamerGopConfig()
    h264_boost: bool = False
    slowdown: bool = False
    passthrough: bool = False
    unix: AbsolutePath = Path("/run/kvmd/ustreamer.sock")
    timeout: Interval = 2.0
    snapshot_timeout: Interval = 5.0
    process_name_prefix: NonEmptyText = "kvmd/streamer"
    pre_start_cmd: Command = ("/bin/true",)
    pre_start_cmd_remove: TextList = ()
    pre_start_cmd_append: TextList = ()
    cmd: Command = ("/bin/true",)
    cmd_remove: TextList = ()
    cmd_append: TextList = ()
    post_stop_cmd: Command = ("/bin/true",)
    post_stop_cmd_remove: TextList = ()
    post_stop_cmd_append: TextList = ()
