"""State of the streamer; the shapes of `GET /api/streamer` and `/streamer/state` (http.md 4.5, 6)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Features(msgspec.Struct, frozen=True):
    """What can be set."""

    quality: bool
    resolution: bool
    h264: bool


class IntRange(msgspec.Struct, frozen=True):
    """Inclusive limits."""

    min: int
    max: int


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits of the parameters; what may be None is there only if the feature is."""

    desired_fps: IntRange
    available_resolutions: tuple[str, ...] | None = None
    h264_bitrate: IntRange | None = None
    h264_gop: IntRange | None = None


class Params(msgspec.Struct, frozen=True, omit_defaults=True):
    """Parameters; what may be None is there only if the feature is. The bit rate is in kbit/s."""

    desired_fps: int
    quality: int | None = None
    resolution: str | None = None
    h264_bitrate: int | None = None
    h264_gop: int | None = None


class SavedSnapshot(msgspec.Struct, frozen=True):
    """What is known of the kept frame."""

    online: bool
    width: int
    height: int


class SnapshotState(msgspec.Struct, frozen=True):
    """The kept frame, if there is one."""

    saved: SavedSnapshot | None = None


class EncoderState(msgspec.Struct, frozen=True):
    """The JPEG encoder."""

    type: str
    quality: int


class Resolution(msgspec.Struct, frozen=True):
    """Size of the captured picture in pixels."""

    width: int
    height: int


class SourceState(msgspec.Struct, frozen=True):
    """The capture: `online` means that there is a video signal."""

    resolution: Resolution
    online: bool
    desired_fps: int
    captured_fps: int


class ClientStat(msgspec.Struct, frozen=True):
    """One MJPEG client."""

    fps: int
    extra_headers: bool
    advance_headers: bool
    dual_final_frames: bool
    zero_data: bool
    key: str


class StreamState(msgspec.Struct, frozen=True):
    """The MJPEG output."""

    queued_fps: int
    clients: int
    clients_stat: Mapping[str, ClientStat]


class SinkState(msgspec.Struct, frozen=True):
    """An output beside the MJPEG one."""

    has_clients: bool


class SinksState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outputs of the media socket, by format; those that there are."""

    jpeg: SinkState
    h264: SinkState | None = None


class H264State(msgspec.Struct, frozen=True):
    """The H.264 encoder: `online` means that it works and that there is a video signal."""

    bitrate: int
    gop: int
    online: bool
    fps: int


class StageLatency(msgspec.Struct, frozen=True):
    """How long one stage took: quantiles of the last frames, and a histogram of all since the start.

    `up_to_ms` counts the frames that took at most so many milliseconds.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    count: int
    up_to_ms: Mapping[str, int]


class RunningState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The running streamer, which in the reference is a process of its own; `h264` only with that feature."""

    instance_id: str
    encoder: EncoderState
    sinks: SinksState
    source: SourceState
    stream: StreamState
    latency: Mapping[str, Mapping[str, StageLatency]]
    """By format and stage (beyond the contract)."""
    h264: H264State | None = None


class StreamerState(msgspec.Struct, frozen=True):
    """The whole; `streamer` is None while it is stopped."""

    features: Features
    limits: Limits
    params: Params
    applied: Params
    snapshot: SnapshotState
    streamer: RunningState | None
