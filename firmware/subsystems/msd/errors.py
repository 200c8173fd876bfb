"""Why an operation on the virtual drive is refused: the contract's classes (subsystems.md 5.4)."""

from __future__ import annotations

from drivers.errors import (
    DriverError,
    ImageMissingError,
    ImagePermissionError,
    MediumLockedError,
)
from firmware.core.errors import OperationError


class MsdError(OperationError):
    """The virtual drive, or its storage, refused an operation."""


class MsdOfflineError(MsdError):
    """There is no drive now."""


class MsdConnectedError(MsdError):
    """The drive is connected, and must not be for this."""


class MsdDisconnectedError(MsdError):
    """The drive is not connected, and must be for this."""


class MsdImageNotSelected(MsdError):  # noqa: N818 - the contract's name
    """There is nothing to connect."""


class MsdUnknownImageError(MsdError):
    """There is no such image."""


class MsdPermissionsError(MsdError):
    """The image may not be opened as wanted."""


class MsdLockedError(MsdError):
    """The host has locked the medium."""


class MsdIsBusyError(MsdError):
    """Another operation is under way."""

    status = 409


_OF_DRIVER: tuple[tuple[type[DriverError], type[MsdError]], ...] = (
    (MediumLockedError, MsdLockedError),
    (ImageMissingError, MsdUnknownImageError),
    (ImagePermissionError, MsdPermissionsError),
)


def msd_error(exc: DriverError) -> MsdError:
    """Return the contract's error for what a drive said; one that is not told apart means no drive."""
    for of_driver, of_contract in _OF_DRIVER:
        if isinstance(exc, of_driver):
            return of_contract(str(exc))
    return MsdOfflineError(str(exc))
