"""Why there is no backup, or no restore. All are ours: the contract has neither."""

from __future__ import annotations

from firmware.core.errors import OperationError


class BackupError(OperationError):
    """A backup was not made or not restored."""


class BackupTooLargeError(BackupError):
    """There is more than a backup holds."""


class BackupPasswordError(BackupError):
    """The backup was made with another password."""


class BackupDamagedError(BackupError):
    """This is no backup, or it was changed or cut short."""


class BackupNewerError(BackupError):
    """The backup was made by a newer version, in a way that this one does not know."""


class BackupUnusableError(BackupError):
    """The appliance could not be used with what is in the backup."""


class ResetUnsupportedError(OperationError):
    """This machine has no first start that would make a new password."""


class ResetUnconfirmedError(OperationError):
    """The confirmation is not the appliance's name."""
