"""What `just image-boot` expects of an appliance that does not start, and of one that forgets everything."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

import httpx

from image.machine import ImageError, Machine
from image.outside import (
    ANSWER_DEADLINE_S,
    BOOT_DEADLINE_S,
    Key,
    check_login,
    client,
    note,
    put_boot_file,
    shell,
    tls,
    wait_for_api,
)

SETTINGS: Final = "/data/config/override.yaml"
GOOD: Final = "kvmd: {}"
BROKEN: Final = "kvmd: {hid: {type: teapot}}"
MISTAKE: Final = "kvmd/hid/type"
RESET_FILE: Final = "factory-reset"
CONFIRMED: Final = "is confirmed"
# The image has no curl; the page is what `curl http://127.0.0.1/` shows over SSH.
OWN_PAGE: Final = (
    'python3 -c \'import http.client as h; c = h.HTTPConnection("127.0.0.1"); '
    'c.request("GET", "/"); a = c.getresponse(); print(a.status, a.read().decode())\''
)


def failsafe(machine: Machine, key: Key) -> None:
    """Break the settings; expect the page that says so, and the appliance again once they are mended."""
    machine.wait_for(CONFIRMED, BOOT_DEADLINE_S)
    shell(machine, key, f"echo '{BROKEN}' >{SETTINGS}; chmod 600 {SETTINGS}; sync; systemctl reboot")
    machine.wait_for("APPLIANCE DOES NOT START", BOOT_DEADLINE_S)
    page = _page(machine)
    if MISTAKE in page or "does not start" not in page:
        raise ImageError(f"expected strangers to be told that it does not start and no more, got {page}")
    own = shell(machine, key, OWN_PAGE).stdout
    if not own.startswith("503") or MISTAKE not in own:
        raise ImageError(f"expected the machine itself to be told of {MISTAKE}, got {own}")
    if MISTAKE not in machine.console():
        raise ImageError(f"expected the local console to tell of {MISTAKE}")
    if shell(machine, key, "test -e /run/farhand/confirmed").returncode == 0:
        raise ImageError("the gate confirmed a version that does not start")
    note(machine, "broken settings: 503 for strangers, the reason over SSH and on the console, not confirmed")
    mended = shell(
        machine, key, f"echo '{GOOD}' >{SETTINGS}; systemctl reset-failed farhand; systemctl restart farhand"
    )
    if mended.returncode:
        raise ImageError(f"the mended appliance cannot be started: {mended.stderr}")
    wait_for_api(machine)
    # Which comes by itself when the appliance is tried again, minutes later.
    shell(machine, key, "systemctl start farhand-health")
    machine.wait_for(CONFIRMED, BOOT_DEADLINE_S, times=2)
    note(machine, "mended: it is back, and confirmed")


def _page(machine: Machine) -> str:
    """Return what a stranger is shown, once it is the page of an appliance that does not start."""
    end = time.monotonic() + BOOT_DEADLINE_S
    with httpx.Client(base_url=machine.url, verify=tls(), timeout=ANSWER_DEADLINE_S) as stranger:
        while True:
            try:
                answer = stranger.get("/")
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise ImageError("the page does not answer") from None
                time.sleep(1)
                continue
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                raise ImageError(f"expected 503, got {answer.status_code}")
            return answer.text


def ask_for_reset(disk: Path, directory: Path) -> None:
    """Put the file onto the boot partition of *disk* that asks for a factory reset."""
    empty = directory / RESET_FILE
    empty.touch()
    put_boot_file(disk, empty, RESET_FILE)


def factory_reset(machine: Machine, key: Key, old_password: str) -> str:
    """Expect the start after `ask_for_reset` to be like the first one; return the new password."""
    said = machine.wait_for("with the password", BOOT_DEADLINE_S)
    found = re.search(r"with the password (\S+)\s", said)
    if found is None or found[1] == old_password:
        raise ImageError("expected a new password after the factory reset")
    wait_for_api(machine)
    check_login(machine, found[1])
    with client(machine, old_password) as admin:
        status = admin.get("/api/info").status_code
        if status != httpx.codes.FORBIDDEN:
            raise ImageError(f"expected 403 for the password of before the reset, got {status}")
        note(machine, "the old password opens nothing any more")
    machine.wait_for(CONFIRMED, BOOT_DEADLINE_S)
    for gone in (f"/boot/firmware/{RESET_FILE}", SETTINGS):
        if shell(machine, key, f"test -e {gone}").returncode != 1:
            raise ImageError(f"expected the factory reset to remove {gone}")
    note(machine, "the factory reset left a first start: new password, nothing of before")
    return found[1]
