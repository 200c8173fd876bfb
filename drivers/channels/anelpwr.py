"""ANEL NET-PwrCtrl power strips: a pin is a socket, counted from 0 (`drivers.wire.anelpwr`)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, override

import trio

from drivers.channels.http_device import HttpDevice
from drivers.channels.polled import PolledDriver
from drivers.errors import BadReplyError, NotSupportedError
from drivers.ports import ChannelOutput
from drivers.wire import anelpwr as wire

SETTLE_S: Final = 2.0
"""How long a strip may take to show a relay's new level; they do it within their next answer."""

_LOOK_AGAIN_S: Final = 0.2


class AnelpwrDriver(PolledDriver):
    """The strip at *url*; its sockets are looked at before they are switched, since some only toggle."""

    def __init__(
        self,
        outputs: Sequence[ChannelOutput],
        *,
        url: str,
        user: str = "",
        passwd: str = "",
        verify: bool = True,
        state_poll_s: float = 5.0,
        timeout_s: float = 5.0,
    ) -> None:
        token = b64encode(f"{user}:{passwd}".encode()).decode() if user or passwd else ""
        self._strip = HttpDevice(
            "the NET-PwrCtrl",
            url,
            verify=verify,
            timeout_s=timeout_s,
            headers={"Authorization": f"Basic {token}"} if token else {},
            secrets=(passwd, token),
        )
        super().__init__(self._strip.name, outputs, poll_s=state_poll_s)

    @override
    def _opened(self) -> AbstractAsyncContextManager[None]:
        return self._strip.opened()

    @override
    async def _fetch(self) -> Mapping[str, bool]:
        return {str(pin): level for pin, level in enumerate((await self._look()).levels)}

    @override
    async def _drive(self, pin: str, level: bool) -> None:
        socket = int(pin)
        strip = await self._look()
        if strip.levels[socket] == level:
            return
        if strip.locked[socket]:
            raise NotSupportedError(f"{self._name}: socket {socket} is locked for our user")
        for form in (wire.switch(socket, level), wire.toggle(socket)):
            await self._strip.request("POST", "/ctrl.htm", form, media_type="text/plain")
            if await self._has_switched(socket, level):
                return
        raise NotSupportedError(f"{self._name} did not switch socket {socket} {'on' if level else 'off'}")

    async def _has_switched(self, socket: int, level: bool) -> bool:
        give_up_at = trio.current_time() + SETTLE_S
        while trio.current_time() < give_up_at:
            strip = await self._look()
            if strip.levels[socket] == level or strip.waiting[socket]:
                return True
            await trio.sleep(_LOOK_AGAIN_S)
        return False

    async def _look(self) -> wire.Strip:
        answer = await self._strip.request("GET", "/strg.cfg")
        try:
            return wire.Strip.parse(answer)
        except ValueError as exc:
            raise BadReplyError(f"{self._name}: {exc}") from exc
