"""Validators of what the configuration says of lines, serial ports and the USB gadget (config.md)."""

from __future__ import annotations

import re
from typing import Final

from firmware.core.validators.basic import fail, stripped, valid_choice, valid_int

GPIO_NAME_MAX_CHARS: Final = 255
TTY_SPEEDS_BAUD: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
OTG_ETHERNET_DRIVERS: Final = ("ecm", "eem", "ncm", "rndis", "rndis5")

_GPIO_NAME_RAW_MAX_CHARS: Final = 512
_PIN_MAX_CHARS: Final = 8
_MAC_MAX_CHARS: Final = 32
_CHANNEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]*")
_DRIVER: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]*")
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def valid_gpio_channel(raw: object, name: str = "channel") -> str:
    """Return the name of a channel: letters, digits and `_.-`, beginning with a letter or `_`."""
    return _gpio_name(raw, name, _CHANNEL, "a channel name (letters, digits and _.-)")


def valid_gpio_driver(raw: object, name: str = "driver") -> str:
    """Return the name of a GPIO driver: letters, digits and `_-`, beginning with a letter or `_`."""
    return _gpio_name(raw, name, _DRIVER, "a driver name (letters, digits and _-)")


def valid_gpio_pin(raw: object, name: str = "pin") -> int:
    """Return the number of a line."""
    return valid_int(raw, name, minimum=0, max_chars=_PIN_MAX_CHARS)


def valid_tty_speed(raw: object, name: str = "speed") -> int:
    """Return a serial port's speed in baud."""
    speed_baud = valid_int(raw, name)
    if speed_baud not in TTY_SPEEDS_BAUD:
        fail(f"one of {', '.join(map(str, TTY_SPEEDS_BAUD))}", raw, name)
    return speed_baud


def valid_otg_ethernet(raw: object, name: str = "driver") -> str:
    """Return the name of a USB network function."""
    return valid_choice(raw, name, allowed=OTG_ETHERNET_DRIVERS)


def valid_mac(raw: object, name: str = "mac") -> str:
    """Return a hardware address as six lower-case hexadecimal pairs separated by colons."""
    expected = "a hardware address such as 02:00:00:00:00:01"
    text = stripped(raw, name, expected=expected, max_chars=_MAC_MAX_CHARS).lower()
    if _MAC.fullmatch(text) is None:
        fail(expected, raw, name)
    return text


def _gpio_name(raw: object, name: str, pattern: re.Pattern[str], expected: str) -> str:
    text = stripped(raw, name, expected=expected, max_chars=_GPIO_NAME_RAW_MAX_CHARS)
    if len(text) > GPIO_NAME_MAX_CHARS or pattern.fullmatch(text) is None:
        fail(expected, raw, name)
    return text
