"""The streamer subsystem: captures while somebody wants the picture and shows what it does.

Owns the pipeline, the start and stop rules, the staged parameters and the kept snapshot. Clients share one
encoded frame; none of them can slow the pipeline down.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import trio

from drivers.ports import VideoSource
from drivers.video.frame import Frame
from drivers.video.h264.settings import missing_package
from firmware.core.cell import Cell
from firmware.core.errors import UnavailableError
from firmware.core.supervise import Supervisor
from firmware.state.streamer import (
    EncoderState,
    H264State,
    Params,
    Resolution,
    RunningState,
    SavedSnapshot,
    SinksState,
    SinkState,
    SnapshotState,
    SourceState,
    StreamerState,
    StreamState,
)
from firmware.subsystems.streamer.clients import Audience, MjpegClients
from firmware.subsystems.streamer.config import StreamerConfig
from firmware.subsystems.streamer.control import Action, StreamerControl
from firmware.subsystems.streamer.frames import JpegFrame
from firmware.subsystems.streamer.h264_stage import H264Stage
from firmware.subsystems.streamer.jpeg_stage import JpegStage
from firmware.subsystems.streamer.latency import LatencyMeter
from firmware.subsystems.streamer.parameters import Parameters, h264_settings, jpeg_quality, wanted_size
from firmware.subsystems.streamer.pipeline import Pipeline

CAPTURE_TASK = "streamer.capture"
H264_TASK = "streamer.h264"


class _Period:
    """One period of streaming, from a start to a stop."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.ended = trio.Event()

    async def stop(self) -> None:
        """End it and wait until the capture is closed: the next period opens the same device."""
        self.scope.cancel()
        await self.ended.wait()


