"""Headers of tus 1.0, the open protocol for resumable uploads: text in, values out, no I/O.

Core, and the extensions creation, termination and checksum. Not `expiration`: an appliance's clock may jump
by years when it finds a time server, and an unfinished image is in the list for everybody to see and remove.
Not `creation-defer-length` or `concatenation`: an image is made in its full size at once.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from firmware.core.errors import OperationError

VERSION: Final = "1.0.0"
MEDIA_TYPE: Final = "application/offset+octet-stream"
MAX_METADATA_CHARS: Final = 4096
"""A file name, a folder, a digest and what web clients add; it is kept on disk beside the upload."""

type Algorithm = Literal["sha1", "sha256"]
_DIGEST_BYTES: Final[dict[Algorithm, int]] = {"sha1": 20, "sha256": 32}

DESCRIPTION: Final = {
    "Tus-Version": VERSION,
    "Tus-Extension": "creation,termination,checksum",
    "Tus-Checksum-Algorithm": ",".join(_DIGEST_BYTES),
}
"""What an OPTIONS answer says of this server, beside `Tus-Resumable`."""

_MAX_SIZE: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"[0-9]{1,19}")
_METADATA_KEY: Final = re.compile(r"[!-+\--~]+")


class TusVersionError(OperationError):
    """The client speaks another version of the protocol, or another protocol."""

    status = 412


class TusHeaderError(OperationError):
    """A header of the protocol is missing or malformed, or asks for what this server does not offer."""


class TusMediaTypeError(OperationError):
    """The body is not announced as a part of an upload."""

    status = 415


class Fields(Protocol):
    """Header fields, their names in any case; of a repeated one the first value."""

    def get(self, name: str, /) -> str | None:
        """Return the value of *name*, None if it is absent."""
        ...


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the body of a request is to hash to."""

    algorithm: Algorithm
    digest: bytes


@dataclass(frozen=True, slots=True)
class Creation:
    """A new upload: its size in bytes, its metadata decoded, and as the client wrote it."""

    length: int
    metadata: Mapping[str, str]
    raw_metadata: str


@dataclass(frozen=True, slots=True)
class Append:
    """A part of an upload: where it begins, in bytes, and its checksum if the client gave one."""

    offset: int
    checksum: Checksum | None


def require_version(headers: Fields) -> None:
    """Check that the client speaks tus 1.0. Raises TusVersionError."""
    version = headers.get("Tus-Resumable")
    if version != VERSION:
        raise TusVersionError(f"expected {VERSION}, got {_shown(version)} - at Tus-Resumable")


def creation(headers: Fields) -> Creation:
    """Read a request that makes an upload. Raises TusHeaderError."""
    for name in ("Upload-Defer-Length", "Upload-Concat"):
        if headers.get(name) is not None:
            raise TusHeaderError(f"expected an upload of one piece and known length, got {name}")
    raw = headers.get("Upload-Metadata") or ""
    return Creation(_number(headers, "Upload-Length"), parse_metadata(raw), raw)


def append(headers: Fields) -> Append:
    """Read a request that brings a part of an upload. Raises TusHeaderError, TusMediaTypeError."""
    media_type = headers.get("Content-Type")
    if (media_type or "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise TusMediaTypeError(f"expected {MEDIA_TYPE}, got {_shown(media_type)} - at Content-Type")
    raw = headers.get("Upload-Checksum")
    return Append(_number(headers, "Upload-Offset"), None if raw is None else parse_checksum(raw))


def parse_metadata(raw: str) -> dict[str, str]:
    """Return the pairs of an `Upload-Metadata` header. Raises TusHeaderError."""
    if len(raw) > MAX_METADATA_CHARS:
        raise TusHeaderError(
            f"expected at most {MAX_METADATA_CHARS} characters, got {len(raw)} - at Upload-Metadata"
        )
    if not raw.isascii():
        raise TusHeaderError("expected ASCII, got something else - at Upload-Metadata")
    found: dict[str, str] = {}
    for pair in raw.split(",") if raw.strip() else ():
        key, _, value = pair.strip().partition(" ")
        where = f"at {_shown(key)} of Upload-Metadata"
        if _METADATA_KEY.fullmatch(key) is None:
            raise TusHeaderError(f"expected a key of printable ASCII - {where}")
        if key in found:
            raise TusHeaderError(f"expected each key once, got it twice - {where}")
        try:
            found[key] = _base64(value).decode()
        except ValueError:
            raise TusHeaderError(f"expected UTF-8 text in base64, got something else - {where}") from None
    return found


def parse_checksum(raw: str) -> Checksum:
    """Return what an `Upload-Checksum` header says. Raises TusHeaderError."""
    name, _, value = raw.strip().partition(" ")
    if name not in _DIGEST_BYTES:
        raise TusHeaderError(
            f"expected {' or '.join(_DIGEST_BYTES)}, got {_shown(name)} - at Upload-Checksum"
        )
    algorithm: Algorithm = name
    try:
        digest = _base64(value)
    except ValueError:
        digest = b""
    if len(digest) != _DIGEST_BYTES[algorithm]:
        raise TusHeaderError(
            f"expected a {algorithm} digest in base64, got {_shown(value)} - at Upload-Checksum"
        )
    return Checksum(algorithm, digest)


def _number(headers: Fields, name: str) -> int:
    raw = headers.get(name)
    if raw is None or _NUMBER.fullmatch(raw) is None or int(raw) > _MAX_SIZE:
        raise TusHeaderError(f"expected a number of bytes, got {_shown(raw)} - at {name}")
    return int(raw)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip().encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise ValueError("no base64") from exc


def _shown(text: str | None) -> str:
    return "none" if text is None else repr(text[:64])
