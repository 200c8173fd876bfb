"""`just image-update`: updates, refusals, the ways back, in QEMU with the boot loader that the boards have.

It offers bundles that must be refused (of another board, forged, signed with an expired key, cut short,
older) and expects the reason; installs a newer version through the API and expects the state to survive;
installs versions that are signed like the real one and sabotaged (one never says how it is, one crashes, one
cannot mount its data, one has garbage for a root), and expects the machine to return to the version before by
itself and to say why afterwards. Names of scenarios as arguments run those alone, in that order, after the
newer version was installed.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from image.api_updates import expect_slots, install_by_api, must_be_refused_by_api, restart_by_api
from image.bundles import BOARD, MOUNT, OUT, Root, disk_of, expired_keys, sign
from image.machine import CACHE, REPO, ImageError, Machine, fresh_disk, newest_image, running
from image.outside import Key, check_login, note, put_boot_file, shell, wait_for_api

BOOT_DEADLINE_S: Final = 1200
"""Emulated, and beside other work, as for the first start."""
RETURN_DEADLINE_S: Final = BOOT_DEADLINE_S * 4
"""Three starts that fail, and one that works."""
MARKER: Final = "/data/state/update-check"
GOOD: Final = "90.0.0"


@dataclass(frozen=True)
class Refused:
    """A bundle that must be refused, and a word of the reason."""

    bundle: str
    word: str


@dataclass(frozen=True)
class Sabotaged:
    """A version that must be given up, and a word of the reason that is told afterwards."""

    scenario: str
    version: str
    word: str
    shell: str = ""
    """What spoils its root; nothing if the root is garbage."""
    mounts_data: bool = True
    """Whether it comes so far that its log can be kept."""

    @property
    def bundle(self) -> str:
        """Its file's name."""
        return f"sabotaged-{self.version}.raucb"


REFUSED: Final = (
    Refused("foreign.raucb", "ompatible"),
    Refused("forged.raucb", "signature"),
    Refused("expired.raucb", "expired"),
    Refused("older.raucb", "ersion"),
    Refused("short.raucb", ""),
)
REFUSALS: Final = "refusals"
STAY: Final = "stay"
# What spoils one stays in the next.
SABOTAGED: Final = (
    Sabotaged(
        "silent",
        "91.0.0",
        "has not told how it is",
        "sed -i 's# --self-report [^ ]*##' etc/systemd/system/farhand.service",
    ),
    Sabotaged(
        "crashing",
        "92.0.0",
        "sabotaged to crash",
        "printf '#!/bin/sh\\necho sabotaged to crash >&2\\nexit 1\\n' >usr/bin/farhand",
    ),
    Sabotaged(
        "dataless",
        "93.0.0",
        "what failed: data.mount",
        "sed -i 's/^Type=ext4/Type=iso9660/' etc/systemd/system/data.mount",
        mounts_data=False,
    ),
    Sabotaged("rootless", "94.0.0", "cannot mount rootA", mounts_data=False),
)
SCENARIOS: Final = (REFUSALS, STAY, *(one.scenario for one in SABOTAGED))


def make_bundles(scratch: Path, scenarios: Collection[str] = SCENARIOS) -> Path:
    """Make those that *scenarios* need, and return the disk that has them."""
    folder = scratch / "bundles"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    boot = OUT / "boot.vfat"
    garbage = scratch / "garbage"
    garbage.write_bytes(random.Random(7).randbytes(1 << 20))
    root = Root(scratch / "tree")
    packed = scratch / "root.squashfs"
    good = sign(folder / "good.raucb", GOOD, {"rootfs": root.pack(packed, GOOD), "boot": boot})
    for one in SABOTAGED:
        if one.scenario not in scenarios:
            continue
        image = root.pack(packed, one.version, one.shell) if one.shell else garbage
        sign(folder / one.bundle, one.version, {"rootfs": image, "boot": boot})
    root.remove()
    packed.unlink()
    if REFUSALS in scenarios:
        _make_refused(scratch, folder, good, garbage)
    return disk_of(folder, scratch / "bundles.img")