class StreamerService:
    """Handle and service of the streamer; `state` is the cell that the API shows."""

    def __init__(self, config: StreamerConfig, *, source: VideoSource, supervisor: Supervisor) -> None:
        self._config = config
        self._supervisor = supervisor
        self._control = StreamerControl(
            shutdown_delay_s=config.shutdown_delay, reset_delay_s=config.reset_delay
        )
        self._parameters = Parameters(config, missing_for_h264=missing_package())
        self._sessions = 0
        self._holds = 0
        self._wake = trio.Event()
        self._saved: JpegFrame | None = None
        self.clients = MjpegClients()
        self.jpeg_sink = Audience()
        """Who takes JPEG frames elsewhere than by MJPEG: clients of the media socket."""
        self._snapshots = Audience()
        self._jpeg = JpegStage(self._jpeg_wanted, lambda: self._snapshots.count.value > 0)
        self.h264 = H264Stage(self._reason_picture, self._hurry) if self._parameters.features.h264 else None
        """The H.264 encoder, None without that feature."""
        self._pipeline = Pipeline(source, self._jpeg, [] if self.h264 is None else [self.h264])
        self._wishes = Cell(0)
        self.state = Cell(
            StreamerState(
                features=self._parameters.features,
                limits=self._parameters.limits,
                params=self._parameters.present,
                applied=self._parameters.present,
                snapshot=SnapshotState(),
                streamer=None,
            )
        )

    @property
    def wishes(self) -> Cell[int]:
        """Changes of parameters and automatic snapshots so far; sessions are told their number at each."""
        return self._wishes

    @property
    def frames(self) -> Cell[JpegFrame | None]:
        """The newest encoded frame, None while the streamer is stopped."""
        return self._jpeg.frames

    @property
    def jpeg_latency(self) -> LatencyMeter:
        """How long JPEG frames take; whoever sends one tells it."""
        return self._jpeg.latency

    def _reason_picture(self) -> Frame | None:
        return self._pipeline.reason_picture

    def _hurry(self) -> None:
        self._pipeline.hurry()

    def _jpeg_wanted(self) -> bool:
        audiences = (self.clients, self.jpeg_sink, self._snapshots)
        return any(audience.count.value for audience in audiences)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start and stop the pipeline as its rules say, until cancelled."""
        self._control.running = False
        self._update_wanted()
        task_status.started()
        async with trio.open_nursery() as nursery:
            period: _Period | None = None
            while True:
                for action in self._control.poll(trio.current_time()):
                    if action is Action.STOP and period is not None:
                        await period.stop()
                        period = None
                    elif action is Action.APPLY_PARAMS:
                        self._apply_params()
                    elif action is Action.START:
                        period = _Period()
                        nursery.start_soon(self._streaming, period)
                deadline = self._control.deadline
                with trio.move_on_at(math.inf if deadline is None else deadline):
                    await self._wake.wait()
                self._wake = trio.Event()

    async def _streaming(self, period: _Period) -> None:
        """Stream until *period* is stopped."""
        params = self._parameters.present
        with period.scope:
            try:
                async with trio.open_nursery() as nursery:
                    self._jpeg.quality = jpeg_quality(params)
                    run = partial(self._pipeline.run, max_fps=params.desired_fps, size=wanted_size(params))
                    nursery.start_soon(self._supervisor.supervise, CAPTURE_TASK, run)
                    settings = h264_settings(params)
                    if self.h264 is not None and settings is not None:
                        encode = partial(self.h264.run, settings)
                        nursery.start_soon(self._supervisor.supervise, H264_TASK, encode)
                    nursery.start_soon(self._publish_statistics, params)
            finally:
                self._pipeline.clear()
                self._show_running(None)
                period.ended.set()

    # -- state ------------------------------------------------------------------------------------------

    def _publish(self, **changes: object) -> None:
        self.state.publish(msgspec.structs.replace(self.state.value, **changes))

    async def _publish_statistics(self, params: Params) -> None:
        """Publish once a second, and at once when the signal or the number of clients changes."""

        async def publish_on_change(cell: Cell[Any]) -> None:
            async for _ in cell.changes():
                self._publish_running(params)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish_on_change, self._pipeline.signal)
            nursery.start_soon(publish_on_change, self.clients.count)
            nursery.start_soon(publish_on_change, self.jpeg_sink.count)
            if self.h264 is not None:
                nursery.start_soon(publish_on_change, self.h264.audience.count)
            while True:
                await trio.sleep(self._config.state_poll)
                self._publish_running(params)

    def _publish_running(self, params: Params) -> None:
        if self.frames.value is not None:
            self._show_running(self._running_state(params))

    def _show_running(self, running: RunningState | None) -> None:
        self._publish(streamer=running, applied=self._parameters.applied(running))

    def _running_state(self, params: Params) -> RunningState:
        now, signal = trio.current_time(), self._pipeline.signal.value
        return RunningState(
            instance_id="",
            encoder=EncoderState(
                type="HW" if self._jpeg.passes_through else "CPU", quality=jpeg_quality(params)
            ),
            sinks=self._sinks_state(),
            source=SourceState(
                resolution=Resolution(signal.width, signal.height),
                online=signal.online,
                desired_fps=params.desired_fps,
                captured_fps=self._pipeline.captured.per_second(now),
            ),
            stream=StreamState(
                queued_fps=self._jpeg.encoded.per_second(now),
                clients=self.clients.count.value,
                clients_stat=self.clients.statistics(),
            ),
            latency={name: meter.state() for name, meter in self.latencies().items()},
            h264=self._h264_state(params),
        )

    def _sinks_state(self) -> SinksState:
        h264 = None
        if self.h264 is not None:
            h264 = SinkState(has_clients=self.h264.audience.count.value > 0)
        return SinksState(jpeg=SinkState(has_clients=self.jpeg_sink.count.value > 0), h264=h264)

    def _h264_state(self, params: Params) -> H264State | None:
        settings = h264_settings(params)
        if self.h264 is None or settings is None:
            return None
        return H264State(
            bitrate=settings.bitrate_kbps,
            gop=settings.gop,
            online=self.h264.running and self._pipeline.signal.value.online,
            fps=self.h264.encoded.per_second(trio.current_time()),
        )

    # -- who wants the picture --------------------------------------------------------------------------

    def set_sessions(self, count: int) -> None:
        """Take how many sessions want the streamer to run (contract websocket.md 1.8)."""
        self._sessions = count
        self._update_wanted()

    @contextmanager
    def held_running(self) -> Iterator[None]:
        """Make it run although no session wants it, as an automatic snapshot does."""
        self._holds += 1
        self._update_wanted()
        self._wishes.publish(self._wishes.value + 1)
        try:
            yield
        finally:
            self._holds -= 1
            self._update_wanted()
            self._wishes.publish(self._wishes.value + 1)

    def _update_wanted(self) -> None:
        wanted = self._sessions > 0 or self._holds > 0 or self._config.forever
        self._control.set_wanted(wanted, trio.current_time())
        self._wake.set()

    # -- parameters -------------------------------------------------------------------------------------

    def stage_quality(self, quality: int) -> None:
        """Set the JPEG quality, applied with the other staged parameters. Raises OperationError."""
        self._parameters.stage_quality(quality)
        self._staged()

    def stage_desired_fps(self, desired_fps: int) -> None:
        """Set the frame rate limit; one outside the configured limits is dropped, as the contract says."""
        self._parameters.stage_desired_fps(desired_fps)
        self._staged()

    def stage_resolution(self, resolution: str) -> None:
        """Ask for a size of the picture; one that is not available is dropped. Raises OperationError."""
        self._parameters.stage_resolution(resolution)
        self._staged()

    def stage_h264_bitrate(self, bitrate_kbps: int) -> None:
        """Set the bit rate of H.264; one outside the configured limits is dropped. Raises OperationError."""
        self._parameters.stage_h264_bitrate(bitrate_kbps)
        self._staged()

    def stage_h264_gop(self, gop: int) -> None:
        """Set how often there are key frames; see `stage_h264_bitrate`. Raises OperationError."""
        self._parameters.stage_h264_gop(gop)
        self._staged()

    def _staged(self) -> None:
        self._control.params_staged(trio.current_time())
        self._wake.set()

    def _apply_params(self) -> None:
        self._parameters.apply()
        params = self._parameters.present
        self._publish(params=params, applied=self._parameters.applied(self.state.value.streamer))
        self._wishes.publish(self._wishes.value + 1)

    def reset(self) -> None:
        """Restart the streamer if it runs."""
        self._control.reset()
        self._wake.set()

    # -- snapshots --------------------------------------------------------------------------------------

    async def take_snapshot(self, *, save: bool = False, allow_offline: bool = False) -> JpegFrame:
        """Return a frame captured after this call, and keep it if *save*.

        Raises UnavailableError when the streamer does not run, delivers nothing in time, or has no signal and
        not *allow_offline*. It does not start the streamer.
        """
        asked_at = time.monotonic()
        if self.state.value.streamer is None and self.frames.value is None:
            raise UnavailableError("the streamer is not running; open a session with stream=1 first")
        deadline_s, grabbed = self._config.snapshot_timeout, self._jpeg.grabbed
        with self._snapshots.joined(), trio.move_on_after(deadline_s) as scope:
            self._hurry()
            while grabbed.value[0] < asked_at and self._pipeline.signal.value.online:
                await grabbed.wait_newer(grabbed.version)
        if scope.cancelled_caught:
            raise UnavailableError(f"the capture gave no picture within {deadline_s:g} s")
        frame = self.frames.value
        if frame is None:
            raise UnavailableError("the streamer stopped while the snapshot was being taken")
        if not frame.online and not allow_offline:
            raise UnavailableError("there is no video signal; pass allow_offline=1 to get the picture anyway")
        frame = self.as_grabbed_last(frame)
        if save:
            self._saved = frame
            saved = SavedSnapshot(online=frame.online, width=frame.width, height=frame.height)
            self._publish(snapshot=SnapshotState(saved))
        return frame

    def as_grabbed_last(self, frame: JpegFrame) -> JpegFrame:
        """Return *frame* with the times of the newest capture, if that had nothing new to encode.

        A picture that stood still for a minute was still seen a moment ago.
        """
        begin, end = self._jpeg.grabbed.value
        if frame is not self.frames.value or begin <= frame.times.grab_begin:
            return frame
        times = dataclasses.replace(frame.times, grab_begin=begin, grab_end=end)
        return dataclasses.replace(frame, times=times)

    def load_snapshot(self) -> JpegFrame:
        """Return the kept frame. Raises UnavailableError if there is none."""
        if self._saved is None:
            raise UnavailableError("no snapshot has been kept; take one with save=1")
        return self._saved

    def remove_snapshot(self) -> None:
        """Forget the kept frame."""
        self._saved = None
        self._publish(snapshot=SnapshotState())

    def statistics(self) -> dict[str, int]:
        """Return what became of frames since the start.

        Unchanged ones were the same as the one before and were not encoded; damaged ones were JPEG pictures
        of the capture that cannot be read; dropped ones were encoded, and clients of the MJPEG stream were
        too slow for them.
        """
        return {
            "captured_frames": self._pipeline.captured.total,
            "encoded_frames": self._jpeg.encoded.total,
            "unchanged_frames": self._jpeg.unchanged_frames,
            "damaged_frames": self._jpeg.damaged_frames,
            "dropped_frames": self.clients.dropped,
            "h264_frames": 0 if self.h264 is None else self.h264.encoded.total,
        }

    def latencies(self) -> dict[str, LatencyMeter]:
        """Return the meter of each format."""
        meters = {"jpeg": self._jpeg.latency}
        if self.h264 is not None:
            meters["h264"] = self.h264.latency
        return meters
