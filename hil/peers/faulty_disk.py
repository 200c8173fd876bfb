"""The disk under files that are written: it fails, fills up or loses its power at any one operation.

Whatever changes the file system below `root` goes through it, whichever of Python's ways it takes: the
functions of `os`, and files that were opened for writing. What was synchronised is known, so that a loss of
power can be played strictly: only contents and directory entries that were synchronised survive.

It must be the only thing that writes below `root`, and knows no memory maps, no other processes and no hard
links.
"""

from __future__ import annotations

import builtins
import enum
import errno
import io
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, override

import pytest


class PowerLossError(BaseException):
    """The process is gone: nothing that it does from here on has any effect."""


class Fault(enum.Enum):
    """What happens at the chosen operation."""

    EIO = "the operation fails with an I/O error, once"
    ENOSPC = "the disk is full from here on"
    TORN = "half of what is written goes onto the disk, then it is full"
    END = "the process ends before the operation"
    TORN_END = "the process ends in the middle of writing"


ERRORS: Final = (Fault.EIO, Fault.ENOSPC, Fault.TORN)
ENDS: Final = (Fault.END, Fault.TORN_END)


class Survival(enum.Enum):
    """What is still there after the end of the process."""

    ALL = "everything that was done: the process alone was killed"
    NAMES = "all names, and the contents that were synchronised: others are empty"
    SYNCED = "what was synchronised, names and contents"


_ALLOCATING: Final = frozenset({"create", "write", "mkdir", "symlink", "grow"})


