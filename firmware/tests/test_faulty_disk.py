"""The disk that fails finds what it is there to find: stores with the mistakes that stores are made with."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from peers.disk_trials import Store, at, blocking, trials_of

OLD, NEW = b"old" * 100, b"new" * 100


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prepare(root: Path) -> None:
    (root / "file").write_bytes(OLD)
    sync(root / "file")
    sync(root)


def read(root: Path) -> bytes:
    return (root / "file").read_bytes()


def store_of(change: Callable[[Path], object]) -> Store[Path]:
    return Store("a store", at, blocking(change), read, blocking(prepare))


def in_place(root: Path) -> None:
    with (root / "file").open("wb") as stream:
        stream.write(NEW)
        stream.flush()
        os.fsync(stream.fileno())


def without_content(root: Path) -> None:
    (root / "new").write_bytes(NEW)
    (root / "new").rename(root / "file")
    sync(root)


def without_name(root: Path) -> None:
    (root / "new").write_bytes(NEW)
    sync(root / "new")
    (root / "new").rename(root / "file")


def as_much_as_fits(root: Path) -> None:
    descriptor = os.open(root / "new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, NEW)
    os.fsync(descriptor)
    os.close(descriptor)
    (root / "new").rename(root / "file")
    sync(root)


def without_a_word(root: Path) -> None:
    with suppress(OSError):
        right(root)


def with_other_words(root: Path) -> None:
    try:
        right(root)
    except OSError:
        raise RuntimeError("it did not work") from None


def only_once(root: Path) -> None:
    descriptor = os.open(root / "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(NEW)
        stream.flush()
        os.fsync(descriptor)
    (root / "new").rename(root / "file")
    sync(root)


def right(root: Path) -> None:
    (root / "new").write_bytes(NEW)
    sync(root / "new")
    (root / "new").rename(root / "file")
    sync(root)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (in_place, "half done|got b''"),
        (without_content, "lost, got"),
        (without_name, "lost, got"),
        (as_much_as_fits, "half of what is written .* half done|acknowledged, and not done"),
        (without_a_word, "acknowledged, and not done"),
        (with_other_words, "does not say what happened"),
        (only_once, "File exists"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_mistake_is_found(change: Callable[[Path], object], finding: str) -> None:
    with pytest.raises((AssertionError, FileExistsError), match=finding):
        await trials_of(store_of(change))


async def test_what_is_right_passes_with_all_its_operations() -> None:
    assert await trials_of(store_of(right)) == len(("create", "write", "sync", "rename", "sync"))
