"""Updates through the HTTP API of a machine that was started from an image."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from image.machine import ImageError, Machine
from image.outside import client, note

UPLOAD_DEADLINE_S: Final = 3600
"""An emulated processor takes a few MB a second out of TLS, less beside other work."""
PIECE_BYTES: Final = 1 << 20


def _pieces(bundle: Path) -> Iterator[bytes]:
    with bundle.open("rb") as source:
        while piece := source.read(PIECE_BYTES):
            yield piece


def _upload(machine: Machine, password: str, bundle: Path) -> dict[str, Any]:
    """Upload *bundle*; return the last envelope of the answer, which is the outcome."""
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(bundle.stat().st_size)}
    with client(machine, password) as admin:
        answer = admin.post(
            "/api/update/install", content=_pieces(bundle), headers=headers, timeout=UPLOAD_DEADLINE_S
        )
    lines = answer.text.splitlines()
    if not lines:
        raise ImageError(f"the installation was answered with {answer.status_code} and nothing else")
    outcome: dict[str, Any] = json.loads(lines[-1])
    return outcome


def install_by_api(machine: Machine, password: str, bundle: Path) -> None:
    """Upload *bundle*, and expect that it is installed."""
    began = time.monotonic()
    outcome = _upload(machine, password, bundle)
    if not outcome["ok"] or outcome["result"]["phase"] != "done":
        raise ImageError(f"expected the API to install {bundle.name}, got {outcome}")
    took_s = time.monotonic() - began
    note(machine, f"{bundle.name}, {bundle.stat().st_size} bytes, was installed by the API in {took_s:.0f} s")


def must_be_refused_by_api(machine: Machine, password: str, bundle: Path, word: str) -> None:
    """Upload *bundle*, and expect a refusal whose reason has *word* in it."""
    outcome = _upload(machine, password, bundle)
    if outcome["ok"] or word not in outcome["result"]["error_msg"]:
        raise ImageError(f"expected the API to refuse {bundle.name} ({word}), got {outcome}")
    note(machine, f"{bundle.name}: refused by the API: {outcome['result']['error_msg']}")


def restart_by_api(machine: Machine, password: str) -> None:
    """Ask the API to restart the machine."""
    with client(machine, password) as admin:
        try:
            admin.post("/api/update/restart").raise_for_status()
        except httpx.RemoteProtocolError:
            # The machine may be down before it has answered; whether it restarted is seen at its console.
            note(machine, "it restarts without an answer")


def expect_slots(
    machine: Machine, password: str, conditions: Mapping[str, str], *, given_up: tuple[str, str] | None = None
) -> None:
    """Expect the slots' conditions as the API tells them.

    *given_up* is the version that it has to say was given up, and a word of the reason.
    """
    with client(machine, password) as admin:
        answer = admin.get("/api/update")
    answer.raise_for_status()
    state = answer.json()["result"]
    found = {slot["name"]: slot["condition"] for slot in state["slots"]}
    if found != conditions:
        raise ImageError(f"expected the slots to be {dict(conditions)}, got {found} of {state}")
    told = state["given_up"]
    if (told is None) != (given_up is None):
        raise ImageError(f"expected the API to tell of {given_up} that was given up, got {told}")
    if given_up is not None and (told["version"] != given_up[0] or given_up[1] not in told["reason"]):
        raise ImageError(f"expected {given_up[0]} to be given up: {given_up[1]}, got {told}")
    note(machine, f"the API says: {found}" + (f", given up: {told['reason']}" if told else ""))
