"""The privileged process: one connection at a time, one request on each, then it ends when nobody asks.

It gets its listening socket from systemd, and looks at who calls before it looks at what is asked: root, and
the one user that it serves. Every refusal is logged with its reason.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Collection
from typing import Final

from firmware.privileged.acts import Acts
from firmware.privileged.requests import MAX_BYTES, Failed, RefusedError, Reply, decode_request, encode

logger = logging.getLogger(__name__)

IDLE_S: Final = 30.0
"""Without a request for so long the process ends; systemd starts it again with the next one."""
MESSAGE_S: Final = 5.0
"""A client sends its request at once. Others wait meanwhile, but only root and the service could."""
_CREDENTIALS: Final = struct.Struct("=iII")
"""struct ucred: process, user, group (unix(7), SO_PEERCRED)."""


def serve(listener: socket.socket, acts: Acts, users: Collection[int], *, idle_s: float = IDLE_S) -> None:
    """Serve *users* on *listener* (SOCK_SEQPACKET) until nobody has called for *idle_s*."""
    listener.settimeout(idle_s)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(MESSAGE_S)
            try:
                connection.send(encode(_answer(connection, acts, users)))
            except OSError as exc:
                logger.warning("a client is gone before its answer: %s", exc)


def _answer(connection: socket.socket, acts: Acts, users: Collection[int]) -> Reply:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(credentials)
    # One byte more than allowed tells a message that was cut from one that is just long enough. Received in
    # any case, since closing a socket with something unread takes the answer away from the client.
    data = connection.recv(MAX_BYTES + 1)
    try:
        if user not in users:
            raise RefusedError("this user is not served")
        request = decode_request(data)
        logger.info("user %d, process %d: %s", user, process, type(request).__name__)
        reply = acts.carry_out(request)
    except RefusedError as exc:
        # The text quotes nothing but names and bounds; repr keeps a line a line.
        logger.warning("user %d, process %d is refused: %r", user, process, str(exc))
        return Failed("refused", str(exc))
    if isinstance(reply, Failed):
        logger.warning("failed: %r", reply.text)
    return reply
