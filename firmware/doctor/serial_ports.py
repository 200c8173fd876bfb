"""Looks at serial ports that something is plugged into: is it there, may it be used. Never opens one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from firmware.boards.needs import SerialHidNeeds
from firmware.doctor.findings import Finding, bad, note, ok


def look_at_serial_hid(needs: SerialHidNeeds) -> Iterator[Finding]:
    """Yield what there is to say about the HID chip's port that *needs* names."""
    about = f"HID ({needs.kind})"
    missing = bad(
        about,
        f"{needs.device}: there is no such device",
        "plug the chip in, correct kvmd/hid/device, or add a udev rule that makes that link",
    )
    yield from _look(about, needs.device, "kvmd/hid/device", missing)


def look_at_switch(device: Path) -> Iterator[Finding]:
    """Yield what there is to say about a KVM switch at *device*, which need not be there."""
    about = "KVM switch"
    missing = note(about, f"none is plugged in: there is no {device}")
    yield from _look(about, device, "kvmd/switch/device", missing)


def _look(about: str, device: Path, key: str, missing: Finding) -> Iterator[Finding]:
    try:
        mode = device.stat().st_mode
    except FileNotFoundError:
        yield missing
        return
    except OSError as exc:
        yield bad(about, f"{device}: {exc.strerror}", f"correct {key}")
        return
    if not stat.S_ISCHR(mode):
        yield bad(about, f"{device} is no serial port", f"correct {key}")
    elif not os.access(device, os.R_OK | os.W_OK):
        yield bad(about, f"{device} may not be used", "run as root or as a member of the group dialout")
    else:
        yield ok(about, f"{device} -> {device.resolve()}")
