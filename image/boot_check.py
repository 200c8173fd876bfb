"""`just image-boot BOARD`: boots the built image in QEMU and uses it from outside, as at a first start.

It puts a `farhand.toml` with a host name and an SSH key on the boot partition, reads the first password
off the console, logs in over HTTPS, loads the console, follows the control socket, runs `farhand doctor`
over SSH, tries what the appliance's user may do, cuts the power, and starts again: what was set must still
hold. Then it breaks the settings and mends them, restarts by the API, and asks for a factory reset. It prints
what it measured, and ends with 1 at the first thing that is wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

import httpx
import trio
from trio_websocket import open_websocket_url

from image.machine import CACHE, DISK_BYTES, ImageError, Machine, fresh_disk, newest_image, running
from image.outside import (
    ANSWER_DEADLINE_S,
    BOOT_DEADLINE_S,
    Key,
    boot_file,
    check_login,
    client,
    note,
    put_boot_file,
    shell,
    tls,
    wait_for_api,
)
from image.recovery_check import ask_for_reset, factory_reset, failsafe
from image.rights_check import restart, rights, usb

HOST_NAME: Final = "image-test"
MISSING_HARDWARE: Final = {"USB device controller", "GPIO chip", "video capture"}
"""What the doctor may miss in QEMU."""
EXPECTED_EVENTS: Final = {"atx", "gpio", "hid", "msd", "streamer"}


def check_console(machine: Machine, password: str) -> None:
    """The console's page and everything that it names are there."""
    with client(machine, password) as admin:
        page = admin.get("/", follow_redirects=True)
        names = sorted(set(re.findall(r'(?:src|href)="([^"#]+\.(?:js|css|svg))"', page.text)))
        if page.status_code != httpx.codes.OK or not names:
            raise ImageError(f"expected the console's page, got {page.status_code}")
        total = len(page.content)
        for name in names:
            part = admin.get(str(page.url.join(name)))
            if part.status_code != httpx.codes.OK:
                raise ImageError(f"the console names {name}, which answers {part.status_code}")
            total += len(part.content)
    note(machine, f"the console is there: page and {len(names)} files, {total} bytes")


async def follow_events(machine: Machine, password: str) -> None:
    """The control socket tells the whole state, answers, and tells a change made by another request."""
    headers = [(b"X-KVMD-User", b"admin"), (b"X-KVMD-Passwd", password.encode())]
    url = machine.url.replace("https", "wss") + "/api/ws?stream=0"
    with trio.fail_after(ANSWER_DEADLINE_S * 3):
        async with open_websocket_url(url, ssl_context=tls(), extra_headers=headers) as socket:
            kinds: set[str] = set()
            while not kinds >= EXPECTED_EVENTS:
                kinds.add(json.loads(await socket.get_message())["event_type"])
            await socket.send_message(json.dumps({"event_type": "ping", "event": {}}))
            while json.loads(await socket.get_message())["event_type"] != "pong":
                pass
            async with httpx.AsyncClient(
                base_url=machine.url, verify=tls(), timeout=ANSWER_DEADLINE_S,
                headers={"X-KVMD-User": "admin", "X-KVMD-Passwd": password},
            ) as admin:  # fmt: skip
                (await admin.post("/api/hid/set_params?jiggler=true")).raise_for_status()
            while True:
                message = json.loads(await socket.get_message())
                if message["event_type"] == "hid" and message["event"].get("jiggler", {}).get("active"):
                    break
    note(machine, f"events flow: {', '.join(sorted(kinds))}, an answer to ping, and a change")


def check_doctor(machine: Machine, key: Key) -> None:
    """`farhand doctor` has nothing to say but that hardware is missing, and the system has no failed unit."""
    name = shell(machine, key, "hostname")
    if name.stdout.strip() != HOST_NAME:
        raise ImageError(f"expected the host name {HOST_NAME}, got {name.stdout!r} {name.stderr!r}")
    doctor = shell(
        machine, key, "farhand doctor $(sed -n 's/^FARHAND_BOARD=//p' /usr/lib/farhand/image.env) --json"
    )
    try:
        findings = json.loads(doctor.stdout)["findings"]
    except ValueError:
        raise ImageError(f"the doctor did not answer: {doctor.stderr}") from None
    bad = {finding["about"]: finding["text"] for finding in findings if finding["verdict"] == "bad"}
    if unexpected := set(bad) - MISSING_HARDWARE:
        raise ImageError(f"the doctor complains of {', '.join(f'{one}: {bad[one]}' for one in unexpected)}")
    failed = shell(machine, key, "systemctl --failed --no-legend --plain").stdout.split("\n")
    if units := [line.split()[0] for line in failed if line.strip()]:
        raise ImageError(f"these units failed: {', '.join(units)}")
    if "ro" not in shell(machine, key, "findmnt -no OPTIONS /").stdout.strip().split(","):
        raise ImageError("the root can be written to")
    data_bytes = int(shell(machine, key, "df -B1 --output=size /data | tail -1").stdout)
    if data_bytes < DISK_BYTES // 2:
        raise ImageError(f"expected the data partition to fill the card, got {data_bytes} bytes")
    note(machine, f"the doctor misses only {', '.join(sorted(bad))}; no unit failed; the root is read-only")


def first_start(machine: Machine, key: Key) -> str:
    """Check everything at the first start; return the first password."""
    said = machine.wait_for("with the password", BOOT_DEADLINE_S)
    found = re.search(r"with the password (\S+)\s", said)
    if found is None:
        raise ImageError("the console does not show the password")
    note(machine, "the console shows the first password")
    wait_for_api(machine)
    note(machine, "HTTPS answers")
    check_login(machine, found[1])
    check_console(machine, found[1])
    trio.run(follow_events, machine, found[1])
    machine.wait_for("is confirmed", BOOT_DEADLINE_S)
    note(machine, "the health gate confirmed the slot")
    check_doctor(machine, key)
    rights(machine, key, found[1])
    usb(machine, key, found[1])
    return found[1]


def main() -> int:
    """Boot the image that the command line names and check it."""
    parser = argparse.ArgumentParser(description="Boot a built image in QEMU and use it from outside.")
    parser.add_argument("board", choices=("amd64", "generic-arm64"))
    board = parser.parse_args().board
    scratch = CACHE / "boot" / board
    scratch.mkdir(parents=True, exist_ok=True)
    disk = scratch / "card.img"
    try:
        with tempfile.TemporaryDirectory() as directory:
            fresh_disk(newest_image(board), disk)
            key = Key(Path(directory))
            settings = Path(directory) / "farhand.toml"
            settings.write_text(f'host_name = "{HOST_NAME}"\nssh_keys = ["{key.public}"]\n')
            put_boot_file(disk, settings, "farhand.toml")
            with running(board, disk, scratch / "first.log") as machine:
                password = first_start(machine, key)
                machine.cut_power()
            if password not in boot_file(disk, "farhand-password.txt"):
                raise ImageError("the boot partition does not tell the first password")
            print(boot_file(disk, "farhand-status.txt"))
            with running(board, disk, scratch / "second.log") as machine:
                wait_for_api(machine)
                check_login(machine, password)
                if "with the password" in machine.console():
                    raise ImageError("a second start made another password")
                note(machine, "after a power cut the same password opens it")
                failsafe(machine, key)
                restart(machine, key, password)
            ask_for_reset(disk, Path(directory))
            with running(board, disk, scratch / "third.log") as machine:
                factory_reset(machine, key, password)
    except ImageError as error:
        print(f"image-boot: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
