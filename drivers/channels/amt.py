"""Another machine's Intel AMT, by MeshCentral's meshcmd."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, override

from drivers.channels.power import PowerDriver, secret_of
from drivers.channels.tool import ToolAnswer, fill, run_tool, secret_file
from drivers.ports import ChannelInput

ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"1": "poweron", "2": "poweroff", "3": "powercycle", "4": "reset", "5": "sleep", "6": "hibernate"}
)

COMMAND: Final = (
    *("meshcmd", "amtpower", "--host", "{host}", "--user", "{user}", "{tls}", "{action}"),
    *("--actionfile", "{actionfile}"),
)
"""Without an action it tells the power state. The action file is JSON and holds the password, which meshcmd
takes neither from its environment nor from its input."""

DEFAULT_USER: Final = "admin"


class AmtDriver(PowerDriver):
    """The machine at *host*; *command* in the place of ours has the same placeholders, and `{passwd}`."""

    def __init__(
        self,
        inputs: Sequence[ChannelInput],
        *,
        host: str,
        user: str = "",
        passwd: str = "",
        tls: bool = True,
        passwd_env: str = "",
        command: Sequence[str] = (),
        state_poll_s: float = 1.0,
    ) -> None:
        secret = secret_of(passwd, passwd_env)
        super().__init__(f"the AMT at {host}", inputs, actions=ACTIONS, secret=secret, poll_s=state_poll_s)
        self._command = tuple(command) or COMMAND
        self._values = {
            "host": host,
            "user": user or DEFAULT_USER,
            "passwd": secret,
            "tls": "--tls" if tls else None,
        }
        self._environment = {passwd_env: secret} if passwd_env else {}
        self._action_file = json.dumps({"action": "amtpower", "password": secret}).encode()

    @override
    async def _run(self, action: str) -> ToolAnswer:
        with secret_file(self._action_file) as (path, descriptor):
            values = {**self._values, "action": f"--{action}" if action else None, "actionfile": path}
            argv = fill(self._command, values)
            return await run_tool(argv, environment=self._environment, pass_fds=(descriptor,))
