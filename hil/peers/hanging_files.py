"""A file system with one file whose opening hangs, or whose reading fails, for as long as the test wants.

A FUSE server of the least that a regular, readable file needs, in a thread of its own. Must never outlive its
context: closing the device makes the kernel end whatever still hangs.
Source: the kernel's include/uapi/linux/fuse.h.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_HEADER = struct.Struct("<IIQQIIIHH")
_OUT_HEADER = struct.Struct("<IiQ")
_ROOT, _FILE = 1, 2
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _RELEASE, _INIT, _INTERRUPT = 1, 2, 3, 14, 15, 18, 26, 36
_BATCH_FORGET = 42
_ATTRIBUTE_SECONDS = 3600
_END_DEADLINE_S = 30.0


class HangingFiles:
    """Serves `path`; its openings wait while `hang` was called with how many may pass before."""

    def __init__(self, directory: Path, name: str, size_bytes: int, device: int) -> None:
        self.path = directory / name
        self._name = name.encode()
        self._size_bytes = size_bytes
        self._device = device
        self._mutex = threading.Lock()
        self._passing: int | None = None
        self._held: list[int] = []
        self.unreadable = False
        """Whether reading is answered with an I/O error: a worn card, a network that is gone."""
        self.hanging = threading.Event()
        """Set once an opening hangs."""

    def hang(self, *, passing: int = 0) -> None:
        """From now on let *passing* more openings through, and hold the others."""
        with self._mutex:
            self._passing = passing

    def release(self) -> None:
        """Answer what hangs, and everything from now on."""
        with self._mutex:
            self._passing = None
            held, self._held = self._held, []
            self.hanging.clear()
        for unique in held:
            self._answer_open(unique)

    def serve(self) -> None:
        """Answer the kernel until it is unmounted. Blocking."""
        while True:
            try:
                request = os.read(self._device, 1 << 17)
            except OSError as exc:
                if exc.errno == errno.ENODEV:
                    return
                if exc.errno in {errno.EINTR, errno.ENOENT}:
                    continue
                raise
            _, opcode, unique, node, *_ = _IN_HEADER.unpack_from(request)
            self._handle(opcode, unique, node, request[_IN_HEADER.size :])

    def _handle(self, opcode: int, unique: int, node: int, body: bytes) -> None:
        if opcode == _INIT:
            major, _minor, readahead = struct.unpack_from("<III", body)
            self._answer(
                unique, struct.pack("<IIIIHHIIHHI28x", major, 31, readahead, 0, 12, 9, 4096, 1, 0, 0, 0)
            )
        elif opcode == _LOOKUP and body.rstrip(b"\0") == self._name:
            self._answer(
                unique,
                struct.pack("<QQQQII", _FILE, 0, _ATTRIBUTE_SECONDS, _ATTRIBUTE_SECONDS, 0, 0)
                + self._attributes(_FILE),
            )
        elif opcode == _GETATTR:
            self._answer(unique, struct.pack("<QII", _ATTRIBUTE_SECONDS, 0, 0) + self._attributes(node))
        elif opcode == _OPEN:
            self._open(unique)
        elif opcode == _READ and self.unreadable:
            self._answer(unique, error=errno.EIO)
        elif opcode == _READ:
            _, offset, length = struct.unpack_from("<QQI", body)
            self._answer(unique, bytes(max(0, min(length, self._size_bytes - offset))))
        elif opcode == _RELEASE:
            self._answer(unique)
        elif opcode not in {_FORGET, _BATCH_FORGET, _INTERRUPT}:
            self._answer(unique, error=errno.ENOENT if opcode == _LOOKUP else errno.ENOSYS)

    def _open(self, unique: int) -> None:
        with self._mutex:
            if self._passing == 0:
                self._held.append(unique)
                self.hanging.set()
                return
            if self._passing is not None:
                self._passing -= 1
        self._answer_open(unique)

    def _answer_open(self, unique: int) -> None:
        self._answer(unique, struct.pack("<QII", 0, 0, 0))

    def _attributes(self, node: int) -> bytes:
        mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o644
        size = 0 if node == _ROOT else self._size_bytes
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _answer(self, unique: int, body: bytes = b"", *, error: int = 0) -> None:
        try:
            os.write(self._device, _OUT_HEADER.pack(_OUT_HEADER.size + len(body), -error, unique) + body)
        except OSError as exc:
            # The asking program was killed, or the file system unmounted: nobody wants the answer.
            if exc.errno not in {errno.ENOENT, errno.ENODEV}:
                raise


@contextmanager
def hanging_files(directory: Path, *, name: str, size_bytes: int) -> Iterator[HangingFiles]:
    """Mount it at *directory*, with one file of zeros. Nobody may have it open at the end."""
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    try:
        os.set_inheritable(device, True)
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
        command = ["mount", "-i", "-t", "fuse", "-o", options, "hanging", str(directory)]
        subprocess.run(command, check=True, pass_fds=[device])
        os.set_inheritable(device, False)
        files = HangingFiles(directory, name, size_bytes, device)
        server = threading.Thread(target=files.serve, daemon=True)
        server.start()
        try:
            yield files
        finally:
            files.release()
            subprocess.run(["umount", "-l", str(directory)], check=True)
            server.join(_END_DEADLINE_S)
            if server.is_alive():
                raise RuntimeError(f"somebody still holds {files.path} open")
    finally:
        os.close(device)
