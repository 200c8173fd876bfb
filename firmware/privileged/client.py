"""Asks the privileged process.

Whatever goes wrong with it is a DriverError of what was asked for. Blocking, but for `restart_machine`.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

import trio

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError
from drivers.gadget.composer import Composed
from drivers.gadget.spec import GadgetSpec
from firmware.privileged.acts import GADGET, KINDS
from firmware.privileged.requests import (
    MAX_BYTES,
    Failed,
    GadgetComposed,
    Ok,
    Ping,
    Reply,
    Request,
    Restart,
    compose_request,
    decode_reply,
    encode,
)

SOCKET: Final = Path("/run/farhand-privileged.sock")
ANSWER_S: Final = 60.0
"""Composing takes half a second; a controller that hangs is given up by who composes before this."""


class PrivilegedHelper:
    """The privileged process behind the socket at *path*; implements `drivers.gadget.composer.Composer`."""

    def __init__(self, path: Path = SOCKET, *, answer_s: float = ANSWER_S) -> None:
        self._path = path
        self._answer_s = answer_s

    def compose(self, spec: GadgetSpec) -> Composed:
        """See `Composer.compose`. Raises DriverError, also if the helper is not there or refuses."""
        if spec.name != GADGET:
            raise DriverError(f"expected the gadget {GADGET}, got {spec.name} - the helper composes no other")
        reply = self._ask(compose_request(spec))
        if not isinstance(reply, GadgetComposed):
            raise BadReplyError(f"{self._name} did not say what it composed")
        return Composed(reply.udc, frozenset(reply.linked), reply.left_out)

    def ping(self) -> None:
        """See that it answers. Raises DriverError."""
        self._expect_ok(Ping())

    async def restart_machine(self) -> None:
        """Have the machine restarted; returns before it happens. Raises DriverError."""
        await trio.to_thread.run_sync(self._expect_ok, Restart())

    @property
    def _name(self) -> str:
        return f"the privileged helper at {self._path}"

    def _expect_ok(self, request: Request) -> None:
        if not isinstance(self._ask(request), Ok):
            raise BadReplyError(f"{self._name} did not say that it is done")

    def _ask(self, request: Request) -> Reply:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.settimeout(self._answer_s)
                connection.connect(str(self._path))
                connection.send(encode(request))
                data = connection.recv(MAX_BYTES)
        except TimeoutError:
            raise DeviceTimeoutError(f"{self._name} did not answer within {self._answer_s:g} s") from None
        except OSError as exc:
            raise DeviceGoneError(
                f"{self._name} cannot be asked: {exc.strerror or exc} - see to farhand-privileged.socket, "
                "or run as root"
            ) from exc
        if not data:
            raise DeviceGoneError(f"{self._name} ended without an answer - see its log")
        try:
            reply = decode_reply(data)
        except ValueError as exc:
            raise BadReplyError(f"{self._name} gave an answer that is none: {exc}") from exc
        if isinstance(reply, Failed):
            if reply.kind == "refused":
                raise DriverError(f"{self._name} refused: {reply.text}")
            raise next(error for error, kind in KINDS if kind == reply.kind)(reply.text)
        return reply


def helper_if_needed() -> PrivilegedHelper | None:
    """Return the helper; None for root, who needs none."""
    return None if os.geteuid() == 0 else PrivilegedHelper()
