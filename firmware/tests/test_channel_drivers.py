"""The table of GPIO drivers, and what a configuration with a type that is not in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import fields

from firmware import usable
from firmware.channel_drivers import FACTORIES
from firmware.core.config.errors import ConfigurationError
from firmware.settings import load
from firmware.subsystems.gpio.driver_config import DRIVER_TRAITS

OPTIONS = "{type: %s, device: /dev/x, host: x, url: 'http://x', token: t, cmd: [/x]}"


def test_a_type_without_a_driver_is_refused_at_its_key(tmp_path: Path) -> None:
    made = {one.default for config in FACTORIES for one in fields(config) if one.name == "type"}
    missing = set(DRIVER_TRAITS) - made
    for name in sorted(missing):
        options = OPTIONS % name
        (tmp_path / "override.yaml").write_text(f"kvmd: {{gpio: {{drivers: {{mine: {options}}}}}}}")
        loaded = load(tmp_path)
        with pytest.raises(ConfigurationError, match=r"kvmd/gpio/drivers/mine/type: .*driven"):
            usable.check(loaded)
