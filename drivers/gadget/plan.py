"""From the gadget that is there to the one that shall be: the changes, in an order that the kernel takes.

Pure: trees in, operations out. No difference gives no operation, so that a restart never drops the host; what
an unlinked function needs, to be made above all, is done while the host stays connected; anything else
unbinds first and binds last.
Sources: Documentation/usb/gadget_configfs.rst; drivers/usb/gadget/configfs.c for what is refused while bound.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from drivers.gadget.spec import CONFIGURATION, KIND_ORDER, LANGUAGE, Attribute, EthernetFunction, GadgetSpec

# The host asks for Microsoft's OS descriptors by this request; any number above 0x20 that nobody else uses.
_VENDOR_CODE: Final = 0xCD
_OS_SIGNATURE: Final = b"MSFT100"

_NUMBERS: Final = frozenset(
    {
        *("idVendor", "idProduct", "bcdUSB", "bcdDevice", "MaxPower", "bmAttributes"),
        *("protocol", "subclass", "report_length", "no_out_endpoint", "wakeup_on_write"),
        *("stall", "cdrom", "ro", "removable", "nofua"),
        *("p_chmask", "p_srate", "p_ssize", "c_chmask", "c_srate", "c_ssize"),
        *("use", "b_vendor_code"),
    }
)
_ADDRESSES: Final = frozenset({"host_addr", "dev_addr"})
_STRINGS: Final = frozenset({"manufacturer", "product", "serialnumber", "configuration"})
_EXACT: Final = frozenset({"report_desc"})
_TEXTS: Final = frozenset(
    {
        *("inquiry_string", "file", "qw_sign", "compatible_id", "sub_compatible_id"),
    }
)
MANAGED: Final = _NUMBERS | _ADDRESSES | _EXACT | _STRINGS | _TEXTS
"""The attributes that we read and compare, by their last name."""


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link inside the gadget, both ends relative to its directory."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class DesiredTree:
    """A gadget's directory as it shall be; everything in the order in which it is made."""

    directories: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    links: tuple[Link, ...]
    udc: str
    empty: frozenset[str] = frozenset()
    """Strings that must not be set."""


@dataclass(frozen=True, slots=True)
class ActualTree:
    """A gadget's directory as it is: what users made in it, not what the kernel adds."""

    exists: bool = False
    directories: frozenset[str] = frozenset()
    attributes: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    udc: str = ""
    stale: bool = False
    """The UDC's name is there and the controller does not know of us."""


class Verb(enum.StrEnum):
    """What an operation does."""

    MKDIR = "mkdir"
    RMDIR = "rmdir"
    WRITE = "write"
    SYMLINK = "symlink"
    UNLINK = "unlink"
    BIND = "bind"
    UNBIND = "unbind"


@dataclass(frozen=True, slots=True)
class Operation:
    """One change; *path* is relative to the gadget's directory, "" is that directory itself."""

    verb: Verb
    path: str = ""
    value: bytes = b""
    """What is written, the link's target, or the UDC."""
    optional: bool = False


