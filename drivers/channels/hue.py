"""Philips Hue lights: a pin is a light's id at the bridge (`drivers.wire.hue`)."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import override
from urllib.parse import quote

from drivers.channels.http_device import HttpDevice
from drivers.channels.polled import PolledDriver
from drivers.errors import BadReplyError, DriverError, NotSupportedError
from drivers.ports import ChannelInput, ChannelOutput
from drivers.wire import hue as wire

logger = logging.getLogger(__name__)


class HueDriver(PolledDriver):
    """The lights of the bridge at *url*; *token* is the name that the bridge gave us."""

    def __init__(
        self,
        inputs: Sequence[ChannelInput],
        outputs: Sequence[ChannelOutput],
        *,
        url: str,
        token: str,
        verify: bool = True,
        state_poll_s: float = 5.0,
        timeout_s: float = 5.0,
    ) -> None:
        self._bridge = HttpDevice(
            "the Hue bridge", url, verify=verify, timeout_s=timeout_s, secrets=(token, quote(token, safe=""))
        )
        super().__init__(self._bridge.name, outputs, poll_s=state_poll_s)
        self._lights = f"/api/{quote(token, safe='')}/lights"
        self._pins = frozenset([one.pin for one in inputs] + [one.pin for one in outputs])
        self._missing: frozenset[str] = frozenset()

    @override
    def _opened(self) -> AbstractAsyncContextManager[None]:
        return self._bridge.opened()

    @override
    async def _fetch(self) -> Mapping[str, bool]:
        answer = await self._bridge.request("GET", self._lights)
        with self._hue_errors("its lights"):
            levels = wire.lights(answer)
        missing = self._pins - levels.keys()
        if missing - self._missing:
            logger.warning("%s has no light %s", self._name, ", ".join(sorted(missing)))
        self._missing = missing
        return levels

    @override
    async def _drive(self, pin: str, level: bool) -> None:
        address = f"{self._lights}/{quote(pin, safe='')}/state"
        answer = await self._bridge.request("PUT", address, wire.switch(level))
        with self._hue_errors(f"light {pin}"):
            wire.check_switched(answer)

    @contextmanager
    def _hue_errors(self, what: str) -> Generator[None]:
        try:
            yield
        except wire.HueError as exc:
            if exc.number == wire.HueErrorType.UNAUTHORIZED:
                raise DriverError(f"{self._name} refuses our token; ask it for a new one") from None
            if exc.number == wire.HueErrorType.NOT_AVAILABLE:
                raise NotSupportedError(f"{self._name} has no {what}") from None
            raise NotSupportedError(f"{self._name}, {what}: {exc}") from None
        except ValueError as exc:
            raise BadReplyError(f"{self._name}, {what}: {exc}") from exc
