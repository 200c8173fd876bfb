from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from firmware.subsystems.msd import partial_image
from firmware.subsystems.msd.errors import MsdNoSpaceError, MsdUploadOffsetError, MsdUploadUnknownError
from firmware.subsystems.msd.partial_image import PartialImage
from firmware.subsystems.msd.upload_record import UploadRecord, record_of, records_below

RECORD = UploadRecord(id="0123", length=10, offset=0, metadata="filename YQ==")


def image(root: Path, record: UploadRecord = RECORD) -> PartialImage:
    return PartialImage(root, "dir/a.img", record, sync_bytes=4)


def names(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*")}


def begun(root: Path) -> UploadRecord:
    file = image(root)
    file.begin()
    file.rest()
    record = record_of(root, "dir/a.img")
    assert record is not None
    return record


def test_it_is_there_in_its_full_size_and_can_be_found_by_its_id(tmp_path: Path) -> None:
    assert begun(tmp_path) == RECORD
    assert (tmp_path / "dir/a.img").stat().st_size == 10
    assert names(tmp_path) == {"dir", "a.img", ".__a.img.incomplete", ".__a.img.upload"}
    (tmp_path / ".__elsewhere.upload").mkdir()
    assert records_below(tmp_path) == {"0123": "dir/a.img"}


def test_parts_are_put_together_however_the_file_was_treated_meanwhile(tmp_path: Path) -> None:
    record = begun(tmp_path)
    for part, offset in ((b"0123", 4), (b"456", 7), (b"789", 9)):
        file = image(tmp_path, record)
        file.reopen()
        file.write([part[:1], part[1:]])
        file.end_part()
        file.rest()
        found = record_of(tmp_path, "dir/a.img")
        assert found is not None
        # The last byte counts when all is done.
        assert found.offset == offset
        record = found
        with (tmp_path / "dir/a.img").open("ab") as by_hand:
            by_hand.write(b"appended")
    file = image(tmp_path, record)
    file.reopen()
    file.write([b"9"])
    file.complete("0" * 64)
    file.rest()
    assert (tmp_path / "dir/a.img").read_bytes() == b"0123456789"
    assert names(tmp_path) == {"dir", "a.img", ".__a.img.sha256"}


def test_a_record_that_cannot_be_kept_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(partial_image, "keep_record", fails)
    with pytest.raises(MsdNoSpaceError, match=r"the image dir/a\.img: No space left"):
        image(tmp_path).begin()
    assert names(tmp_path) == set()


def test_an_image_of_another_upload_or_state_is_not_opened(tmp_path: Path) -> None:
    record = begun(tmp_path)
    for other, error in (
        (msgspec.structs.replace(record, id="4567"), MsdUploadUnknownError),
        (msgspec.structs.replace(record, offset=3), MsdUploadOffsetError),
    ):
        file = image(tmp_path, other)
        with pytest.raises(error):
            file.reopen()
        file.rest()
    (tmp_path / "dir/.__a.img.upload").unlink()
    with pytest.raises(MsdUploadUnknownError):
        image(tmp_path, record).reopen()


def test_a_record_that_gets_unreadable_is_none(tmp_path: Path) -> None:
    begun(tmp_path)
    assert record_of(tmp_path, "elsewhere/a.img") is None
    (tmp_path / "dir/.__a.img.upload").write_bytes(b"{}")
    assert record_of(tmp_path, "dir/a.img") is None
    assert records_below(tmp_path) == {}
