"""Section `farhand/boot`: by which keys the target's firmware is told what to start from."""

from __future__ import annotations

from typing import Annotated

from firmware.core.config.kinds import KEY_NAME, Checked, Interval, ListOf, Seconds
from firmware.core.config.section import Section
from firmware.core.validators import valid_choice
from firmware.state.boot import BootMode, BootTarget


def _valid_mode(raw: object, name: str) -> str:
    return valid_choice(raw, name, allowed=[mode.value for mode in BootMode])


class BootKeysConfig(Section, frozen=True):
    """`keys`: for each target the keys, by PiKVM's names; none = this firmware is not told of it by keys.

    The first one opens the setup or the boot menu, the others choose in it: `[F12, ArrowDown, Enter]`.
    """

    pxe: Annotated[tuple[str, ...], ListOf(KEY_NAME)] = ()
    hdd: Annotated[tuple[str, ...], ListOf(KEY_NAME)] = ()
    cd: Annotated[tuple[str, ...], ListOf(KEY_NAME)] = ()
    usb: Annotated[tuple[str, ...], ListOf(KEY_NAME)] = ()
    bios_setup: Annotated[tuple[str, ...], ListOf(KEY_NAME)] = ()

    def of(self, target: BootTarget) -> tuple[str, ...]:
        """Return the keys for *target*."""
        keys: tuple[str, ...] = getattr(self, target.value)
        return keys


class BootConfig(Section, frozen=True):
    """`farhand/boot`; times in seconds."""

    modes: Annotated[tuple[str, ...], ListOf(Checked(_valid_mode))] = ("uefi", "legacy")
    """The modes in which the target's firmware starts systems; leave out the one that it does not have."""
    window: Interval = 12.0
    """For how long after power-on or reset the first key is pressed again and again."""
    interval: Interval = 0.3
    """The pause between two of these presses."""
    menu_delay: Seconds = 2.0
    """From the last of them until the menu takes the other keys."""
    keys: BootKeysConfig = BootKeysConfig()
