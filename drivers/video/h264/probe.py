"""Whether H.264 works on this machine, and with which codec: one picture is encoded as for viewers."""

from __future__ import annotations

import trio

from drivers.errors import DriverError
from drivers.video.frame import Frame, PixelFormat
from drivers.video.h264.encoder import EncodedPicture, H264Encoder
from drivers.video.h264.settings import Settings

# A size that every hardware encoder takes.
_WIDTH_PX, _HEIGHT_PX = 640, 480


async def working_codec() -> str:
    """Return FFmpeg's name of the codec that is used. Raises DriverError for why there is none."""
    done = trio.Event()

    def take(_picture: EncodedPicture) -> None:
        done.set()

    encoder = H264Encoder(take)
    grey = Frame(bytes(_WIDTH_PX * _HEIGHT_PX), _WIDTH_PX, _HEIGHT_PX, _WIDTH_PX, PixelFormat.GREY, 0.0, 0.0)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(encoder.run, Settings(bitrate_kbps=1000, gop=0, fps=30))
            await encoder.take(grey, online=True)
            await done.wait()
            nursery.cancel_scope.cancel()
    except* DriverError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    return encoder.codec
