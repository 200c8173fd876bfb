"""Where the front listens and with which certificate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import trio

from api.app import MEDIA_SOCKET_PATH, Application
from api.server import Bind, PlainHttp, ServerConfig, WebSocketLimits, ensure_certificate
from drivers.system.host_name import host_name
from firmware.core.errors import SetupError
from firmware.settings import ListenAddress, LoadedSettings, parse_listen


def listen_address(option: str, text: str) -> ListenAddress | None:
    """Return where *text*, given by the command line's *option*, says to listen. Raises SetupError."""
    try:
        return parse_listen(text) if text else None
    except ValueError as exc:
        raise SetupError(f"{exc} - at {option}") from None


async def make_server_config(
    loaded: LoadedSettings,
    http: ListenAddress | None,
    https: ListenAddress | None,
    state_dir: Path,
    application: Application,
) -> ServerConfig:
    """Return what the server has to know; makes a certificate where none is configured. Raises SetupError."""
    if http is None and https is None:
        raise SetupError("nothing to listen on: both --http and --https are empty")
    certificate = None
    if https is not None:
        tls = loaded.settings.farhand.tls
        if tls.certificate is not None and tls.key is not None:
            certificate = (tls.certificate, tls.key)
        else:
            certificate = await trio.to_thread.run_sync(
                ensure_certificate, state_dir / "tls", (host_name(), "localhost")
            )
    plain_app = http is not None and http.is_loopback
    return ServerConfig(
        https=(Bind(https.host, https.port),) if https is not None else (),
        http=(Bind(http.host, http.port),) if http is not None else (),
        plain_http=PlainHttp.APP if plain_app else PlainHttp.REDIRECT,
        certificate=certificate,
        acme_webroot=loaded.settings.farhand.tls.acme_webroot,
        body_limit=application.body_limit,
        websocket_limits=_websocket_limits(loaded),
    )


def _websocket_limits(loaded: LoadedSettings) -> Callable[[str], WebSocketLimits]:
    """Return the limits by path: the media socket has a heartbeat of its own."""
    control = WebSocketLimits(ping_interval_s=loaded.settings.kvmd.server.heartbeat)
    media = WebSocketLimits(ping_interval_s=loaded.settings.media.server.heartbeat)
    return lambda path: media if path.rstrip("/") == MEDIA_SOCKET_PATH else control
