"""The power of another machine through a command-line tool: one input, and an output for each thing to do.

Responsible for asking from time to time while somebody looks, and for telling a machine that refuses from
one that is not there. It knows no tool: which command to run is its subclasses' part.
"""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import override

from drivers.channels.polled import PolledDriver
from drivers.channels.tool import ToolAnswer
from drivers.errors import BadReplyError, DriverError, NotSupportedError
from drivers.ports import ChannelInput
from drivers.wire.power_tools import power_level, says_failed

STATUS_PINS = ("0", "status")


def secret_of(passwd: str, variable: str) -> str:
    """Return *passwd*, or else what the environment variable *variable* holds."""
    return passwd or (os.environ.get(variable, "") if variable else "")


class PowerDriver(PolledDriver):
    """Implements `drivers.ports.ChannelDriver`; on does what the pin says, off does nothing.

    The pins 0 and status read whether the machine is on; all others read off. Nothing is done at the start,
    whatever the outputs' initial levels: these are no states to be in. Without *inputs* nobody looks, so the
    machine is only asked when something failed.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[ChannelInput],
        *,
        actions: Mapping[str, str],
        secret: str,
        poll_s: float,
    ) -> None:
        super().__init__(name, (), poll_s=poll_s if inputs else math.inf)
        self._looked_at = bool(inputs)
        self._actions = actions
        self._secret = secret

    @abstractmethod
    async def _run(self, action: str) -> ToolAnswer:
        """Do *action*, or ask for the power state if it is empty. Raises DriverError."""

    @override
    async def write(self, pin: str, level: bool) -> None:
        """Do what *pin* says if *level* is on.

        Raises NotSupportedError if the machine refuses, other DriverErrors if it cannot be reached.
        """
        if level:
            await super().write(pin, level)
        else:
            await self.read(pin)

    @override
    async def _fetch(self) -> Mapping[str, bool]:
        return dict.fromkeys(STATUS_PINS, await self._ask()) if self._looked_at else {}

    @override
    async def _drive(self, pin: str, level: bool) -> None:
        action = self._actions.get(pin, pin)
        answer = await self._run(action)
        if answer.exit_status != 0 or says_failed(answer.text):
            # Raises what keeps us from it; else the machine is there, and does not want to.
            await self._ask()
            raise NotSupportedError(f"{self._name} refused {action}: {self._told(answer)}")

    async def _ask(self) -> bool:
        answer = await self._run("")
        if answer.exit_status != 0 or says_failed(answer.text):
            raise DriverError(f"{self._name} does not tell its power state: {self._told(answer)}")
        try:
            return power_level(answer.text)
        except ValueError:
            raise BadReplyError(
                f"expected the power state of {self._name}, got: {self._told(answer)}"
            ) from None

    def _told(self, answer: ToolAnswer) -> str:
        line = answer.last_line
        return line.replace(self._secret, "***") if self._secret else line
