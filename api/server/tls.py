"""The TLS side of the server: which versions, ciphers and protocols it speaks."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import trio

from api.server.certificate import check_pair
from firmware.core.errors import SetupError

logger = logging.getLogger(__name__)

# For TLS 1.2: forward secrecy and authenticated encryption only; the suites of 1.3 are right as they are.
# ChaCha20 stands first for clients without AES instructions, and small boards are such servers themselves.
CIPHERS = "ECDHE+CHACHA20:ECDHE+AESGCM"


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context for the PEM files *certificate* and *key*; SetupError if they cannot be used.

    Reads files: call it in a thread.
    """
    check_pair(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # Browsers need HTTP/2 for nothing here, and its parser is the largest piece of code a stranger can reach.
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as exc:
        raise SetupError(
            f"cannot use the certificate {certificate} with the key {key}: {exc.strerror}"
        ) from exc
    return context


class KeptContext:
    """The context for two PEM files as they are now; who renews certificates need not restart anything.

    Connections keep the context that they began with.
    """

    def __init__(self, certificate: Path, key: Path, context: ssl.SSLContext) -> None:
        self._files = (certificate, key)
        self._seen = self._look()
        self.context = context
        """For the next connection."""

    @classmethod
    async def load(cls, certificate: Path, key: Path) -> KeptContext:
        """Read the files. Raises SetupError if they cannot be used."""
        return cls(certificate, key, await trio.to_thread.run_sync(server_context, certificate, key))

    async def follow(self, interval_s: float) -> None:
        """Look every *interval_s* seconds whether the files were replaced, until cancelled.

        A pair that cannot be used is told, and the last one that could be used stays.
        """
        before = self._seen
        while True:
            await trio.sleep(interval_s)
            now = await trio.to_thread.run_sync(self._look)
            # Two files are never replaced at once: they have to be the same twice.
            settled, before = now == before, now
            if now == self._seen or not settled:
                continue
            self._seen = now
            try:
                self.context = await trio.to_thread.run_sync(server_context, *self._files)
            except SetupError as exc:
                logger.warning("the certificate was replaced by one that cannot be used: %s", exc)
            else:
                logger.info("the certificate %s was replaced", self._files[0])

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_state(path) for path in self._files)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
