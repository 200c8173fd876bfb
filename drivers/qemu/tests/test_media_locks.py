"""The virtual drive with a guest that locks its medium, played by the test: a real one needs an OS."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import DeviceTimeoutError, MediumLockedError
from drivers.ports import Medium
from drivers.qemu.media import QemuMediaSlot
from drivers.qemu.qmp_client import QmpClient

GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 10}}, "capabilities": []}}


class Guest:
    """A QEMU that keeps one drive, and a guest that may lock it or never let it go."""

    def __init__(self) -> None:
        self.locked = False
        self.stuck = False
        self.plugged = False
        self.node = False
        self.storage_bus = None
        self.client: QmpClient | None = None

    def qmp(self) -> QmpClient:
        assert self.client is not None
        return self.client

    async def serve(self, stream: trio.SocketStream) -> None:
        await self._say(stream, GREETING)
        data = b""
        while piece := await stream.receive_some():
            *lines, data = (data + piece).split(b"\n")
            for line in lines:
                command = json.loads(line)
                await self._say(stream, self._answer(command) | {"id": command["id"]})
                if command["execute"] == "device_del" and not self.stuck:
                    event = {"event": "DEVICE_DELETED", "data": {"device": "farhand-media", "path": "/x"}}
                    await self._say(stream, event)

    async def _say(self, stream: trio.SocketStream, message: object) -> None:
        await stream.send_all(json.dumps(message).encode() + b"\r\n")

    def _answer(self, command: dict[str, Any]) -> dict[str, Any]:
        match command["execute"]:
            case "query-block":
                drive = {"device": "", "qdev": "/machine/peripheral/farhand-media/x", "locked": self.locked}
                return {"return": [{"device": "floppy0", "locked": False}, drive]}
            case "device_add":
                self.plugged = True
            case "device_del":
                self.plugged = self.stuck
            case "blockdev-add":
                self.node = True
            case "blockdev-del":
                self.node = False
            case _:
                pass
        return {"return": {}}


@asynccontextmanager
async def inserted(image: Path) -> AsyncGenerator[tuple[QemuMediaSlot, Guest]]:
    ours, theirs = trio.socket.socketpair()
    guest = Guest()
    slot = QemuMediaSlot(guest)
    guest.client = QmpClient(trio.SocketStream(ours), slot.on_event)
    async with trio.SocketStream(theirs) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(guest.serve, stream)
        await nursery.start(guest.client.run)
        await slot.insert(Medium(image, cdrom=False, rw=False))
        yield slot, guest
        nursery.cancel_scope.cancel()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "stick.img"
    path.touch()
    return path


async def test_a_locked_medium_comes_out_by_force_only(image: Path) -> None:
    async with inserted(image) as (slot, guest), slot.media() as media:
        guest.locked = True
        with pytest.raises(MediumLockedError, match="by force"):
            await slot.eject()
        assert (await media.receive()) == Medium(image, cdrom=False, rw=False)
        assert guest.plugged
        await slot.eject(force=True)
        assert (await media.receive()) is None
        assert not guest.plugged
        assert not guest.node


async def test_an_unlocked_medium_comes_out(image: Path) -> None:
    async with inserted(image) as (slot, guest):
        await slot.eject()
        assert not guest.plugged


async def test_a_drive_that_does_not_go_is_a_timeout_and_can_be_tried_again(
    image: Path, autojump_clock: MockClock
) -> None:
    async with inserted(image) as (slot, guest), slot.media() as media:
        guest.stuck = True
        with pytest.raises(DeviceTimeoutError, match="within 5 s"):
            await slot.eject()
        assert (await media.receive()) is not None
        guest.stuck = False
        await slot.eject()
        assert (await media.receive()) is None
