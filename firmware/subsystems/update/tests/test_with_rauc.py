"""The update service with RAUC itself: what it refuses is told, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from peers.rauc_machine import RaucMachine, missing, rauc_machine

from drivers.system.rauc import Rauc
from firmware.state.update import InstallPhase, SlotCondition
from firmware.subsystems.update.errors import UpdateBusyError, UpdateRefusedError
from firmware.subsystems.update.service import UpdatePlaces, UpdateService

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RaucMachine]:
    with rauc_machine(tmp_path) as running:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", running.address)
        yield running


async def no_restart() -> None:
    raise AssertionError("nobody asked for it")


@asynccontextmanager
async def running(machine: RaucMachine) -> AsyncIterator[UpdateService]:
    places = UpdatePlaces(
        staging=machine.folder / "state" / "update",
        confirmed=machine.folder / "confirmed",
        setback=machine.folder / "setback.json",
        version=machine.folder / "version",
    )
    update = UpdateService(Rauc(), places, version="1.0.0", restart_machine=no_restart)
    async with trio.open_nursery() as nursery:
        await nursery.start(update.run)
        yield update
        nursery.cancel_scope.cancel()


async def pieces_of(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 65536):
        yield data[start : start + 65536]


async def install(update: UpdateService, bundle: Path) -> None:
    data = await trio.Path(bundle).read_bytes()
    job = await update.receive(pieces_of(data), size=len(data), source="upload")
    with trio.fail_after(60):
        await job.done.wait()
    if job.error is not None:
        raise job.error


async def test_a_bundle_is_installed_and_waits_for_the_restart(machine: RaucMachine) -> None:
    async with running(machine) as update:
        await install(update, machine.bundle("good"))
        state = await update.look()
    assert [(slot.name, slot.condition, slot.version) for slot in state.slots] == [
        ("A", SlotCondition.PROBATION, "1.0.0"),
        ("B", SlotCondition.WAITING, "9.0.0"),
    ]
    assert (state.running, state.next, state.restart_needed) == ("A", "B", True)
    assert state.installation is not None
    assert state.installation.phase is InstallPhase.DONE
    assert list((machine.folder / "state" / "update").iterdir()) == []


async def test_an_installation_that_was_begun_on_the_machine_is_shown(machine: RaucMachine) -> None:
    bundle = machine.bundle("good")
    async with running(machine) as update, trio.open_nursery() as nursery:
        before = await update.look()
        with machine.held():
            nursery.start_soon(Rauc().install, bundle, lambda _progress: None)
            with trio.fail_after(60):
                while (state := await update.look()).installation is None:
                    await trio.sleep(0.05)
            assert state.installation.source == "elsewhere"
            assert state.slots == before.slots
            with pytest.raises(UpdateBusyError):
                await install(update, bundle)
            with pytest.raises(UpdateBusyError):
                await update.restart()


@pytest.mark.parametrize(
    ("kind", "why"),
    [("foreign", "for another board"), ("forged", "not signed by"), ("short", "not all of one")],
)
async def test_a_refusal_is_told_and_leaves_nothing_behind(machine: RaucMachine, kind: str, why: str) -> None:
    bundle = machine.bundle(
        kind, forged=kind == "forged", compatible="farhand-other" if kind == "foreign" else "farhand-test"
    )
    if kind == "short":
        bundle.write_bytes(bundle.read_bytes()[:-1000])
    async with running(machine) as update:
        with pytest.raises(UpdateRefusedError, match=why):
            await install(update, bundle)
        state = await update.look()
    assert state.installation is not None
    assert state.installation.phase is InstallPhase.FAILED
    assert why in (state.installation.error or "")
    assert (state.next, state.restart_needed) == ("A", False)
    assert list((machine.folder / "state" / "update").iterdir()) == []
    assert machine.slot("rootB").startswith(b"factory")
