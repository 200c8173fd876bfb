"""The composition root: the only module that knows boards, subsystems and the front together.

It makes every object once and passes each one what it needs; `firmware.appliance` runs what was made.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import trio

from api.app import Application, Front
from api.console import asset_root
from api.routes.atx import atx_routes
from api.routes.auth import auth_routes
from api.routes.console import console_routes
from api.routes.hid import hid_routes
from api.routes.info import info_routes
from api.routes.stream import stream_routes
from api.routes.streamer import streamer_routes
from api.routes.supervisor import supervisor_routes
from api.routing import Route
from api.server import (
    Bind,
    PlainHttp,
    Server,
    ServerConfig,
    WebSocketLimits,
    ensure_certificate,
    open_listeners,
)
from api.ws.hub import Hub, Source
from api.ws.wire.state_diff import Shape
from drivers.system.fan import FanDaemon
from drivers.system.host_name import host_name
from drivers.system.platform import LinuxPlatform
from drivers.system.sd_notify import ServiceManager
from drivers.system.units import SystemdUnits
from drivers.system.uptime import LinuxUptime
from firmware import usable
from firmware.appliance import Appliance, serve_until_signal
from firmware.board_needs import board_needs
from firmware.boards.board import Board
from firmware.boards.choose import choose_board
from firmware.boards.data import read_board
from firmware.boards.load import compose_board
from firmware.core.cell import Cell
from firmware.core.errors import SetupError
from firmware.core.lock import state_directory
from firmware.core.supervise import Supervisor, leaves
from firmware.settings import ListenAddress, LoadedSettings, load, parse_listen
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.auth import password_file
from firmware.subsystems.auth.config import AuthConfig, HtpasswdAuthConfig
from firmware.subsystems.auth.default_password import decide
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.service import AuthOptions, AuthService
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.info.service import InfoService
from firmware.subsystems.sessions.service import SessionsService
from firmware.subsystems.streamer.service import StreamerService

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None leaves it to the configuration."""

    config_dir: Path
    board: str | None = None
    http: str | None = None
    https: str | None = None
    state_dir: Path | None = None
    board_arguments: tuple[str, ...] = ()


def run(options: Options) -> int:
    """Run the appliance until SIGINT or SIGTERM; return the exit status. Raises SetupError."""
    try:
        trio.run(_main, options)
    except* SetupError as group:
        # Several parts may complain at once; the first line that a person can act on is enough.
        raise next(iter(leaves(group))) from None
    return 0


async def _main(options: Options) -> None:
    loaded, board_name = configuration(options)
    for warning in (*loaded.warnings, *usable.check(loaded)):
        logger.warning("configuration: %s", warning)
    with ExitStack() as stack:
        state_dir = stack.enter_context(state_directory(options.state_dir or loaded.settings.farhand.state))
        board = open_board(options, loaded, board_name)
        appliance = await compose(options, loaded, board, state_dir)
        # A busy port is found before anything is started.
        listeners = await open_listeners(appliance.server_config)
        await serve_until_signal(appliance, listeners)


def configuration(options: Options) -> tuple[LoadedSettings, str]:
    """Load the configuration on top of the board's own, and tell which board it is. Raises SetupError."""
    name = choose_board(options.board or load(options.config_dir).settings.farhand.board)
    return load(options.config_dir, base=read_board(name).settings), name


# -- making ------------------------------------------------------------------------------------------------


def open_board(options: Options, loaded: LoadedSettings, board_name: str) -> Board:
    """Make the ports of the board; nothing runs yet. Raises SetupError."""
    return compose_board(board_name, read_board(board_name), board_needs(loaded, options.board_arguments))


async def compose(options: Options, loaded: LoadedSettings, board: Board, state_dir: Path) -> Appliance:
    """Make everything else on top of *board*, start nothing. Raises SetupError."""
    settings = loaded.settings
    kvmd = settings.kvmd
    http = settings.farhand.http if options.http is None else _listen("--http", options.http)
    https = settings.farhand.https if options.https is None else _listen("--https", options.https)
    supervisor = Supervisor()
    auth, demo_password = await _authentication(loaded, board, [at for at in (http, https) if at is not None])
    hid = HidService(
        kvmd.hid,
        keyboard=board.keyboard,
        mouse=board.mouse,
        # Only of a USB gadget can the second mouse be switched off: chips have both of them anyhow.
        mouse_alt=(
            board.mouse_alt if kvmd.hid.type != "otg" or kvmd.hid.mouse_alt.device is not None else None
        ),
        supervisor=supervisor,
        link=board.link,
        controller=board.hid_controller,
    )
    atx = AtxService(
        kvmd.atx,
        power_led=board.power_led,
        hdd_led=board.hdd_led,
        power_switch=board.power_switch,
        reset_switch=board.reset_switch,
        supervisor=supervisor,
    )
    streamer = StreamerService(kvmd.streamer, source=board.video, supervisor=supervisor)
    info = _information(loaded, board)
    sessions = SessionsService(input_devices=hid, video=streamer)
    hub = Hub(_sources(hid, atx, streamer, info, sessions))

    def statistics() -> Mapping[str, object]:
        return {
            "auth": auth.statistics(),
            "hid": hid.statistics(),
            "streamer": streamer.statistics(),
            "info": info.statistics(),
            "sessions": sessions.statistics(),
            "events": hub.statistics(),
            "front": asdict(server.statistics()),
        }

    routes: list[Route] = [
        *auth_routes(auth, allow_redirects=kvmd.auth.allow_redirects),
        *info_routes(info),
        *hid_routes(hid),
        *atx_routes(atx),
        *streamer_routes(streamer),
        *stream_routes(streamer),
        *supervisor_routes(supervisor, statistics),
        *console_routes(asset_root()),
    ]
    application = Application(Front(auth=auth, hid=hid, sessions=sessions, info=info, hub=hub, routes=routes))
    server_config = await _server_config(loaded, http, https, state_dir, application)
    server = Server(application, server_config)
    return Appliance(
        board=board,
        supervisor=supervisor,
        auth=auth,
        hid=hid,
        atx=atx,
        streamer=streamer,
        info=info,
        sessions=sessions,
        hub=hub,
        routes=routes,
        application=application,
        server=server,
        server_config=server_config,
        demo_password=demo_password,
        service_manager=ServiceManager.from_environment(),
        hardware_watchdog=settings.farhand.watchdog.device,
    )