def desired_tree(spec: GadgetSpec, udc: str, *, missing: Collection[str] = ()) -> DesiredTree:
    """Return the tree of *spec* on *udc*, without the functions *missing* in this kernel."""
    linked = spec.select(missing).linked
    here = [function for function in spec.functions if function.name not in missing]
    windows = any(
        isinstance(function, EthernetFunction) and function.windows_ids is not None for function in linked
    )
    directories = [LANGUAGE, CONFIGURATION]
    attributes = [
        Attribute("idVendor", f"0x{spec.vendor_id:04x}".encode()),
        Attribute("idProduct", f"0x{spec.product_id:04x}".encode()),
        # The kernel puts its own in its place whenever a host asks (0x0201 with link power management, 0x0210
        # with a faster controller), so that a difference while bound means nothing.
        Attribute("bcdUSB", f"0x{spec.usb_version:04x}".encode(), initial=True),
        Attribute("bcdDevice", f"0x{spec.bcd_device():04x}".encode()),
        Attribute(f"{LANGUAGE}/manufacturer", spec.manufacturer.encode()),
        Attribute(f"{LANGUAGE}/product", spec.product.encode()),
        Attribute(f"{CONFIGURATION}/MaxPower", str(spec.max_power_ma).encode()),
        Attribute(f"{CONFIGURATION}/bmAttributes", f"0x{spec.configuration_attributes():02x}".encode()),
        Attribute("os_desc/use", b"1" if windows else b"0", optional=True),
    ]
    empty = set()
    if spec.serial is None:
        empty.add(f"{LANGUAGE}/serialnumber")
    else:
        attributes.append(Attribute(f"{LANGUAGE}/serialnumber", spec.serial.encode()))
    if spec.configuration is not None:
        directories.append(f"{CONFIGURATION}/{LANGUAGE}")
        text = spec.configuration.encode()
        attributes.append(Attribute(f"{CONFIGURATION}/{LANGUAGE}/configuration", text))
    if windows:
        attributes.append(Attribute("os_desc/b_vendor_code", f"0x{_VENDOR_CODE:02x}".encode(), optional=True))
        attributes.append(Attribute("os_desc/qw_sign", _OS_SIGNATURE, optional=True))
    for function in here:
        at = f"functions/{function.name}"
        directories += [at, *(f"{at}/{directory}" for directory in function.directories())]
        attributes += [
            Attribute(f"{at}/{one.path}", one.value, one.optional, one.initial)
            for one in function.attributes()
        ]
    links = [Link(f"{CONFIGURATION}/{one.name}", f"functions/{one.name}") for one in linked]
    if windows:
        links.append(Link("os_desc/c.1", CONFIGURATION))
    return DesiredTree(
        tuple(directories),
        tuple(attributes),
        tuple(links),
        udc if linked and spec.bound else "",
        frozenset(empty),
    )


def snapshot(actual: ActualTree) -> DesiredTree:
    """Return the tree that brings *actual* back; it must exist."""
    # The medium comes last, since nothing else of a drive may change while it is in; `cdrom` before `ro`.
    late = {"ro": 1, "removable": 2, "nofua": 2, "inquiry_string": 2, "file": 3}
    attributes = sorted(
        actual.attributes.items(), key=lambda one: (late.get(PurePosixPath(one[0]).name, 0), one[0])
    )
    # The kernel does not tell in which order they were linked, which is the order that the host sees.
    links = sorted(
        actual.links.items(), key=lambda one: (one[0].startswith("os_desc"), _rank(one[1]), one[0])
    )
    unset = {path for path, value in attributes if _is_string(path) and not value.strip()}
    return DesiredTree(
        tuple(sorted(actual.directories, key=_by_depth)),
        tuple(Attribute(path, value) for path, value in attributes if path not in unset),
        tuple(Link(path, target) for path, target in links),
        actual.udc,
        frozenset(unset),
    )


