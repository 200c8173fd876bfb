"""The composition root: the only module that knows boards, subsystems and the front together.

It makes every object once and passes each one what it needs; `firmware.appliance` runs what was made.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import trio

from api.app import Application, Front
from api.console import asset_root
from api.origins import Origins
from api.proxies import TrustedProxies
from api.redfish.service import redfish_routes
from api.routes.atx import atx_routes
from api.routes.audit import audit_routes
from api.routes.auth import auth_routes
from api.routes.backup import backup_routes
from api.routes.console import console_routes
from api.routes.gpio import gpio_routes
from api.routes.grants import grant_routes
from api.routes.hid import hid_routes
from api.routes.info import info_routes
from api.routes.log import log_routes
from api.routes.media import media_routes
from api.routes.metrics import Measured, metrics_routes
from api.routes.openapi import openapi_routes
from api.routes.stream import stream_routes
from api.routes.streamer import streamer_routes
from api.routes.streamer_edid import streamer_edid_routes
from api.routes.supervisor import supervisor_routes
from api.routes.switch import switch_routes
from api.routes.update import update_routes
from api.routing import Route
from api.server import Server, open_listeners
from api.ws.hub import Hub
from drivers.network.allowed_hosts import AllowedHosts
from drivers.network.remote_file import HttpFiles
from drivers.system.journal import Journal, is_journal
from drivers.system.sd_notify import ServiceManager
from firmware import usable
from firmware.appliance import Appliance, serve_until_signal
from firmware.board_needs import board_needs
from firmware.boards.board import Board
from firmware.boards.choose import choose_board
from firmware.boards.data import read_board
from firmware.boards.load import compose_board
from firmware.compose.authentication import make_authentication
from firmware.compose.backup import backup_roots, make_backup_service
from firmware.compose.boot import make_boot
from firmware.compose.channels import make_gpio
from firmware.compose.events import event_sources
from firmware.compose.front import listen_address, make_server_config
from firmware.compose.information import make_information
from firmware.compose.logins import make_login_routes
from firmware.compose.mass_storage import make_mass_storage, mass_storage_routes
from firmware.compose.redfish import make_redfish_handles
from firmware.compose.updates import make_update
from firmware.compose.video import make_picture_services
from firmware.core.errors import SetupError
from firmware.core.lock import state_directory
from firmware.core.log_ring import LogRing
from firmware.core.supervise import Supervisor, leaves
from firmware.core.version import farhand_version
from firmware.process import process_statistics
from firmware.settings import LoadedSettings, load
from firmware.slots.self_report import SelfReporter
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.audit.service import AuditService
from firmware.subsystems.audit.syslog import AuditSyslog
from firmware.subsystems.audit.trail_files import DIRECTORY
from firmware.subsystems.backup.pending import carry_out_restore
from firmware.subsystems.hid.keymap_files import Keymaps
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.hid.typist import Typist
from firmware.subsystems.log.service import UNITS, LogService
from firmware.subsystems.msd.uploads import ResumableUploads
from firmware.subsystems.sessions.service import SessionsService
from firmware.subsystems.streamer.edid import FILE_NAME, EdidService
from firmware.subsystems.streamer.service import StreamerService
from firmware.subsystems.switch.service import SwitchService

logger = logging.getLogger(__name__)

STDERR = 2


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None leaves it to the configuration."""

    config_dir: Path
    board: str | None = None
    http: str | None = None
    https: str | None = None
    state_dir: Path | None = None
    self_report: Path | None = None
    """Where to write what the appliance says of its own parts, None for nowhere."""
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
    with ExitStack() as stack:
        # From the first record on: what is wrong with the configuration is what people look for in the log.
        log_ring = LogRing()
        logging.getLogger().addHandler(log_ring)
        stack.callback(logging.getLogger().removeHandler, log_ring)
        for warning in (*loaded.warnings, *usable.check(loaded)):
            logger.warning("configuration: %s", warning)
        state_dir = stack.enter_context(state_directory(options.state_dir or loaded.settings.farhand.state))
        if restored(loaded, state_dir):
            loaded, board_name = configuration(options)
        board = open_board(options, loaded, board_name)
        appliance = await compose(options, loaded, board, state_dir, log_ring)
        # A busy port is found before anything is started.
        listeners = await open_listeners(appliance.server_config)
        await serve_until_signal(appliance, listeners)


