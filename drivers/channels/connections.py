"""How drivers of channels reach their devices: serial ports and TCP, raising `drivers.errors` alone.

Owns nothing: what is opened lives as long as the body that it is opened for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import trio

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.serial.port import open_serial
from drivers.serial.tty import LineSettings

type Connect = Callable[[], AbstractAsyncContextManager[trio.abc.Stream]]
"""Opens the connection to a device for as long as the body runs."""


def serial_line(device: str, speed_baud: int) -> Connect:
    """Reach a device through the serial port *device*; raises what `open_serial` raises."""
    return lambda: open_serial(device, LineSettings(baud_rate=speed_baud))


def tcp(host: str, port: int, *, deadline_s: float) -> Connect:
    """Reach a device at *host* and *port*; raises DeviceGoneError, DeviceTimeoutError after *deadline_s*."""

    @asynccontextmanager
    async def connected() -> AsyncGenerator[trio.abc.Stream]:
        try:
            with trio.fail_after(deadline_s):
                stream = await trio.open_tcp_stream(host, port)
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"{host}:{port} did not take a connection within {deadline_s:g} s; is it on?"
            ) from None
        except OSError as exc:
            raise DeviceGoneError(f"{host}:{port} cannot be reached: {_reason(exc)}") from exc
        async with stream:
            yield stream

    return connected


def _reason(exc: OSError) -> str:
    """What keeps it from being reached; Trio hides it behind a summary of all addresses of a name."""
    cause = exc.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    inner = cause if isinstance(cause, OSError) else exc
    return inner.strerror or str(inner)


@contextmanager
def lost_streams(name: str) -> Generator[None]:
    """Turn the body's broken stream into a DeviceGoneError that names *name*."""
    try:
        yield
    except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
        raise DeviceGoneError(f"{name} broke the connection: {exc.__cause__ or exc}") from exc


@contextmanager
def one_fault() -> Generator[None]:
    """Raise the first DriverError out of the groups that the body's nurseries made; bugs stay in them."""
    fault: BaseException | None = None
    try:
        yield
    except* DriverError as group:
        # The first is the cause; others came of it.
        fault = group
        while isinstance(fault, BaseExceptionGroup):
            fault = fault.exceptions[0]
    if fault is not None:
        raise fault
