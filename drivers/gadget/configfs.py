"""The gadget's directory in configfs: reading it, changing it, and leaving nothing half-composed behind.

Everything here blocks for as long as the kernel does (binding takes up to a second): callers run it in a
thread. Owns the directory of our own name and touches no other; of foreign gadgets it only reads who holds a
controller. Source: Documentation/usb/gadget_configfs.rst.
"""

from __future__ import annotations

import errno
import logging
import os
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from drivers.errors import DeviceBusyError, DeviceGoneError, DriverError, NotSupportedError, from_os_error
from drivers.gadget.plan import (
    MANAGED,
    ActualTree,
    DesiredTree,
    Operation,
    Verb,
    plan,
    removal,
    snapshot,
)
from drivers.gadget.spec import CONFIGURATION, STRING_CHARS

logger = logging.getLogger(__name__)

CONFIGFS: Final = Path("/sys/kernel/config")
UDC_CLASS: Final = Path("/sys/class/udc")

_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_ABSENT: Final = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM})
"""What opening an attribute that is not there says: a directory of configfs lets nobody create files."""
_SETTINGS: Final = {
    "manufacturer": "otg/manufacturer",
    "product": "otg/product",
    "serialnumber": "otg/serial",
    "configuration": "otg/config",
}
"""Which setting a string comes from, by its attribute."""
_UDC_HINT: Final = (
    "load the controller's driver (on a Raspberry Pi: dtoverlay=dwc2,dr_mode=peripheral in config.txt and "
    "the module dwc2) and see that the port is not configured as a host"
)


