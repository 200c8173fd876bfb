"""RAUC's reasons in plain words. Pure; what RAUC said is kept behind them, for whoever looks it up.

The texts are those of RAUC 1.8 to 1.13 (`LastError`); one that is not known is given as it is.
"""

from __future__ import annotations

import re
from typing import Final

_COMPATIBLE: Final = re.compile(r"Compatible mismatch: Expected '([^']*)' but bundle manifest has '([^']*)'")
_VERSION: Final = re.compile(r"Version mismatch: Expected at least '([^']*)' but bundle manifest has (.*)")
_TOO_SMALL: Final = re.compile(r"Slot .*is too small for image", re.IGNORECASE)
_WORDS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(r"certificate is not yet valid"),
        "the bundle was signed later than now: the clock of this appliance may be wrong",
    ),
    (
        re.compile(r"certificate has expired"),
        "the certificate of the bundle has expired, or the clock of this appliance is wrong",
    ),
    (
        re.compile(r"signature verification failed"),
        "the bundle was changed, or was not signed by whom this appliance trusts",
    ),
    (
        re.compile(r"Invalid bundle format|Failed to load bundle|bundle is too small", re.IGNORECASE),
        "this is no update bundle, or not all of one",
    ),
    (
        re.compile(r"Bundle format '\w+' not allowed"),
        "the bundle's format is one that this appliance refuses",
    ),
    (re.compile(r"No space left on device"), "there is no room left"),
    (
        re.compile(r"dm-verity|Input/output error|bad checksum|checksum mismatch", re.IGNORECASE),
        "the bundle is damaged, or the card cannot be read or written",
    ),
)


def plain(reason: str) -> str:
    """Return why RAUC refused, for people."""
    said = " ".join(reason.removeprefix("Installation error: ").split())
    if found := _COMPATIBLE.search(said):
        return f"the bundle is for another board: expected one for {found[1]}, got one for {found[2]}"
    if found := _VERSION.search(said):
        got = found[2].strip().strip("'")
        got = "one without a version" if got == "no version" else got
        return f"the bundle is older than what runs: expected {found[1]} or newer, got {got}"
    if _TOO_SMALL.search(said):
        return f"the bundle's contents are too large for the slot (RAUC: {said})"
    words = next((words for pattern, words in _WORDS if pattern.search(said)), None)
    return f"{words} (RAUC: {said})" if words else f"RAUC refused it: {said}"
