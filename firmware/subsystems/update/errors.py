"""Why an update is not installed. All are ours: the contract has no updates."""

from __future__ import annotations

from firmware.core.errors import OperationError


class UpdateError(OperationError):
    """An update was not installed."""


class UpdateUnsupportedError(UpdateError):
    """This machine was not started from an image of ours: it is updated as it was installed."""


class UpdateBusyError(UpdateError):
    """An installation is under way."""

    status = 409


class UpdateNoSpaceError(UpdateError):
    """The data partition has no room for the bundle."""


class UpdateIncompleteError(UpdateError):
    """Less came than was said would come."""


class UpdateRefusedError(UpdateError):
    """The bundle is not for this appliance, is damaged, or is not signed by whom it trusts."""


class UpdateSourceError(UpdateError):
    """The bundle cannot be had from its server."""
