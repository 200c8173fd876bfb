"""The picture's parameters: which can be set, within which limits, and what is staged to be applied.

Without a clock: when what is staged is applied, `control` decides. A value outside of the configured limits
is dropped here, as the contract says (subsystems.md 7); one of a feature that is off is refused.
"""

from __future__ import annotations

import msgspec

from firmware.core.errors import OperationError
from firmware.state.streamer import Features, IntRange, Limits, Params, RunningState
from firmware.subsystems.streamer.config import StreamerConfig

# What clients expect where the configuration switches the quality off, and so nobody chose one.
DEFAULT_JPEG_QUALITY = 80


class StreamerQualityNotSupported(OperationError):  # noqa: N818 - the contract's name
    """The configuration has no quality setting."""


class StreamerResolutionNotSupported(OperationError):  # noqa: N818 - the contract's name
    """The configuration names no resolutions to choose from."""


class StreamerH264NotSupported(OperationError):  # noqa: N818 - the contract's name
    """There is no H.264 encoder."""


class Parameters:
    """The present parameters and the staged ones."""

    def __init__(self, config: StreamerConfig) -> None:
        fps, resolution = config.desired_fps, config.resolution
        self.features = Features(
            quality=bool(config.quality), resolution=bool(resolution.default), h264=False
        )
        available: tuple[str, ...] | None = None
        if self.features.resolution:
            # Whoever leaves the default has to find the way back to it.
            available = tuple(dict.fromkeys((*resolution.available, resolution.default)))
        self.limits = Limits(desired_fps=IntRange(fps.min, fps.max), available_resolutions=available)
        self.present = Params(
            desired_fps=min(max(fps.default, fps.min), fps.max),
            quality=config.quality or None,
            resolution=resolution.default or None,
        )
        self._staged: dict[str, int | str] = {}

    def stage_quality(self, quality: int) -> None:
        """Take a JPEG quality. Raises StreamerQualityNotSupported."""
        if not self.features.quality:
            raise StreamerQualityNotSupported("the JPEG quality is fixed by the configuration")
        self._staged["quality"] = quality

    def stage_desired_fps(self, desired_fps: int) -> None:
        """Take a limit of the frame rate."""
        limits = self.limits.desired_fps
        if limits.min <= desired_fps <= limits.max:
            self._staged["desired_fps"] = desired_fps

    def stage_resolution(self, resolution: str) -> None:
        """Take a resolution, "WIDTHxHEIGHT". Raises StreamerResolutionNotSupported."""
        available = self.limits.available_resolutions
        if available is None:
            raise StreamerResolutionNotSupported(
                "the configuration has no kvmd/streamer/resolution: the picture has the size that it comes in"
            )
        if resolution in available:
            self._staged["resolution"] = resolution

    def stage_h264(self, _value: int) -> None:
        """Refuse: there is no H.264 encoder. Raises StreamerH264NotSupported."""
        raise StreamerH264NotSupported("there is no H.264 encoder on this appliance")

    def apply(self) -> None:
        """Make what is staged the present parameters."""
        self.present = msgspec.structs.replace(self.present, **self._staged)
        self._staged.clear()

    def applied(self, running: RunningState | None) -> Params:
        """Return the parameters as the running streamer reports them, the present ones while it does not."""
        params = self.present
        if running is None:
            return params
        params = msgspec.structs.replace(params, desired_fps=running.source.desired_fps)
        if params.quality is not None:
            params = msgspec.structs.replace(params, quality=running.encoder.quality)
        if params.resolution is not None and running.source.online:
            size = running.source.resolution
            params = msgspec.structs.replace(params, resolution=f"{size.width}x{size.height}")
        return params


def jpeg_quality(params: Params) -> int:
    """Return the quality to encode with."""
    return DEFAULT_JPEG_QUALITY if params.quality is None else params.quality


def wanted_size(params: Params) -> tuple[int, int] | None:
    """Return the width and height in pixels to ask the source for, None to leave it to the source."""
    if params.resolution is None:
        return None
    width, height = params.resolution.split("x")
    return int(width), int(height)
