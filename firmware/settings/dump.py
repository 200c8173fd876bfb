"""Prints settings as YAML that can be read again; secrets are masked."""

from __future__ import annotations

from typing import Any, ClassVar

import yaml

from firmware.core.config.convert import masked, to_plain
from firmware.core.config.kinds import HexInt, OctalInt
from firmware.settings.sections import Settings


def _hexadecimal(dumper: yaml.SafeDumper, value: HexInt) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:int", f"0x{value:04X}")


def _octal(dumper: yaml.SafeDumper, value: OctalInt) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:int", f"0{value:03o}")


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper with numbers as people write them."""

    yaml_representers: ClassVar[dict[Any, Any]] = {
        **yaml.SafeDumper.yaml_representers,
        HexInt: _hexadecimal,
        OctalInt: _octal,
    }

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values in full."""
        del data
        return True


def dump(settings: Settings) -> str:
    """Return the effective configuration as YAML at its key paths, secrets replaced by `***`."""
    text = yaml.dump(
        masked(to_plain(settings)), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110
    )
    assert isinstance(text, str)
    return text