def _listen(option: str, text: str) -> ListenAddress | None:
    try:
        return parse_listen(text) if text else None
    except ValueError as exc:
        raise SetupError(f"{exc} - at {option}") from None


def password_file_of(config: AuthConfig) -> Path:
    """Return the password file. Raises SetupError for account services that this version cannot ask."""
    if not isinstance(config.internal, HtpasswdAuthConfig):
        raise SetupError(f"expected htpasswd, got {config.internal.type!r} - at kvmd/auth/internal/type")
    return config.internal.file


async def _authentication(
    loaded: LoadedSettings, board: Board, addresses: list[ListenAddress]
) -> tuple[AuthService, bool]:
    """Make the authentication service; refuse to start with a default password where others can reach it."""
    config = loaded.settings.kvmd.auth
    options = AuthOptions(
        password_file=password_file_of(config),
        totp_secret_file=config.totp.secret.file,
        enabled=config.enabled,
        expire_s=config.expire,
        extend=config.extend,
    )
    if not config.enabled:
        return AuthService(options), False
    passwords = await trio.to_thread.run_sync(password_file.load, options.password_file)
    decision = await trio.to_thread.run_sync(
        lambda: decide(
            passwords,
            demo_board=board.demo,
            loopback_only=all(address.is_loopback for address in addresses),
            hasher=PasswordHasher(),
        )
    )
    auth = AuthService(options, fallback=decision.fallback)
    await auth.prepare()
    return auth, decision.default_password


def _information(loaded: LoadedSettings, board: Board) -> InfoService:
    config = loaded.settings.kvmd.info

    def resolve_port(key_path: str) -> int | None:
        value = loaded.lookup(key_path)
        return value if isinstance(value, int) else None

    return InfoService(
        config,
        auth_enabled=loaded.settings.kvmd.auth.enabled,
        sensors=board.sensors,
        platform=LinuxPlatform(platform_file=config.hw.platform),
        units=SystemdUnits(),
        uptime=LinuxUptime(),
        host_name=host_name,
        fan=FanDaemon(config.fan.unix, timeout_s=config.fan.timeout) if config.fan.unix is not None else None,
        resolve_port=resolve_port,
    )


def _sources(
    hid: HidService, atx: AtxService, streamer: StreamerService, info: InfoService, sessions: SessionsService
) -> list[Source]:
    """The events of the control socket: which cell, what name, how cut (contract websocket.md 1.4)."""
    ocr: Cell[Mapping[str, object]] = Cell({"enabled": False, "langs": {"default": [], "available": []}})
    return [
        Source("hid", hid.state, Shape(whole=True)),
        Source("atx", atx.state, Shape(whole=True)),
        Source(
            "streamer",
            streamer.state,
            Shape(
                companions=(("params", "limits"), ("applied", "limits")), only_whole=frozenset({"features"})
            ),
        ),
        Source("ocr", ocr, Shape(whole=True)),
        *(Source("info", cell, Shape(whole=True), member=name) for name, cell in info.cells.items()),
        Source("clients", sessions.clients, Shape(whole=True, repeats=True)),
    ]


async def _server_config(
    loaded: LoadedSettings,
    http: ListenAddress | None,
    https: ListenAddress | None,
    state_dir: Path,
    application: Application,
) -> ServerConfig:
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
    heartbeat_s = loaded.settings.kvmd.server.heartbeat
    plain_app = http is not None and http.is_loopback
    return ServerConfig(
        https=(Bind(https.host, https.port),) if https is not None else (),
        http=(Bind(http.host, http.port),) if http is not None else (),
        plain_http=PlainHttp.APP if plain_app else PlainHttp.REDIRECT,
        certificate=certificate,
        body_limit=application.body_limit,
        websocket_limits=lambda _path: WebSocketLimits(ping_interval_s=heartbeat_s),
    )
