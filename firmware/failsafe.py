"""`python -m firmware.failsafe`: one page in the place of the appliance, while that does not start.

It needs the standard library alone, so that it starts where nothing else does, and offers nothing that could
be changed. A stranger is told only that the appliance does not start. Why, in the last lines of the log with
secrets masked, is told to whoever asks from the machine itself (by SSH), and on the local console.

Every answer has the status 503, so that no program takes this for the appliance.
"""

from __future__ import annotations

import argparse
import html
import ipaddress
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final, override

UNITS: Final = ("farhand.service", "farhand-prepare.service")
LINES: Final = 30
LINE_CHARS: Final = 300
JOURNAL_S: Final = 10
REFRESH_S: Final = 30
CONNECTION_S: Final = 10.0
"""How long a client may take for a handshake or a request."""
CONNECTIONS: Final = 32
BIND_S: Final = 30.0
"""The appliance may still be letting go of its ports."""

TITLE: Final = "This appliance does not start"
FOR_STRANGERS: Final = (
    "Farhand, which runs on this appliance, does not start. Nothing can be controlled through it now. "
    "Whoever looks after it can look at its local console, or log in by SSH."
)
FOR_THE_OWNER: Final = (
    "The last lines of its log are below, secrets masked; all of it: journalctl -u farhand. "
    "When the cause is mended: systemctl reset-failed farhand; systemctl restart farhand."
)
NO_LOG: Final = "The log cannot be read."

_MASK: Final = "***"
_SECRETS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # Credentials of a URL, values that are called a secret, stored hashes, and what is long and random.
    (re.compile(r"(\w+://)[^/\s@]+@"), rf"\1{_MASK}@"),
    (
        re.compile(
            r"(?i)([\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|psk|community)[\w.-]*[\"']?\s*[=:]\s*)"
            r"(?:\"[^\"]*\"|'[^']*'|\S+)"
        ),
        rf"\1{_MASK}",
    ),
    (re.compile(r"(?i)\b((?:bearer|basic)\s+)\S+"), rf"\1{_MASK}"),
    (re.compile(r"\$\w{1,16}\$\S+"), _MASK),
    (re.compile(r"\{[A-Z0-9]{3,10}\}\S+"), _MASK),
    (re.compile(r"-----BEGIN [A-Z ]+-----.*"), _MASK),
    (re.compile(r"\b(?=[A-Za-z0-9+/_-]*\d)[A-Za-z0-9+/_-]{32,}={0,2}"), _MASK),
)


def masked(line: str) -> str:
    """Return *line* of a log without what may be a secret, without control characters, and cut."""
    text = "".join(sign if sign.isprintable() else " " for sign in line)
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text if len(text) <= LINE_CHARS else f"{text[:LINE_CHARS]}..."


def last_lines(journalctl: Sequence[str]) -> list[str]:
    """Return the end of the appliance's log, masked; a sentence if it cannot be read."""
    units = [f"--unit={unit}" for unit in UNITS]
    command = [*journalctl, "--boot", "--no-pager", "--output=cat", f"--lines={LINES}", *units]
    try:
        done = subprocess.run(command, capture_output=True, timeout=JOURNAL_S, check=True)  # noqa: S603 - ours
    except (OSError, subprocess.SubprocessError):
        return [NO_LOG]
    return [masked(line) for line in done.stdout.decode("utf-8", "replace").splitlines()] or [NO_LOG]


def page(lines: Sequence[str] | None) -> bytes:
    """Return the page; with *lines* of the log for the owner, None for a stranger."""
    body = f"<h1>{TITLE}</h1><p>{FOR_STRANGERS}</p>"
    if lines is not None:
        body += f"<p>{FOR_THE_OWNER}</p><pre>{html.escape(chr(10).join(lines))}</pre>"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content={REFRESH_S}>"
        f"<title>{TITLE}</title><style>body{{font:1rem/1.5 sans-serif;max-width:50rem;margin:3rem auto;"
        f"padding:0 1rem}}pre{{white-space:pre-wrap}}</style>{body}</html>"
    ).encode()


def envelope() -> bytes:
    """Return what clients of the API are told, in its own form."""
    result = {"error": "ApplianceDownError", "error_msg": FOR_STRANGERS}
    return json.dumps({"ok": False, "result": result}).encode()


