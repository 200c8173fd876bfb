"""The USB host's side of a virtual drive: what the target computer sees, reads, writes, locks and ejects.

Drives are found by the gadget they belong to, never by a fixed name: other disks come and go. Everything
here blocks, and waits for a condition with a deadline. SCSI commands travel over the drive's /dev/sgN, which,
unlike opening /dev/sdX, locks nothing by itself. Sources: SPC-4, SBC-3, MMC-6; the kernel's scsi/sg.h.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers import modules

DEADLINE_S = 30.0
"""Some ten times what finding a drive or a changed medium takes on a busy machine."""

DISK = 0
CDROM = 5
"""Peripheral device types of INQUIRY."""

_CHUNK_BYTES = 1024 * 1024
_USB_DEVICES = Path("/sys/bus/usb/devices")

_SG_IO = 0x2285
_SG_DXFER_NONE = -1
_SG_DXFER_TO_DEV = -2
_SG_DXFER_FROM_DEV = -3
_SG_TIMEOUT_MS = 20_000


class SenseError(Exception):
    """The drive refused a SCSI command; sense key, additional code and qualifier say why."""

    def __init__(self, command: bytes, sense: bytes) -> None:
        self.key, self.code = (sense[2] & 0x0F, (sense[12], sense[13])) if len(sense) > 13 else (0, (0, 0))
        super().__init__(
            f"{command.hex(' ')}: sense key {self.key:#x}, code {self.code[0]:02x}/{self.code[1]:02x}"
        )


REMOVAL_PREVENTED = (0x53, 0x02)
WRITE_PROTECTED = (0x27, 0x00)
"""Additional sense codes."""


@dataclass(frozen=True)
class Inquiry:
    """The drive's own words and what it says it is."""

    type: int
    removable: bool
    vendor: str
    product: str
    revision: str


def prepare() -> None:
    """Load what a PC's kernel has for USB drives; without its usual second of waiting for slow disks."""
    modules.load("usb-storage", delay_use=0)
    modules.load(
        "sd_mod", "sr_mod", "sg", "isofs", "vfat", "nls_cp437", "nls_ascii", "nls_utf8", "nls_iso8859-1"
    )


def find(serial: str, *, function: int = 0, lun: int = 0) -> HostDrive:
    """Return a drive of the USB device with that serial number, once the host has it.

    *function* counts the device's mass storage interfaces. Raises TimeoutError.
    """

    def look() -> HostDrive | None:
        for device in _USB_DEVICES.iterdir():
            if _text(device / "serial") != serial:
                continue
            interfaces = sorted(
                path for path in device.glob(f"{device.name}:*") if _text(path / "bInterfaceClass") == "08"
            )
            if function < len(interfaces):
                for scsi in interfaces[function].glob(f"host*/target*/*:{lun}"):
                    if _is_ready(scsi):
                        return HostDrive(scsi)
        return None

    return wait_for(f"LUN {lun} of mass storage {function} of the USB device {serial}", look)


def wait_for[T](what: str, look: Callable[[], T | None]) -> T:
    """Call *look* until it returns something. Raises TimeoutError naming *what*."""
    end = time.monotonic() + DEADLINE_S
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"the host does not see {what}")
        time.sleep(0.02)


