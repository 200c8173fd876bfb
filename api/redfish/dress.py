"""What every answer of the Redfish service has, whoever made it: headers, and errors in both dialects.

Credentials that are missing, unknown URIs and wrong methods are refused before a handler of ours runs.
"""

from __future__ import annotations

from typing import Final

import msgspec
from quart import Response

from api.redfish.errors import error_document, message_of
from api.redfish.resources import PREFIXES

_TREES: Final = tuple(f"{prefix}/redfish" for prefix in PREFIXES)
_FIRST_ERROR: Final = 400


def is_redfish(path: str) -> bool:
    """Return whether *path* is one of the service's."""
    return any(path == tree or path.startswith(f"{tree}/") for tree in _TREES)


async def dress(response: Response, path: str) -> Response:
    """Add to the answer for *path* what Redfish clients expect of every one."""
    if not is_redfish(path):
        return response
    response.headers["OData-Version"] = "4.0"
    if response.status_code >= _FIRST_ERROR and response.mimetype == "application/json":
        document = msgspec.json.decode(await response.get_data(as_text=False))
        if "error" not in document:
            name, text = (str(document["result"][key]) for key in ("error", "error_msg"))
            status = response.status_code
            whole = error_document(name, text, status, message_of(None, status, path))
            response.set_data(msgspec.json.format(msgspec.json.encode(whole, order="sorted"), indent=4))
    return response
