"""The process that encodes: python -m drivers.video.h264.worker SOCKET MEMORY BITRATE FPS CODEC...

A process of its own, since what it loads is large, is C, and talks to kernel drivers: it may crash or hang,
and is then killed and started again, and the appliance goes on. It reads pictures from shared memory and
answers each with one packet. The codecs are tried in the order of their names. It must never outlive the
appliance: it ends when the other end of the socket is closed, for whatever reason.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from drivers.video.h264.memory import attach, slot
from drivers.video.h264.protocol import (
    Encode,
    Failed,
    Message,
    Opening,
    Packet,
    ProtocolError,
    Ready,
    Refused,
    Unpacker,
    Unsupported,
    pack,
)
from drivers.video.i420 import size_bytes

if TYPE_CHECKING:
    from drivers.video.h264.codec import Codec, Geometry

_RECEIVE_BYTES = 4096


def main(arguments: Sequence[str]) -> int:
    """Encode until the other end of the socket is closed; return the exit status."""
    descriptor, memory_descriptor, bitrate_kbps, fps = map(int, arguments[:4])
    appliance = socket.socket(fileno=descriptor)
    threading.Thread(target=_end_with, args=(appliance,), daemon=True).start()
    try:
        # Here and not above: what is wrong with it is to be told to the appliance.
        import av  # noqa: PLC0415

        from drivers.video.h264.codec import available  # noqa: PLC0415

        av.logging.set_level(av.logging.ERROR)
    except Exception as exc:  # noqa: BLE001 - a broken installation may raise anything
        appliance.sendall(pack(Unsupported(f"PyAV cannot be loaded: {exc}")))
        return 1
    codecs = [name for name in arguments[4:] if available(name)]
    if not codecs:
        appliance.sendall(pack(Unsupported(f"this PyAV encodes with none of {', '.join(arguments[4:])}")))
        return 1
    encoder = _Encoder(appliance, codecs, bitrate_kbps, fps)
    memory = attach(memory_descriptor)
    os.close(memory_descriptor)
    appliance.sendall(pack(Ready(f"PyAV {av.__version__}")))
    for message in _messages(appliance):
        if not isinstance(message, Encode):
            raise ProtocolError(f"expected Encode, got {type(message).__name__}")
        pixels = np.frombuffer(
            slot(memory, message.slot, size_bytes(message.width, message.height)), np.uint8
        )
        answer = encoder.encode(message, pixels.reshape(-1, message.width))
        appliance.sendall(pack(answer))
        if not isinstance(answer, Packet):
            return 1
    return 0


def _end_with(appliance: socket.socket) -> None:
    """End the process as soon as the other end is closed, whatever the codec is doing."""
    poll = select.poll()
    poll.register(appliance, select.POLLRDHUP)
    poll.poll()
    os._exit(0)


def _messages(appliance: socket.socket) -> Iterator[Message]:
    unpacker = Unpacker()
    while data := appliance.recv(_RECEIVE_BYTES):
        unpacker.feed(data)
        while (message := unpacker.next()) is not None:
            yield message


class _Encoder:
    """The codec in use, which changes with the geometry."""

    def __init__(self, appliance: socket.socket, names: Sequence[str], bitrate_kbps: int, fps: int) -> None:
        self._appliance = appliance
        self._names = names
        self._bitrate_kbps, self._fps = bitrate_kbps, fps
        self._codec: Codec | None = None
        self._geometry: Geometry | None = None

    def encode(self, wanted: Encode, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Message:
        from drivers.video.h264.codec import CodecError, Geometry  # noqa: PLC0415

        geometry = Geometry(wanted.width, wanted.height, wanted.colour)
        if geometry != self._geometry:
            self._codec, self._geometry = None, geometry
        if self._codec is None:
            return self._first(image, geometry)
        try:
            return Packet(*self._codec.encode(image, key=wanted.key))
        except CodecError as exc:
            return Failed(str(exc))

    def _first(
        self, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], geometry: Geometry
    ) -> Packet | Failed:
        """Encode a first picture with the first codec that can: one that opens may still not work."""
        from drivers.video.h264.codec import Codec, CodecError  # noqa: PLC0415

        refusals = []
        for name in self._names:
            # Told beforehand: if this process hangs or dies with it, another one will leave it out.
            self._appliance.sendall(pack(Opening(name)))
            try:
                codec = Codec(name, geometry, bitrate_kbps=self._bitrate_kbps, fps=self._fps)
                packet = Packet(*codec.encode(image, key=True))
            except CodecError as exc:
                refusals.append(str(exc))
                self._appliance.sendall(pack(Refused(str(exc))))
                continue
            self._codec = codec
            return packet
        return Failed("; ".join(refusals))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
