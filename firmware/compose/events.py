"""The events of the control socket: which cell, what name, how cut (contract websocket.md 1.4)."""

from __future__ import annotations

from api.ws.hub import Source
from api.ws.wire.state_diff import Shape
from firmware.subsystems.atx.service import AtxService
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.gpio.service import GpioService
from firmware.subsystems.hid.keymap_files import Keymaps
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.info.service import InfoService
from firmware.subsystems.msd.service import MsdService
from firmware.subsystems.ocr.service import OcrService
from firmware.subsystems.sessions.service import SessionsService
from firmware.subsystems.streamer.service import StreamerService
from firmware.subsystems.switch.service import SwitchService
from firmware.subsystems.update.service import UpdateService


def event_sources(
    *,
    gpio: GpioService,
    hid: HidService,
    keymaps: Keymaps,
    atx: AtxService,
    msd: MsdService,
    streamer: StreamerService,
    ocr: OcrService,
    switch: SwitchService,
    info: InfoService,
    sessions: SessionsService,
    update: UpdateService,
) -> list[Source]:
    """List the sources of the hub; a subsystem with events adds its own."""
    return [
        Source("gpio", gpio.state, Shape(deeper=frozenset({"state"}), only_whole=frozenset({"model"}))),
        Source("hid", hid.state, Shape(whole=True)),
        Source("hid_keymaps", keymaps.state, Shape(whole=True)),
        Source("atx", atx.state, Shape(whole=True)),
        Source("msd", msd.state, Shape(deep=frozenset({"storage"}), only_whole=frozenset({"online"}))),
        Source(
            "streamer",
            streamer.state,
            Shape(
                companions=(("params", "limits"), ("applied", "limits")), only_whole=frozenset({"features"})
            ),
        ),
        Source("ocr", ocr.state, Shape(whole=True)),
        Source("switch", switch.state, Shape(only_whole=frozenset({"model"}))),
        *(Source("info", cell, Shape(whole=True), member=name) for name, cell in info.cells.items()),
        Source("update", update.state, Shape(whole=True), own_to=Capability.ADMIN),
        Source("clients", sessions.clients, Shape(whole=True, repeats=True)),
    ]
