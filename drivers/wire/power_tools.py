"""What ipmitool and meshcmd say of another machine's power.

Sources: ipmitool(1) and its `chassis power` command; the MeshCmd guide and the power states of DMTF's CIM
schema, which it names. Text in, a level out; it never decides what to do about a text that it does not know.
"""

from __future__ import annotations

import re
from typing import Final

_IPMI: Final = re.compile(r"\bpower is (on|off)\b", re.IGNORECASE)
_AMT: Final = re.compile(r"\bpower state: *(\S.*)", re.IGNORECASE)
_FAILED: Final = re.compile(r"^(?:error|failed|unable|no or invalid)\b", re.IGNORECASE | re.MULTILINE)


def power_level(text: str) -> bool:
    """Return whether the machine is on; one that sleeps is not. Raises ValueError if the text does not say.

    It understands both tools, and the single words "on" and "off" of a program of the user's.
    """
    if ipmi := _IPMI.search(text):
        return ipmi[1].lower() == "on"
    if amt := _AMT.search(text):
        return amt[1].strip().lower() == "power on"
    word = text.strip().lower()
    if word not in {"on", "off"}:
        raise ValueError("expected a power state, got none")
    return word == "on"


def says_failed(text: str) -> bool:
    """Return whether meshcmd says that it failed, which its exit status need not tell."""
    return _FAILED.search(text) is not None
