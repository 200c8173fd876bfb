"""The configuration of the appliance: all sections at the key paths of config.md, and how they are read.

It composes what the subsystems declare; it knows YAML and files only through `firmware.core.config`.
"""

from firmware.settings.dump import dump
from firmware.settings.loading import LoadedSettings, load
from firmware.settings.sections import FarhandConfig, ListenAddress, Settings, parse_listen

__all__ = ["FarhandConfig", "ListenAddress", "LoadedSettings", "Settings", "dump", "load", "parse_listen"]
