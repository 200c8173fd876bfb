"""The machine's host name, uname(2)."""

from __future__ import annotations

import os


def host_name() -> str:
    """Return the host name as it is now; it may change while the appliance runs."""
    return os.uname().nodename
