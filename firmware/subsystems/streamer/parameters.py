"""The picture's parameters: which can be set, within which limits, and what is staged to be applied.

Without a clock: when what is staged is applied, `control` decides. A value outside of the configured limits
is dropped here, as the contract says (subsystems.md 7); one of a feature that is off is refused.
"""

from __future__ import annotations

import msgspec

from drivers.video.h264.settings import Settings
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
    """There is no H.264 encoder, or the configuration has it switched off."""


class Parameters:
    """The present parameters and the staged ones."""

    def __init__(self, config: StreamerConfig, *, missing_for_h264: str | None) -> None:
        """Offer what *config* wants, without H.264 if *missing_for_h264* names what that lacks."""
        fps, resolution = config.desired_fps, config.resolution
        bitrate, gop = config.h264_bitrate, config.h264_gop
        self._without_h264 = (
            f"there is no H.264 encoder on this appliance: {missing_for_h264} is not installed"
            if bitrate.default
            else "the configuration has no kvmd/streamer/h264_bitrate: H.264 is off"
        )
        self.features = Features(
            quality=bool(config.quality),
            resolution=bool(resolution.default),
            h264=bool(bitrate.default) and missing_for_h264 is None,
        )
        available: tuple[str, ...] | None = None
        if self.features.resolution:
            # Whoever leaves the default has to find the way back to it.
            available = tuple(dict.fromkeys((*resolution.available, resolution.default)))
        has_h264 = self.features.h264
        self.limits = Limits(
            desired_fps=IntRange(fps.min, fps.max),
            available_resolutions=available,
            h264_bitrate=IntRange(bitrate.min, bitrate.max) if has_h264 else None,
            h264_gop=IntRange(gop.min, gop.max) if has_h264 else None,
        )
        self.present = Params(
            desired_fps=min(max(fps.default, fps.min), fps.max),
            quality=config.quality or None,
            resolution=resolution.default or None,
            h264_bitrate=bitrate.default if has_h264 else None,
            h264_gop=gop.default if has_h264 else None,
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

    def stage_h264_bitrate(self, bitrate_kbps: int) -> None:
        """Take a bit rate in kbit/s. Raises StreamerH264NotSupported."""
        self._stage_h264("h264_bitrate", bitrate_kbps, self.limits.h264_bitrate)

    def stage_h264_gop(self, gop: int) -> None:
        """Take the pictures from one key frame to the next. Raises StreamerH264NotSupported."""
        self._stage_h264("h264_gop", gop, self.limits.h264_gop)

    def _stage_h264(self, name: str, value: int, limits: IntRange | None) -> None:
        if limits is None:
            raise StreamerH264NotSupported(self._without_h264)
        if limits.min <= value <= limits.max:
            self._staged[name] = value

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
        if running.h264 is not None:
            params = msgspec.structs.replace(
                params, h264_bitrate=running.h264.bitrate, h264_gop=running.h264.gop
            )
        return params


def jpeg_quality(params: Params) -> int:
    """Return the quality to encode with."""
    return DEFAULT_JPEG_QUALITY if params.quality is None else params.quality


def h264_settings(params: Params) -> Settings | None:
    """Return what to encode H.264 with, None if there is none."""
    if params.h264_bitrate is None or params.h264_gop is None:
        return None
    return Settings(params.h264_bitrate, params.h264_gop, params.desired_fps)


def wanted_size(params: Params) -> tuple[int, int] | None:
    """Return the width and height in pixels to ask the source for, None to leave it to the source."""
    if params.resolution is None:
        return None
    width, height = params.resolution.split("x")
    return int(width), int(height)
