"""`python -m firmware.slots.gate`: confirms the slot that runs, once the appliance has shown that it works.

Healthy is: HTTPS answers three times in a row, and nothing in the appliance's report of itself speaks
against it (`firmware.slots.report`). A version that was confirmed before is confirmed again when HTTPS
answers and state can be kept: what broke since is then the hardware's doing, and the older version would not
mend it.

A refusal is written to `/run/farhand/refusal`, from where it gets into the last words and the log.
"""

from __future__ import annotations

import datetime as dt
import http.client
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from firmware.core.files import observe, replace
from firmware.slots import last_words, setback
from firmware.slots.report import STATE, Condition, SelfReport, decode, objections

DEADLINE_S: Final = 240
ROUNDS: Final = 3
PAUSE_S: Final = 3
ANSWER_DEADLINE_S: Final = 20
HOST: Final = "127.0.0.1"
REPORT: Final = Path("/run/farhand-service/self-report.json")
REFUSAL: Final = Path("/run/farhand/refusal")
CONFIRMED_NOW: Final = Path("/run/farhand/confirmed")
CONFIRMED: Final = Path("/data/rauc/confirmed")
"""A line for each slot: the version that was confirmed in it last."""
CONFIRMED_REPORT: Final = Path("/data/rauc/confirmed-report.json")
"""What that version said of itself."""
NO_ANSWER: Final = "HTTPS does not answer"


def api_answers() -> bool:
    """Return whether the API says that it wants a login, which is its answer to strangers."""
    context = ssl.create_default_context()
    # The certificate is the appliance's own and names no loopback address.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(HOST, timeout=ANSWER_DEADLINE_S, context=context)
    try:
        connection.request("GET", "/api/auth/check")
        return connection.getresponse().status == http.client.UNAUTHORIZED
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def refusals(
    report: SelfReport | None, before: SelfReport | None, *, answers: bool, known: bool
) -> list[str]:
    """Return why a version is not confirmed; *known* is one that was confirmed before."""
    found = [] if answers else [NO_ANSWER]
    if not known:
        return found + objections(report, before)
    state = report.parts.get(STATE) if report is not None else None
    if state is not None and state.condition is Condition.BROKEN:
        found.append(f"{STATE}: {state.text}")
    return found


def confirmed_lines(lines: list[str], slot: str, version: str) -> str:
    """Return what `CONFIRMED` says once *version* is confirmed in *slot*; before it had *lines*."""
    others = [line for line in lines if line and not line.startswith(f"{slot} ")]
    return "".join(f"{line}\n" for line in sorted([*others, f"{slot} {version}"]))


def _report(path: Path) -> SelfReport | None:
    return decode(observe(path).data or b"")


def _wait_for_health(*, known: bool) -> list[str]:
    """Return nothing once all is well three times in a row, or at the deadline why it is not."""
    end = time.monotonic() + DEADLINE_S
    good = 0
    while True:
        why = refusals(_report(REPORT), _report(CONFIRMED_REPORT), answers=api_answers(), known=known)
        good = 0 if why else good + 1
        if good == ROUNDS:
            return []
        if time.monotonic() > end:
            return why or [NO_ANSWER]
        time.sleep(PAUSE_S)


def _note_setback(slot: str, *, new: bool) -> None:
    """Keep what went wrong before this start; forget older trouble once another version works (*new*)."""
    said = subprocess.run(
        ["/usr/bin/rauc", "status", "--detailed", "--output-format=json"], capture_output=True, check=True
    )
    status = msgspec.json.decode(said.stdout, type=setback.RaucStatus)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    words = last_words.read()
    found = setback.find(status, words, slot, now)
    if found is not None:
        if not found.same_as(setback.load()):
            # Readable: the appliance, which is not root, tells people of it.
            replace(setback.FILE, msgspec.json.encode(found), mode=0o644)
            _say(setback.tell(found, _version()))
    elif new:
        setback.FILE.unlink(missing_ok=True)
    if words is not None:
        last_words.clear()


def _version() -> str:
    return Path("/usr/lib/farhand/version").read_text().strip()


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - for the journal
    with Path("/dev/console").open("w") as console:
        console.write(f"farhand: {text}\r\n")


def main() -> int:
    """Wait for health, then confirm."""
    slot = Path("/proc/cmdline").read_text().partition("rauc.slot=")[2][:1]
    version = _version()
    lines = (observe(CONFIRMED).data or b"").decode("utf-8", "replace").splitlines()
    mark = f"{slot} {version}"
    known = mark in lines
    why = _wait_for_health(known=known)
    if why:
        text = f"not healthy within {DEADLINE_S} s: {'; '.join(why)}"
        REFUSAL.write_text(text)
        _say(f"slot {slot} with version {version} is not confirmed: {text}")
        return 1
    subprocess.run(["/usr/bin/rauc", "status", "mark-good"], check=True)
    # The boot loader's variables may still be in memory: starts that are cut short must not use up the tries.
    os.sync()
    CONFIRMED_NOW.touch()
    REFUSAL.unlink(missing_ok=True)
    if not known:
        report = _report(REPORT)
        replace(CONFIRMED_REPORT, msgspec.json.encode(report))
        replace(CONFIRMED, confirmed_lines(lines, slot, version).encode())
    _note_setback(slot, new=not known)
    _say(f"slot {slot} with version {version} is confirmed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
