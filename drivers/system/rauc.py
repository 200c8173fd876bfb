"""RAUC, which installs signed bundles into the slot that is not running, over the system's D-Bus.

The interface is de.pengutronix.rauc.Installer (RAUC's reference, "D-Bus API"), as RAUC has it since 1.8.
RAUC alone decides what it accepts; here is only the conversation. An installation goes on when we leave it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trio
from jeepney import DBusAddress, HeaderFields, Message, MessageType, Properties, new_method_call
from jeepney.auth import AuthenticationError
from jeepney.io.trio import DBusConnection, open_dbus_connection

from drivers.errors import BadReplyError, DeviceTimeoutError, DriverError, NotSupportedError

INSTALLER: Final = DBusAddress("/", bus_name="de.pengutronix.rauc", interface="de.pengutronix.rauc.Installer")
CALL_S: Final = 30.0
"""The service is started by the first call, and looks at the boot loader's variables for each."""
POLL_S: Final = 0.5
IDLE: Final = "idle"
_DONE: Final = 100
_NO_SUCH_SERVICE: Final = "org.freedesktop.DBus.Error.ServiceUnknown"


class BundleRefusedError(DriverError):
    """RAUC did not install the bundle; the message is RAUC's own."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an installation is, as RAUC tells it."""

    percent: int = 0
    message: str = ""
    depth: int = 0
    """How deep the step lies in the others; 1 = a step of the installation itself."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A root file system that can be started; names are those of the boot loader, times ISO 8601."""

    name: str
    booted: bool = False
    boot_good: bool = True
    """Whether the boot loader would start it."""
    version: str | None = None
    """Of the bundle that was installed into it; None for the one that came with the card."""
    installed_at: str | None = None


@dataclass(frozen=True, slots=True)
class RaucStatus:
    """The present state; *primary* is the slot that the next start takes, as far as RAUC can tell."""

    compatible: str
    slots: tuple[Slot, ...] | None
    """None while something is being installed: RAUC does not look at them then."""
    primary: str | None
    installing: bool
    progress: Progress
    last_error: str


class Rauc:
    """Talks to RAUC on the system bus."""

    async def status(self) -> RaucStatus:
        """Ask for everything. Raises NotSupportedError without RAUC, DriverError."""
        async with _connected() as bus:
            properties = await _properties(bus)
            slots = primary = None
            if properties.get("Operation") == IDLE:
                try:
                    (slots,) = await _call(bus, "GetSlotStatus")
                    (primary,) = await _call(bus, "GetPrimary")
                except DriverError:
                    properties = await _properties(bus)
                    if properties.get("Operation") != IDLE:
                        slots = None  # somebody has begun meanwhile
                    elif slots is None:
                        raise
        try:
            return _status(properties, slots, primary)
        except (KeyError, TypeError, ValueError, IndexError) as exc:
            raise BadReplyError(f"RAUC told its state in a way that is not understood: {exc!r}") from None

    async def install(self, bundle: Path, told: Callable[[Progress], None]) -> None:
        """Have *bundle* installed and wait for the end; *told* gets the progress.

        Raises BundleRefusedError with RAUC's reason, NotSupportedError without RAUC, DriverError.
        """
        async with _connected() as bus:
            await _call(bus, "InstallBundle", "sa{sv}", (str(bundle), {}))
            while True:
                properties = await _properties(bus)
                progress = _progress(properties)
                told(progress)
                if properties.get("Operation") == IDLE:
                    break
                await trio.sleep(POLL_S)
        reason = str(properties.get("LastError", ""))
        if reason:
            raise BundleRefusedError(reason)
        if progress.percent < _DONE:
            # A service that was started anew knows nothing of what the one before was doing.
            raise DriverError("RAUC ended in the middle of the installation; nothing of it is in use")


@asynccontextmanager
async def _connected() -> AsyncIterator[DBusConnection]:
    """Hold a connection to the system bus. Raises NotSupportedError if there is none."""
    try:
        with trio.fail_after(CALL_S):
            bus = await open_dbus_connection("SYSTEM")
    except trio.TooSlowError:
        raise DeviceTimeoutError(f"expected the system bus to answer within {CALL_S:g} s") from None
    except (OSError, RuntimeError, trio.BrokenResourceError, AuthenticationError, ExceptionGroup) as exc:
        raise NotSupportedError(f"there is no system bus: {exc}") from None
    async with bus:
        yield bus


async def _call(
    bus: DBusConnection, method: str, signature: str | None = None, body: tuple[object, ...] = ()
) -> tuple[Any, ...]:
    return await _ask(bus, new_method_call(INSTALLER, method, signature, body), method)


async def _ask(bus: DBusConnection, message: Message, what: str) -> tuple[Any, ...]:
    """Send *message* and return the body of its reply; there is one call at a time."""
    try:
        with trio.fail_after(CALL_S):
            serial = next(bus.outgoing_serial)
            await bus.send(message, serial=serial)
            reply = await bus.receive()
            while reply.header.fields.get(HeaderFields.reply_serial) != serial:
                reply = await bus.receive()  # a signal
    except trio.TooSlowError:
        raise DeviceTimeoutError(f"expected RAUC to answer within {CALL_S:g} s - at {what}") from None
    except (trio.EndOfChannel, trio.BrokenResourceError) as exc:
        raise DriverError(f"the system bus closed the connection - at {what}") from exc
    answer: tuple[Any, ...] = reply.body
    if reply.header.message_type is not MessageType.error:
        return answer
    text = str(answer[0]) if answer else "(no text)"
    if reply.header.fields.get(HeaderFields.error_name) == _NO_SUCH_SERVICE:
        raise NotSupportedError(f"there is no RAUC on this machine: {text}")
    raise DriverError(f"RAUC refused: {text} - at {what}")


async def _properties(bus: DBusConnection) -> Mapping[str, Any]:
    (properties,) = await _ask(bus, Properties(INSTALLER).get_all(), "its properties")
    return {name: value for name, (_, value) in properties.items()}


def _progress(properties: Mapping[str, Any]) -> Progress:
    percent, message, depth = properties.get("Progress", (0, "", 0))
    return Progress(int(percent), str(message), int(depth))


def _status(properties: Mapping[str, Any], slots: Any, primary: Any) -> RaucStatus:
    """Return what RAUC said; *primary* is its own name of a slot, None if its boot loader cannot tell."""
    found: list[Slot] = []
    primary_name = None
    for rauc_name, typed in slots or ():
        fields = {key: value for key, (_, value) in typed.items()}
        if "bootname" not in fields:
            continue  # a part of one of the others
        name = str(fields["bootname"])
        found.append(
            Slot(
                name,
                booted=fields["state"] == "booted",
                boot_good=fields.get("boot-status") != "bad",
                version=fields.get("bundle.version"),
                installed_at=fields.get("installed.timestamp"),
            )
        )
        if rauc_name == primary:
            primary_name = name
    return RaucStatus(
        compatible=str(properties["Compatible"]),
        slots=None if slots is None else tuple(sorted(found, key=lambda slot: slot.name)),
        primary=primary_name,
        installing=properties["Operation"] != IDLE,
        progress=_progress(properties),
        last_error=str(properties["LastError"]),
    )
