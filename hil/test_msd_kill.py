"""An upload whose appliance is killed: what is left is listed, and is known to be incomplete."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEADLINE_S = 60
SIZE = 16 << 20


def wait(condition: Callable[[], Any]) -> Any:
    """Wait until *condition* is true and return it."""
    end = time.monotonic() + DEADLINE_S
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


def test_a_kill_in_the_middle_of_an_upload_leaves_an_image_that_is_marked(
    start_appliance: Callable[..., Any], tmp_path: Path
) -> None:
    arguments = (
        *("--board", "emulated", "--http", "127.0.0.1:0", "--https", ""),
        *("--state", str(tmp_path / "state")),
    )
    first = start_appliance(*arguments)
    image = tmp_path / "state/images/os/a.img"
    content = bytes(range(256)) * (SIZE // 256)
    with first.client() as client:
        wait(lambda: client.get("/api/msd").json()["result"]["online"])
    host, port = first.url.removeprefix("http://").rstrip("/").split(":")
    head = [
        "POST /api/msd/write?image=a.img&prefix=os&remove_incomplete=1 HTTP/1.1",
        f"Host: {host}",
        f"X-KVMD-User: {first.user}",
        f"X-KVMD-Passwd: {first.password}",
        f"Content-Length: {SIZE}",
    ]
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + content[: SIZE // 2])
        wait(lambda: image.exists() and image.read_bytes()[: 4 << 20] == content[: 4 << 20])
        first.process.kill()
        first.process.wait()
    second = start_appliance(*arguments)
    with second.client() as client:
        wait(lambda: client.get("/api/msd").json()["result"]["online"])
        state = client.get("/api/msd").json()["result"]
        listed = state["storage"]["images"]["os/a.img"]
        assert (listed["complete"], listed["size"]) == (False, SIZE)
        assert (state["busy"], state["storage"]["uploading"]) == (False, None)
        assert client.post("/api/msd/write?image=os/a.img", content=b"x").status_code == 400
        assert client.post("/api/msd/remove?image=os/a.img").status_code == 200
    assert list(image.parent.iterdir()) == []
