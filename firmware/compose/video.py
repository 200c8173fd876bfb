"""Makes what works on the streamer's pictures: text recognition, automatic snapshots, the media socket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from api.ws.media import MediaSockets, VideoFormat
from api.ws.media_h264 import H264Format
from api.ws.media_jpeg import JpegFormat
from drivers.ocr.tesseract import Tesseract
from firmware.settings import LoadedSettings
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.ocr.service import OcrService
from firmware.subsystems.sessions.service import SessionsService
from firmware.subsystems.snapshot.service import SnapshotService
from firmware.subsystems.streamer.service import StreamerService


@dataclass(frozen=True, slots=True)
class PictureServices:
    """What was made."""

    ocr: OcrService
    snapshots: SnapshotService
    media: MediaSockets


async def make_picture_services(
    loaded: LoadedSettings, *, streamer: StreamerService, hid: HidService, sessions: SessionsService
) -> PictureServices:
    """Make the services on the pictures of *streamer*; looks for the languages of the text recognition."""
    kvmd = loaded.settings.kvmd
    ocr = OcrService(kvmd.ocr, engine=Tesseract(Path(kvmd.ocr.tessdata)))
    await ocr.refresh()
    snapshots = SnapshotService(
        kvmd.snapshot,
        video=streamer,
        input_devices=hid,
        is_live=lambda: sessions.clients.value.count > 0,
    )
    # Whoever brings another encoder adds its format here; the best one for a viewer is the first.
    formats: list[VideoFormat] = [] if streamer.h264 is None else [H264Format(streamer.h264)]
    return PictureServices(ocr, snapshots, MediaSockets([*formats, JpegFormat(streamer)]))
