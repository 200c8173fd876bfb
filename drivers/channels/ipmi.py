"""Another machine's BMC, by ipmitool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, override

from drivers.channels.power import PowerDriver, secret_of
from drivers.channels.tool import ToolAnswer, fill, run_tool
from drivers.ports import ChannelInput

ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"1": "on", "2": "off", "3": "cycle", "4": "reset", "5": "diag", "6": "soft"}
)

COMMAND: Final = (
    *("ipmitool", "-I", "lanplus", "-H", "{host}", "-p", "{port}", "-C", "{cipher}", "-U", "{user}", "-E"),
    *("chassis", "power", "{action}"),
)
"""`-E` takes the password from the environment, first from the variable below."""

_PASSWORD_VARIABLE: Final = "IPMITOOL_PASSWORD"  # noqa: S105 - the name of a variable
_ASK: Final = "status"


class IpmiDriver(PowerDriver):
    """The BMC at *host*; *command* in the place of ours has the same placeholders."""

    def __init__(
        self,
        inputs: Sequence[ChannelInput],
        *,
        host: str,
        port: int = 623,
        cipher: int = 17,
        user: str = "",
        passwd: str = "",
        passwd_env: str = "",
        command: Sequence[str] = (),
        state_poll_s: float = 1.0,
    ) -> None:
        secret = secret_of(passwd, passwd_env)
        super().__init__(
            f"the BMC at {host}:{port}", inputs, actions=ACTIONS, secret=secret, poll_s=state_poll_s
        )
        self._command = tuple(command) or COMMAND
        self._values = {"host": host, "port": str(port), "cipher": str(cipher), "user": user}
        self._environment = {_PASSWORD_VARIABLE: secret}
        if passwd_env:
            # For a command of the user's.
            self._environment[passwd_env] = secret

    @override
    async def _run(self, action: str) -> ToolAnswer:
        argv = fill(self._command, {**self._values, "action": action or _ASK})
        return await run_tool(argv, environment=self._environment)
