"""The TLS side of the server: which versions, ciphers and protocols it speaks."""

from __future__ import annotations

import ssl
from pathlib import Path

from api.server.certificate import check_pair
from firmware.core.errors import SetupError

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
