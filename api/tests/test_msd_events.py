"""Mass storage as the control socket tells of it, and what the HTTP routes say when there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

MIB = 1 << 20


class Client:
    """A client that merges `msd` events as the contract says, and remembers what came."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []
        self.state: dict[str, Any] = {}

    async def until(self, condition: Callable[[dict[str, Any]], object]) -> None:
        """Take events until the merged state is as wanted."""
        with trio.fail_after(30):
            while not (self.state and condition(self.state)):
                message = json.loads(await self._socket.get_message())
                if message["event_type"] != "msd":
                    continue
                event = message["event"]
                self.events.append(event)
                storage = event.pop("storage", ...)
                self.state |= event
                if storage is not ...:
                    old = self.state.get("storage")
                    self.state["storage"] = {**old, **storage} if old and storage else storage


async def test_a_client_that_merges_events_knows_the_state(live: Any, tmp_path: Path) -> None:
    async with live.websocket() as socket:
        client = Client(socket)
        await client.until(lambda state: state["online"])
        async with live.appliance.msd.writing("a.img", 2 * MIB) as image:
            await image.write(bytes(MIB))
            await client.until(
                lambda state: state["storage"]["uploading"] and "a.img" in state["storage"]["images"]
            )
            assert client.state["busy"] is True
            assert client.state["storage"]["images"]["a.img"]["complete"] is False
            await image.write(bytes(MIB))
        await client.until(
            lambda state: not state["busy"] and state["storage"]["images"]["a.img"]["complete"]
        )
        await live.http.post("/api/msd/set_params?image=a.img")
        await client.until(lambda state: state["drive"]["image"])
        diffs = [event for event in client.events if "online" not in event]
        assert diffs
        assert all(set(event) <= {"busy", "drive"} for event in diffs)
        assert all(
            set(event["drive"]) == {"image", "connected", "cdrom", "rw"}
            for event in diffs
            if "drive" in event
        )
        # The room on the disk is everybody's.
        told = await live.result_of(await live.http.get("/api/msd"))
        client.state["storage"].pop("parts")
        told["storage"].pop("parts")
        assert client.state == told


async def test_a_full_event_when_the_storage_goes_and_comes(live_with: Any, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    async with live_with(f"farhand: {{images: {images}}}") as live, live.websocket() as socket:
        client = Client(socket)
        await client.until(lambda state: state["online"])
        shutil.rmtree(images)
        await client.until(lambda state: not state["online"])
        assert (client.state["storage"], client.state["drive"]) == (None, None)
        await live.refused(await live.http.post("/api/msd/set_params?cdrom=1"), 400, "MsdOfflineError")
        tasks = (await live.result_of(await live.http.get("/api/supervisor")))["tasks"]
        assert str(images) in tasks["msd.storage"]["last_error"]
        images.mkdir()
        await client.until(lambda state: state["online"])
        assert client.state["storage"]["images"] == {}


async def test_the_old_name_of_the_event(live: Any) -> None:
    async with live.websocket("?legacy=1") as socket:
        with trio.fail_after(30):
            while json.loads(await socket.get_message())["event_type"] != "msd_state":
                pass


async def test_disabled(live_with: Any, tmp_path: Path) -> None:
    async with live_with("kvmd: {msd: {type: disabled}}") as live:
        assert await live.result_of(await live.http.get("/api/msd")) == {
            "enabled": False,
            "online": False,
            "busy": False,
            "storage": None,
            "drive": None,
        }
        for path in ("set_params", "set_connected?connected=1", "remove?image=a", "reset", "write?image=a"):
            await live.refused(
                await live.http.post(f"/api/msd/{path}", content=b"x"), 400, "MsdDisabledError"
            )
        await live.refused(await live.http.get("/api/msd/read?image=a"), 400, "MsdDisabledError")
    assert not (tmp_path / "state/images").exists()


async def test_images_elsewhere_and_wrong_parameters(live: Any) -> None:
    answer = await live.http.post("/api/msd/set_params?image=https://host/a.iso&option=1")
    await live.refused(answer, 400, "MsdRemoteDisabledError")
    for path in ("set_params?cdrom=on", "set_params?image=.x", "set_connected", "remove", "remove?image="):
        await live.refused(await live.http.post(f"/api/msd/{path}"), 400, "ValidatorError")
    await live.refused(await live.http.post("/api/msd/remove?image=a"), 400, "MsdUnknownImageError")
    assert await live.result_of(await live.http.post("/api/msd/reset")) == {}
