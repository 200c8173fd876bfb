"""The fan daemon's state, over HTTP/1.1 on its unix socket (contract subsystems.md 12, http.md 4.1 `fan`).

One request on one connection, under a deadline; the answer is bounded. Never controls the fan.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import h11
import msgspec
import trio

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, os_errors

MAX_BODY_BYTES: Final = 64 * 1024
"""The state is some 300 bytes; a bound for what is not the fan daemon."""

_RECEIVE_BYTES: Final = 4096
_OK: Final = 200


class FanService(msgspec.Struct, frozen=True):
    """`now_ts` is the daemon's monotonic clock in seconds; it differs in every answer."""

    now_ts: float


class FanTemp(msgspec.Struct, frozen=True):
    """Degrees Celsius: as measured, and as used for the decision."""

    real: float
    fixed: float


class FanWheel(msgspec.Struct, frozen=True):
    """`speed` is in percent, `pwm` the duty value; `last_fail_ts` is -1 if it never failed."""

    speed: float
    pwm: int
    ok: bool
    last_fail_ts: float


class FanHall(msgspec.Struct, frozen=True):
    """The rotation sensor, if there is one."""

    available: bool
    rpm: int


class FanState(msgspec.Struct, frozen=True):
    """What the fan daemon says."""

    service: FanService
    temp: FanTemp
    fan: FanWheel
    hall: FanHall


class _Answer(msgspec.Struct, frozen=True):
    ok: bool
    result: FanState


class FanDaemon:
    """The fan daemon behind the socket at *path*; *timeout_s* is the deadline of one question."""

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s

    async def read(self) -> FanState:
        """Ask for the state.

        Raises DeviceGoneError (no socket, nobody listens, hung up), DeviceTimeoutError, BadReplyError.
        """
        what = f"the fan daemon at {self._path}"
        try:
            with os_errors(what), trio.fail_after(self._timeout_s):
                async with await trio.open_unix_socket(str(self._path)) as stream:
                    body = await _get(stream, "/state", what)
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"expected an answer of {what} within {self._timeout_s} s, got none - restart it"
            ) from None
        except trio.BrokenResourceError as exc:
            raise DeviceGoneError(f"{what} hung up: {exc.__cause__ or exc}") from exc
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (ValueError, RecursionError) as exc:
            raise BadReplyError(
                f"expected the state of the fan, got {body[:64]!r} ({exc}) - at {what}"
            ) from exc
        if not answer.ok:
            raise BadReplyError(f"expected ok: true, got false - at {what}")
        return answer.result


async def _get(stream: trio.abc.Stream, target: str, what: str) -> bytes:
    """Return the body of a 200 answer. Raises DriverError, trio.BrokenResourceError."""
    connection = h11.Connection(h11.CLIENT)
    headers = [("Host", "localhost"), ("Connection", "close"), ("Accept", "application/json")]
    try:
        await stream.send_all(
            (connection.send(h11.Request(method="GET", target=target, headers=headers)) or b"")
            + (connection.send(h11.EndOfMessage()) or b"")
        )
        body = bytearray()
        while True:
            event = connection.next_event()
            match event:
                case h11.NEED_DATA:
                    connection.receive_data(bytes(await stream.receive_some(_RECEIVE_BYTES)))
                case h11.Response(status_code=status) if status != _OK:
                    raise BadReplyError(f"expected status {_OK}, got {status} - at {what}")
                case h11.Data(data=data):
                    body += data
                    if len(body) > MAX_BODY_BYTES:
                        raise BadReplyError(f"expected at most {MAX_BODY_BYTES} bytes, got more - at {what}")
                case h11.EndOfMessage():
                    return bytes(body)
                case h11.ConnectionClosed() | h11.PAUSED:
                    raise DeviceGoneError(f"expected an answer of {what}, got the end of the connection")
                case _:
                    pass  # the head of a 200 answer, or an interim one
    except h11.RemoteProtocolError as exc:
        raise BadReplyError(f"expected HTTP, got {exc} - at {what}") from exc
