"""Requests to a device that speaks HTTP, each with one deadline and a bounded answer.

Owns its connections, which live as long as `opened`. Never logs an address, follows a redirect or uses a
proxy: addresses and headers hold the device's secrets, and it is on our own network.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx
import trio

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError

MAX_ANSWER_BYTES: Final = 1 << 20
"""A bridge with its fullest set of 50 lights answers some 50 KiB."""

_REFUSALS: Final = frozenset({401, 403})


class HttpDevice:
    """One device at the base address *url*; *kind* names it in errors, in which *secrets* never appear."""

    def __init__(
        self,
        kind: str,
        url: str,
        *,
        verify: bool,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.name = f"{kind} at {urlsplit(url).netloc.rpartition('@')[2]}"
        self._url = url.rstrip("/")
        self._verify = verify
        self._timeout_s = timeout_s
        self._headers = dict(headers or {})
        self._secrets = tuple(secret for secret in secrets if secret)
        # A transport and no client: a client logs each request with its address.
        self._transport: httpx.AsyncHTTPTransport | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Keep connections for as long as the body runs."""
        # Reads the machine's certificates, so that an authority that was installed there counts.
        trusted = await trio.to_thread.run_sync(ssl.create_default_context) if self._verify else False
        transport = httpx.AsyncHTTPTransport(verify=trusted, trust_env=False)
        self._transport = transport
        try:
            async with transport:
                yield
        finally:
            self._transport = None

    async def request(
        self, method: str, path: str, content: bytes = b"", *, media_type: str = "application/json"
    ) -> bytes:
        """Return the body of the device's answer.

        Raises DeviceTimeoutError, DeviceGoneError, BadReplyError if the answer is no success or too long,
        DriverError if the device refuses our credentials.
        """
        assert self._transport is not None, "expected to be called while opened"
        headers = {**self._headers, "Content-Type": media_type} if content else self._headers
        request = httpx.Request(method, self._url + path, headers=headers, content=content or None)
        try:
            with trio.fail_after(self._timeout_s):
                response = await self._transport.handle_async_request(request)
                try:
                    body = await self._body(response)
                finally:
                    await response.aclose()
        except trio.TooSlowError:
            raise DeviceTimeoutError(
                f"{self.name} did not answer within {self._timeout_s:g} s; is it on?"
            ) from None
        except httpx.ProtocolError as exc:
            raise BadReplyError(f"expected HTTP of {self.name}, got: {self._told(exc)}") from None
        except httpx.HTTPError as exc:
            raise DeviceGoneError(f"{self.name} cannot be reached: {self._told(exc)}") from None
        if response.status_code in _REFUSALS:
            raise DriverError(f"{self.name} refuses our credentials (status {response.status_code})")
        if not response.is_success:
            raise BadReplyError(f"expected a success of {self.name}, got status {response.status_code}")
        return body

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        too_long = False
        try:
            # To its end: the library's generators do not take it well to be left.
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    too_long = True
                    await response.aclose()
        except httpx.HTTPError:
            if not too_long:
                raise
        if too_long:
            raise BadReplyError(f"expected at most {MAX_ANSWER_BYTES} bytes of {self.name}, got more")
        return bytes(body)

    def _told(self, exc: BaseException) -> str:
        """What it says, or the first of its causes that says anything, without secrets."""
        while not str(exc) and (cause := exc.__cause__ or exc.__context__):
            exc = cause
        text = str(exc) or type(exc).__name__
        for secret in self._secrets:
            text = text.replace(secret, "***")
        if "CERTIFICATE_VERIFY_FAILED" in text:
            text += "; install its authority's certificate, or set verify to false"
        return text
