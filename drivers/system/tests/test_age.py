"""Sealing with a password, by the real library in its process."""

from __future__ import annotations

import pytest

from drivers.system.age import HEADER, DamagedFileError, WrongPasswordError, seal, unseal

PASSWORD = "correct horse, größer"


async def test_a_password_opens_what_it_sealed_and_no_other_does() -> None:
    data = bytes(range(256)) * 1000
    sealed = await seal(data, PASSWORD)
    assert sealed.startswith(HEADER)
    assert data[:64] not in sealed
    assert await unseal(sealed, PASSWORD) == data
    with pytest.raises(WrongPasswordError):
        await unseal(sealed, "incorrect horse")
    # Cut at a border of its pieces as well, in the middle of one, and at a changed byte.
    for damaged in (sealed[:-1], sealed[:65536], sealed[:-100] + b"x" + sealed[-99:]):
        with pytest.raises(DamagedFileError):
            await unseal(damaged, PASSWORD)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", HEADER, HEADER + b"-> X25519 abc\n"])
async def test_other_files_are_told_from_a_wrong_password(data: bytes) -> None:
    with pytest.raises(DamagedFileError):
        await unseal(data, PASSWORD)