class MissingFunctionError(NotSupportedError):
    """The kernel has no driver for one of the functions."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class GadgetStore(Protocol):
    """Where a gadget lives."""

    def read(self) -> ActualTree:
        """Return what is there."""
        ...

    def apply(self, operation: Operation) -> None:
        """Make one change. Raises OSError."""
        ...

    def explain(self, operation: Operation, exc: OSError) -> DriverError:
        """Say what went wrong and what to do."""
        ...


def compose(store: GadgetStore, desired: DesiredTree) -> int:
    """Turn what is there into *desired* and return how many changes that took; none if it is that already.

    On failure what a host could see before is brought back, and anything less is removed altogether. Raises
    DriverError.
    """
    try:
        before = store.read()
    except OSError as exc:
        raise store.explain(Operation(Verb.MKDIR), exc) from exc
    operations = plan(desired, before)
    for operation in operations:
        try:
            store.apply(operation)
        except OSError as exc:
            error = store.explain(operation, exc)
            _roll_back(store, before)
            raise error from exc
    return len(operations)


def remove(store: GadgetStore) -> int:
    """Remove the gadget, in whatever state it is, and return how many changes it took. Raises DriverError."""
    done = 0
    try:
        before = store.read()
    except OSError as exc:
        raise store.explain(Operation(Verb.RMDIR), exc) from exc
    failed: tuple[Operation, OSError] | None = None
    for operation in removal(before):
        try:
            store.apply(operation)
        except OSError as exc:
            # Unbinding what its controller has left already fails, and the rest can go all the same.
            failed = failed or (operation, exc)
        else:
            done += 1
    if failed is not None and store.read().exists:
        raise store.explain(*failed) from failed[1]
    return done


def _roll_back(store: GadgetStore, before: ActualTree) -> None:
    if before.udc:
        try:
            for operation in plan(snapshot(before), store.read()):
                store.apply(operation)
        except OSError as exc:
            logger.warning("the USB gadget could not be brought back and is removed: %s", exc)
        else:
            return
    try:
        remove(store)
    except (OSError, DriverError) as exc:
        logger.warning("the USB gadget could not be removed after a failure: %s", exc)


class GadgetDirectory:
    """A `GadgetStore` in the kernel's configfs."""

    def __init__(self, name: str, *, configfs: Path = CONFIGFS, udc_class: Path = UDC_CLASS) -> None:
        self._name = name
        self._gadgets = configfs / "usb_gadget"
        self.udc_class = udc_class
        self.path = self._gadgets / name

    def read(self) -> ActualTree:
        """Return what is there. Raises OSError."""
        if not self.path.is_dir():
            return ActualTree()
        directories: set[str] = set()
        attributes: dict[str, bytes] = {}
        links: dict[str, str] = {}
        self._walk(PurePosixPath(), directories, attributes, links)
        udc = (self.path / "UDC").read_text().strip()
        return ActualTree(
            exists=True,
            directories=frozenset(directories),
            attributes=attributes,
            links=links,
            udc=udc,
            stale=bool(udc) and not self._controller_knows_us(udc),
        )

    def bound_to(self) -> str:
        """Return the name of the UDC that the gadget is bound to, or "". Raises OSError."""
        try:
            return (self.path / "UDC").read_text().strip()
        except FileNotFoundError:
            return ""

    def apply(self, operation: Operation) -> None:
        """Make one change. Raises OSError."""
        path = self.path / operation.path
        match operation.verb:
            case Verb.MKDIR:
                path.mkdir()
            case Verb.RMDIR:
                path.rmdir()
            case Verb.SYMLINK:
                path.symlink_to(self.path / operation.value.decode())
            case Verb.UNLINK:
                path.unlink()
            case Verb.WRITE:
                self._write(path, operation.value, optional=operation.optional)
            case Verb.BIND:
                _write(self.path / "UDC", operation.value + b"\n")
            case Verb.UNBIND:
                try:
                    _write(self.path / "UDC", b"\n")
                except OSError as exc:
                    # The controller left in the meantime.
                    if exc.errno != errno.ENODEV:
                        raise

    def choose_udc(self, wanted: str) -> str:
        """Return the controller to use: the one that we are bound to, else the first one.

        *wanted* is its name, or a shell pattern of names; "" fits all. Raises DeviceGoneError if there is
        none, DeviceBusyError if another gadget has it.
        """
        fitting = self.fitting_udcs(wanted)
        if not fitting:
            there = ", ".join(self._udcs()) or "none"
            which = f"the USB device controller {wanted}" if wanted else "a USB device controller"
            correct = ", or correct otg/udc" if wanted else ""
            raise DeviceGoneError(f"expected {which} in {self.udc_class}, got {there} - {_UDC_HINT}{correct}")
        bound = self.bound_to()
        udc = bound if bound in fitting else fitting[0]
        if (holder := self._foreign_holder(udc)) is not None:
            raise holder
        return udc

    def fitting_udcs(self, wanted: str) -> list[str]:
        """Return the controllers that fit *wanted*, as `choose_udc` takes it."""
        return [name for name in self._udcs() if fnmatchcase(name, wanted or "*")]

    def _udcs(self) -> list[str]:
        return sorted(one.name for one in self.udc_class.iterdir()) if self.udc_class.is_dir() else []

    def explain(self, operation: Operation, exc: OSError) -> DriverError:
        """Say what went wrong and what to do."""
        path = self.path / operation.path
        what = f"{operation.verb} {path}"
        parts = PurePosixPath(operation.path).parts
        if exc.errno in _DENIED:
            return DriverError(f"{what}: permission denied - run as root, or give this user {self._gadgets}")
        if operation.verb is Verb.BIND:
            return self._explain_binding(operation.value.decode(), exc)
        if operation.verb is Verb.MKDIR and len(parts) == 2 and parts[0] == "functions":
            kind = parts[1].partition(".")[0]
            if exc.errno == errno.ENOENT:
                return MissingFunctionError(
                    f"{what}: this kernel has no USB function {kind} - install or enable the module "
                    f"usb_f_{kind}",
                    parts[1],
                )
            if exc.errno == errno.ENODEV:
                return DeviceBusyError(
                    f"{what}: the kernel makes no more {kind} functions - remove other gadgets"
                    f" from {self._gadgets}"
                )
        if operation.verb is Verb.WRITE and exc.errno == errno.EOVERFLOW:
            text = operation.value.decode("utf-8", "replace")
            return DriverError(
                f"expected at most {STRING_CHARS} characters, got {len(text)} - at {path}: shorten "
                f"{_SETTINGS.get(parts[-1], 'it')}"
            )
        if exc.errno == errno.EBUSY:
            return DeviceBusyError(f"{what}: something still uses it - see {self.path}")
        return from_os_error(exc, what)

    def _explain_binding(self, udc: str, exc: OSError) -> DriverError:
        if not (self.udc_class / udc).exists():
            return DeviceGoneError(f"the USB device controller {udc} went away while binding - {_UDC_HINT}")
        if (holder := self._foreign_holder(udc)) is not None:
            return holder
        if exc.errno in {errno.EBUSY, errno.ENODEV, errno.EINVAL}:
            # Kernels differ in what they call it; newer ones say "busy" whatever the reason is.
            functions = ", ".join(sorted(link.name for link in self._links())) or "no function"
            return DriverError(
                f"the USB device controller {udc} cannot offer {functions} together: {exc.strerror} - lower "
                "otg/endpoints or start fewer functions, and see the kernel log"
            )
        return from_os_error(exc, f"binding the USB gadget to {udc}")

    def _foreign_holder(self, udc: str) -> DeviceBusyError | None:
        """Return who else has *udc*, as an error that says what to do."""
        for gadget in sorted(self._gadgets.iterdir()) if self._gadgets.is_dir() else ():
            try:
                held = (gadget / "UDC").read_text().strip()
            except OSError:
                continue  # It is being removed.
            if held == udc and gadget.name != self._name:
                return DeviceBusyError(
                    f"the USB device controller {udc} belongs to the gadget {gadget.name} - stop the service "
                    f"that made it, or release it: echo | sudo tee {gadget}/UDC"
                )
        driver = self._driver_of(udc)
        if driver and driver != self._name and self.bound_to() != udc:
            return DeviceBusyError(
                f"the USB device controller {udc} belongs to the gadget driver {driver} - unload that module"
            )
        return None

    def _controller_knows_us(self, udc: str) -> bool:
        # The name stays in our UDC attribute when its controller leaves, and may be untrue when it returns.
        return (self.udc_class / udc).exists() and self._driver_of(udc) != ""

    def _driver_of(self, udc: str) -> str | None:
        """Return who drives a controller, "" if nobody does, None if this kernel does not tell."""
        try:
            return (self.udc_class / udc / "function").read_text().strip()
        except OSError:
            return None

    def _links(self) -> list[Path]:
        try:
            return [one for one in (self.path / CONFIGURATION).iterdir() if one.is_symlink()]
        except OSError:
            return []

    def _walk(
        self,
        at: PurePosixPath,
        directories: set[str],
        attributes: dict[str, bytes],
        links: dict[str, str],
    ) -> None:
        with os.scandir(self.path / at) as entries:
            for entry in entries:
                path = at / entry.name
                if entry.is_symlink():
                    target = (self.path / path).resolve()
                    links[str(path)] = str(target.relative_to(self.path.resolve()))
                elif entry.is_dir():
                    if _made_by_user(path):
                        directories.add(str(path))
                    self._walk(path, directories, attributes, links)
                elif entry.name in MANAGED:
                    attributes[str(path)] = (self.path / path).read_bytes()

    @staticmethod
    def _write(path: Path, value: bytes, *, optional: bool) -> None:
        try:
            # Writing nothing would do nothing; a line end stands for an empty text.
            _write(path, value or b"\n")
        except OSError as exc:
            if not (optional and exc.errno in _ABSENT and not path.exists()):
                raise


def _made_by_user(path: PurePosixPath) -> bool:
    """Whether somebody made this directory; those that the kernel makes cannot be removed."""
    match path.parts:
        case ("functions" | "configs" | "strings", _) | ("configs", _, "strings", _):
            return True
        case ("functions", _, lun):
            return lun.startswith("lun.") and lun != "lun.0"
    return False


def _write(path: Path, value: bytes) -> None:
    # Not created, since configfs makes its own files, and in one write, since each write is one store.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value)
    finally:
        os.close(descriptor)
