"""Control of the streamer, and snapshots (contract http.md 4.5)."""

from __future__ import annotations

import time
from functools import partial

import msgspec
import trio
from quart import Response

from api.params import Param
from api.routing import Access, Answer, Call, Route, envelope, media
from drivers.ocr.picture import CropBox
from drivers.video.preview import scale_jpeg
from firmware.core.errors import UnavailableError
from firmware.core.validators import (
    valid_bool,
    valid_h264_bitrate,
    valid_h264_gop,
    valid_int,
    valid_list,
    valid_stream_fps,
    valid_stream_quality,
    valid_stream_resolution,
)
from firmware.state.ocr import OcrState
from firmware.state.streamer import StreamerState
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.ocr.service import OcrError, OcrService
from firmware.subsystems.streamer.frames import JpegFrame
from firmware.subsystems.streamer.parameters import (
    StreamerH264NotSupported,
    StreamerQualityNotSupported,
    StreamerResolutionNotSupported,
)
from firmware.subsystems.streamer.service import StreamerService

_size = partial(valid_int, minimum=0)

QUALITY = Param[int](
    "quality", valid_stream_quality, description="of the JPEG pictures", empty_is_absent=True
)
DESIRED_FPS = Param[int](
    "desired_fps",
    valid_stream_fps,
    description="at most so many frames a second; 0 = all",
    empty_is_absent=True,
)
RESOLUTION = Param[str](
    "resolution", valid_stream_resolution, description="one of the available ones", empty_is_absent=True
)
H264_BITRATE = Param[int]("h264_bitrate", valid_h264_bitrate, description="in kbit/s", empty_is_absent=True)
H264_GOP = Param[int](
    "h264_gop",
    valid_h264_gop,
    description="frames from one key frame to the next, 0: only on demand",
    empty_is_absent=True,
)

SAVE = Param("save", valid_bool, False, "keep this frame in memory")
LOAD = Param("load", valid_bool, False, "return the kept frame; wins over save")
ALLOW_OFFLINE = Param("allow_offline", valid_bool, False, "accept a frame without a video signal")
OCR = Param("ocr", valid_bool, False, "return recognised text")
OCR_LANGS = Param[list[str]]("ocr_langs", valid_list, [], "installed languages; the configured ones if none")
OCR_LEFT = Param("ocr_left", valid_int, -1, "edge of the part to read, in pixels; negative = none")
OCR_TOP = Param("ocr_top", valid_int, -1, "edge of the part to read")
OCR_RIGHT = Param("ocr_right", valid_int, -1, "edge of the part to read: not its width")
OCR_BOTTOM = Param("ocr_bottom", valid_int, -1, "edge of the part to read: not its height")
PREVIEW = Param("preview", valid_bool, False, "scaled-down JPEG; ignored with ocr")
PREVIEW_MAX_WIDTH = Param("preview_max_width", _size, 0, "in pixels; both 0 = a fifth of each side")
PREVIEW_MAX_HEIGHT = Param("preview_max_height", _size, 0, "in pixels; 0 beside another limit = no limit")
PREVIEW_QUALITY = Param("preview_quality", valid_stream_quality, 80, "of the scaled-down JPEG")
SET_PARAMS = (QUALITY, DESIRED_FPS, RESOLUTION, H264_BITRATE, H264_GOP)
SNAPSHOT_PARAMS = (
    SAVE,
    LOAD,
    ALLOW_OFFLINE,
    OCR,
    OCR_LANGS,
    OCR_LEFT,
    OCR_TOP,
    OCR_RIGHT,
    OCR_BOTTOM,
    PREVIEW,
    PREVIEW_MAX_WIDTH,
    PREVIEW_MAX_HEIGHT,
    PREVIEW_QUALITY,
)


class OcrAnswer(msgspec.Struct, frozen=True):
    """The text recognition, for `GET /api/streamer/ocr`: wrapped, unlike the event."""

    ocr: OcrState


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
        "X-UStreamer-Grab-Begin-Timestamp": f"{frame.times.grab_begin:.6f}",
        "X-UStreamer-Grab-End-Timestamp": f"{frame.times.grab_end:.6f}",
        "X-UStreamer-Encode-Begin-Timestamp": f"{frame.times.encode_begin:.6f}",
        "X-UStreamer-Encode-End-Timestamp": f"{frame.times.encode_end:.6f}",
        "X-UStreamer-Send-Timestamp": f"{time.monotonic():.6f}",
    }


def streamer_routes(streamer: StreamerService, recognition: OcrService) -> list[Route]:
    """List the routes that control the streamer, and give its pictures or what is written there."""
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
            streamer.stage_h264_bitrate(call[H264_BITRATE])
        if call.has(H264_GOP):
            streamer.stage_h264_gop(call[H264_GOP])
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
        # What follows is validated only now that there is a frame, as in the reference.
        data, content_type = frame.data, "image/jpeg"
        if ocr:
            box = CropBox(call[OCR_LEFT], call[OCR_TOP], call[OCR_RIGHT], call[OCR_BOTTOM])
            text = await recognition.recognise(frame.data, call[OCR_LANGS], box=box)
            data, content_type = text.encode(), "text/plain"
        elif preview:
            limits = call[PREVIEW_MAX_WIDTH], call[PREVIEW_MAX_HEIGHT]
            data = await trio.to_thread.run_sync(
                scale_jpeg, frame.data, *limits, call[PREVIEW_QUALITY], limiter=preview_limiter
            )
        return Response(data, content_type=content_type, headers=snapshot_headers(frame))

    async def remove_snapshot(_call: Call) -> Response:
        streamer.remove_snapshot()
        return envelope()

    async def ocr_state(_call: Call) -> Response:
        return envelope(OcrAnswer(await recognition.refresh()))

    user = Access.USER
    picture = media("image/jpeg", "the frame, described by X-UStreamer-* headers")
    text = media("text/plain", "with `ocr`: what is recognised, as it is")
    return [
        Route(
            "GET",
            "/api/streamer",
            user,
            Capability.VIEW,
            state,
            summary="the video: what can be set, and what the running streamer does",
            answers=(Answer(StreamerState),),
        ),
        Route(
            "POST",
            "/api/streamer/set_params",
            user,
            Capability.TYPE,
            set_params,
            SET_PARAMS,
            summary="set parameters of the picture; applied by a restart a second after the last change",
            errors=(StreamerQualityNotSupported, StreamerResolutionNotSupported, StreamerH264NotSupported),
        ),
        Route(
            "POST",
            "/api/streamer/reset",
            user,
            Capability.TYPE,
            reset,
            summary="restart the streamer if it runs",
        ),
        Route(
            "GET",
            "/api/streamer/snapshot",
            user,
            Capability.VIEW,
            take_snapshot,
            SNAPSHOT_PARAMS,
            summary="take a picture, or the text on it",
            answers=(picture, text),
            errors=(UnavailableError, OcrError),
        ),
        Route(
            "DELETE",
            "/api/streamer/snapshot",
            user,
            Capability.TYPE,
            remove_snapshot,
            summary="forget the kept picture",
        ),
        Route(
            "GET",
            "/api/streamer/ocr",
            user,
            Capability.VIEW,
            ocr_state,
            summary="the languages of the text recognition",
            answers=(Answer(OcrAnswer),),
        ),
    ]
