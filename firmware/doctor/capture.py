"""Looks at the capture: is the device there, what arrives at it, which EDID it shows. Never captures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from drivers.errors import DriverError, NotSupportedError
from drivers.ports import NoSignal
from drivers.video.v4l2.device import input_status, query_timings
from drivers.video.v4l2.edid import V4l2Edid
from drivers.video.v4l2.find import DeviceChoice, find_device
from drivers.video.v4l2.source import V4l2Source
from drivers.wire.edid import parse_edid
from firmware.boards.data import VideoData
from firmware.doctor.findings import Finding, bad, note, ok


async def look_at_capture(video: VideoData, device: Path | None) -> AsyncIterator[Finding]:
    """Yield what there is to say about the capture device of the board, or *device* if one is configured."""
    choice = DeviceChoice(path=device) if device is not None else DeviceChoice(driver=video.driver)
    try:
        found = await find_device(choice)
    except DriverError as exc:
        mend = video.hint if device is None else "correct farhand/video/device, or leave it out"
        yield bad("video capture", str(exc), mend)
        return
    yield ok("video capture", str(found))
    source = V4l2Source(DeviceChoice(path=found.path))
    try:
        async with source.receiver() as node:
            signal = await node.run(lambda: query_timings(node))
            if signal is None:
                signal = await node.run(lambda: input_status(node))
    except DriverError as exc:
        yield bad("video signal", str(exc), "look at the kernel's log, and plug the capture in again")
        return
    if isinstance(signal, NoSignal):
        yield note("video signal", f"none: {signal.reason}", "turn the target on and check the HDMI cable")
    elif signal is None:
        yield ok("video signal", "this kind of capture tells only by its pictures")
    else:
        yield ok("video signal", str(signal))
    if not video.edid:
        return
    try:
        edid = await V4l2Edid(source).read()
    except NotSupportedError as exc:
        yield bad("EDID", str(exc), "check that the board named is the board that this is")
    except DriverError as exc:
        yield bad("EDID", str(exc), "look at the kernel's log")
    else:
        identity = parse_edid(edid)
        if not edid:
            yield note("EDID", "none is set; the appliance sets one at its start")
        else:
            name = identity.monitor_name if identity is not None else None
            yield ok("EDID", f"{len(edid)} bytes, {name or 'a monitor without a name'}")
