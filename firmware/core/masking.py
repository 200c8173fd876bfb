"""Secrets that stand in paths are kept out of what is written: the log and the audit trail."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

MASK: Final = "***"

# What begins as one of our secrets, wherever it stands, and whatever was opened as a share link.
_SECRET: Final = re.compile(r"(fh[st]_)\w+")
_SHARED: Final = re.compile(r"^(/+share/+)[^/]+(/*)$")


def masked_path(path: str) -> str:
    """Return *path*, percent-encoded or not, without a secret in it; as it is if there is none."""
    text = unquote(path)
    masked = _SECRET.sub(rf"\1{MASK}", _SHARED.sub(rf"\1{MASK}\2", text))
    return path if masked == text else quote(masked, safe="/*")
