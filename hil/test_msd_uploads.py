"""An upload outlives the process that takes it: killed in the middle, started again, gone on with."""

from __future__ import annotations

import base64
import hashlib
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MIB = 1 << 20
LENGTH = 60 * MIB
DEADLINE_S = 120
TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}


def send_until_killed(appliance: Any, upload: str, content: bytes, seen: Callable[[], bool]) -> None:
    """Send the beginning of a part, and kill the process as it is with SIGKILL once *seen*."""
    host, port = appliance.url.removeprefix("http://").rstrip("/").split(":")
    head = [
        f"PATCH {upload} HTTP/1.1",
        f"Host: {host}",
        f"X-KVMD-User: {appliance.user}",
        f"X-KVMD-Passwd: {appliance.password}",
        f"Content-Length: {LENGTH}",
        "Upload-Offset: 0",
        *(f"{name}: {value}" for name, value in PART.items()),
    ]
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + content)
        end = time.monotonic() + DEADLINE_S
        while not seen():
            assert time.monotonic() < end, "".join(appliance.output)
            time.sleep(0.02)
        appliance.process.kill()
        appliance.process.wait()


# Two starts of a process, and 60 MiB through it: a checkpoint's worth and more.
@pytest.mark.slow
def test_an_upload_goes_on_after_a_kill_and_ends_byte_for_byte(
    start_appliance: Callable[..., Any], tmp_path: Path
) -> None:
    content = random.Random(5).randbytes(LENGTH)
    image = tmp_path / "state/images/os/a.img"
    arguments = (
        *("--board", "emulated", "--http", "127.0.0.1:0", "--https", ""),
        *("--state", str(tmp_path / "state")),
    )
    first = start_appliance(*arguments)
    pairs = {"filename": "a.img", "prefix": "os", "sha256": hashlib.sha256(content).hexdigest()}
    metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
    with first.client() as client:
        headers = {**TUS, "Upload-Length": str(LENGTH), "Upload-Metadata": metadata}
        answer = client.post("/api/msd/uploads", headers=headers)
        assert answer.status_code == 201, answer.text
        upload = answer.headers["location"]

    def all_of_it_is_there() -> bool:
        # What the file system has taken; how much of it is noted down is for the appliance to say.
        with image.open("rb") as file:
            file.seek(40 * MIB - 1)
            return file.read(1) == content[40 * MIB - 1 : 40 * MIB]

    send_until_killed(first, upload, content[: 40 * MIB], all_of_it_is_there)
    marks = {path.name for path in image.parent.iterdir()}
    assert ".__a.img.incomplete" in marks

    second = start_appliance(*arguments)
    with second.client() as client:
        end = time.monotonic() + DEADLINE_S
        while not (state := client.get("/api/msd").json()["result"])["online"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert state["storage"]["images"]["os/a.img"]["complete"] is False
        assert state["busy"] is False
        answer = client.head(upload, headers=TUS)
        assert answer.headers["upload-length"] == str(LENGTH)
        offset = int(answer.headers["upload-offset"])
        # A checkpoint's worth is what a kill may cost.
        assert 32 * MIB <= offset <= 40 * MIB
        for end_of_part in (50 * MIB, LENGTH):
            answer = client.patch(
                upload, content=content[offset:end_of_part], headers={**PART, "Upload-Offset": str(offset)}
            )
            assert answer.status_code == 204, answer.text
            offset = int(answer.headers["upload-offset"])
            assert offset == end_of_part
        found = client.get("/api/msd").json()["result"]["storage"]["images"]["os/a.img"]
    assert (found["complete"], found["sha256"]) == (True, pairs["sha256"])
    assert image.read_bytes() == content
    assert {path.name for path in image.parent.iterdir()} == {"a.img", ".__a.img.sha256"}
