"""Images of other servers by InsertMedia, and the tasks that this takes; the server is a real one."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import trio

from api.redfish import virtual_media

MSD = "/redfish/v1/Managers/BMC/VirtualMedia/MSD"
INSERT = f"{MSD}/Actions/VirtualMedia.InsertMedia"
EJECT = f"{MSD}/Actions/VirtualMedia.EjectMedia"
TASKS = "/redfish/v1/TaskService/Tasks"
CONTENT = bytes(range(256)) * 32_000  # 8 MB, of which the storage writes pieces at a time


@dataclass
class Server:
    """A web server with one file, which comes in two halves: the second one when `rest` is set."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    status: bytes = b"200 OK"
    rest: trio.Event = field(default_factory=trio.Event)

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive_some(65536)
            self.requests.append(request)
            head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            half = len(CONTENT) // 2
            try:
                await stream.send_all(head % (self.status, len(CONTENT)) + CONTENT[:half])
                await self.rest.wait()
                await stream.send_all(CONTENT[half:])
            except trio.BrokenResourceError:
                pass  # a client that was cancelled


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        server.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield server
        nursery.cancel_scope.cancel()


async def ready(live: Any) -> None:
    with trio.fail_after(30):
        while not live.appliance.msd.state.value.online:
            await trio.sleep(0.05)


async def shown(live: Any, path: str = MSD) -> dict[str, Any]:
    answer = await live.http.get(path)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_what_comes_soon_is_in_the_drive_when_the_answer_comes(live: Any) -> None:
    await ready(live)
    async with serving() as server:
        server.rest.set()
        url = f"{server.url}/images/disk%20one.iso?x=1"
        body = {"Image": url, "UserName": "me", "Password": "my:word", "TransferProtocolType": "HTTP"}
        answer = await live.http.post(INSERT, json=body)
        assert (answer.status_code, answer.content) == (204, b""), answer.text
        assert server.requests[0].startswith(b"GET /images/disk%20one.iso?x=1 ")
        assert b64encode(b"me:my:word") in server.requests[0]
        drive = await shown(live)
        assert (drive["Image"], drive["ImageName"]) == (url, "disk one.iso")
        assert (drive["ConnectedVia"], drive["Inserted"], drive["WriteProtected"]) == ("URI", True, True)
        medium: Any = live.pc.observer.medium
        assert medium.cdrom is True
        assert medium.path.read_bytes() == CONTENT
        # The same once more, which takes the place of the first one.
        assert (await live.http.post(INSERT, json={"Image": url})).status_code == 204
        assert len(server.requests) == 2
        assert (await live.http.post(EJECT)).status_code == 204
        assert not medium.path.exists()
        assert (await shown(live))["Image"] is None
        assert live.appliance.msd.state.value.storage.images == {}
        tasks = (await shown(live, TASKS))["Members"]
        assert len(tasks) == 2
        assert "my:word" not in str([await shown(live, task["@odata.id"]) for task in tasks])


async def test_what_was_left_of_an_earlier_one_gives_way(live: Any) -> None:
    await ready(live)
    await live.result_of(await live.http.post("/api/msd/write?image=redfish/a.img", content=b"stale"))
    async with serving() as server:
        server.rest.set()
        answer = await live.http.post(INSERT, json={"Image": f"{server.url}/a.img"})
        assert answer.status_code == 204, answer.text
    path = live.pc.observer.medium.path
    assert path.read_bytes() == CONTENT
    # By its name in the storage it is inserted anew, and does not vanish on the way.
    assert (await live.http.post(INSERT, json={"Image": "redfish/a.img"})).status_code == 204
    assert live.pc.observer.medium.path == path
    assert path.read_bytes() == CONTENT
    # What somebody has removed meanwhile is no reason to keep the drive from being emptied.
    path.unlink()
    assert (await live.http.post(EJECT)).status_code == 204
    assert live.pc.observer.medium is None


