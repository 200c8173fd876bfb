"""Backup, restore and factory reset of a whole appliance."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from drivers.system.age import seal
from firmware.compose.backup import check_contents
from firmware.subsystems.auth.hashing import PasswordHasher
from firmware.subsystems.auth.password_file import PasswordFile, save
from firmware.subsystems.backup.archive import FORMAT, Backup, Manifest, pack
from firmware.subsystems.backup.errors import BackupUnusableError
from firmware.subsystems.backup.scope import Roots
from firmware.subsystems.backup.sealed import restore_backup

PASSWORD = "long enough for a backup"
MANIFEST = Manifest(format=FORMAT, version="0.1.0", host_name="rack7", made_at="2026-01-02T03:04:05+00:00")

type LiveWith = Callable[[str], AbstractAsyncContextManager[Any]]


async def restored(live: Any, sealed: bytes, password: str = PASSWORD) -> httpx.Response:
    answer: httpx.Response = await live.http.post(
        "/api/restore", data={"password": password}, files={"file": ("b.age", sealed)}
    )
    return answer


async def sealed(files: dict[str, bytes], manifest: Manifest = MANIFEST) -> bytes:
    return await seal(pack(Backup(manifest, files)), PASSWORD)


async def is_pending(live: Any) -> bool:
    state = await live.result_of(await live.http.get("/api/backup"))
    return bool(state["restore_pending"])


async def test_a_backup_restores_what_was(live_with: LiveWith, tmp_path: Path) -> None:
    override = "kvmd: {atx: {type: disabled}}\n"
    async with live_with(override) as live:
        made = await live.http.post("/api/backup", data={"password": PASSWORD})
        assert made.status_code == 200
        assert made.headers["content-type"] == "application/octet-stream"
        assert made.headers["content-disposition"].startswith("attachment; ")
        assert made.content.startswith(b"age-encryption.org/v1\n")
        assert b"atx" not in made.content
    async with live_with("") as live:
        result = await live.result_of(await restored(live, made.content))
        assert (result["host_name"], result["restart_needed"]) == (os.uname().nodename, True)
        # Nothing of it is in force yet.
        assert await is_pending(live)
        assert (await live.result_of(await live.http.get("/api/atx")))["enabled"] is True
        trail = (await live.http.get("/api/audit")).text
    assert "POST /api/restore" in trail
    assert PASSWORD not in trail
    # The test's own fixture writes an override, so that only looking tells what the next start found.
    waiting = tmp_path / "state" / "restore" / "config" / "override.yaml"
    assert waiting.read_text() == override


async def test_a_restore_can_be_cancelled(live: Any) -> None:
    assert (await restored(live, await sealed({"config/override.yaml": b""}))).status_code == 200
    assert await is_pending(live)
    answer = await live.http.delete("/api/restore")
    assert (await live.result_of(answer))["cancelled"] is True
    assert not await is_pending(live)
    answer = await live.http.delete("/api/restore")
    assert (await live.result_of(answer))["cancelled"] is False


async def test_what_could_not_be_used_is_refused_and_changes_nothing(live: Any) -> None:
    answer = await restored(live, await sealed({"config/override.yaml": b"kvmd: {hid: {type: nonsense}}"}))
    await live.refused(answer, 400, "BackupUnusableError")
    assert "override.yaml:1: kvmd/hid/type" in answer.text
    assert "/tmp" not in answer.text
    assert not await is_pending(live)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"config/override.yaml": b"\0: ["}, "override.yaml"),
        ({"config/totp.secret": b"not base32!"}, "- at config/totp.secret"),
        ({"config/rights.toml": b"users = 7"}, "- at config/rights.toml"),
        ({"state/tls/certificate.pem": b"no", "state/tls/key.pem": b"no"}, "state/tls"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, files: dict[str, bytes], why: str) -> None:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    with pytest.raises(BackupUnusableError) as refusal:
        check_contents(tmp_path, base={}, needs_account=False)
    assert why in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


async def test_a_wrong_password_a_cut_file_and_a_newer_format_change_nothing(live: Any) -> None:
    good = await sealed({"config/override.yaml": b""})
    await live.refused(await restored(live, good, "another password"), 400, "BackupPasswordError")
    await live.refused(await restored(live, good[:-20]), 400, "BackupDamagedError")
    await live.refused(await restored(live, b"PK\x03\x04"), 400, "BackupDamagedError")
    newer = Manifest(format=FORMAT + 1, version="9.0.0", host_name="rack7", made_at="2030-01-01")
    await live.refused(await restored(live, await sealed({}, newer)), 400, "BackupNewerError")
    assert not await is_pending(live)


async def test_forms_without_what_they_need_are_refused(live: Any) -> None:
    await live.refused(await live.http.post("/api/backup"), 400, "ValidatorError")
    answer = await live.http.post("/api/backup", data={"password": "short"})
    await live.refused(answer, 400, "ValidatorError")
    assert "short" not in answer.text
    answer = await live.http.post("/api/restore", data={"password": PASSWORD})
    await live.refused(answer, 400, "ValidatorError")
    assert "file" in answer.text


async def test_a_reset_is_refused_where_nothing_would_make_a_new_password(live: Any) -> None:
    state = await live.result_of(await live.http.get("/api/factory_reset"))
    assert state["supported"] is False
    name = os.uname().nodename
    answer = await live.http.post(f"/api/factory_reset?confirm={name}")
    await live.refused(answer, 400, "ResetUnsupportedError")


async def test_a_reset_takes_the_name_of_the_appliance(
    live_with: LiveWith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = tmp_path / "version"
    version.write_text("0.1.0\n")
    monkeypatch.setattr("firmware.compose.backup.IMAGE_VERSION", version)
    marker = tmp_path / "state" / "factory-reset"
    async with live_with("") as live:
        answer = await live.http.post("/api/factory_reset?confirm=another")
        await live.refused(answer, 400, "ResetUnconfirmedError")
        await live.refused(await live.http.post("/api/factory_reset"), 400, "ValidatorError")
        assert not marker.exists()
        answer = await live.http.post(f"/api/factory_reset?images=1&confirm={os.uname().nodename}")
        state = await live.result_of(answer)
        assert (state["pending"], state["images"]) == (True, True)
        assert marker.exists()
        assert (await live.result_of(await live.http.delete("/api/factory_reset")))["cancelled"] is True
        assert not marker.exists()


async def test_a_backup_without_an_account_is_refused_on_a_real_board(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    with pytest.raises(BackupUnusableError, match="nobody could log in"):
        check_contents(tmp_path, base={}, needs_account=True)
    stored = PasswordHasher().hash("a password")
    save(tmp_path / "config" / "htpasswd", PasswordFile.empty().with_account("admin", stored))
    check_contents(tmp_path, base={}, needs_account=True)


async def test_a_restore_that_the_next_start_could_not_carry_out_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = Roots(tmp_path / "config", tmp_path / "state")
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(BackupUnusableError, match="may not write"):
        await restore_backup(Backup(MANIFEST, {}), roots, lambda _trial: [])
    assert not (tmp_path / "state").exists()
