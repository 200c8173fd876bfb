"""Why an override of the boot order is refused."""

from __future__ import annotations

from firmware.core.errors import OperationError


class BootOverrideError(OperationError):
    """The override cannot be honoured here, or does not say what to start from."""


class BootStoreError(OperationError):
    """The override could not be written to disk, and is as before."""

    status = 503
