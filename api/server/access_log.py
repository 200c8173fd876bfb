"""Hypercorn's log, sent to the house's own: one line per request, and never a secret in it.

The query string is left out altogether, since PiKVM clients put what they like into it; the path is logged
as it came, percent-encoded, so that it cannot forge a line.
"""

from __future__ import annotations

import logging
from typing import Any

from hypercorn.config import Config as HypercornConfig
from hypercorn.logging import Logger as HypercornLogger
from hypercorn.typing import ResponseSummary, WWWScope

from firmware.core.masking import masked_path

access_logger = logging.getLogger("farhand.access")
server_logger = logging.getLogger(__name__)

_PATH_CHARACTERS = 200  # a longer path says no more about what went wrong
_QUIET_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class AccessLog(HypercornLogger):
    """What Hypercorn's protocol code calls to log."""

    def __init__(self, config: HypercornConfig) -> None:
        # The base would install handlers; where lines go is the business of whoever sets up logging.
        super().__init__(config)
        self.error_logger = server_logger
        self.access_logger = access_logger

    async def access(self, request: WWWScope, response: ResponseSummary | None, request_time: float) -> None:
        """Log one request: what reads and works is DEBUG, what changes something, fails or stays is INFO.

        *response* is None for a request that got no (complete) answer.
        """
        scope: dict[str, Any] = dict(request)
        method = str(scope.get("method", "WEBSOCKET"))
        status = response["status"] if response is not None else None
        level = (
            logging.DEBUG
            if method in _QUIET_METHODS and status is not None and status < 400
            else logging.INFO
        )
        if not access_logger.isEnabledFor(level):
            return
        client = scope.get("client") or ("-", 0)
        path = masked_path(scope["raw_path"].decode("ascii", "replace"))[:_PATH_CHARACTERS]
        fields = {
            "client": client[0],
            "method": method,
            "path": path,
            "status": status if status is not None else "-",
            "duration_ms": max(0, round(request_time * 1000)),
        }
        line = " ".join(f"{name}={value}" for name, value in fields.items())
        access_logger.log(level, "%s", line, extra={"access": fields})
