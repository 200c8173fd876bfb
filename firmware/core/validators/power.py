"""Validators of power control: the ATX front panel and its Redfish form (contract http.md 4.3 and 4.8)."""

from __future__ import annotations

from typing import Final

from firmware.core.validators.basic import valid_choice

ATX_ACTIONS: Final = ("on", "off", "off_hard", "reset_hard")
ATX_BUTTONS: Final = ("power", "power_long", "reset")
REDFISH_RESET_TYPES: Final = (
    "On",
    "ForceOff",
    "GracefulShutdown",
    "ForceRestart",
    "ForceOn",
    "PushPowerButton",
)


def valid_atx_action(raw: object, name: str = "action") -> str:
    """Return a power action."""
    return valid_choice(raw, name, allowed=ATX_ACTIONS)


def valid_atx_button(raw: object, name: str = "button") -> str:
    """Return a button of the front panel, with how long it is pressed."""
    return valid_choice(raw, name, allowed=ATX_BUTTONS)


def valid_redfish_reset_type(raw: object, name: str = "ResetType") -> str:
    """Return a Redfish ResetType; case-sensitive."""
    return valid_choice(raw, name, allowed=REDFISH_RESET_TYPES, max_chars=None, case_sensitive=True)
