"""KVM or emulation: a rule over facts, since a KVM that opens may still hang a stock kernel silently.

KVM-PVM machines create virtual machines and then stop in the kernel's decompressor for ever, at full load and
without an error, so QEMU's own fall-back (`-accel kvm -accel tcg`) never comes to it.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from rig.errors import RigError
from rig.recipe import Architecture

ENVIRONMENT = "FARHAND_RIG_ACCEL"
"""`kvm` or `tcg` overrides the rule."""


@dataclass(frozen=True)
class Facts:
    """What the rule looks at."""

    machine: str
    """`uname -m`."""
    device_usable: bool
    """Whether this user may read and write /dev/kvm."""
    hardware: bool
    """Whether the processor has VMX or SVM (x86), or is an ARM one, whose flags do not say."""
    pvm: bool
    """Whether the kernel's KVM is KVM-PVM."""
    override: str = ""

    @classmethod
    def gather(cls, root: Path = Path("/")) -> Facts:
        """The facts of this machine."""
        machine = platform.machine()
        words = set((root / "proc/cpuinfo").read_text("ascii", "replace").split())
        return cls(
            machine=machine,
            device_usable=os.access(root / "dev/kvm", os.R_OK | os.W_OK),
            hardware=machine == "aarch64" or bool(words & {"vmx", "svm"}),
            pvm=(root / "sys/module/kvm_pvm").exists(),
            override=os.environ.get(ENVIRONMENT, ""),
        )


@dataclass(frozen=True)
class Accelerator:
    """QEMU's words for how the guest runs."""

    name: str
    arguments: tuple[str, ...]


def choose(facts: Facts, architecture: Architecture) -> Accelerator:
    """KVM where it is known to work or was asked for, else emulation."""
    if facts.override not in {"", "kvm", "tcg"}:
        raise RigError(f"expected kvm or tcg, got {facts.override!r} - at {ENVIRONMENT}")
    same = facts.machine == architecture.host_machine
    works = same and facts.device_usable and facts.hardware and not facts.pvm
    if facts.override == "kvm" or (works and facts.override != "tcg"):
        return Accelerator("kvm", ("-accel", "kvm", "-cpu", "host"))
    return Accelerator("tcg", ("-accel", "tcg,thread=multi", "-cpu", architecture.tcg_cpu))
