"""Looks at the encoder of H.264: is it wanted, is it there, does it encode. Has one picture encoded."""

from __future__ import annotations

from collections.abc import AsyncIterator

from drivers.errors import DriverError
from drivers.video.h264.probe import working_codec
from drivers.video.h264.settings import SOFTWARE, missing_package
from firmware.doctor.findings import Finding, bad, note, ok


async def look_at_h264(bitrate_kbps: int) -> AsyncIterator[Finding]:
    """Yield what there is to say about H.264; *bitrate_kbps* is the configured one, 0 = off."""
    if not bitrate_kbps:
        yield ok("H.264", "off, as kvmd/streamer/h264_bitrate/default is not set")
        return
    package = missing_package()
    if package is not None:
        yield bad("H.264", f"{package} is not installed", "install farhand[h264]")
        return
    try:
        codec = await working_codec()
    except DriverError as exc:
        yield bad("H.264", str(exc), "install farhand[h264] again, and look at the kernel's log")
        return
    if codec == SOFTWARE:
        yield note("H.264", f"{codec}, on the processor: this machine has no encoder that works")
    else:
        yield ok("H.264", f"{codec}, the machine's own encoder")
