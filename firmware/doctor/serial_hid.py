"""Looks at the serial port of a HID chip: is it there, may it be used. Never opens it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from firmware.boards.needs import SerialHidNeeds
from firmware.doctor.findings import Finding, bad, ok


def look_at_serial_hid(needs: SerialHidNeeds) -> Iterator[Finding]:
    """Yield what there is to say about the port that *needs* names."""
    about = f"HID ({needs.kind})"
    try:
        mode = needs.device.stat().st_mode
    except OSError as exc:
        yield bad(
            about,
            f"{needs.device}: {exc.strerror}",
            "plug the chip in, correct kvmd/hid/device, or add a udev rule that makes that link",
        )
        return
    if not stat.S_ISCHR(mode):
        yield bad(about, f"{needs.device} is no serial port", "correct kvmd/hid/device")
    elif not os.access(needs.device, os.R_OK | os.W_OK):
        yield bad(about, f"{needs.device} may not be used", "run as root or as a member of the group dialout")
    else:
        yield ok(about, f"{needs.device} -> {needs.device.resolve()}")
