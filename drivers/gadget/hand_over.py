"""Hands over what a service without rights uses all day: a group may write it, root goes on owning it.

For a composed gadget these are the drives' attributes that change with the medium, the nodes of keyboard and
mice, and the controller's attribute that wakes the host. Nothing that decides what the gadget is. The kernel
opens a drive's image with the rights of whoever writes its name, so that handing `file` over lets a service
offer what it may read itself, and nothing else; writing it on the service's behalf would offer it any file of
the machine. Blocking; needs no capability, but to own the files and be in the group.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from drivers.errors import DeviceGoneError, os_errors
from drivers.gadget.composer import Composed
from drivers.gadget.configfs import GadgetDirectory
from drivers.gadget.spec import GadgetSpec, HidFunction, MassStorageFunction

LUN_ATTRIBUTES: Final = ("file", "forced_eject", "cdrom", "ro", "inquiry_string")
"""What `lun_change` writes; some kernels do not have all of them."""
WAKE_ATTRIBUTE: Final = "srp"
_SYS_CHAR: Final = Path("/sys/dev/char")
_DEV: Final = Path("/dev")


def hand_over(directory: GadgetDirectory, spec: GadgetSpec, composed: Composed, group: int) -> None:
    """Let *group* write what is used of the gadget that *spec* became. Raises DriverError."""
    for path in _attributes(directory, spec, composed):
        with os_errors(f"handing over {path}"):
            _give(path, group)
    for function in spec.functions:
        # A function has a node for as long as a controller has the gadget.
        if isinstance(function, HidFunction) and spec.bound and function.name in composed.linked:
            number = directory.path / "functions" / function.name / "dev"
            node = node_of(number)
            with os_errors(f"handing over {node}"):
                if not stat.S_ISCHR(node.lstat().st_mode):
                    raise DeviceGoneError(f"expected a character device, got something else - at {node}")
                _give(node, group)


def node_of(attribute: Path) -> Path:
    """Return the node whose numbers stand in *attribute* ("236:0"). Raises DeviceGoneError."""
    try:
        return _DEV / (_SYS_CHAR / attribute.read_text().strip()).readlink().name
    except OSError as exc:
        raise DeviceGoneError(f"the kernel made no node for {attribute.parent.name}: {exc}") from exc


def _attributes(directory: GadgetDirectory, spec: GadgetSpec, composed: Composed) -> Iterator[Path]:
    for function in spec.functions:
        at = directory.path / "functions" / function.name
        if isinstance(function, MassStorageFunction) and at.is_dir():
            for number in range(len(function.luns)):
                for name in LUN_ATTRIBUTES:
                    if (path := at / f"lun.{number}" / name).exists():
                        yield path
    if (wake := directory.udc_class / composed.udc / WAKE_ATTRIBUTE).exists():
        yield wake


def _give(path: Path, group: int) -> None:
    status = path.lstat()
    if status.st_gid != group:
        os.chown(path, -1, group, follow_symlinks=False)
    if not status.st_mode & stat.S_IWGRP:
        readable = (status.st_mode & stat.S_IRUSR) >> 3
        path.chmod(stat.S_IMODE(status.st_mode) | readable | stat.S_IWGRP)
