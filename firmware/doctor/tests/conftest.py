"""A machine of files: the parts of /sys and /lib/modules that the doctor reads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Machine:
    """Its root directory, and what can be put into it."""

    root: Path

    def put(self, path: str, text: str = "") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def loaded(self, *modules: str) -> None:
        for name in modules:
            self.put(f"sys/module/{name}/initstate", "live\n")

    def loadable(self, *modules: str) -> None:
        lines = "".join(f"kernel/drivers/usb/{name}.ko.xz: kernel/some.ko\n" for name in modules)
        self.put(f"lib/modules/{os.uname().release}/modules.dep", lines)

    def built_in(self, *modules: str) -> None:
        lines = "".join(f"kernel/drivers/usb/{name}.ko\n" for name in modules)
        self.put(f"lib/modules/{os.uname().release}/modules.builtin", lines)

    def controller(self, name: str, state: str) -> None:
        self.put(f"sys/class/udc/{name}/state", f"{state}\n")

    def gadget(self, name: str, udc: str) -> None:
        self.put(f"sys/kernel/config/usb_gadget/{name}/UDC", f"{udc}\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    (tmp_path / "sys/kernel/config").mkdir(parents=True)
    return made