def plan(desired: DesiredTree, actual: ActualTree) -> tuple[Operation, ...]:
    """Return what turns *actual* into *desired*; nothing if they agree."""
    recreated = _recreated(desired, actual)
    gone = (set(actual.directories) - set(desired.directories)) | recreated
    made = [one for one in desired.directories if one not in actual.directories or one in recreated]
    stays_bound = bool(actual.udc and desired.udc)
    wrong = {
        one.path for one in desired.attributes if _must_write(one, actual, made, stays_bound=stays_bound)
    }
    # Making a drive a CD-ROM makes it read-only too, so that this has to be said again.
    wrong |= {f"{path.removesuffix('cdrom')}ro" for path in wrong if path.endswith("/cdrom")}
    writes = [one for one in desired.attributes if one.path in wrong]
    linked = set(actual.links.values())
    links_differ = {one.path: one.target for one in desired.links} != dict(actual.links)
    touched = {*gone, *made, *(one.path for one in writes)}
    # Functions refuse most changes while they are linked, be the gadget bound or not.
    relink = (
        links_differ
        or any(_function_of(path) in linked for path in touched)
        or any(f"{link}/".startswith(f"{directory}/") for link in actual.links for directory in gone)
    )
    visible = any(_function_of(path) is None or _function_of(path) in linked for path in touched)
    rebind = relink or visible or actual.udc != desired.udc or actual.stale
    # A function that this kernel lacks is found out before the host notices anything.
    ahead = [one for one in made if one.startswith("functions/") and one.count("/") == 1]
    operations: list[Operation] = []
    if not actual.exists:
        operations.append(Operation(Verb.MKDIR))
    operations += [Operation(Verb.MKDIR, one) for one in ahead]
    if actual.udc and rebind:
        operations.append(Operation(Verb.UNBIND))
    if relink:
        operations += [Operation(Verb.UNLINK, path) for path in sorted(actual.links, reverse=True)]
    operations += [Operation(Verb.RMDIR, one) for one in sorted(gone, key=_by_depth, reverse=True)]
    operations += [Operation(Verb.MKDIR, one) for one in made if one not in ahead]
    operations += [Operation(Verb.WRITE, one.path, one.value, one.optional) for one in writes]
    if relink:
        operations += [Operation(Verb.SYMLINK, one.path, one.target.encode()) for one in desired.links]
    if desired.udc and (rebind or not actual.udc):
        operations.append(Operation(Verb.BIND, value=desired.udc.encode()))
    return tuple(operations)


def removal(actual: ActualTree) -> tuple[Operation, ...]:
    """Return what removes the gadget altogether; nothing if it is not there."""
    if not actual.exists:
        return ()
    operations = [Operation(Verb.UNBIND)] if actual.udc else []
    operations += [Operation(Verb.UNLINK, path) for path in sorted(actual.links, reverse=True)]
    directories = sorted(actual.directories, key=_by_depth, reverse=True)
    operations += [Operation(Verb.RMDIR, one) for one in directories]
    return (*operations, Operation(Verb.RMDIR))


def normalised(path: str, value: bytes) -> object:
    """Return what an attribute means, so that 0x0104 and 260 are the same."""
    name = PurePosixPath(path).name
    if name in _EXACT:
        return value
    text = value.decode("utf-8", "replace").replace("\0", "").removesuffix("\n")
    if name in _NUMBERS:
        try:
            return int(text, 0)
        except ValueError:
            return text
    if name in _ADDRESSES:
        return text.lower()
    return text.rstrip()


def _must_write(
    attribute: Attribute, actual: ActualTree, made: Collection[str], *, stays_bound: bool
) -> bool:
    path = PurePosixPath(attribute.path)
    if not actual.exists or any(str(parent) in made for parent in path.parents):
        return True
    if attribute.path not in actual.attributes:
        # Its directory is there and it is not: this kernel lacks it, and will say so if it is needed.
        return not attribute.optional
    now, wanted = actual.attributes[attribute.path], attribute.value
    if normalised(attribute.path, now) == normalised(attribute.path, wanted):
        return False
    if attribute.initial:
        # A drive that a host sees, or that has a medium in, is as its driver left it.
        medium = actual.attributes.get(str(path.parent / "file"), b"")
        return not stays_bound and not medium.strip()
    return True


def _recreated(desired: DesiredTree, actual: ActualTree) -> set[str]:
    """Return the directories of strings that hold one that must go: the kernel cannot unset a string."""
    return {
        str(PurePosixPath(path).parent) for path in desired.empty if actual.attributes.get(path, b"").strip()
    }


def _is_string(path: str) -> bool:
    return PurePosixPath(path).name in _STRINGS


def _function_of(path: str) -> str | None:
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "functions" and len(parts) > 1 else None


def _rank(function: str) -> tuple[int, int]:
    """Where a function stands among its gadget's, by its directory: by kind, and usb2 before usb10."""
    name = PurePosixPath(function).name
    kind = name.partition(".")[0]
    return KIND_ORDER.index(kind) if kind in KIND_ORDER else len(KIND_ORDER), len(name)


def _by_depth(path: str) -> tuple[int, str]:
    # Directories are made before what is in them, and removed in the reverse order.
    return path.count("/"), path
