"""Makes the service that knows the appliance's own machine."""

from __future__ import annotations

from drivers.system.fan import FanDaemon
from drivers.system.host_name import host_name
from drivers.system.platform import LinuxPlatform
from drivers.system.units import SystemdUnits
from drivers.system.uptime import LinuxUptime
from firmware.boards.board import Board
from firmware.settings import LoadedSettings
from firmware.subsystems.info.service import InfoService


def make_information(loaded: LoadedSettings, board: Board) -> InfoService:
    """Make the service of `/api/info` on the sensors of *board*."""
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
