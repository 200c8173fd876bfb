"""A request's body as text, in the charset that the client names."""

from __future__ import annotations

import codecs
from typing import Final

from quart import Request

from firmware.core.errors import ValidatorError

_DEFAULT_CHARSET: Final = "utf-8"
# Python's codecs that are no charsets of texts, or take time that grows with the square of the length.
_NO_CHARSETS: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


def text_of(request: Request, body: bytes) -> str:
    """Return *body* decoded by the charset of Content-Type, else UTF-8. Raises ValidatorError."""
    charset = request.mimetype_params.get("charset") or _DEFAULT_CHARSET
    try:
        # A name with NUL in it is a ValueError, and one that leads outside of the codecs a LookupError.
        known = codecs.lookup(charset).name
        if known in _NO_CHARSETS:
            raise LookupError
        return body.decode(known)
    except UnicodeDecodeError as exc:
        raise ValidatorError(
            f"expected text in {charset}, got bytes that are none at offset {exc.start} - at the body"
        ) from None
    except (LookupError, ValueError):
        raise ValidatorError(f"expected a known charset, got {charset[:64]!r} - at Content-Type") from None
