"""Images are judged before the drive is touched."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.errors import DeviceBusyError, DriverError, ImageError, ImageMissingError, ImagePermissionError
from drivers.gadget import lun_image
from drivers.gadget.lun_image import opened
from drivers.ports import Medium


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user to whom permissions apply."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "test.img"
    path.write_bytes(bytes(4096))
    return path


def test_an_image_is_known_by_its_real_path_and_size(image: Path) -> None:
    link = image.with_name("link")
    link.symlink_to(image)
    with opened(Medium(link, cdrom=False, rw=True)) as found:
        assert found.real_path == os.fsencode(image.resolve())
        assert found.size_bytes == 4096


def test_nothing_stays_open(image: Path) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    with opened(Medium(image, cdrom=False, rw=False)):
        pass
    with pytest.raises(ImageError), opened(Medium(image, cdrom=True, rw=False)):
        raise ImageError("as the drive might")
    assert set(Path("/proc/self/fd").iterdir()) == before


def refusal(medium: Medium) -> DriverError:
    with pytest.raises(DriverError) as caught, opened(medium):
        pytest.fail("the image was opened")
    return caught.value


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for name in ("none", "loop", "file/below", "nul\0"):
        error = refusal(Medium(tmp_path / name, cdrom=False, rw=False))
        assert isinstance(error, ImageMissingError)
        assert "is not there" in str(error)
        assert name.split("\0", maxsplit=1)[0] in str(error)


def test_what_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "got a directory" in str(refusal(Medium(tmp_path, cdrom=False, rw=False)))
    assert "got something else" in str(refusal(Medium(tmp_path / "fifo", cdrom=False, rw=False)))
    assert "absolute path" in str(refusal(Medium(Path("x.img"), cdrom=False, rw=False)))


@pytest.mark.parametrize("rw", [False, True])
def test_what_may_not_be_opened(image: Path, rw: bool) -> None:
    image.chmod(0)
    with unprivileged():
        error = refusal(Medium(image, cdrom=False, rw=rw))
    assert isinstance(error, ImagePermissionError)
    assert str(image) in str(error)
    assert ("or offer it read-only" in str(error)) is rw


def test_a_cdrom_that_the_kernel_would_cut(image: Path) -> None:
    with image.open("r+b") as file:
        file.truncate(2_359_293_952)
    with opened(Medium(image, cdrom=True, rw=False)):
        pass
    with image.open("r+b") as file:
        file.truncate(2_359_293_952 + 2048)
    assert "at most 2359293952 bytes" in str(refusal(Medium(image, cdrom=True, rw=False)))
    with opened(Medium(image, cdrom=False, rw=False)):
        pass


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (errno.ENOENT, ImageMissingError, "is not there"),
        (errno.EACCES, ImagePermissionError, "see to its permissions"),
        (errno.EROFS, ImagePermissionError, "Read-only file system"),
        (errno.ETXTBSY, ImagePermissionError, "Text file busy"),
        (errno.EBUSY, DeviceBusyError, "in use by somebody else"),
        (525, ImageError, "too small: a flash drive needs at least 512 bytes"),
        (errno.EINVAL, ImageError, "cannot be offered: Invalid argument"),
        (errno.EIO, ImageError, "cannot be offered: Input/output error"),
        # No sign of the drive being gone, although it would be for any other file.
        (errno.ENXIO, ImageError, "cannot be offered: No such device"),
    ],
)
def test_the_kernels_objections_name_the_image(code: int, kind: type[DriverError], message: str) -> None:
    error = lun_image.image_error(
        OSError(code, os.strerror(code)), Medium(Path("/x/y.img"), cdrom=False, rw=False)
    )
    assert type(error) is kind
    assert message in str(error)
    assert "the image /x/y.img" in str(error)
