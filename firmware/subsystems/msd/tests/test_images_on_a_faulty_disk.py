"""Images, their digests and parts of them, on a disk that fails at each of its operations in turn."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from peers.disk_trials import Store, at, blocking, trials_of

from firmware.subsystems.msd import files
from firmware.subsystems.msd.errors import MsdUnknownImageError
from firmware.subsystems.msd.files import ImageFile
from firmware.subsystems.msd.hashing import FileHash
from firmware.subsystems.msd.partial_image import PartialImage
from firmware.subsystems.msd.scan import scan
from firmware.subsystems.msd.upload_record import UploadRecord, record_of
from firmware.subsystems.msd.writer import writing

NAME = "dir/below/a.img"
CONTENT = b"0123456789"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def complete(root: Path) -> dict[str, str | None]:
    """What is listed as complete, which has to be so, with the digests that are known."""
    images = {name: image for name, image in scan(root).images.items() if image.complete}
    for name in images:
        assert (root / name).read_bytes() == CONTENT
    return {name: image.sha256 for name, image in images.items()}


async def upload(root: Path, name: str = NAME) -> None:
    """As people do it: an image that was left incomplete is removed first."""
    found = scan(root).images.get(name)
    if found is not None and found.complete:
        return
    if found is not None:
        files.remove(root, name)
    image = ImageFile(root, name, len(CONTENT), sync_bytes=4)
    hashing = FileHash(root, name)
    async with writing(
        image,
        name,
        len(CONTENT),
        block_bytes=100,
        remove_incomplete=False,
        progress=lambda _: None,
        hashing=hashing,
    ) as sink:
        for start in range(0, len(CONTENT), 4):
            await sink.write(CONTENT[start : start + 4])


def remove(root: Path) -> None:
    with suppress(MsdUnknownImageError):
        files.remove(root, NAME)


def forget_digest(root: Path) -> None:
    (root / "dir/below/.__a.img.sha256").unlink()


async def upload_without_digest(root: Path) -> None:
    await upload(root)
    forget_digest(root)


# -- uploads in parts -----------------------------------------------------------------------------------


def begin(root: Path) -> None:
    if record_of(root, NAME) is not None:
        return
    with suppress(MsdUnknownImageError):
        files.remove(root, NAME)  # left incomplete
    image = PartialImage(root, NAME, UploadRecord(id="0123", length=len(CONTENT), offset=0), sync_bytes=100)
    try:
        image.begin()
    finally:
        image.rest()


def go_on(root: Path, to: int) -> None:
    """Send what is left up to the byte *to*, from where the record says."""
    record = record_of(root, NAME)
    if record is None or record.offset >= to:
        return
    image = PartialImage(root, NAME, record, sync_bytes=100)
    image.reopen()
    try:
        image.write([CONTENT[record.offset : to]])
        image.end_part()
        if to == len(CONTENT):
            image.complete(DIGEST)
    finally:
        image.rest()


def begin_and_go_on(root: Path) -> None:
    begin(root)
    go_on(root, 4)


def come(root: Path) -> object:
    """How much has come for certain, which has to be there; or that all of it has."""
    if complete(root):
        return "complete"
    record = record_of(root, NAME)
    if record is None:
        return None
    assert (root / NAME).read_bytes()[: record.offset] == CONTENT[: record.offset]
    # The last byte counts when all is done.
    return record.offset


STORES: list[Store[Any]] = [
    Store("an image", at, upload, complete, partial(upload, name="other.img")),
    Store("a removed image", at, blocking(remove), complete, upload),
    Store(
        "a digest",
        at,
        blocking(lambda root: files.keep_digest_of(root, NAME, DIGEST)),
        complete,
        upload_without_digest,
    ),
    Store("an upload that begins", at, blocking(begin), come),
    Store("a part", at, blocking(lambda root: go_on(root, 8)), come, blocking(begin_and_go_on)),
    Store(
        "the last part",
        at,
        blocking(lambda root: go_on(root, len(CONTENT))),
        lambda root: bool(complete(root)),
        blocking(begin_and_go_on),
    ),
]


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.name)
async def test_whatever_the_disk_does_an_image_is_whole_or_not_complete(store: Store[Any]) -> None:
    assert await trials_of(store) > 0
