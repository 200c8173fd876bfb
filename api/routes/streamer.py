"""Control of the streamer, and snapshots (contract http.md 4.5)."""

from __future__ import annotations

import time

import trio
from quart import Response

from api.params import Param
from api.routing import Access, Call, Route, envelope
from drivers.video.preview import scale_jpeg
from firmware.core.errors import OperationError
from firmware.core.validators import (
    valid_bool,
    valid_h264_bitrate,
    valid_h264_gop,
    valid_int,
    valid_stream_fps,
    valid_stream_quality,
    valid_stream_resolution,
)
from firmware.subsystems.streamer.frames import JpegFrame
from firmware.subsystems.streamer.service import StreamerService


class OcrError(OperationError):
    """Text recognition is not possible."""


def _size(raw: object, name: str) -> int:
    return valid_int(raw, name, minimum=0)


_SIZE = {"type": "integer", "minimum": 0}

QUALITY = Param[int]("quality", valid_stream_quality, empty_is_absent=True)
DESIRED_FPS = Param[int]("desired_fps", valid_stream_fps, empty_is_absent=True)
RESOLUTION = Param[str]("resolution", valid_stream_resolution, empty_is_absent=True)
H264_BITRATE = Param[int]("h264_bitrate", valid_h264_bitrate, empty_is_absent=True)
H264_GOP = Param[int]("h264_gop", valid_h264_gop, empty_is_absent=True)

SAVE = Param("save", valid_bool, False, "keep this frame in memory")
LOAD = Param("load", valid_bool, False, "return the kept frame; wins over save")
ALLOW_OFFLINE = Param("allow_offline", valid_bool, False, "accept a frame without a video signal")
OCR = Param("ocr", valid_bool, False, "return recognised text")
PREVIEW = Param("preview", valid_bool, False, "scaled-down JPEG")
PREVIEW_MAX_WIDTH = Param("preview_max_width", _size, 0, schema=_SIZE)
PREVIEW_MAX_HEIGHT = Param("preview_max_height", _size, 0, schema=_SIZE)
PREVIEW_QUALITY = Param("preview_quality", valid_stream_quality, 80)

NEVER_CACHE = {
    "Cache-Control": "no-store, no-cache, must-revalidate, proxy-revalidate, max-age=0",
    "Pragma": "no-cache",
    "Expires": "Mon, 3 Jan 2000 12:34:56 GMT",
}


def snapshot_headers(frame: JpegFrame) -> dict[str, str]:
    """Return the headers that describe *frame*; times are seconds of the appliance's monotonic clock."""
    return {
        **NEVER_CACHE,
        "X-Timestamp": f"{time.time():.6f}",
        "X-UStreamer-Online": "true" if frame.online else "false",
        "X-UStreamer-Width": str(frame.width),
        "X-UStreamer-Height": str(frame.height),
        "X-UStreamer-Grab-Begin-Timestamp": f"{frame.grab_begin:.6f}",
        "X-UStreamer-Grab-End-Timestamp": f"{frame.grab_end:.6f}",
        "X-UStreamer-Encode-Begin-Timestamp": f"{frame.encode_begin:.6f}",
        "X-UStreamer-Encode-End-Timestamp": f"{frame.encode_end:.6f}",
        "X-UStreamer-Send-Timestamp": f"{time.monotonic():.6f}",
    }


def streamer_routes(streamer: StreamerService) -> list[Route]:
    """List the routes that control the streamer."""
    # A preview decodes and encodes a whole picture: more than one at a time would starve the video.
    preview_limiter = trio.CapacityLimiter(1)

    async def state(_call: Call) -> Response:
        return envelope(streamer.state.value)

    async def set_params(call: Call) -> Response:
        # One by one in this order: what was staged before an error stays staged, as in the reference.
        if call.has(QUALITY):
            streamer.stage_quality(call[QUALITY])
        if call.has(DESIRED_FPS):
            streamer.stage_desired_fps(call[DESIRED_FPS])
        if call.has(RESOLUTION):
            streamer.stage_resolution(call[RESOLUTION])
        if call.has(H264_BITRATE):
            streamer.stage_h264(call[H264_BITRATE])
        if call.has(H264_GOP):
            streamer.stage_h264(call[H264_GOP])
        return envelope()

    async def reset(_call: Call) -> Response:
        streamer.reset()
        return envelope()

    async def take_snapshot(call: Call) -> Response:
        save, load, allow_offline = call[SAVE], call[LOAD], call[ALLOW_OFFLINE]
        ocr, preview = call[OCR], call[PREVIEW]
        if load:
            frame = streamer.load_snapshot()
        else:
            frame = await streamer.take_snapshot(save=save, allow_offline=allow_offline)
        if ocr:
            raise OcrError("text recognition is not available on this appliance")
        data = frame.data
        if preview:
            data = await trio.to_thread.run_sync(
                scale_jpeg,
                frame.data,
                call[PREVIEW_MAX_WIDTH],
                call[PREVIEW_MAX_HEIGHT],
                call[PREVIEW_QUALITY],
                limiter=preview_limiter,
            )
        return Response(data, content_type="image/jpeg", headers=snapshot_headers(frame))

    async def remove_snapshot(_call: Call) -> Response:
        streamer.remove_snapshot()
        return envelope()

    async def ocr_state(_call: Call) -> Response:
        return envelope({"ocr": {"enabled": False, "langs": {"default": [], "available": []}}})

    snapshot_params = (
        SAVE,
        LOAD,
        ALLOW_OFFLINE,
        OCR,
        PREVIEW,
        PREVIEW_MAX_WIDTH,
        PREVIEW_MAX_HEIGHT,
        PREVIEW_QUALITY,
    )
    set_params_params = (QUALITY, DESIRED_FPS, RESOLUTION, H264_BITRATE, H264_GOP)
    user = Access.USER
    return [
        Route("GET", "/api/streamer", user, state),
        Route("POST", "/api/streamer/set_params", user, set_params, set_params_params),
        Route("POST", "/api/streamer/reset", user, reset),
        Route("GET", "/api/streamer/snapshot", user, take_snapshot, snapshot_params),
        Route("DELETE", "/api/streamer/snapshot", user, remove_snapshot),
        Route("GET", "/api/streamer/ocr", user, ocr_state),
    ]
