"""The `Boot` object of a system: the boot override in Redfish's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from api.redfish.answers import Document
from api.redfish.errors import BaseMessage, HttpError
from api.routing import Call
from firmware.state.boot import BootMode, BootState, BootTarget
from firmware.subsystems.boot.errors import BootOverrideError
from firmware.subsystems.boot.service import BootService

NO_BOOT_OVERRIDE: Final[Document] = {
    "BootSourceOverrideEnabled": "Disabled",
    "BootSourceOverrideTarget": None,
}
_NONE: Final = "None"
_TARGETS: Final[Mapping[str, BootTarget]] = {
    "Pxe": BootTarget.PXE,
    "Hdd": BootTarget.HDD,
    "Cd": BootTarget.CD,
    "Usb": BootTarget.USB,
    "BiosSetup": BootTarget.BIOS_SETUP,
}
_MODES: Final[Mapping[str, BootMode]] = {"UEFI": BootMode.UEFI, "Legacy": BootMode.LEGACY}
_TARGET_NAMES: Final = {target: name for name, target in _TARGETS.items()}
_MODE_NAMES: Final = {mode: name for name, mode in _MODES.items()}


class BootPatch(msgspec.Struct):
    """What may be changed of `Boot`; what is absent stays."""

    BootSourceOverrideTarget: str | None = None
    BootSourceOverrideEnabled: Literal["Disabled", "Once", "Continuous"] | None = None
    BootSourceOverrideMode: str | None = None


class SystemPatch(msgspec.Struct):
    """What may be changed of a system."""

    Boot: BootPatch | None = None


def boot_document(state: BootState) -> Document:
    """Return `Boot` of the appliance's own system."""
    override = state.override
    document: Document = {
        "BootSourceOverrideTarget@Redfish.AllowableValues": [
            _NONE,
            *(_TARGET_NAMES[target] for target in state.targets),
        ],
        "BootSourceOverrideEnabled": (
            "Disabled" if override is None else "Continuous" if override.continuous else "Once"
        ),
        "BootSourceOverrideTarget": None if override is None else _TARGET_NAMES[override.target],
    }
    if state.modes:
        document["BootSourceOverrideMode@Redfish.AllowableValues"] = [
            _MODE_NAMES[mode] for mode in state.modes
        ]
        document["BootSourceOverrideMode"] = _MODE_NAMES[state.mode or state.modes[0]]
    return document


async def wanted_override(call: Call) -> BootPatch | None:
    """Return what the body wants of `Boot`, None if nothing. Raises HttpError if that makes no sense."""
    try:
        plain = msgspec.json.decode(await call.request.get_data())
    except (ValueError, RecursionError):
        return None  # the contract ignores such a body
    boot = plain.get("Boot") if isinstance(plain, dict) else None
    if boot is None:
        return None
    try:
        return msgspec.convert(boot, BootPatch)
    except msgspec.ValidationError as exc:
        raise HttpError(
            f"{exc} - at Boot", BaseMessage("PropertyValueError", ("Boot",), ("#/Boot",))
        ) from None


async def override_boot(boot: BootService, wanted: BootPatch) -> None:
    """Have the service do what *wanted* says. Raises HttpError, BootStoreError."""
    mode = _value_of(_MODES, "BootSourceOverrideMode", wanted.BootSourceOverrideMode)
    if wanted.BootSourceOverrideTarget == _NONE or wanted.BootSourceOverrideEnabled == "Disabled":
        await boot.clear(mode=mode)
        return
    target = _value_of(_TARGETS, "BootSourceOverrideTarget", wanted.BootSourceOverrideTarget)
    enabled = wanted.BootSourceOverrideEnabled
    try:
        await boot.set_override(
            target=target, continuous=None if enabled is None else enabled == "Continuous", mode=mode
        )
    except BootOverrideError as exc:
        raise _refused(str(exc), *_culprit(wanted, boot.state.value)) from exc


def refuse_override(wanted: BootPatch) -> None:
    """Raise HttpError if *wanted* overrides anything: the keyboard is at one machine of a switch alone."""
    target, enabled = wanted.BootSourceOverrideTarget, wanted.BootSourceOverrideEnabled
    if target not in (None, _NONE) or enabled not in (None, "Disabled"):
        name = "BootSourceOverrideTarget"
        raise HttpError(
            f"expected no override at a switch's port, got {target or enabled} - at Boot",
            BaseMessage("PropertyNotWritable", (name,), (f"#/Boot/{name}",)),
        )


def _value_of[T](known: Mapping[str, T], name: str, given: str | None) -> T | None:
    if given is None:
        return None
    if given in known:
        return known[given]
    raise _refused(
        f"expected one of {', '.join(known)}, got {given[:80]!r} - at Boot/{name}", name, given[:80]
    )


def _culprit(wanted: BootPatch, state: BootState) -> tuple[str, str]:
    """Return the property that the service refused, and its value."""
    mode = wanted.BootSourceOverrideMode
    if mode is not None and _MODES[mode] not in state.modes:
        return "BootSourceOverrideMode", mode
    return "BootSourceOverrideTarget", wanted.BootSourceOverrideTarget or _NONE


def _refused(text: str, name: str, value: str) -> HttpError:
    return HttpError(text, BaseMessage("PropertyValueNotInList", (value, name), (f"#/Boot/{name}",)))
