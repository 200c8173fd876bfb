from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.core.cell import Cell
from firmware.subsystems.msd import hashing as module
from firmware.subsystems.msd.digest import digest_file_of, kept_digest
from firmware.subsystems.msd.disk_threads import DiskThreads
from firmware.subsystems.msd.errors import MsdOfflineError, MsdUnknownImageError
from firmware.subsystems.msd.files import keep_digest_of
from firmware.subsystems.msd.hashing import FileHash, keep_up

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "dir").mkdir()
    path = tmp_path / "dir/a.img"
    path.write_bytes(CONTENT)
    return path


def kept(path: Path) -> str | None:
    return kept_digest(path.parent, path.name, path.stat())


def test_a_digest_is_kept_until_the_image_changes(image: Path) -> None:
    assert kept(image) is None
    keep_digest_of(image.parent.parent, "dir/a.img", SHA256)
    assert kept(image) == SHA256
    assert sorted(path.name for path in image.parent.iterdir()) == [".__a.img.sha256", "a.img"]
    # What a target does that writes one sector: the size stays, the time does not.
    with image.open("r+b") as file:
        file.write(b"changed")
    os.utime(image, ns=(0, image.stat().st_mtime_ns + 1))
    assert kept(image) is None
    keep_digest_of(image.parent.parent, "dir/a.img", SHA256)
    times = image.stat()
    with image.open("ab") as file:
        file.write(b"more")
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert kept(image) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"sha256": 1}', b"\xff" * 5000])
def test_a_file_that_is_no_digest_is_none(image: Path, content: bytes) -> None:
    (image.parent / digest_file_of("a.img")).write_bytes(content)
    assert kept(image) is None


def test_a_digest_elsewhere_is_none(image: Path) -> None:
    keep_digest_of(image.parent.parent, "dir/a.img", SHA256)
    file = image.parent / digest_file_of("a.img")
    file.rename(image.parent / "elsewhere")
    file.symlink_to(image.parent / "elsewhere")
    assert kept(image) is None


def test_a_digest_of_nothing_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MsdUnknownImageError):
        keep_digest_of(tmp_path, "a.img", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_digest_that_cannot_be_written_leaves_the_old_one(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_digest_of(image.parent.parent, "dir/a.img", SHA256)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(MsdOfflineError, match=r"the digest of dir/a.img: Input/output error"):
        keep_digest_of(image.parent.parent, "dir/a.img", "0" * 64)
    assert kept(image) == SHA256
    assert len(list(image.parent.iterdir())) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.integers(0, len(CONTENT)), max_size=8), st.integers(999, 70_000), st.integers(999, 70_000))
def test_however_it_is_cut_the_digest_is_that_of_the_whole(
    image: Path, stops: list[int], step_bytes: int, read_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STEP_BYTES", step_bytes)
        patch.setattr(module, "_READ_BYTES", read_bytes)
        hashing = FileHash(image.parent.parent, "dir/a.img")
        for stop in [*sorted(stops), len(CONTENT)]:
            while hashing.position < stop:
                before = hashing.position
                assert before < hashing.advance(stop) <= min(stop, before + step_bytes)
            hashing.close()
        assert hashing.hexdigest() == SHA256


def test_an_image_that_is_too_short_or_gone_is_said(image: Path) -> None:
    hashing = FileHash(image.parent.parent, "dir/a.img")
    with pytest.raises(MsdOfflineError, match=r"expected 256001 bytes, got 256000 - at dir/a.img"):
        hashing.advance(len(CONTENT) + 1)
    hashing.close()
    image.unlink()
    with pytest.raises(MsdUnknownImageError):
        FileHash(image.parent.parent, "dir/a.img").advance(1)


async def test_hashing_follows_the_writing_and_never_overtakes_it(image: Path) -> None:
    written = Cell(0)
    hashing = FileHash(image.parent.parent, "dir/a.img")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_up, hashing, written, len(CONTENT), DiskThreads("a test"))
        for count in (1, 1000, 200_000, len(CONTENT)):
            written.publish(count)
            with trio.fail_after(30):
                while hashing.position < count:
                    await trio.sleep(0.001)
            assert hashing.position == count
    assert hashing.hexdigest() == SHA256
    hashing.close()