@dataclass
class _Node:
    """What the disk has for certain of a file or directory."""

    content: bytes = b""
    entries: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of a directory: names to inode and mode."""
    targets: dict[str, str] = field(default_factory=dict)
    """Of a directory: where its symbolic links lead."""
    times: tuple[int, int] | None = None


class FaultyDisk:
    """The files below *root*, all of them synchronised at first. Use `watched` and `arm`, then `lose`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._prefix = f"{root}/"
        self.operations: list[str] = []
        """What was done since `arm`: each operation and its path."""
        self._fault: Fault | None = None
        self._at = -1
        self._full = False
        self._ended = False
        self._nodes: dict[int, _Node] = {}
        # An inode that is held is not given to another file meanwhile.
        self._held: list[int] = []
        self._real = {name: getattr(os, name) for name in _PATCHED}
        self._real_open = io.open
        for directory, _, names in os.walk(root):
            self._take_note(directory)
            for name in names:
                self._take_note(os.path.join(directory, name))

    def arm(self, fault: Fault | None, at: int) -> None:
        """Have *fault* happen at the operation number *at*, counted from now; None has all succeed."""
        self._fault, self._at = fault, at
        self._full = False
        self.operations.clear()

    # -- watching ---------------------------------------------------------------------------------------

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Have all that is written below `root` meanwhile go through the disk."""
        with pytest.MonkeyPatch.context() as patch:
            for name, make in _PATCHED.items():
                patch.setattr(os, name, make(self))
            patch.setattr(io, "open", self._open_file)
            patch.setattr(builtins, "open", self._open_file)
            yield

    def close(self) -> None:
        """Let go of what is held."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()

    # -- losing -----------------------------------------------------------------------------------------

    def lose(self, survival: Survival) -> None:
        """Leave below `root` what survives."""
        if survival is Survival.NAMES:
            for directory, _, names in os.walk(self.root):
                for name in names:
                    self._restore_content(Path(directory, name))
        elif survival is Survival.SYNCED:
            top = self.root.stat()
            for entry in self.root.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            self._restore_entries(self.root, top.st_ino)

    def _restore_content(self, path: Path) -> None:
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            content = self._nodes.get(status.st_ino, _Node()).content
            if path.read_bytes() != content:
                path.write_bytes(content)
                self._restore_times(path, status.st_ino)

    def _restore_entries(self, directory: Path, number: int) -> None:
        node = self._nodes.get(number, _Node())
        for name, (inode, mode) in node.entries.items():
            path = directory / name
            if stat.S_ISDIR(mode):
                path.mkdir(stat.S_IMODE(mode))
                self._restore_entries(path, inode)
            elif stat.S_ISLNK(mode):
                path.symlink_to(node.targets[name])
            else:
                path.write_bytes(self._nodes.get(inode, _Node()).content)
                path.chmod(stat.S_IMODE(mode))
                self._restore_times(path, inode)

    def _restore_times(self, path: Path, inode: int) -> None:
        times = self._nodes.get(inode, _Node()).times
        if times is not None:
            os.utime(path, ns=times)

    # -- what is on the disk for certain ----------------------------------------------------------------

    def _take_note(self, path: str | int) -> None:
        """Take note that the file or directory is on the disk as it is now."""
        place = f"/proc/self/fd/{path}" if isinstance(path, int) else path
        status = os.stat(place, follow_symlinks=isinstance(path, int))
        if stat.S_ISLNK(status.st_mode):
            return
        node = _Node(times=(status.st_atime_ns, status.st_mtime_ns))
        if stat.S_ISDIR(status.st_mode):
            for entry in list(os.scandir(place)):
                found = entry.stat(follow_symlinks=False)
                node.entries[entry.name] = (found.st_ino, found.st_mode)
                if stat.S_ISLNK(found.st_mode):
                    node.targets[entry.name] = os.readlink(entry.path)
                self._hold(entry.path)
        elif stat.S_ISREG(status.st_mode):
            with self._real_open(place, "rb") as file:
                node.content = file.read()
        self._hold(place)
        self._nodes[status.st_ino] = node

    def _hold(self, path: str) -> None:
        follow = 0 if path.startswith("/proc/self/fd/") else os.O_NOFOLLOW
        self._held.append(self._real["open"](path, os.O_PATH | os.O_CLOEXEC | follow))

    # -- operations -------------------------------------------------------------------------------------

    def concerns(self, path: object, directory: int | None = None) -> str | None:
        """Return the full path if it is below `root`, else None. *path* may be a descriptor."""
        if isinstance(path, int):
            full = os.readlink(f"/proc/self/fd/{path}")
        else:
            full = os.fsdecode(path)  # type: ignore[arg-type] # a path, as os takes it
            if directory is not None and not os.path.isabs(full):
                full = os.path.join(os.readlink(f"/proc/self/fd/{directory}"), full)
            full = os.path.abspath(full)
        return full if f"{full}/".startswith(self._prefix) else None

    def pass_through(self, kind: str, path: str) -> bool:
        """Let an operation happen, or raise; True for a writing of which only half is to happen."""
        if self._ended:
            raise PowerLossError
        number = len(self.operations)
        self.operations.append(f"{kind} {path.removeprefix(self._prefix)}")
        if number == self._at:
            match self._fault:
                case Fault.EIO:
                    raise OSError(errno.EIO, os.strerror(errno.EIO), path)
                case Fault.END:
                    self._ended = True
                    raise PowerLossError
                case Fault.TORN_END:
                    self._ended = True
                    if kind != "write":
                        raise PowerLossError
                    return True
                case Fault.TORN:
                    self._full = True
                    if kind == "write":
                        return True
                case Fault.ENOSPC:
                    self._full = True
                case None:
                    pass
        if self._full and kind in _ALLOCATING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return False

    def write(self, descriptor: int, data: bytes, real: Callable[[int, bytes], int]) -> int:
        """Write *data*, all of it or less."""
        path = self.concerns(descriptor)
        if path is None or not data:
            return real(descriptor, data)
        if self.pass_through("write", path):
            done = real(descriptor, bytes(data)[: len(data) // 2])
            if self._ended:
                raise PowerLossError
            return done
        return real(descriptor, data)

    def synchronise(self, descriptor: int, real: Callable[[int], None]) -> None:
        """Put a file or directory on the disk that is played; the real one need not be waited for."""
        path = self.concerns(descriptor)
        if path is None:
            real(descriptor)
            return
        self.pass_through("sync", path)
        self._take_note(descriptor)

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """Open; a file that is made or cut is an operation."""
        full = None if isinstance(path, int) else self.concerns(path, dir_fd)
        if full is not None and flags & (os.O_CREAT | os.O_TRUNC):
            there = os.path.lexists(full)
            if flags & os.O_CREAT and not there:
                self.pass_through("create", full)
            elif flags & os.O_TRUNC and there:
                self.pass_through("truncate", full)
        descriptor: int = self._real["open"](path, flags, mode, dir_fd=dir_fd)
        return descriptor

    def _open_file(  # noqa: PLR0917 - as the function that it stands for
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Callable[[Any, int], int] | None = None,
    ) -> Any:
        """Open as `open` does; what writes below `root` writes through the disk."""
        is_writing = bool(set(mode) & set("wax+"))
        if not is_writing or opener is not None or self.concerns(file) is None:
            return self._real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = _File(self, file, mode.replace("t", "").replace("b", ""), closefd)
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)


class _File(io.FileIO):
    """A file that writes through the disk."""

    def __init__(self, disk: FaultyDisk, file: Any, mode: str, closefd: bool) -> None:
        self._disk = disk
        opener = None if isinstance(file, int) else lambda path, flags: disk.open(path, flags, 0o666)
        super().__init__(file, mode, closefd, opener)

    @override
    def write(self, data: Any, /) -> int:
        return self._disk.write(self.fileno(), bytes(data), lambda _fd, part: super(_File, self).write(part))

    @override
    def truncate(self, size: int | None = None, /) -> int:
        path = self._disk.concerns(self.fileno())
        if path is not None:
            self._disk.pass_through("truncate", path)
        return super().truncate(size)


# -- the functions of os --------------------------------------------------------------------------------


def _on_path(kind: str, name: str) -> Callable[[FaultyDisk], Callable[..., Any]]:
    """Make what stands for a function of os whose first argument is a path or a descriptor."""

    def make(disk: FaultyDisk) -> Callable[..., Any]:
        real = getattr(os, name)

        def operation(path: Any, *arguments: Any, dir_fd: int | None = None, **options: Any) -> Any:
            full = disk.concerns(path, dir_fd)
            if full is not None:
                disk.pass_through(kind, full)
            given = options if dir_fd is None else {**options, "dir_fd": dir_fd}
            return real(path, *arguments, **given)

        return operation

    return make


def _renaming(name: str) -> Callable[[FaultyDisk], Callable[..., None]]:
    def make(disk: FaultyDisk) -> Callable[..., None]:
        real = getattr(os, name)

        def rename(source: Any, target: Any, **options: Any) -> None:
            full = disk.concerns(target, options.get("dst_dir_fd"))
            if full is not None:
                disk.pass_through("rename", full)
            real(source, target, **options)

        return rename

    return make


def _linking(disk: FaultyDisk) -> Callable[..., None]:
    real = os.symlink

    def symlink(source: Any, target: Any, *arguments: Any, dir_fd: int | None = None) -> None:
        full = disk.concerns(target, dir_fd)
        if full is not None:
            disk.pass_through("symlink", full)
        real(source, target, *arguments, dir_fd=dir_fd)

    return symlink


def _writing(disk: FaultyDisk) -> Callable[[int, bytes], int]:
    real = os.write
    return lambda descriptor, data: disk.write(descriptor, data, real)


def _gathering(disk: FaultyDisk) -> Callable[[int, list[bytes]], int]:
    real = os.write
    return lambda descriptor, pieces: disk.write(descriptor, b"".join(map(bytes, pieces)), real)


def _sizing(disk: FaultyDisk) -> Callable[[int, int], None]:
    real = os.ftruncate

    def ftruncate(descriptor: int, length: int) -> None:
        full = disk.concerns(descriptor)
        if full is not None:
            disk.pass_through("grow" if length > os.fstat(descriptor).st_size else "truncate", full)
        real(descriptor, length)

    return ftruncate


def _synchronising(name: str) -> Callable[[FaultyDisk], Callable[[int], None]]:
    def make(disk: FaultyDisk) -> Callable[[int], None]:
        real = getattr(os, name)
        return lambda descriptor: disk.synchronise(descriptor, real)

    return make


_PATCHED: Final[dict[str, Callable[[FaultyDisk], Callable[..., Any]]]] = {
    "open": lambda disk: disk.open,
    "write": _writing,
    "writev": _gathering,
    "fsync": _synchronising("fsync"),
    "fdatasync": _synchronising("fdatasync"),
    "rename": _renaming("rename"),
    "replace": _renaming("replace"),
    "symlink": _linking,
    "unlink": _on_path("unlink", "unlink"),
    "remove": _on_path("unlink", "remove"),
    "rmdir": _on_path("rmdir", "rmdir"),
    "mkdir": _on_path("mkdir", "mkdir"),
    "ftruncate": _sizing,
    "chmod": _on_path("chmod", "chmod"),
    "fchmod": _on_path("chmod", "fchmod"),
    "fchown": _on_path("chown", "fchown"),
}
"""What changes a file system, by how it is watched."""
