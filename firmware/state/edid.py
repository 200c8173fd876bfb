"""The monitor that the target sees, for `GET /api/streamer/edid`."""

from __future__ import annotations

from typing import Literal

import msgspec

from drivers.wire.edid import EdidIdentity


class MonitorSize(msgspec.Struct, frozen=True):
    """The picture that the monitor likes best, in pixels."""

    width: int
    height: int


class StreamerEdid(msgspec.Struct, frozen=True):
    """The EDID as upper-case hexadecimal digits.

    `source` is who set it; "config" stands for the file of `farhand/video/edid`, and for our own EDID where
    there is no such file. `applied`: the capture shows it now. `parsed` is null if its structure is not one,
    `preferred` if it names no picture.
    """

    data: str
    source: Literal["config", "api"]
    applied: bool
    parsed: EdidIdentity | None
    preferred: MonitorSize | None