class HostDrive:
    """One drive as the host has it; *scsi* is its directory in sysfs (`.../host0/target0:0:0/0:0:0:0`)."""

    def __init__(self, scsi: Path) -> None:
        self.scsi = scsi

    # ------------------------------------------------------------------------------------ what it is

    @property
    def node(self) -> Path:
        """The block device (`/dev/sdX` or `/dev/srN`)."""
        name = _first(self.scsi / "block")
        if name is None:
            raise FileNotFoundError(f"the host has no drive any more - at {self.scsi}")
        return Path("/dev", name)

    @property
    def host_type(self) -> int:
        """What the host took it for when it found it: `DISK` or `CDROM`."""
        return int(_text(self.scsi / "type"))

    def names(self) -> tuple[str, str, str]:
        """Vendor, product and revision as the host keeps them since it found the drive."""
        vendor, product, revision = (_text(self.scsi / name) for name in ("vendor", "model", "rev"))
        return vendor, product, revision

    def inquiry(self) -> Inquiry:
        """Ask the drive itself."""
        data = self.command(bytes([0x12, 0, 0, 0, 36, 0]), 36)
        vendor, product, revision = (
            data[start:end].decode("ascii").rstrip() for start, end in ((8, 16), (16, 32), (32, 36))
        )
        return Inquiry(data[0] & 0x1F, bool(data[1] & 0x80), vendor, product, revision)

    @property
    def write_protected(self) -> bool:
        """Whether the host holds the medium for read-only."""
        with self._opened(os.O_RDONLY):
            return _text(Path("/sys/block", self.node.name, "ro")) == "1"

    # ----------------------------------------------------------------------------------- the medium

    def size_bytes(self) -> int | None:
        """The size of the medium; None without one."""
        try:
            with self._opened(os.O_RDONLY) as descriptor:
                return os.lseek(descriptor, 0, os.SEEK_END)
        except OSError as exc:
            # A medium that came or went a moment ago is told as I/O error; the next question has the answer.
            if exc.errno in {errno.ENOMEDIUM, errno.EIO}:
                return None
            raise

    def wait_size(self, size_bytes: int | None) -> None:
        """Wait until a medium of that size is in; None: until none is. Raises TimeoutError."""
        wait_for(
            f"a medium of {size_bytes} bytes in {self.node}",
            lambda: True if self.size_bytes() == size_bytes else None,
        )

    def read(self, offset: int, length: int) -> bytes:
        """Read from the drive itself, past the host's cache; both numbers are multiples of the sector."""
        with self._opened(os.O_RDONLY | os.O_DIRECT) as descriptor:
            return b"".join(_read_direct(descriptor, offset, length))

    def sha256(self) -> str:
        """The digest of the whole medium, past the host's cache."""
        digest = hashlib.sha256()
        with self._opened(os.O_RDONLY | os.O_DIRECT) as descriptor:
            for chunk in _read_direct(descriptor, 0, os.lseek(descriptor, 0, os.SEEK_END)):
                digest.update(chunk)
        return digest.hexdigest()

    def write(self, offset: int, data: bytes) -> None:
        """Write whole sectors, past the host's cache. Raises OSError (EROFS if write protected)."""
        with mmap.mmap(-1, len(data)) as buffer:
            buffer[:] = data
            with self._opened(os.O_WRONLY | os.O_DIRECT) as descriptor:
                os.lseek(descriptor, offset, os.SEEK_SET)
                if (written := os.write(descriptor, buffer)) != len(data):
                    raise OSError(errno.EIO, f"{written} of {len(data)} bytes were written")

    @contextmanager
    def mounted(self, kind: str, *, rw: bool = False) -> Iterator[Path]:
        """Mount the medium, which locks it, and unmount it at the end."""
        with tempfile.TemporaryDirectory(prefix="host-") as directory:
            options = ["-o", "rw" if rw else "ro"]
            _run("mount", "-t", kind, *options, str(self.node), directory)
            try:
                yield Path(directory)
            finally:
                _run("umount", directory)

    # -------------------------------------------------------------------- what a person at the host does

    def eject(self) -> None:
        """Eject as the desktop's button does. Raises SenseError (`REMOVAL_PREVENTED` if locked)."""
        self.command(bytes([0x1B, 0, 0, 0, 0x02, 0]))

    def lock(self) -> None:
        """PREVENT MEDIUM REMOVAL."""
        self.command(bytes([0x1E, 0, 0, 0, 1, 0]))

    def unlock(self) -> None:
        """ALLOW MEDIUM REMOVAL."""
        self.command(bytes([0x1E, 0, 0, 0, 0, 0]))

    def rescan(self) -> HostDrive:
        """Forget the drive and find it again, as a restart of the host does; returns it as it is now."""
        host = next(path for path in self.scsi.parents if path.name.startswith("host"))
        _, *address = self.scsi.name.split(":")
        (self.scsi / "delete").write_text("1")
        wait_for("the drive gone", lambda: None if self.scsi.exists() else True)
        (host / "scsi_host" / host.name / "scan").write_text(" ".join(address))
        return wait_for(
            f"the drive {self.scsi.name} again",
            lambda: HostDrive(self.scsi) if _is_ready(self.scsi) else None,
        )

    def write_anyway(self, sector: int, data: bytes) -> None:
        """WRITE(10) of sectors of 512 bytes, whatever the host thinks of it. Raises SenseError."""
        header = bytes([0x2A, 0]) + sector.to_bytes(4) + bytes(1) + (len(data) // 512).to_bytes(2) + bytes(1)
        self.command(header, data=data)

    def command(self, command: bytes, reply_bytes: int = 0, *, data: bytes = b"") -> bytes:
        """Send a SCSI command, with *data* or for a reply, and return the reply.

        A unit attention, which every drive has after a change of its medium, is taken note of by trying
        again. Raises SenseError.
        """
        for _ in range(3):
            try:
                return self._command(command, reply_bytes, data)
            except SenseError as exc:
                unit_attention = 0x06
                if exc.key != unit_attention:
                    raise
        return self._command(command, reply_bytes, data)

    def _command(self, command: bytes, reply_bytes: int, data: bytes) -> bytes:
        name = _first(self.scsi / "scsi_generic")
        if name is None:
            raise FileNotFoundError(f"the host has no drive any more - at {self.scsi}")
        buffer = ctypes.create_string_buffer(data, max(len(data), reply_bytes, 1))
        sense = ctypes.create_string_buffer(32)
        cdb = ctypes.create_string_buffer(command, len(command))
        direction = _SG_DXFER_TO_DEV if data else _SG_DXFER_FROM_DEV if reply_bytes else _SG_DXFER_NONE
        header = _SgIoHeader(
            interface_id=ord("S"),
            dxfer_direction=direction,
            cmd_len=len(command),
            mx_sb_len=len(sense),
            dxfer_len=len(data) or reply_bytes,
            dxferp=ctypes.addressof(buffer),
            cmdp=ctypes.addressof(cdb),
            sbp=ctypes.addressof(sense),
            timeout=_SG_TIMEOUT_MS,
        )
        descriptor = os.open(Path("/dev", name), os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _SG_IO, header)
        finally:
            os.close(descriptor)
        if header.status or header.host_status or header.driver_status & 0x0F:
            raise SenseError(command, sense.raw[: header.sb_len_wr])
        return b"" if data else buffer.raw[: reply_bytes - header.resid]

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        descriptor = os.open(self.node, flags | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


class _SgIoHeader(ctypes.Structure):
    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("dxfer_direction", ctypes.c_int),
        ("cmd_len", ctypes.c_ubyte),
        ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("dxfer_len", ctypes.c_uint),
        ("dxferp", ctypes.c_void_p),
        ("cmdp", ctypes.c_void_p),
        ("sbp", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sb_len_wr", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("resid", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


def _read_direct(descriptor: int, offset: int, length: int) -> Iterator[bytes]:
    with mmap.mmap(-1, _CHUNK_BYTES) as buffer, memoryview(buffer) as view:
        while length > 0:
            read = os.preadv(descriptor, [view[: min(length, _CHUNK_BYTES)]], offset)
            if read == 0:
                return
            yield bytes(view[:read])
            offset, length = offset + read, length - read


def _is_ready(scsi: Path) -> bool:
    """Whether the host is done with finding the drive: its nodes are named before they can be opened."""
    block = _first(scsi / "block")
    if block is None or _first(scsi / "scsi_generic") is None:
        return False
    try:
        os.close(os.open(Path("/dev", block), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as exc:
        return exc.errno not in {errno.ENXIO, errno.ENOENT, errno.ENODEV}
    return True


def _first(directory: Path) -> str | None:
    """The name of what a sysfs directory holds, if it is there and holds something."""
    try:
        return next((path.name for path in sorted(directory.iterdir())), None)
    except FileNotFoundError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}".strip())
