"""The application's start and stop (ASGI lifespan), around everything else.

Hypercorn goes on without an application that failed to start; here that ends the server.
"""

from __future__ import annotations

import logging

import trio

from api.server.exchange import AsgiApp, Message
from api.server.limits import Limits

logger = logging.getLogger(__name__)


class Lifespan:
    """The start and stop of *app*; one that does not know the lifespan protocol is served without it."""

    def __init__(self, app: AsgiApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        # Two messages in all, startup and shutdown: neither ever waits.
        self._to_app, self._from_server = trio.open_memory_channel[Message](2)
        self._started = trio.Event()
        self._ended = trio.Event()
        self._failure: str | None = None

    async def start(self, nursery: trio.Nursery) -> str | None:
        """Start the application in *nursery*, where it stays; return why it did not start, or None."""
        nursery.start_soon(self._run)
        await self._to_app.send({"type": "lifespan.startup"})
        with trio.move_on_after(self._limits.startup_s) as scope:
            await self._started.wait()
        if scope.cancelled_caught:
            return f"it took longer than {self._limits.startup_s:g} s"
        return self._failure

    async def stop(self) -> None:
        """Stop the application; one that takes too long is left to be cancelled with the nursery."""
        await self._to_app.send({"type": "lifespan.shutdown"})
        with trio.move_on_after(self._limits.app_shutdown_s) as scope:
            await self._ended.wait()
        if scope.cancelled_caught:
            logger.warning("the application did not stop within %g s", self._limits.app_shutdown_s)

    async def _run(self) -> None:
        scope: Message = {"type": "lifespan", "asgi": {"spec_version": "2.0", "version": "3.0"}, "state": {}}
        try:
            await self._app(scope, self._from_server.receive, self._send)
        except Exception:
            if self._started.is_set():
                logger.exception("the application's lifespan failed")
            else:
                logger.debug("the application does not support the lifespan protocol", exc_info=True)
        finally:
            self._started.set()
            self._ended.set()

    async def _send(self, message: Message) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self._started.set()
            case "lifespan.startup.failed":
                self._failure = str(message.get("message", ""))
                self._started.set()
            case "lifespan.shutdown.failed":
                logger.error("the application did not stop cleanly: %s", message.get("message", ""))
                self._ended.set()
            case "lifespan.shutdown.complete":
                self._ended.set()
            case other:
                raise RuntimeError(f"expected a lifespan message, got {other!r}")
