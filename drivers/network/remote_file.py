"""Files of other servers over HTTP(S), read as a stream of small pieces with flat memory.

Follows a bounded number of redirects, decodes nothing, keeps no cookies and knows no proxy or password of
the machine: what is asked for is what the URL says. Credentials and query of a URL never get into an error
or a log, since both may be secrets: httpx's client writes its URLs to the log, so what is below it is used.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import httpcore
import httpx
import trio

from drivers.errors import RemoteAnswerError, RemoteError, RemoteUnreachableError
from drivers.network.allowed_hosts import AllowedHosts
from drivers.network.large_reads import LargeReads
from drivers.wire.content_disposition import bare_name, file_name_of

MAX_REDIRECTS: Final = 10
"""Mirrors send a client on two or three times; what goes on longer is a loop."""

READ_STALL_S: Final = 60.0
"""The longest silence, before and within the answer: a mirror that wakes its disks, no server that has died
without a word."""

OPENING_S: Final = 300.0
"""For all redirects and answers together, on top of the time for one connection: a server that trickles its
headers must not keep the storage busy."""

MAX_OPEN: Final = 2
"""Files open at one time: the storage takes one, so a second one is already a slip; beyond it we refuse."""

ANY_HOST: Final = AllowedHosts()
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "farhand"}
_HTTP_OK: Final = 200
_ERRORS: Final = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


class HttpFile:
    """One open file; see `drivers.ports.RemoteFile`."""

    def __init__(self, answer: _Answer) -> None:
        self.size_bytes = _size_of(answer)
        self.name = file_name_of(answer.header("content-disposition")) or bare_name(answer.url.path)
        self._pieces = answer.response.aiter_stream()
        self._what = _shown(answer.url)
        self._read_bytes = 0

    async def read(self) -> bytes:
        """Return the next piece, empty at the end. Raises RemoteError."""
        try:
            piece = await anext(self._pieces, b"")
        except httpcore.ReadTimeout:
            raise RemoteError(
                f"expected more data within {READ_STALL_S:g} s, got none - at {self._progress()}"
            ) from None
        except _ERRORS as exc:
            raise RemoteError(f"the download broke off ({_reason(exc)}) - at {self._progress()}") from None
        self._read_bytes += len(piece)
        return piece

    def _progress(self) -> str:
        return f"{self._read_bytes} of {self.size_bytes} bytes of {self._what}"


class HttpFiles:
    """Opens files by URL; see `drivers.ports.RemoteFiles`.

    *tls* replaces the system's trust, for servers with a private authority. Servers that *allowed* does not
    have are asked nothing, whether a URL or a redirect leads there.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, *, allowed: AllowedHosts = ANY_HOST) -> None:
        self._tls = tls
        self._allowed = allowed
        self._open = trio.CapacityLimiter(MAX_OPEN)

    @asynccontextmanager
    async def open(self, url: str, *, connect_timeout_s: float, insecure: bool) -> AsyncIterator[HttpFile]:
        """Open the file at *url*, following redirects; a step from https down to http only if *insecure*.

        Raises RemoteUnreachableError, RemoteAnswerError, RemoteError.
        """
        holder = object()
        try:
            self._open.acquire_on_behalf_of_nowait(holder)
        except trio.WouldBlock:
            raise RemoteError(f"{MAX_OPEN} downloads are under way; try again when one is done") from None
        try:
            # Reading the system's authorities takes tenths of a second on a small board.
            tls = await trio.to_thread.run_sync(_tls_context, self._tls, insecure)
            async with httpcore.AsyncConnectionPool(
                tls, max_connections=1, max_keepalive_connections=0, network_backend=LargeReads()
            ) as pool:
                answer = await _in_time(
                    OPENING_S + connect_timeout_s,
                    partial(_follow, pool, url, connect_timeout_s, insecure=insecure, allowed=self._allowed),
                )
                try:
                    yield HttpFile(answer)
                finally:
                    await answer.response.aclose()
        finally:
            self._open.release_on_behalf_of(holder)


async def _in_time[T](seconds: float, opening: Callable[[], Awaitable[T]]) -> T:
    try:
        with trio.fail_after(seconds):
            return await opening()
    except trio.TooSlowError:
        raise RemoteAnswerError(f"expected an answer within {seconds:g} s, got none") from None


@dataclass(frozen=True, slots=True)
class _Answer:
    """The header of an answer, its body unread, and the URL that gave it, without credentials."""

    url: httpx.URL
    response: httpcore.Response

    def header(self, name: str) -> str:
        """Return the (first) value of a header, empty if there is none."""
        values = (value for key, value in self.response.headers if key.lower() == name.encode())
        return next(values, b"").decode("latin-1").strip()


