"""What can go wrong with the rig, by whose fault: the machine it runs on, the build, or the guest."""

from __future__ import annotations


class RigError(Exception):
    """Something about the rig failed; the message says what and what to do."""


class MissingToolsError(RigError):
    """Programs of the host are not installed."""


class IndexUnreachableError(RigError):
    """The package index could not be fetched; a rig that is already built can still be used."""


class BuildError(RigError):
    """A step of the build failed."""


class GuestDiedError(RigError):
    """QEMU ended, or its agent stopped talking; the message carries the end of the console."""


class GuestTimeoutError(RigError):
    """The guest did not answer in time; the message carries the end of the console."""


class GuestRefusedError(RigError):
    """The agent could not do what was asked, such as reading a file that is not there."""


class BrokenRigError(RigError):
    """A transition failed before: this rig is not used again."""
