"""A model of the kernel's gadget configfs: what it makes by itself, what it refuses, and how it fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

import pytest

from drivers.errors import DriverError, from_os_error
from drivers.gadget.plan import ActualTree, Operation, Verb

ROOT_FILES = {"idVendor": "0x0000", "idProduct": "0x0000", "bcdUSB": "0x0200", "bcdDevice": "0x0612"}
OS_FILES = {"os_desc/use": "0", "os_desc/b_vendor_code": "0x00", "os_desc/qw_sign": ""}
LUN_FILES = {"cdrom": "0", "ro": "0", "removable": "1", "nofua": "0", "inquiry_string": "", "file": ""}
FUNCTION_FILES = {
    "hid": dict.fromkeys(("protocol", "subclass", "report_length", "no_out_endpoint"), "0")
    | {"report_desc": ""},
    "mass_storage": {"stall": "0"} | {f"lun.0/{name}": value for name, value in LUN_FILES.items()},
    "ecm": {"host_addr": "02:00:00:00:00:01", "dev_addr": "02:00:00:00:00:02"},
    "ncm": {
        "host_addr": "02:00:00:00:00:03",
        "dev_addr": "02:00:00:00:00:04",
        "os_desc/interface.ncm/compatible_id": "",
        "os_desc/interface.ncm/sub_compatible_id": "",
    },
    "acm": {},
}


class ModelConfigfs:
    """One gadget's directory as Linux 7.2 behaves; `fails` says which operations fail."""

    def __init__(self) -> None:
        self.directories: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.link_order: list[str] = []
        self.exists = False
        self.udc = ""
        self.stale = False
        self.enumerations = 0
        self.operations: list[Operation] = []
        self.fails: Callable[[int, Operation], bool] = lambda _number, _operation: False

    def read(self) -> ActualTree:
        return ActualTree(
            self.exists, frozenset(self.directories), dict(self.files), dict(self.links), self.udc, self.stale
        )

    def explain(self, operation: Operation, exc: OSError) -> DriverError:
        return from_os_error(exc, f"{operation.verb} {operation.path}")

    def apply(self, operation: Operation) -> None:
        number = len(self.operations)
        self.operations.append(operation)
        if self.fails(number, operation):
            raise self._error(errno.EIO)
        getattr(self, f"_{operation.verb}")(operation)

    @staticmethod
    def _error(number: int) -> OSError:
        return OSError(number, os.strerror(number))

    def _add(self, at: str, files: dict[str, str]) -> None:
        for name, value in files.items():
            self.files[f"{at}/{name}" if at else name] = value.encode() + (b"\n" if value else b"")

    def _mkdir(self, operation: Operation) -> None:
        path = operation.path
        if (path in self.directories) if path else self.exists:
            raise self._error(errno.EEXIST)
        if not path:
            self.exists = True
            self._add("", ROOT_FILES | OS_FILES)
            return
        if not self.exists:
            raise self._error(errno.ENOENT)
        match PurePosixPath(path).parts:
            case ("strings", _):
                self._add(path, dict.fromkeys(("manufacturer", "product", "serialnumber"), ""))
            case ("configs", _):
                self._add(path, {"MaxPower": "2", "bmAttributes": "0x80"})
            case ("configs", config, "strings", _) if f"configs/{config}" in self.directories:
                self._add(path, {"configuration": ""})
            case ("functions", name) if name.partition(".")[0] in FUNCTION_FILES:
                self._add(path, FUNCTION_FILES[name.partition(".")[0]])
            case ("functions", name, lun) if (
                f"functions/{name}" in self.directories
                and name.startswith("mass_storage.")
                and lun.startswith("lun.")
            ):
                self._add(path, LUN_FILES)
            case _:
                raise self._error(errno.ENOENT)
        self.directories.add(path)

    def _rmdir(self, operation: Operation) -> None:
        path = operation.path
        if (path not in self.directories) if path else not self.exists:
            raise self._error(errno.ENOENT)
        below = f"{path}/" if path else ""
        if path in self.links.values():
            raise self._error(errno.EBUSY)
        if any(one.startswith(below) for one in (*self.directories, *self.links)):
            raise self._error(errno.ENOTEMPTY)
        if not path and self.udc:
            raise self._error(errno.EBUSY)
        self.files = {one: value for one, value in self.files.items() if not one.startswith(below)}
        if path:
            self.directories.remove(path)
        else:
            self.exists = False

    def _write(self, operation: Operation) -> None:
        path = operation.path
        if path not in self.files:
            if operation.optional and self.exists:
                return
            raise self._error(errno.ENOENT)
        parts = PurePosixPath(path).parts
        name = parts[-1]
        linked = "/".join(parts[:2]) in self.links.values()
        if parts[0] == "functions" and "lun" not in path and linked:
            raise self._error(errno.EBUSY)
        if "/lun." in path and self.files[str(PurePosixPath(path).parent / "file")].strip() and name == "ro":
            raise self._error(errno.EBUSY)
        self.files[path] = operation.value or b"\n"
        if name == "cdrom" and int(operation.value, 0):
            self.files[str(PurePosixPath(path).parent / "ro")] = b"1\n"

    def _symlink(self, operation: Operation) -> None:
        path, target = operation.path, operation.value.decode()
        if self.udc and path.startswith("configs/"):
            raise self._error(errno.EINVAL)
        if target not in self.directories or str(PurePosixPath(path).parent) not in {
            *self.directories,
            "os_desc",
        }:
            raise self._error(errno.ENOENT)
        if path in self.links:
            raise self._error(errno.EEXIST)
        self.links[path] = target
        self.link_order.append(path)

    def _unlink(self, operation: Operation) -> None:
        if operation.path not in self.links:
            raise self._error(errno.ENOENT)
        del self.links[operation.path]
        self.link_order.remove(operation.path)
        self.udc = ""

    def _bind(self, operation: Operation) -> None:
        if self.udc:
            raise self._error(errno.EBUSY)
        if not any(path.startswith("configs/") for path in self.links):
            raise self._error(errno.EINVAL)
        self.udc, self.stale = operation.value.decode(), False
        self.enumerations += 1

    def _unbind(self, operation: Operation) -> None:
        if not self.udc:
            raise self._error(errno.ENODEV)
        self.udc, self.stale = "", False

    def replay(self, operations: Iterable[Operation]) -> None:
        """Apply what works of *operations*, as other programs and earlier crashes may have."""
        for operation in operations:
            try:
                getattr(self, f"_{Verb(operation.verb)}")(operation)
            except OSError:
                continue


@pytest.fixture
def make_configfs() -> Callable[[], ModelConfigfs]:
    return ModelConfigfs
