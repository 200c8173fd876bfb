"""Makes the GPIO service on the drivers that its channels use."""

from __future__ import annotations

from firmware.boards.board import Board
from firmware.channel_drivers import ChannelNeeds, make_channel_driver
from firmware.core.supervise import Supervisor
from firmware.settings import LoadedSettings
from firmware.subsystems.gpio.channels import pins_by_driver
from firmware.subsystems.gpio.service import GpioService


def make_gpio(loaded: LoadedSettings, board: Board, supervisor: Supervisor) -> GpioService:
    """Make the service of `/api/gpio`; a driver that no channel uses is not made."""
    config = loaded.settings.kvmd.gpio
    drivers = {
        name: make_channel_driver(
            config.drivers[name],
            ChannelNeeds(
                name=name,
                inputs=pins.inputs,
                outputs=pins.outputs,
                board=board,
                device_is_given=f"kvmd/gpio/drivers/{name}/device" in loaded.sources,
            ),
        )
        for name, pins in pins_by_driver(config).items()
    }
    return GpioService(config, drivers=drivers, supervisor=supervisor)
