"""Telling the service manager how we are: ready, stopping, alive (sd_notify(3), sd_watchdog_enabled(3)).

Sends one datagram for each call to the socket that systemd names in the environment; without one, and that is
any start by hand, every call does nothing. Never raises into the appliance and never waits long for systemd:
what cannot be sent is logged, once per outage. Whoever calls `watchdog` decides that we are alive, not this
file.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Mapping
from typing import Final

import trio

logger = logging.getLogger(__name__)

SEND_DEADLINE_S: Final = 1.0
"""systemd reads its socket in microseconds; the queue is only full while it is busy reloading its units."""

MAX_STATUS_BYTES: Final = 1024
"""systemd drops a datagram above 4096 bytes (PIPE_BUF); a status line is for people and far below that."""

_MICROSECONDS_PER_SECOND: Final = 1_000_000
_NANOSECONDS_PER_MICROSECOND: Final = 1000


class ServiceManager:
    """The service manager behind the notification socket at *address*; None for none.

    *address* is as in `NOTIFY_SOCKET`: an absolute path, or "@name" for a socket of the abstract namespace.
    *watchdog_timeout_s* is within which time `watchdog` is to be called again, None if it does not watch us.
    """

    def __init__(self, address: str | None, *, watchdog_timeout_s: float | None = None) -> None:
        self._address = _socket_address(address) if address else None
        self._name = address
        self._watchdog_timeout_s = watchdog_timeout_s
        self._is_failing = False
        self._sent = 0
        self._lost = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ServiceManager:
        """The one that the process's environment (or *environment*) names."""
        variables = os.environ if environment is None else environment
        return cls(
            variables.get("NOTIFY_SOCKET") or None,
            watchdog_timeout_s=watchdog_timeout_s(variables, os.getpid()),
        )

    @property
    def is_present(self) -> bool:
        """Whether there is somebody to tell."""
        return self._address is not None

    @property
    def watchdog_timeout_s(self) -> float | None:
        """After how long without `watchdog` it ends us; None if it does not watch, or cannot be told."""
        return self._watchdog_timeout_s if self.is_present else None

    async def ready(self, status: str | None = None) -> None:
        """Start-up, or reloading, is complete."""
        await self._send({"READY": "1"}, status)

    async def stopping(self, status: str | None = None) -> None:
        """Shut-down has begun."""
        await self._send({"STOPPING": "1"}, status)

    async def reloading(self, status: str | None = None) -> None:
        """The configuration is being read again; call `ready` after it."""
        # The clock's stamp is what Type=notify-reload wants beside it.
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // _NANOSECONDS_PER_MICROSECOND
        await self._send({"RELOADING": "1", "MONOTONIC_USEC": str(now_us)}, status)

    async def status(self, status: str) -> None:
        """Say in one line, for `systemctl status`, what we are doing; longer than a line is cut."""
        await self._send({}, status)

    async def watchdog(self) -> None:
        """Declare that we are alive."""
        await self._send({"WATCHDOG": "1"}, None)

    async def extend_timeout(self, seconds: float) -> None:
        """Ask for *seconds* more, from now, for the start-up, shut-down or run time that is under way."""
        microseconds = max(round(seconds * _MICROSECONDS_PER_SECOND), 1)
        await self._send({"EXTEND_TIMEOUT_USEC": str(microseconds)}, None)

    def statistics(self) -> dict[str, int]:
        """Return how many messages were sent, and how many could not be."""
        return {"sent": self._sent, "lost": self._lost}

    async def _send(self, fields: Mapping[str, str], status: str | None) -> None:
        if self._address is None:
            await trio.lowlevel.checkpoint()
            return
        try:
            with trio.fail_after(SEND_DEADLINE_S):
                await _send_datagram(self._address, encode(fields, status))
        except OSError as exc:
            self._log_failure(exc.strerror or str(exc))
        except trio.TooSlowError:
            self._log_failure(f"expected it to take a message within {SEND_DEADLINE_S} s, it did not")
        else:
            self._sent += 1
            self._is_failing = False

    def _log_failure(self, why: str) -> None:
        self._lost += 1
        if not self._is_failing:
            self._is_failing = True
            logger.warning("the service manager at %s cannot be told how we are: %s", self._name, why)


def encode(fields: Mapping[str, str], status: str | None) -> bytes:
    """Return the datagram: one NAME=VALUE a line, the status made one line of at most MAX_STATUS_BYTES."""
    lines = [f"{name}={value}".encode() for name, value in fields.items()]
    if status is not None:
        # A line break would start the next assignment; a lone surrogate is not UTF-8 and would void it all.
        line = " ".join(status.split()).encode("utf-8", errors="replace")[:MAX_STATUS_BYTES]
        lines.append(b"STATUS=" + line.decode("utf-8", errors="ignore").encode())
    return b"\n".join(lines)


def watchdog_timeout_s(variables: Mapping[str, str], own_pid: int) -> float | None:
    """Return the seconds of WATCHDOG_USEC, or None if it is not set or meant for another process."""
    text = variables.get("WATCHDOG_USEC")
    if not text or variables.get("WATCHDOG_PID", str(own_pid)) != str(own_pid):
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        logger.warning("expected microseconds, got %r - at WATCHDOG_USEC; the service is not watched", text)
        return None
    return int(text) / _MICROSECONDS_PER_SECOND


def _socket_address(address: str) -> bytes | None:
    encoded = os.fsencode(address)
    if encoded.startswith(b"@"):
        return b"\0" + encoded[1:]
    if encoded.startswith(b"/"):
        return encoded
    logger.warning(
        "expected an absolute path or @name, got %r - at NOTIFY_SOCKET; nobody is told how we are", address
    )
    return None


async def _send_datagram(address: bytes, datagram: bytes) -> None:
    with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_DGRAM) as sock:
        # Connected, because only then does "writable" mean that there is room at the other end: sendto() on a
        # full queue would spin. Anew each time, because systemd may have been replaced by its next version.
        await sock.connect(address)
        if await sock.send(datagram) != len(datagram):
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
