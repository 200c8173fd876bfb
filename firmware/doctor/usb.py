"""Looks at what the USB gadget needs: configfs, the functions' modules, and a controller that is free."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from drivers.gadget.spec import GadgetSpec
from firmware.boards.data import LinuxData
from firmware.doctor.findings import Finding, bad, note, ok
from firmware.doctor.kernel_modules import ModulePresence, module_presence

_LIBRARY: Final = "libcomposite"
_STATES: Final = {
    "configured": "a host uses it",
    "not attached": "no host is plugged in, or it is off",
    "suspended": "the host sleeps",
}


def look_at_usb(spec: GadgetSpec, linux: LinuxData, *, root: Path = Path("/")) -> Iterator[Finding]:
    """Yield what there is to say about the gadget that *spec* describes."""
    if not spec.functions:
        yield note("USB gadget", "nothing is configured to be one")
        return
    yield from _library(root)
    yield from _functions(spec, root)
    yield from _controller(spec, linux, root)


def _library(root: Path) -> Iterator[Finding]:
    configfs = root / "sys/kernel/config"
    presence = module_presence(_LIBRARY, root=root)
    if (configfs / "usb_gadget").is_dir():
        yield ok("USB gadgets", "the kernel composes them (configfs)")
    elif presence is ModulePresence.MISSING:
        yield bad(
            "USB gadgets",
            f"this kernel has no module {_LIBRARY}",
            "use a kernel with CONFIG_USB_LIBCOMPOSITE and CONFIG_USB_CONFIGFS",
        )
    elif not configfs.is_dir():
        yield bad("USB gadgets", f"{configfs} is not there", f"mount -t configfs none {configfs}")
    else:
        yield ok("USB gadgets", f"the module {_LIBRARY} is {presence}; it is loaded at start")


def _functions(spec: GadgetSpec, root: Path) -> Iterator[Finding]:
    modules = {function.module for function in spec.functions}
    absent = {name for name in modules if module_presence(name, root=root) is ModulePresence.MISSING}
    missing = {function.name for function in spec.functions if function.module in absent}
    for module in sorted(absent):
        names = ", ".join(function.name for function in spec.functions if function.module == module)
        yield bad(
            f"USB functions {names}",
            f"this kernel has no module {module}",
            "install or enable it, or switch them off below otg/devices",
        )
    selection = spec.select(missing)
    for name, why in selection.left_out.items():
        if name not in missing:
            yield note(f"USB function {name}", why)
    if selection.linked:
        names = ", ".join(function.name for function in selection.linked)
        used = sum(function.endpoints for function in selection.linked)
        yield ok("USB functions", f"{names}: {used} of {spec.endpoint_budget} endpoints")


def _controller(spec: GadgetSpec, linux: LinuxData, root: Path) -> Iterator[Finding]:
    controllers = root / "sys/class/udc"
    there = sorted(one.name for one in controllers.iterdir()) if controllers.is_dir() else []
    wanted = spec.udc or linux.udc or "*"
    fitting = [name for name in there if fnmatchcase(name, wanted)]
    if not fitting:
        others = f"; there is {', '.join(there)}" if there else ""
        which = "none" if wanted == "*" else f"none called {wanted}"
        yield bad("USB device controller", f"{which}{others}", linux.udc_hint)
        return
    name = fitting[0]
    holder = next(
        (gadget for gadget, udc in _bound(root / "sys/kernel/config/usb_gadget") if udc == name), None
    )
    if holder not in (None, spec.name):
        yield bad(
            "USB device controller",
            f"{name} is used by another gadget, {holder}",
            f'stop the service that made it, or: echo "" > /sys/kernel/config/usb_gadget/{holder}/UDC',
        )
        return
    try:
        state = (controllers / name / "state").read_text().strip()
    except OSError as exc:
        yield bad("USB device controller", f"{name} does not answer: {exc}", "look at the kernel's log")
        return
    about = _STATES.get(state, state) if holder else "free"
    yield ok("USB device controller", f"{name}: {about}")


def _bound(gadgets: Path) -> Iterator[tuple[str, str]]:
    for gadget in sorted(gadgets.iterdir()) if gadgets.is_dir() else ():
        try:
            yield gadget.name, (gadget / "UDC").read_text().strip()
        except OSError:
            # It was removed while we looked.
            continue
