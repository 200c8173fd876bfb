"""Validators of names of files and of what is done with them (contract http.md 4.6).

They look at text only, never at a file system. A validated image name cannot leave the storage root.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from firmware.core.validators.basic import fail, matching, stripped, valid_choice

COMPRESS_MODES: Final = ("", "none", "lzma", "zstd")
FILE_NAME_MAX_CHARS: Final = 255

_FILE_NAME_RAW_MAX_CHARS: Final = 512
_PATH_MAX_CHARS: Final = 4096
_URL_MAX_CHARS: Final = 4096
# fsck's folder: it exists in every ext4 root and is never ours.
_RESERVED_NAME: Final = "lost+found"
_URL_SCHEMES: Final = frozenset({"http", "https"})
_SHA256_CHARS: Final = 64
_SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}")
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f]")


def valid_printable_filename(raw: object, name: str = "file") -> str:
    """Return the name of one file.

    Not hidden (a leading dot), not "lost+found", without "/" and NUL. Characters that cannot be printed
    become "_"; the name is cut to 255 characters.
    """
    expected = 'a file name (no "/", not beginning with ".", not "lost+found")'
    text = stripped(raw, name, expected=expected, max_chars=_FILE_NAME_RAW_MAX_CHARS)
    if not text or text.startswith(".") or text == _RESERVED_NAME or "/" in text or "\0" in text:
        fail(expected, raw, name)
    return "".join(char if char.isprintable() else "_" for char in text)[:FILE_NAME_MAX_CHARS]


def valid_image_name(raw: object, name: str = "image", *, eject_allowed: bool = False) -> str:
    """Return the path of an image relative to the storage root, parts joined by "/" (http.md 4.6.0).

    With *eject_allowed* empty text is accepted and means no image.
    """
    expected = "an image name such as os.iso or folder/os.iso"
    text = stripped(raw, name, expected=expected, max_chars=_PATH_MAX_CHARS)
    if not text and eject_allowed:
        return ""
    parts = [part for part in text.split("/") if part]
    if not parts:
        fail(expected, raw, name)
    return "/".join(valid_printable_filename(part, name) for part in parts)


def valid_http_url(raw: object, name: str = "url") -> str:
    """Return an absolute http or https URL as it was given, without surrounding white space."""
    expected = "an http:// or https:// URL"
    text = stripped(raw, name, expected=expected, max_chars=_URL_MAX_CHARS)
    if _CONTROL_CHARACTER.search(text):
        fail(expected, raw, name)
    try:
        parts = urlsplit(text)
        # `port` is parsed on access: it raises for what is no port.
        usable = parts.scheme.lower() in _URL_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fail(expected, raw, name)
    if not usable:
        fail(expected, raw, name)
    return text


def valid_sha256(raw: object, name: str = "sha256") -> str:
    """Return a SHA-256 digest in lower-case hex."""
    expected = "64 hexadecimal digits"
    return matching(_SHA256, raw, name, expected=expected, max_chars=_SHA256_CHARS).lower()


def valid_compress_mode(raw: object, name: str = "compress") -> str:
    """Return how an image is compressed while it is read: "", "none", "lzma" or "zstd"."""
    return valid_choice(raw, name, allowed=COMPRESS_MODES, max_chars=None)