def _make_refused(scratch: Path, folder: Path, good: Path, garbage: Path) -> None:
    with good.open("rb") as whole:
        (folder / "short.raucb").write_bytes(whole.read(1 << 20))
    forger = scratch / "forger"
    subprocess.run([REPO / "image/build/pki.sh", forger], check=True)
    # What is refused may be small: it is refused before any of its images is read.
    small = {"boot": garbage}
    sign(folder / "foreign.raucb", "99.0.0", small, compatible="farhand-rpi4")
    sign(folder / "forged.raucb", "99.0.0", small, keys=forger)
    sign(folder / "expired.raucb", "99.0.0", small, keys=expired_keys(scratch / "expired"))
    sign(folder / "older.raucb", "0.0.1", small)


def installing(bundle: str) -> str:
    """Return the shell command that installs a bundle of the second disk."""
    mount = f"mkdir -p {MOUNT}; mountpoint -q {MOUNT} || mount -t squashfs -o ro /dev/vdb {MOUNT}"
    return f"{mount}; rauc install {MOUNT}/{bundle}"


def install(machine: Machine, key: Key, bundle: str) -> subprocess.CompletedProcess[str]:
    """Have a bundle installed; return how that ended."""
    done = shell(machine, key, installing(bundle))
    note(machine, f"{bundle}: {'installed' if done.returncode == 0 else 'refused: ' + reason(done)}")
    return done


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the line in which RAUC says why."""
    said = done.stdout + done.stderr
    return next((line for line in said.splitlines() if "LastError" in line), said[-200:]).strip()


def must_refuse(machine: Machine, key: Key, refused: Refused) -> None:
    """Expect that it is refused, with the word in the reason."""
    done = install(machine, key, refused.bundle)
    if done.returncode == 0:
        raise ImageError(f"{refused.bundle} was installed")
    if refused.word not in reason(done):
        raise ImageError(f"expected the reason to have {refused.word!r} in it, got {reason(done)}")


def must_install(machine: Machine, key: Key, bundle: str) -> None:
    """Expect that it is installed."""
    done = install(machine, key, bundle)
    if done.returncode:
        raise ImageError(f"{bundle} was refused: {reason(done)}")


def await_confirmed(machine: Machine, key: Key, slot: str, version: str, ask: Callable[[], object]) -> None:
    """Have *ask* restart it, and expect that *slot* with *version* is up and confirmed in the end."""
    confirmed = f"slot {slot} with version {version} is confirmed"
    before = machine.console().count(confirmed)
    ask()
    machine.wait_for(confirmed, RETURN_DEADLINE_S, times=before + 1)
    note(machine, f"slot {slot} with version {version} is up and confirmed")
    if shell(machine, key, f"cat {MARKER}").stdout.strip() != "kept":
        raise ImageError("the state was lost")


def told(machine: Machine, key: Key) -> str:
    """Return what the doctor says of updates."""
    said = shell(machine, key, "farhand doctor --board generic --json").stdout
    findings = [one["text"] for one in json.loads(said)["findings"] if one["about"] == "update"]
    return " ".join(findings)


def must_return(machine: Machine, key: Key, password: str, sabotaged: Sabotaged) -> None:
    """Install a version that cannot work; expect the one before, and why."""
    must_install(machine, key, sabotaged.bundle)
    await_confirmed(machine, key, "B", GOOD, lambda: shell(machine, key, "systemctl reboot"))
    slots = {"A": "given_up", "B": "confirmed"}
    expect_slots(machine, password, slots, given_up=(sabotaged.version, sabotaged.word))
    if sabotaged.mounts_data:
        log = shell(
            machine, key, f"grep -c 'slot A, version {sabotaged.version}' /data/log/journal.txt"
        ).stdout
        if log.strip() != "1":
            raise ImageError(f"expected the log of one start of {sabotaged.version} to be kept, got {log!r}")


def must_stay(machine: Machine, key: Key) -> None:
    """Let the probation of what runs end; expect it to stay where going back would help nobody."""
    file = "/data/rauc/confirmed"
    kept = shell(machine, key, f"cat {file}").stdout
    for confirmed, why in ((kept, "it worked before"), ("", "there is no other version to go back to")):
        command = f"printf %s '{confirmed}' >{file}; rm -f /run/farhand/confirmed; "
        command += "systemctl start farhand-probation@timer.service; touch /run/farhand/confirmed; "
        command += f"printf %s '{kept}' >{file}; journalctl --sync; "
        command += "journalctl -b -u farhand-probation@timer.service -o cat"
        if why not in (said := shell(machine, key, command).stdout):
            raise ImageError(f"expected the version to stay because {why}, got {said!r}")
    note(machine, "the end of its probation leaves a version that worked, and one that is alone")


def updates(machine: Machine, key: Key, bundles: Path, scenarios: Collection[str]) -> None:
    """Install, refuse, return: all without a loss of power. *bundles* is the folder of them."""
    password = first_start(machine)
    shell(machine, key, f"echo kept >{MARKER}")
    expect_slots(machine, password, {"A": "confirmed", "B": "empty"})
    if REFUSALS in scenarios:
        for refused in REFUSED:
            must_refuse(machine, key, refused)
        must_be_refused_by_api(machine, password, bundles / "older.raucb", "older")
        expect_slots(machine, password, {"A": "confirmed", "B": "empty"})
    install_by_api(machine, password, bundles / "good.raucb")
    expect_slots(machine, password, {"A": "confirmed", "B": "waiting"})
    await_confirmed(machine, key, "B", GOOD, lambda: restart_by_api(machine, password))
    expect_slots(machine, password, {"A": "standby", "B": "confirmed"})
    check_login(machine, password)
    given_up = ""
    for scenario in scenarios:
        if scenario == STAY:
            must_stay(machine, key)
        for sabotaged in SABOTAGED:
            if sabotaged.scenario == scenario:
                must_return(machine, key, password, sabotaged)
                given_up = sabotaged.version
    said = told(machine, key)
    if not (given_up in said if given_up else said == ""):
        raise ImageError(f"expected the doctor to tell of {given_up or 'nothing'}, got {said!r}")
    note(machine, f"the doctor: {said or 'nothing of updates'}")
    check_login(machine, password)


def first_start(machine: Machine) -> str:
    """Wait until a new card is up and confirmed; return its password."""
    said = machine.wait_for("is confirmed", BOOT_DEADLINE_S)
    wait_for_api(machine)
    note(machine, "the first start is over")
    return said.partition("with the password ")[2].split()[0]


def new_card(disk: Path, key: Key, directory: Path) -> None:
    """Make *disk* a card with the image that was built last, which lets *key* in."""
    fresh_disk(newest_image(BOARD), disk)
    settings = directory / "farhand.toml"
    settings.write_text(f'ssh_keys = ["{key.public}"]\n')
    put_boot_file(disk, settings, "farhand.toml")


def main() -> int:
    """Update the image that was built last."""
    parser = argparse.ArgumentParser(description="Update the built image in QEMU.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"{', '.join(SCENARIOS)}; else all")
    scenarios = parser.parse_args().scenarios or SCENARIOS
    if unknown := set(scenarios) - set(SCENARIOS):
        parser.error(f"expected {', '.join(SCENARIOS)}, got {', '.join(sorted(unknown))} - at SCENARIO")
    scratch = CACHE / "update"
    scratch.mkdir(parents=True, exist_ok=True)
    disk = scratch / "card.img"
    try:
        with tempfile.TemporaryDirectory() as directory:
            key = Key(Path(directory))
            new_card(disk, key, Path(directory))
            bundles = make_bundles(scratch, scenarios)
            with running(BOARD, disk, scratch / "console.log", bundles) as machine:
                updates(machine, key, scratch / "bundles", scenarios)
    except ImageError as error:
        print(f"image-update: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
