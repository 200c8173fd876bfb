"""Version numbers: our own, and those of the interface that we are compatible with.

Clients of the API parse two numbers out of the latter (contract gotchas 52), so they never carry our version.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

PIKVM_API_VERSION: Final = "4.197"
"""The version of the reference whose API this is; `loop.version` and `system.kvmd.version` show it."""

PIKVM_API_VERSION_PARTS: Final = (4, 197)
"""The same as numbers, for `loop`."""

STREAMER_API_VERSION: Final = "6.62"
"""The version of the reference's streamer whose HTTP interface `/streamer` is."""

_DISTRIBUTION: Final = "farhand"
# Sorts before every release (PEP 440) and says that it is none.
_NOT_INSTALLED: Final = "0+uninstalled"


def farhand_version() -> str:
    """Return the version of the installed program, from its package metadata."""
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return _NOT_INSTALLED
