"""Kernel modules: which ones a wish needs, in which order they load, unpacked for a guest without xz."""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rig import step
from rig.errors import BuildError

# depmod over a whole kernel takes 2 to 4 s here.
_DEPMOD_DEADLINE_S = 120


def module_name(path: str) -> str:
    """The kernel's name of a module file: `kernel/…/usb-storage.ko.xz` is usb_storage."""
    return Path(path).name.partition(".ko")[0].replace("-", "_")


@dataclass(frozen=True)
class ModuleIndex:
    """What depmod knows of a kernel's modules."""

    paths: Mapping[str, str]
    """Name to path below /lib/modules/<release>."""
    needs: Mapping[str, tuple[str, ...]]
    """Name to names of the modules it needs, as depmod writes them: the last one loads first."""
    builtin: frozenset[str]

    @classmethod
    def parse(cls, dep: str, builtin: str) -> ModuleIndex:
        """Read modules.dep and modules.builtin (modules.dep(5))."""
        paths: dict[str, str] = {}
        needs: dict[str, tuple[str, ...]] = {}
        for line in dep.splitlines():
            path, colon, rest = line.partition(":")
            if colon:
                paths[module_name(path)] = path
                needs[module_name(path)] = tuple(module_name(word) for word in rest.split())
        return cls(paths, needs, frozenset(module_name(word) for word in builtin.split()))

    def closure(self, wanted: Iterable[str]) -> set[str]:
        """The wanted modules and all they need; BuildError names those that this kernel does not have."""
        todo = [name.replace("-", "_") for name in wanted]
        missing = sorted(name for name in todo if name not in self.paths and name not in self.builtin)
        if missing:
            raise BuildError(
                f"expected the kernel to have {', '.join(missing)}, got neither a module nor built in"
            )
        chosen: set[str] = set()
        while todo:
            name = todo.pop()
            if name not in chosen and name not in self.builtin:
                chosen.add(name)
                todo += self.needs[name]
        return chosen

    def load_order(self, wanted: Iterable[str]) -> list[str]:
        """The closure of *wanted* in an order in which insmod succeeds."""
        order: list[str] = []

        def add(name: str) -> None:
            if name in order or name in self.builtin:
                return
            for needed in reversed(self.needs[name]):
                add(needed)
            order.append(name)

        for name in wanted:
            add(name.replace("-", "_"))
        return order


def read_index(kernel: Path, release: str) -> ModuleIndex:
    """Index the modules of an unpacked kernel below *kernel*/lib/modules."""
    step.run(["depmod", "-b", kernel, release], "indexing the kernel's modules", _DEPMOD_DEADLINE_S)
    base = kernel / "lib/modules" / release
    return ModuleIndex.parse((base / "modules.dep").read_text(), (base / "modules.builtin").read_text())


def install(
    index: ModuleIndex, names: Iterable[str], kernel: Path, release: str, root: Path
) -> dict[str, Path]:
    """Copy modules, decompressed, into *root*/usr/lib/modules and index them there; name to path."""
    source = kernel / "lib/modules" / release
    target = root / "usr/lib/modules" / release
    target.mkdir(parents=True)
    installed = {}
    for name in sorted(names):
        path = Path(index.paths[name])
        data = (source / path).read_bytes()
        if path.suffix == ".xz":
            # Unpacking here saves the guest's slow processor the work, and busybox's insmod reads no xz.
            data, path = lzma.decompress(data), path.with_suffix("")
        installed[name] = target / path
        installed[name].parent.mkdir(parents=True, exist_ok=True)
        installed[name].write_bytes(data)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        if (source / name).exists():
            shutil.copy(source / name, target / name)
    # depmod looks below lib/modules, which in the root file system is a link to usr/lib/modules.
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")
    step.run(["depmod", "-b", root, release], "indexing the guest's modules", _DEPMOD_DEADLINE_S)
    return installed