def restored(loaded: LoadedSettings, state_dir: Path) -> bool:
    """Carry out a restore that waits, before anything of it is in use. Raises SetupError."""
    try:
        done = carry_out_restore(backup_roots(loaded, state_dir))
    except OSError as exc:
        raise SetupError(f"cannot restore the backup that waits: {exc}; the next start tries again") from exc
    if done:
        logger.warning("A backup was restored")
    return done


def configuration(options: Options) -> tuple[LoadedSettings, str]:
    """Load the configuration on top of the board's own, and tell which board it is. Raises SetupError."""
    name = choose_board(options.board or load(options.config_dir).settings.farhand.board)
    return load(options.config_dir, base=read_board(name).settings), name


# -- making ------------------------------------------------------------------------------------------------


def open_board(options: Options, loaded: LoadedSettings, board_name: str) -> Board:
    """Make the ports of the board; nothing runs yet. Raises SetupError."""
    return compose_board(board_name, read_board(board_name), board_needs(loaded, options.board_arguments))


async def compose(
    options: Options,
    loaded: LoadedSettings,
    board: Board,
    state_dir: Path,
    log_ring: LogRing | None = None,
) -> Appliance:
    """Make everything else on top of *board*, start nothing. Raises SetupError.

    *log_ring* is the one that keeps the records of this process already, if there is one.
    """
    settings = loaded.settings
    kvmd = settings.kvmd
    http = settings.farhand.http if options.http is None else listen_address("--http", options.http)
    https = settings.farhand.https if options.https is None else listen_address("--https", options.https)
    supervisor = Supervisor()
    audit = AuditService(state_dir / DIRECTORY, version=farhand_version())
    syslog = settings.farhand.audit.syslog
    auth, demo_password = await make_authentication(
        loaded, board, [at for at in (http, https) if at is not None], audit, state_dir
    )
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
    keymaps = await trio.to_thread.run_sync(Keymaps, kvmd.hid.keymap)
    typist = Typist(hid, keymaps)
    atx = AtxService(
        kvmd.atx,
        power_led=board.power_led,
        hdd_led=board.hdd_led,
        power_switch=board.power_switch,
        reset_switch=board.reset_switch,
        supervisor=supervisor,
    )
    msd = await make_mass_storage(loaded, board, supervisor, state_dir)
    uploads = ResumableUploads(msd)
    boot = make_boot(loaded, atx=atx, hid=hid, msd=msd, state_dir=state_dir)
    streamer = StreamerService(kvmd.streamer, source=board.video, supervisor=supervisor)
    edid = EdidService(board.edid_keeper, state_dir / FILE_NAME)
    await edid.restore()
    switch = SwitchService(
        kvmd.switch, link=board.switch, directory=state_dir / "switch", supervisor=supervisor
    )
    info = make_information(loaded, board)
    log = LogService(
        kvmd.log_reader,
        ring=LogRing() if log_ring is None else log_ring,
        journal=Journal(units=UNITS) if is_journal(STDERR, os.environ) else None,
    )
    sessions = SessionsService(input_devices=hid, video=streamer)
    pictures = await make_picture_services(loaded, streamer=streamer, hid=hid, sessions=sessions)
    update = make_update(loaded, board, state_dir)
    gpio = make_gpio(loaded, board, supervisor)
    hub = Hub(
        event_sources(
            gpio=gpio,
            hid=hid,
            keymaps=keymaps,
            atx=atx,
            msd=msd,
            streamer=streamer,
            ocr=pictures.ocr,
            switch=switch,
            info=info,
            sessions=sessions,
            update=update,
        )
    )

    def statistics() -> Mapping[str, object]:
        return {
            "auth": auth.statistics(),
            "audit": audit.statistics(),
            "hid": hid.statistics(),
            "gpio": gpio.statistics(),
            "typing": typist.statistics(),
            "boot": boot.statistics(),
            "msd": {**msd.statistics(), "uploads": uploads.statistics()},
            "streamer": streamer.statistics(),
            "ocr": pictures.ocr.statistics(),
            "snapshots": pictures.snapshots.statistics(),
            "media": pictures.media.statistics(),
            "switch": switch.statistics(),
            "info": info.statistics(),
            "log": log.statistics(),
            "sessions": sessions.statistics(),
            "update": update.statistics(),
            "events": hub.statistics(),
            "front": asdict(server.statistics()),
            "process": process_statistics(),
        }

    fetch_from = AllowedHosts(settings.farhand.fetch.hosts)
    redfish = make_redfish_handles(
        atx=atx,
        boot=boot,
        auth=auth,
        info=info,
        msd=msd,
        switch=switch,
        log=log,
        files=HttpFiles(allowed=fetch_from),
        addresses=lambda: server.addresses,
    )
    routes: list[Route] = [
        *auth_routes(auth, allow_redirects=kvmd.auth.allow_redirects),
        *await make_login_routes(auth, settings.farhand.oidc, state_dir),
        *grant_routes(auth),
        *audit_routes(audit),
        *info_routes(info),
        *log_routes(log),
        *hid_routes(hid, typist),
        *atx_routes(atx),
        *gpio_routes(gpio),
        *mass_storage_routes(msd, uploads, HttpFiles(allowed=fetch_from)),
        *streamer_routes(streamer, pictures.ocr),
        *streamer_edid_routes(edid),
        *stream_routes(streamer),
        *media_routes(pictures.media),
        *switch_routes(switch),
        *update_routes(update, HttpFiles(allowed=fetch_from)),
        *backup_routes(make_backup_service(loaded, board, state_dir)),
        *supervisor_routes(supervisor, statistics),
        *console_routes(asset_root()),
        *redfish_routes(redfish),
        *metrics_routes(
            Measured(
                atx=atx,
                auth=auth,
                front=lambda: server.statistics(),  # noqa: PLW0108 - it is made below
                gpio=gpio,
                hid=hid,
                info=info,
                sessions=sessions,
                streamer=streamer,
                supervisor=supervisor,
                typist=typist,
                update=update,
            ),
            needs_login=kvmd.prometheus.auth.enabled,
        ),
        *openapi_routes(lambda: routes, version=farhand_version()),
    ]
    application = Application(
        Front(
            auth=auth,
            audit=audit,
            hid=hid,
            sessions=sessions,
            info=info,
            hub=hub,
            media=pictures.media,
            routes=routes,
            proxies=TrustedProxies(settings.farhand.trusted_proxies),
            origins=Origins(settings.farhand.origins),
            hsts_s=settings.farhand.tls.hsts_s,
        )
    )
    server_config = await make_server_config(loaded, http, https, state_dir, application)
    server = Server(application, server_config)
    return Appliance(
        board=board,
        supervisor=supervisor,
        audit=audit,
        audit_syslog=None if syslog is None else AuditSyslog(audit, syslog, process_id=os.getpid()),
        auth=auth,
        hid=hid,
        typist=typist,
        atx=atx,
        boot=boot,
        redfish_tasks=redfish.tasks,
        gpio=gpio,
        msd=msd,
        streamer=streamer,
        snapshots=pictures.snapshots,
        switch=switch,
        info=info,
        log=log,
        sessions=sessions,
        update=update,
        hub=hub,
        routes=routes,
        application=application,
        server=server,
        server_config=server_config,
        demo_password=demo_password,
        service_manager=ServiceManager.from_environment(),
        self_reporter=(
            None
            if options.self_report is None
            else SelfReporter(
                options.self_report,
                farhand_version(),
                state_dir,
                gadget=board.gadget,
                video=streamer,
                supervisor=supervisor,
            )
        ),
        hardware_watchdog=settings.farhand.watchdog.device,
        stall_limit_s=settings.farhand.watchdog.stall,
    )
