"""Small files that others may change: noticing that one changed, and replacing one crash-safely.

All functions block: call them in a thread. They know nothing of what the bytes mean, and never quote them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from firmware.core.errors import SetupError

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
_UNKNOWN: Final = -1
# Room for ten thousand accounts. What is bigger was put at the path by mistake.
MAX_FILE_BYTES: Final = 1 << 20
# A file changed this recently may change again without a new time stamp (2 s is the coarsest one, FAT's), so
# until then its time stamps prove nothing and it is read again.
SETTLE_NS: Final = 2_000_000_000


class FileIdentity(NamedTuple):
    """What changes whenever a file's content does, once it has settled."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileIdentity:
        """Return the identity that *status* shows."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Observed:
    """A file as last seen: its bytes, or None with the reason (`error` is None if it simply is not there)."""

    identity: FileIdentity | None = None
    data: bytes | None = field(default=None, repr=False)
    error: str | None = None
    settled: bool = False

    def same_as(self, other: Observed) -> bool:
        """Return whether nothing happened to the file between the two."""
        return (self.identity, self.data, self.error) == (other.identity, other.data, other.error)


def observe(
    path: Path, known: Observed | None = None, *, wall_clock_ns: Callable[[], int] = time.time_ns
) -> Observed:
    """Look at the file at *path* and return *known* itself if that is still what is there, else read it.

    Whatever is wrong with the file is told in the result: this never raises OSError.
    """
    try:
        if known is not None and known.settled and FileIdentity.of(path.stat()) == known.identity:
            return known
        return _read(path, wall_clock_ns)
    except FileNotFoundError:
        return Observed()
    except OSError as exc:
        return Observed(error=exc.strerror or str(exc))


def _read(path: Path, wall_clock_ns: Callable[[], int]) -> Observed:
    # O_NONBLOCK: opening a FIFO by mistake must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Observed(error="expected a regular file, got something else")
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        return Observed(error=f"expected at most {MAX_FILE_BYTES} bytes, got more")
    # The status was taken before the read: a change in between leaves an identity that no longer fits.
    age_ns = wall_clock_ns() - max(status.st_mtime_ns, status.st_ctime_ns)
    return Observed(FileIdentity.of(status), data, settled=abs(age_ns) > SETTLE_NS)


def replace(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Make *data* the content of *path*; a power cut leaves the old file or the new.

    It is for its owner only, unless *mode* says otherwise. The file behind a symbolic link is replaced, not
    the link; root follows no link that another user made. The owner stays who it was; a new file belongs to
    the owner of its directory, where we may decide that. Raises OSError; then nothing has changed, as far as
    the disk still lets us see to it.
    """
    _refuse_foreign_link(path)
    target = Path(os.path.realpath(path))
    temporary = _written(target, data, mode)
    with _held(target) as before:
        _move(temporary, target)
        try:
            sync_directory(target.parent)
        except OSError:
            # Whatever the disk makes of it: what is read from here on is what its caller believes in.
            with suppress(OSError):
                _put_back(target, before)
            raise


def _written(target: Path, data: bytes, mode: int) -> Path:
    """Write *data* beside *target*, on the disk when this returns, and return where."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE
    )
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)
            _give_to_owner(descriptor, target)
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _move(temporary: Path, target: Path) -> None:
    try:
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def _held(target: Path) -> Iterator[int | None]:
    """Have the file that is at *target* open; None if there is none, `_UNKNOWN` if it cannot be read."""
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        yield None
        return
    except OSError:
        yield _UNKNOWN
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _put_back(target: Path, before: int | None) -> None:
    """Have *target* be what the open file *before* is, or nothing; what is not known is left as it is."""
    if before is None:
        target.unlink()
        return
    if before == _UNKNOWN:
        return
    with os.fdopen(os.dup(before), "rb") as stream:
        data = stream.read()
    _move(_written(target, data, stat.S_IMODE(os.fstat(before).st_mode)), target)


def _refuse_foreign_link(path: Path) -> None:
    """Keep root from writing where a user without rights would like it to. Raises PermissionError."""
    if os.geteuid() == 0 and path.is_symlink() and path.lstat().st_uid != 0:
        raise PermissionError(errno.EPERM, "it is a link that another user than root made", str(path))


def _give_to_owner(descriptor: int, target: Path) -> None:
    try:
        owner = target.stat()
    except FileNotFoundError:
        owner = target.parent.stat()
    mine = os.fstat(descriptor)
    if (owner.st_uid, owner.st_gid) != (mine.st_uid, mine.st_gid) and os.geteuid() == 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def make_directory(directory: Path, *, mode: int = DIRECTORY_MODE) -> None:
    """Make *directory*, and those that it is in, if they are not there; they outlive a power cut.

    Raises OSError; then what was made is gone again, as far as it can be.
    """
    if directory.is_dir():
        return
    make_directory(directory.parent, mode=mode)
    try:
        directory.mkdir(mode=mode)
    except FileExistsError:
        if not directory.is_dir():
            raise
    try:
        sync_directory(directory.parent)
    except OSError:
        with suppress(OSError):
            directory.rmdir()
        raise


def sync_directory(directory: Path) -> None:
    """Put the names in *directory* on the disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Be the only one who changes the file at *path*, as far as others ask too; else raise SetupError.

    The lock is on the directory, so that it leaves no file behind and survives the file's replacement.
    """
    directory = Path(os.path.realpath(path)).parent
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError(f"somebody else is changing {path} right now; try again in a moment") from None
        yield
    finally:
        os.close(descriptor)