async def test_what_takes_longer_is_a_task_to_watch(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_media, "PROMPT_S", 0.2)
    await ready(live)
    async with serving() as server:
        answer = await live.http.post(INSERT, json={"Image": f"{server.url}/a.img", "WriteProtected": False})
        assert answer.status_code == 202
        monitor = answer.headers["location"]
        task = answer.json()
        assert (task["TaskState"], task["TaskStatus"], task["TaskMonitor"]) == ("Running", "OK", monitor)
        assert int(answer.headers["retry-after"]) > 0
        with trio.fail_after(30):
            while not 0 < (await shown(live, task["@odata.id"]))["PercentComplete"] <= 50:
                await trio.sleep(0.05)
        assert (await live.http.get(monitor)).status_code == 202
        assert (await shown(live, TASKS))["Members"] == [{"@odata.id": task["@odata.id"]}]
        # Meanwhile the drive is taken.
        answer = await live.http.post(INSERT, json={"Image": f"{server.url}/b.img"})
        assert answer.status_code == 409
        assert answer.json()["result"]["error"] == "MsdIsBusyError"
        server.rest.set()
        with trio.fail_after(30):
            while (answer := await live.http.get(monitor)).status_code == 202:
                await trio.sleep(0.05)
        assert (answer.status_code, answer.content) == (204, b"")
        task = await shown(live, task["@odata.id"])
        assert (task["TaskState"], task["PercentComplete"]) == ("Completed", 100)
        assert task["EndTime"] >= task["StartTime"]
        assert (await shown(live))["WriteProtected"] is False


async def test_a_task_can_be_cancelled(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_media, "PROMPT_S", 0.2)
    await ready(live)
    async with serving() as server:
        answer = await live.http.post(INSERT, json={"Image": f"{server.url}/a.img"})
        assert answer.status_code == 202
        monitor = answer.headers["location"]
        assert (await live.http.delete(monitor)).status_code == 204
        answer = await live.http.get(monitor)
        assert answer.status_code == 409
        assert answer.json()["error"]["@Message.ExtendedInfo"]
        [member] = (await shown(live, TASKS))["Members"]
        task = await shown(live, member["@odata.id"])
        assert (task["TaskState"], task["TaskStatus"]) == ("Cancelled", "Warning")
        assert task["Messages"]
        assert (await live.http.delete(member["@odata.id"])).status_code == 204
        assert (await shown(live))["Inserted"] is False
        # Nothing of it is left in the storage.
        with trio.fail_after(30):
            while live.appliance.msd.state.value.storage.images:
                await trio.sleep(0.05)
    for path in (f"{TASKS}/nothing", "/redfish/v1/TaskService/TaskMonitors/nothing"):
        for method in ("GET", "DELETE"):
            assert (await live.http.request(method, path)).status_code == 404


async def test_servers_that_do_not_give_it(live: Any) -> None:
    await ready(live)
    async with serving() as server:
        server.status = b"404 Not Found"
        server.rest.set()
        answer = await live.http.post(INSERT, json={"Image": f"{server.url}/a.img"})
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["@Message.ExtendedInfo"]
    answer = await live.http.post(INSERT, json={"Image": f"{server.url}/a.img"})
    assert answer.status_code == 400, answer.text
    states = [
        (await shown(live, one["@odata.id"]))["TaskState"] for one in (await shown(live, TASKS))["Members"]
    ]
    assert states == ["Exception", "Exception"]
    answer = await live.http.post(INSERT, json={"Image": "http://h/a", "TransferProtocolType": "NFS"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"].endswith("ActionParameterValueNotInList")
    for body in ({"Image": "http://"}, {"Image": "http://["}, {"Image": "http://h:x/a"}):
        answer = await live.http.post(INSERT, json=body)
        assert (answer.status_code, answer.json()["result"]["error"]) == (400, "ValidatorError")


async def test_whether_certificates_are_verified_can_be_changed(live: Any) -> None:
    assert (await shown(live))["VerifyCertificate"] is True
    assert (await live.http.patch(MSD, json={"VerifyCertificate": False})).status_code == 204
    assert (await shown(live))["VerifyCertificate"] is False
    assert (await live.http.patch(MSD, json={})).status_code == 204
    assert (await live.http.patch(MSD, json={"VerifyCertificate": "no"})).status_code == 400
    assert (await shown(live))["VerifyCertificate"] is False
