"""The inside of a backup."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.backup.archive import FORMAT, MANIFEST, Backup, Manifest, pack, unpack
from firmware.subsystems.backup.errors import BackupDamagedError, BackupNewerError

MADE = Manifest(format=FORMAT, version="1.2.3", host_name="rack7", made_at="2026-01-02T03:04:05+00:00")
NAMES = st.from_regex(r"(config|state)(/[a-zA-Z0-9ä_-]{1,40}){1,4}", fullmatch=True)


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(out.getvalue())


def manifest(text: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(MANIFEST), text


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=8))
def test_what_is_packed_comes_out(files: dict[str, bytes]) -> None:
    backup = Backup(MADE, files)
    assert unpack(pack(backup)) == backup
    assert pack(backup) == pack(backup)


@given(st.binary(max_size=300))
def test_anything_else_is_damaged(data: bytes) -> None:
    with pytest.raises(BackupDamagedError):
        unpack(data)


@given(st.integers(min_value=0, max_value=400))
def test_a_piece_of_one_is_damaged(length: int) -> None:
    whole = pack(Backup(MADE, {"config/x": bytes(range(256)) * 4}))
    if length < len(whole):
        with pytest.raises(BackupDamagedError):
            unpack(whole[:length])


@pytest.mark.parametrize("name", ["../x", "config/../../etc/passwd", "/etc/passwd", "config", "other/x", "x"])
def test_nothing_lies_outside(name: str) -> None:
    member = tarfile.TarInfo(name)
    with pytest.raises(BackupDamagedError, match="below config and state"):
        unpack(tar_of(manifest(b"{}"), (member, b"")))


def test_no_links() -> None:
    link = tarfile.TarInfo("config/x")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
    with pytest.raises(BackupDamagedError, match="only files"):
        unpack(tar_of((link, b"")))


def test_a_newer_format_is_told_whatever_else_is_in_its_manifest() -> None:
    with pytest.raises(BackupNewerError, match="update this appliance first"):
        unpack(tar_of(manifest(b'{"format": 2, "made": 7}')))


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b'{"format": 1}', b'{"format": "1"}', b'{"format": 1, "made": "\xb1"}', b'{"x":' * 5000],
)
def test_a_manifest_that_says_nothing_is_damaged(text: bytes) -> None:
    with pytest.raises(BackupDamagedError, match="manifest"):
        unpack(tar_of(manifest(text)))


def test_a_bomb_does_not_go_off() -> None:
    with pytest.raises(BackupDamagedError, match="expected less"):
        unpack(gzip.compress(bytes(64 << 20)))