def is_local(address: str) -> bool:
    """Return whether *address* is this machine's own."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


class Handler(BaseHTTPRequestHandler):
    """Answers every request with the page; reads no body."""

    timeout = CONNECTION_S
    server_version = "Farhand"
    sys_version = ""

    def __init__(self, journalctl: Sequence[str], tls: ssl.SSLContext | None, *rest: Any) -> None:
        self._journalctl = journalctl
        self._tls = tls
        super().__init__(*rest)

    @override
    def setup(self) -> None:
        if self._tls is not None:
            # Here and not where connections are accepted, so that nobody waits for another's handshake.
            self.request.settimeout(CONNECTION_S)
            self.request = self._tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def answer(self) -> None:
        """Send the page, or the envelope to clients of the API."""
        of_api = self.path.startswith(("/api/", "/redfish/"))
        lines = last_lines(self._journalctl) if is_local(self.client_address[0]) else None
        body = envelope() if of_api else page(lines)
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE)
        kind = "application/json" if of_api else "text/html; charset=utf-8"
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Retry-After", str(REFRESH_S)),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 - http.server's

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: requests of strangers are no news."""


class Server(ThreadingMixIn, HTTPServer):
    """A bounded number of connections at once; the rest are closed."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = CONNECTIONS

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(address, handler)

    @override
    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    @override
    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that breaks off or speaks no TLS is no news."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    http: tuple[str, int] | None
    https: tuple[str, int] | None
    certificate: Path
    key: Path
    console: str | None
    """A device, or "-" for the standard output, where it is the console."""
    journalctl: tuple[str, ...]


def tls_context(options: Options) -> ssl.SSLContext | None:
    """Return the context with the appliance's own certificate, None with a line if that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.certificate, options.key)
    except (OSError, ssl.SSLError) as exc:
        _say(f"there is no HTTPS: {options.certificate} and {options.key} cannot be used ({exc})")
        return None
    return context


def open_server(address: tuple[str, int], handler: Any) -> Server | None:
    """Listen, waiting for the port if somebody still has it; None with a line if it stays busy."""
    end = time.monotonic() + BIND_S
    while True:
        try:
            return Server(address, handler)
        except OSError as exc:
            if time.monotonic() > end:
                _say(f"cannot listen at {address[0]} port {address[1]}: {exc.strerror}")
                return None
        time.sleep(0.5)


def _say(text: str) -> None:
    print(f"failsafe: {text}", file=sys.stderr, flush=True)  # noqa: T201 - for the journal


def _tell_console(options: Options) -> None:
    if options.console is None:
        return
    told = [f"{TITLE.upper()}: {FOR_THE_OWNER}", *last_lines(options.journalctl)]
    text = "".join(f"\r\n{line}" for line in told) + "\r\n"
    with suppress(OSError):
        if options.console == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            Path(options.console).write_text(text, encoding="utf-8")


def serve(options: Options) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status: 1 if there is nowhere to listen."""
    plans: list[tuple[tuple[str, int], ssl.SSLContext | None]] = []
    if options.http is not None:
        plans.append((options.http, None))
    if options.https is not None and (context := tls_context(options)) is not None:
        plans.append((options.https, context))
    servers = [
        server
        for address, tls in plans
        if (server := open_server(address, partial(Handler, options.journalctl, tls))) is not None
    ]
    if not servers:
        return 1
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = ", ".join(str(server.server_address[1]) for server in servers)
    _say(f"the status page is at port {ports}")
    _tell_console(options)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def _address(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def main() -> int:
    """Serve what the command line says."""
    # Before any thread is there, so that all of them leave the signals to `sigwait`.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    parser = argparse.ArgumentParser(prog="firmware.failsafe", description=f"{TITLE}: say so.")
    parser.add_argument("--http", type=_address, default=("::", 80), metavar="ADDR:PORT")
    parser.add_argument("--https", type=_address, default=("::", 443), metavar="ADDR:PORT")
    parser.add_argument("--tls", type=Path, required=True, metavar="DIR", help="certificate.pem and key.pem")
    parser.add_argument(
        "--console", metavar="DEVICE", help="where to tell the owner as well; - = standard output"
    )
    parser.add_argument("--journalctl", default="journalctl", metavar="PROGRAM")
    given = parser.parse_args()
    return serve(
        Options(
            http=given.http,
            https=given.https,
            certificate=given.tls / "certificate.pem",
            key=given.tls / "key.pem",
            console=given.console,
            journalctl=(given.journalctl,),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
