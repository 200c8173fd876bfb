"""`just image-power-cuts N`: cuts the power N times during updates, and expects the appliance each time.

Half of the cuts come while an update is installed, half while the new version starts for the first time. The
moments are random, of a seed that is printed and can be given again. After each cut the machine starts as a
person would start it, and has to come up by itself, confirmed, with the password and the state as they were.

A cut ends QEMU; what the guest had handed over to its disk counts as written, what it had not is lost.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from image.bundles import BOARD, OUT, Root, disk_of, sign
from image.machine import CACHE, ImageError, Machine, running
from image.outside import Key, check_login, note, shell, wait_for_api
from image.update_check import GOOD, RETURN_DEADLINE_S, first_start, install, installing, new_card

MARKER: Final = "/data/state/power-cuts"
FIRST_BOOT_S: Final = (2.0, 1.1)
"""When a first start is cut: from this many seconds on, and up to this many times what one took before."""
UPDATE: Final = "update.raucb"
CONFIRMED: Final = "is confirmed"


@dataclass
class Cuts:
    """The state of the whole run."""

    rng: random.Random
    disk: Path
    bundles: Path
    key: Key
    log: Path
    password: str = ""
    install_s: float = 60.0
    start_s: float = 120.0
    """How long the last installation and the last start took that were not cut."""
    outcomes: Counter[str] = field(default_factory=Counter)

    def cut(self, number: int, machine: Machine) -> None:
        """Cut the power of *machine*, which is up, at some moment of an update."""
        shell(machine, self.key, f"echo {number} >{MARKER}; sync {MARKER}")
        if number % 2:
            self._during_installation(machine)
        else:
            self._during_first_start(machine)

    def _during_installation(self, machine: Machine) -> None:
        moment_s = self.rng.uniform(0.5, self.install_s * 1.1)
        # It ends with the machine.
        installation = threading.Thread(target=shell, args=(machine, self.key, installing(UPDATE)))
        installation.start()
        installation.join(moment_s)
        where = "installing" if installation.is_alive() else "after the installation"
        self._end(machine, f"{where}, at {moment_s:.1f} s")
        installation.join()

    def _during_first_start(self, machine: Machine) -> None:
        began = time.monotonic()
        if install(machine, self.key, UPDATE).returncode:
            raise ImageError("the update was refused")
        self.install_s = time.monotonic() - began
        moment_s = self.rng.uniform(FIRST_BOOT_S[0], self.start_s * FIRST_BOOT_S[1])
        starts = machine.console().count("farhand: starting slot")
        shell(machine, self.key, "systemctl reboot")
        machine.wait_for("farhand: starting slot", RETURN_DEADLINE_S, times=starts + 1)
        time.sleep(moment_s)
        self._end(machine, f"in the first start, at {moment_s:.1f} s")

    def _end(self, machine: Machine, where: str) -> None:
        machine.cut_power()
        note(machine, f"power cut {where}")
        self.outcomes[where.partition(",")[0]] += 1

    def check(self, number: int, machine: Machine) -> None:
        """Expect that *machine* comes up by itself, and knows what it knew before cut *number*."""
        said = machine.wait_for(CONFIRMED, RETURN_DEADLINE_S)
        starts = said.count("farhand: starting slot")
        if starts == 1:
            self.start_s = machine.age_s
        line = next(line for line in said.splitlines() if CONFIRMED in line)
        wait_for_api(machine)
        check_login(machine, self.password)
        kept = shell(machine, self.key, f"cat {MARKER}").stdout.strip()
        if kept != str(number):
            raise ImageError(f"expected the state of before the cut, {number}, got {kept!r}")
        failed = shell(machine, self.key, "systemctl --failed --no-legend --plain").stdout.strip()
        if failed:
            raise ImageError(f"units failed after the cut: {failed}")
        note(machine, f"cut {number} survived after {starts} start(s): {line.strip()}")
        self.outcomes[f"{starts} start(s) until it was back"] += 1


def make_bundles(scratch: Path) -> Path:
    """Make the disk with the update that is installed again and again."""
    folder = scratch / "bundles"
    folder.mkdir(parents=True, exist_ok=True)
    root = Root(scratch / "tree")
    packed = root.pack(scratch / "root.squashfs", GOOD)
    sign(folder / UPDATE, GOOD, {"rootfs": packed, "boot": OUT / "boot.vfat"})
    root.remove()
    packed.unlink()
    return disk_of(folder, scratch / "bundles.img")


def run(count: int, seed: int, after: int, scratch: Path, directory: Path) -> None:
    """Cut the power *count* times, without the first *after*.

    Raises ImageError at the first cut that is not survived.
    """
    key = Key(directory)
    disk, log = scratch / "card.img", scratch / "console.log"
    new_card(disk, key, directory)
    rng = random.Random(seed)
    for _ in range(after):
        rng.random()
    cuts = Cuts(rng, disk, make_bundles(scratch), key, log)
    for number in range(after, count + 1):
        with running(BOARD, disk, log.with_suffix(f".{number}.log"), cuts.bundles) as machine:
            if number == after:
                cuts.password = first_start(machine)
            else:
                cuts.check(number, machine)
            if number < count:
                cuts.cut(number + 1, machine)
        print(f"-- {number} of {count}: {dict(sorted(cuts.outcomes.items()))}", flush=True)


def main() -> int:
    """Cut the power as often as the command line says."""
    parser = argparse.ArgumentParser(description="Cut the power during updates of the built image in QEMU.")
    parser.add_argument("count", nargs="?", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--after", type=int, default=0, metavar="N", help="leave out the first N cuts of that seed"
    )
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    scratch = CACHE / "power-cuts"
    scratch.mkdir(parents=True, exist_ok=True)
    print(f"{options.count} power cuts, seed {seed}", flush=True)
    try:
        with tempfile.TemporaryDirectory() as directory:
            run(options.count, seed, options.after, scratch, Path(directory))
    except ImageError as error:
        print(f"image-power-cuts: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
