"""What the privileged process does: compose the gadget and hand it over, restart the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DeviceTimeoutError,
    DriverError,
    NotSupportedError,
)
from drivers.gadget.composer import DirectComposer
from drivers.gadget.configfs import GadgetDirectory
from drivers.gadget.hand_over import hand_over
from firmware.privileged.requests import (
    Compose,
    Failed,
    GadgetComposed,
    Kind,
    Ok,
    Ping,
    RefusedError,
    Reply,
    Request,
    Restart,
    gadget_spec,
)

GADGET: Final = "farhand"
"""The one gadget that can be composed."""
REBOOT: Final = ("/usr/bin/systemctl", "--no-block", "reboot")
REBOOT_DEADLINE_S: Final = 10.0

KINDS: Final[tuple[tuple[type[DriverError], Kind], ...]] = (
    (DeviceGoneError, "gone"),
    (DeviceBusyError, "busy"),
    (DeviceTimeoutError, "timeout"),
    (NotSupportedError, "unsupported"),
    (DriverError, "failed"),
)
"""How errors are told, the particular ones first."""


def restart_machine() -> None:
    """Ask systemd for a restart. Raises DriverError."""
    try:
        subprocess.run(  # noqa: S603 - a fixed command, no shell
            REBOOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=REBOOT_DEADLINE_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise DriverError(f"systemd does not restart the machine: {exc}") from exc


@dataclass(frozen=True, slots=True)
class Acts:
    """Carries out requests for the members of *group*."""

    directory: GadgetDirectory
    group: int
    restart: Callable[[], None] = restart_machine

    def carry_out(self, request: Request) -> Reply:
        """Do it and return the answer. Raises RefusedError for what is not even tried."""
        try:
            match request:
                case Compose():
                    return self._compose(request)
                case Restart():
                    self.restart()
                case Ping():
                    pass
        except OSError as exc:
            return Failed("failed", f"{type(request).__name__}: {exc}")
        except DriverError as exc:
            kind = next(kind for error, kind in KINDS if isinstance(exc, error))
            return Failed(kind, str(exc))
        return Ok()

    def _compose(self, request: Compose) -> Reply:
        spec = gadget_spec(request, self.directory.path.name)
        if not spec.functions:
            raise RefusedError("expected at least one function, got none")
        composed = DirectComposer(self.directory).compose(spec)
        hand_over(self.directory, spec, composed, self.group)
        return GadgetComposed(composed.udc, tuple(sorted(composed.linked)), dict(composed.left_out))
