"""`/api/info` in both groupings, over a real socket (contract http.md 4.1, subsystems.md 12, gotcha 46)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.routes.info import ShownInfo
from firmware.core.validators import INFO_CATEGORIES

ALL = set(INFO_CATEGORIES)


@pytest.mark.parametrize(
    ("query", "categories"),
    [
        ("", (ALL - {"health"}) | {"hw"}),
        ("?legacy=1&fields=", (ALL - {"health"}) | {"hw"}),
        ("?legacy=0", ALL),
        ("?legacy=0&fields=HEALTH, system", {"health", "system"}),
        ("?legacy=1&fields=health", {"health"}),
        ("?fields=hw,health", {"hw"}),
        ("?fields=hw,system", {"hw", "system"}),
        ("?fields=system", {"system"}),
    ],
)
async def test_categories_and_their_shapes(live: Any, query: str, categories: set[str]) -> None:
    result = await live.result_of(await live.http.get(f"/api/info{query}"))
    assert set(result) == categories
    msgspec.convert(result, ShownInfo)
    if "system" in result:
        # The platform stands in one place only.
        assert ("platform" in result["system"]) is ("hw" not in result)
        assert result["system"]["kernel"]["system"] == "Linux"
        assert result["system"]["streamer"]["app"] == "ustreamer"
    if "hw" in result:
        assert result["hw"]["platform"]["type"] == "rpi"
        assert set(result["hw"]["health"]) == {"temp", "cpu", "mem", "throttling"}
    if "health" in result:
        assert type(result["health"]["mem"]["total"]) is int
    if "uptime" in result:
        parts = result["uptime"]["parts"]
        assert set(parts) == {"days", "hours", "minutes", "seconds"}


async def test_documents_of_the_user(live_with: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "meta.yaml").write_text("server: {host: '@auto'}\nweb: {hide_kvm_button: true}\n")
    extra = tmp_path / "extras" / "my app"
    extra.mkdir(parents=True)
    (extra / "manifest.yaml").write_text("{name: Mine, daemon: no-such-unit, port: vnc/server/nothing}")
    override = f"kvmd: {{info: {{meta: {tmp_path}/meta.yaml, extras: {tmp_path}/extras}}}}"
    async with live_with(override) as live:
        result = await live.result_of(await live.http.get("/api/info?fields=meta,extras,node"))
    assert result["meta"] == {"server": result["node"], "web": {"hide_kvm_button": True}}
    assert result["extras"] == {
        "my_app": {
            "name": "Mine", "daemon": "no-such-unit", "port": 0, "enabled": False, "started": False,
        }
    }  # fmt: skip


@pytest.mark.parametrize("query", ["fields=bogus", "legacy=0&fields=hw", "legacy=x"])
async def test_refusals(live: Any, query: str) -> None:
    await live.refused(await live.http.get(f"/api/info?{query}"), 400, "ValidatorError")
