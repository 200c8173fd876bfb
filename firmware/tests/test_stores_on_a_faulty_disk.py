"""Everything that the appliance keeps, on a disk that fails at each of its operations in turn.

A store that is added is added here too, or to what says why it is not.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from peers.disk_trials import Store, at, blocking, trials_of

from drivers.wire.edid import build_edid
from firmware.core.files import observe, replace
from firmware.state.boot import BootMode, BootOverride, BootTarget
from firmware.subsystems.audit.chain import BrokenChainError
from firmware.subsystems.audit.trail_files import TrailFiles, files_of, lines_of, verify
from firmware.subsystems.auth import password_file
from firmware.subsystems.auth.grant_keeper import GrantKeeper
from firmware.subsystems.auth.grants import GrantKind
from firmware.subsystems.auth.password_file import PasswordFile
from firmware.subsystems.auth.rights import Capability
from firmware.subsystems.auth.second_factors import OwnFactor, SecondFactors
from firmware.subsystems.auth.totp import draw_secret
from firmware.subsystems.boot.store import BootStore, Stored
from firmware.subsystems.streamer.edid import EdidService
from firmware.subsystems.switch.keeper import SettingsKeeper
from firmware.subsystems.switch.store import SwitchStore

ROOT = Path(__file__).resolve().parents[2]
MINE, OTHER = build_edid(name="Mine"), build_edid(name="Other")


# -- one file -------------------------------------------------------------------------------------------

FILE = Store(
    "a file",
    at,
    blocking(lambda root: replace(root / "file", b"new" * 100)),
    lambda root: observe(root / "file").data,
    blocking(lambda root: replace(root / "file", b"old" * 100)),
)
NEW_FILE = Store("a new file", at, FILE.change, FILE.told)


async def _boot(root: Path) -> BootStore:
    return BootStore(await at(root) / "boot.json")


BOOT = Store(
    "boot override",
    _boot,
    blocking(lambda store: store.save(Stored(BootOverride(BootTarget.PXE), BootMode.UEFI))),
    lambda store: store.load(),
    blocking(lambda store: store.save(Stored(BootOverride(BootTarget.HDD)))),
)


def _save_password(root: Path, text: str) -> None:
    password_file.save(root / "htpasswd", PasswordFile.parse(text.encode()))


def _passwords(root: Path) -> object:
    found = password_file.load(root / "htpasswd")
    return None if found is None else found.render()


PASSWORDS = Store(
    "passwords",
    at,
    blocking(lambda root: _save_password(root, "alice:$x$new\nbob:$x$hash\n")),
    _passwords,
    blocking(lambda root: _save_password(root, "alice:$x$old\n")),
)


# -- EDIDs ----------------------------------------------------------------------------------------------


class Keeper:
    """A capture that takes every EDID."""

    def __init__(self) -> None:
        self.chosen: bytes | None = None
        self.shown = b""
        self.applied = True

    def choose(self, edid: bytes | None) -> None:
        self.chosen = edid

    async def show(self, edid: bytes | None) -> None:
        await trio.lowlevel.checkpoint()
        self.chosen = edid


async def _capture(root: Path) -> tuple[Keeper, EdidService]:
    keeper = Keeper()
    service = EdidService(keeper, root / "edid.bin")
    await service.restore()
    return keeper, service


EDID = Store(
    "EDID of the capture",
    _capture,
    lambda both: both[1].change(OTHER),
    lambda both: both[0].chosen,
    lambda both: both[1].change(MINE),
)

# -- the switch -----------------------------------------------------------------------------------------


async def _switch(root: Path) -> SettingsKeeper:
    keeper = SettingsKeeper(SwitchStore(root / "switch"))
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper.run)
        nursery.cancel_scope.cancel()
    return keeper


def _name(name: str) -> Callable[[SettingsKeeper], Awaitable[None]]:
    return lambda keeper: keeper.change(lambda settings: settings.with_port(0, name=name))


SWITCH = Store("a port's name", _switch, _name("server"), lambda keeper: keeper.settings.value, _name("desk"))
NEW_SWITCH = Store("the first port's name", _switch, _name("server"), SWITCH.told)

# -- accounts -------------------------------------------------------------------------------------------

SECRETS = [draw_secret(), draw_secret()]


async def _factors(root: Path) -> SecondFactors:
    factors = SecondFactors(root / "auth" / "factors.json")
    await factors.load()
    return factors


def _factor(secret: str) -> Callable[[SecondFactors], Awaitable[None]]:
    return lambda factors: factors.give("alice", OwnFactor(secret, ()))


FACTORS = Store(
    "second factors", _factors, _factor(SECRETS[1]), lambda it: it.of("alice"), _factor(SECRETS[0])
)
NEW_FACTORS = Store("the first second factor", _factors, _factor(SECRETS[1]), FACTORS.told)


async def _grants(root: Path) -> GrantKeeper:
    keeper = GrantKeeper(root / "grants.json", lambda: 1000.0)
    await keeper.look()
    return keeper


async def _make_grant(keeper: GrantKeeper, label: str) -> None:
    if label not in _labels(keeper):
        await keeper.make(GrantKind.TOKEN, "alice", label, [Capability.VIEW], None)


async def _revoke(keeper: GrantKeeper) -> None:
    await keeper.revoke([grant for grant in keeper.live() if grant.label == "old"])


def _labels(keeper: GrantKeeper) -> list[str]:
    return sorted(grant.label for grant in keeper.live())


GRANTS = Store(
    "tokens", _grants, partial(_make_grant, label="new"), _labels, partial(_make_grant, label="old")
)
REVOKED = Store("a revoked token", _grants, _revoke, _labels, partial(_make_grant, label="old"))

# -- the audit trail ------------------------------------------------------------------------------------


class Trail:
    """The trail, and whether the record was acknowledged: each is told once."""

    def __init__(self, folder: Path, max_file_bytes: int) -> None:
        self.folder = folder
        self.files = TrailFiles(folder, max_file_bytes=max_file_bytes)

    def add(self, what: str) -> None:
        if what not in self.told():
            self.files.append([{"what": what}])

    def told(self) -> list[str]:
        try:
            verify(files_of(self.folder))
        except BrokenChainError as exc:
            # What was cut off in the middle is taken away, and told, with the next record.
            if "cut short" not in str(exc):
                raise
        lines = [line for line in lines_of(files_of(self.folder)) if line.endswith(b"\n")]
        found = [re.findall(rb'"what":"(\w+)"', line)[0].decode() for line in lines]
        return [what for what in found if what != "torn"]


def _trail(max_file_bytes: int) -> Callable[[Path], Awaitable[Trail]]:
    async def start(root: Path) -> Trail:
        return Trail(await at(root) / "audit", max_file_bytes)

    return start


AUDIT = Store(
    "the audit trail",
    _trail(1 << 20),
    blocking(lambda trail: trail.add("second")),
    Trail.told,
    blocking(lambda trail: trail.add("first")),
)
NEW_AUDIT = Store("the first record", _trail(1 << 20), AUDIT.change, Trail.told)
ROTATED = Store("a trail that begins a new file", _trail(100), AUDIT.change, Trail.told, AUDIT.prepare)

STORES: list[Store[Any]] = [
    *(FILE, NEW_FILE, BOOT, PASSWORDS, NEW_SWITCH, FACTORS, NEW_FACTORS, GRANTS, REVOKED),
    *(AUDIT, NEW_AUDIT, ROTATED),
]

COVERED = {
    "api/server/certificate.py",  # by api/server/tests/test_certificate_on_a_faulty_disk.py
    "firmware/core/files.py",
    "firmware/prepare/steps.py",  # by its own tests
    "firmware/subsystems/audit/trail_files.py",
    "firmware/subsystems/auth/grant_files.py",
    "firmware/subsystems/auth/kept.py",
    "firmware/subsystems/auth/password_file.py",
    "firmware/subsystems/backup/pending.py",  # by its own tests, beside it
    "firmware/subsystems/boot/store.py",
    "firmware/subsystems/msd/digest.py",  # by its own tests, as the next two
    "firmware/subsystems/msd/files.py",
    "firmware/subsystems/msd/partial_image.py",
    "firmware/subsystems/streamer/edid.py",
    "firmware/subsystems/switch/store.py",
}
NOT_COVERED = {
    "firmware/backup_command.py": "writes one file for a person at a command line, who is told",
    "firmware/failsafe.py": "writes to the console",
    "firmware/prepare/owners.py": "gives files to their owner, all of them at each start",
    "firmware/prepare/places.py": "writes to consoles",
    "firmware/slots/gate.py": "writes what it finds anew at each start",
    "firmware/slots/last_words.py": "writes one sector, which a disk takes wholly or not at all",
    "firmware/slots/self_report.py": "writes what it finds anew at each start",
    "firmware/subsystems/backup/sealed.py": "writes a copy to try out, which is thrown away",
    "firmware/subsystems/update/staging.py": "receives a bundle, which no start keeps",
}
WRITES = re.compile(
    r"core\.files import[^\n]*\breplace\b|os\.(fsync|fdatasync|write|writev|replace|rename)\("
    r"|\.write_(text|bytes)\(|\.open\(\"[wax]"
)


def test_every_module_that_writes_files_is_tried_or_says_why_not() -> None:
    writers = {
        str(path.relative_to(ROOT))
        for tree in ("firmware", "api")
        for path in (ROOT / tree).rglob("*.py")
        if not {"tests", "node_modules"} & set(path.parts) and WRITES.search(path.read_text("utf-8"))
    }
    assert not COVERED & NOT_COVERED.keys()
    assert writers == COVERED | NOT_COVERED.keys()


@pytest.mark.parametrize(
    "store",
    [
        *(pytest.param(store, id=store.name) for store in STORES),
        pytest.param(EDID, id=EDID.name, marks=pytest.mark.fault("EDID of the capture", "ENOSPC")),
        pytest.param(SWITCH, id=SWITCH.name, marks=pytest.mark.fault("KVM switch", "ENOSPC")),
    ],
)
async def test_whatever_the_disk_does_a_change_is_made_or_not(store: Store[Any]) -> None:
    assert await trials_of(store) > 0
