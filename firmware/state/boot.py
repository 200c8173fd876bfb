"""State of the boot override: what the target is to start from instead of what its firmware would choose."""

from __future__ import annotations

import enum

import msgspec


class BootTarget(enum.StrEnum):
    """What a target can be told to start from, or to open."""

    PXE = "pxe"
    HDD = "hdd"
    CD = "cd"
    USB = "usb"
    BIOS_SETUP = "bios_setup"


class BootMode(enum.StrEnum):
    """How a firmware starts a system."""

    UEFI = "uefi"
    LEGACY = "legacy"


class BootOverride(msgspec.Struct, frozen=True):
    """An override: for the next start, or if *continuous* for every one."""

    target: BootTarget
    continuous: bool = False


class BootState(msgspec.Struct, frozen=True):
    """The whole: what is wanted, and what can be asked for here."""

    override: BootOverride | None = None
    mode: BootMode | None = None
    """The mode that was asked for last; None = never."""
    targets: tuple[BootTarget, ...] = ()
    modes: tuple[BootMode, ...] = ()
    busy: bool = False
    """Whether the firmware's keys are being pressed now."""
