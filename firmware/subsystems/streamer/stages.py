"""What stands behind the capture: encoders that take its frames one by one."""

from __future__ import annotations

from typing import Protocol

from drivers.video.frame import Frame


class EncodingStage(Protocol):
    """An encoder beside the JPEG one."""

    @property
    def wanted(self) -> bool:
        """Whether anybody takes what it makes; it gets no frames otherwise."""
        ...

    async def take(self, frame: Frame, *, online: bool) -> None:
        """Take over the picture; return as soon as the frame's buffer is not read any more.

        It must not wait for the encoder: a frame that nobody had time for is replaced by the next one.
        *online* is False for a rendered picture that says why there is none.
        """
        ...