async def _follow(
    pool: httpcore.AsyncConnectionPool,
    text: str,
    connect_timeout_s: float,
    *,
    insecure: bool,
    allowed: AllowedHosts,
) -> _Answer:
    """Return the first answer that is no redirect."""
    url, authorization = _split(text)
    for _ in range(MAX_REDIRECTS + 1):
        if not allowed.allow(url.host):
            raise RemoteAnswerError(
                f"expected a host that farhand/fetch/hosts lists, got {url.host[:100]} - at {_shown(url)}"
            )
        answer = await _ask(pool, url, authorization, connect_timeout_s)
        if answer.response.status not in _REDIRECTS:
            return answer
        await answer.response.aclose()
        target, own_authorization = _split(answer.header("location"), base=url)
        if url.scheme == "https" and target.scheme != "https" and not insecure:
            raise RemoteAnswerError(
                f"expected a redirect to https, got one to {_shown(target)} - at {_shown(url)}; "
                "insecure allows it"
            )
        # A password goes to the server it was given for, and to no other.
        authorization = own_authorization or (authorization if _origin(target) == _origin(url) else None)
        url = target
    raise RemoteAnswerError(f"expected at most {MAX_REDIRECTS} redirects, got more - at {_shown(url)}")


def _split(text: str, base: httpx.URL | None = None) -> tuple[httpx.URL, str | None]:
    """Return the URL without credentials, and those as the value of `Authorization`."""
    where = "the URL" if base is None else f"the redirect of {_shown(base)}"
    try:
        url = httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, ValueError):  # with a text that may hold the credentials
        raise RemoteAnswerError(f"expected a URL, got something malformed - at {where}") from None
    if url.scheme not in _PORTS or not url.host or (base is not None and not text):
        raise RemoteAnswerError(f"expected a URL of http or https with a host, got another - at {where}")
    if not url.userinfo:
        return url, None
    credentials = httpx.BasicAuth(url.username, url.password)
    bare = url.copy_with(userinfo=b"")
    return bare, next(credentials.auth_flow(httpx.Request("GET", bare))).headers["Authorization"]


async def _ask(
    pool: httpcore.AsyncConnectionPool, url: httpx.URL, authorization: str | None, connect_timeout_s: float
) -> _Answer:
    headers = {**_HEADERS, "Host": url.netloc.decode("ascii")}
    if authorization is not None:
        headers["Authorization"] = authorization
    timeouts = httpx.Timeout(READ_STALL_S, connect=connect_timeout_s).as_dict()
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    request = httpcore.Request("GET", target, headers=list(headers.items()), extensions={"timeout": timeouts})
    try:
        return _Answer(url, await pool.handle_async_request(request))
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
        raise RemoteUnreachableError(f"cannot connect to {_shown(url)}: {_reason(exc)}") from None
    except _ERRORS as exc:
        raise RemoteAnswerError(f"no answer of {_shown(url)}: {_reason(exc)}") from None


def _size_of(answer: _Answer) -> int:
    """Check that the answer is a whole file as it is, and return its size. Raises RemoteAnswerError."""
    what = _shown(answer.url)
    if answer.response.status != _HTTP_OK:
        raise RemoteAnswerError(f"expected status 200, got {answer.response.status} - at {what}")
    coding = answer.header("content-encoding").lower()
    if coding not in ("", "identity"):
        raise RemoteAnswerError(f"expected the file as it is, got it encoded as {coding[:32]} - at {what}")
    length = answer.header("content-length")
    if not (length.isascii() and length.isdigit()) or answer.header("transfer-encoding"):
        raise RemoteAnswerError(f"expected a Content-Length, got none - at {what}")
    return int(length)


def _reason(exc: Exception) -> str:
    """Say why, as the lowest layer that has something to say does; it has never seen a URL."""
    if isinstance(exc, httpcore.ConnectTimeout):
        return "no connection in time"
    if isinstance(exc, httpcore.ReadTimeout):
        return f"nothing came for {READ_STALL_S:g} s"
    cause: BaseException | None = exc
    reason = ""
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        reason = str(cause) or reason
        cause = cause.__cause__ or cause.__context__
    return reason or type(exc).__name__


def _tls_context(given: ssl.SSLContext | None, insecure: bool) -> ssl.SSLContext:
    if insecure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return given or ssl.create_default_context()


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or _PORTS[url.scheme]


def _shown(url: httpx.URL) -> str:
    """Return the URL as far as it may be shown: without credentials, query and fragment."""
    if not url.scheme:
        return "a relative URL"
    path = url.raw_path.partition(b"?")[0].decode("ascii")
    return f"{url.scheme}://{url.netloc.decode('ascii')}{path}"
