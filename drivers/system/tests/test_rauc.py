"""The conversation with RAUC, against RAUC itself on a bus of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from peers.rauc_machine import COMPATIBLE, RaucMachine, missing, rauc_machine

from drivers.errors import DeviceTimeoutError, DriverError, NotSupportedError
from drivers.system.rauc import BundleRefusedError, Progress, Rauc

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RaucMachine]:
    with rauc_machine(tmp_path) as running:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", running.address)
        yield running


async def test_a_bundle_goes_into_the_slot_that_is_not_running(machine: RaucMachine) -> None:
    rauc = Rauc()
    before = await rauc.status()
    assert (before.compatible, before.primary, before.installing) == (COMPATIBLE, "A", False)
    assert [(slot.name, slot.booted, slot.version) for slot in before.slots or ()] == [
        ("A", True, None),
        ("B", False, None),
    ]
    seen: list[Progress] = []
    await rauc.install(machine.bundle("good"), seen.append)
    assert seen[-1].percent == 100
    after = await rauc.status()
    assert after.primary == "B"
    assert after.slots is not None
    other = after.slots[1]
    assert (other.version, other.boot_good) == ("9.0.0", True)
    assert other.installed_at is not None
    assert machine.slot("rootB").startswith(b"root 9.0.0")
    assert machine.slot("rootA").startswith(b"factory")


@pytest.mark.parametrize("kind", ["forged", "foreign", "short", "unsigned", "changed", "missing", "empty"])
@pytest.mark.fault("updates: RAUC", "garbage")
async def test_what_rauc_refuses_changes_nothing(machine: RaucMachine, kind: str) -> None:
    match kind:
        case "forged":
            bundle = machine.bundle("forged", forged=True)
        case "foreign":
            bundle = machine.bundle("foreign", compatible="farhand-other")
        case _:
            bundle = machine.bundle("good")
    if kind == "short":
        bundle.write_bytes(bundle.read_bytes()[:-1000])
    elif kind == "unsigned":
        bundle.write_bytes(bytes(100_000))
    elif kind == "changed":
        data = bytearray(bundle.read_bytes())
        data[2000] ^= 1
        bundle.write_bytes(data)
    elif kind == "missing":
        bundle.unlink()
    elif kind == "empty":
        bundle.write_bytes(b"")
    with pytest.raises(BundleRefusedError) as refusal:
        await Rauc().install(bundle, lambda _progress: None)
    assert str(refusal.value)
    status = await Rauc().status()
    assert (status.primary, status.installing) == ("A", False)
    assert machine.slot("rootB").startswith(b"factory")


async def test_an_installation_under_way_is_told(machine: RaucMachine) -> None:
    bundle = machine.bundle("good")
    told: list[Progress] = []
    async with trio.open_nursery() as nursery:
        with machine.held():
            nursery.start_soon(Rauc().install, bundle, told.append)
            with trio.fail_after(60):
                while not (status := await Rauc().status()).installing or not status.progress.percent:
                    await trio.sleep(0.05)
            status = await Rauc().status()
            assert (status.installing, status.compatible, status.slots) == (True, COMPATIBLE, None)
    assert told[-1].percent == 100


async def test_a_slot_that_the_boot_loader_gave_up_is_told(machine: RaucMachine) -> None:
    machine.set_mark("state-B", "bad")
    assert [slot.boot_good for slot in (await Rauc().status()).slots or ()] == [True, False]


@pytest.mark.fault("updates: RAUC", "missing")
async def test_without_a_bus_or_without_rauc_it_is_not_supported(
    machine: RaucMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    with pytest.raises(NotSupportedError, match="no system bus"):
        await Rauc().status()
    monkeypatch.setattr("drivers.system.rauc.INSTALLER", _unknown_service())
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", machine.address)
    with pytest.raises(NotSupportedError, match="no RAUC"):
        await Rauc().status()


def _unknown_service() -> object:
    from jeepney import DBusAddress

    return DBusAddress("/", bus_name="org.example.none", interface="org.example.none")


@pytest.mark.fault("updates: RAUC", "killed", "vanishes", "returns")
async def test_a_service_that_is_killed_in_the_middle_is_told_and_the_next_one_installs(
    machine: RaucMachine,
) -> None:
    bundle = machine.bundle("good")
    told: list[Progress] = []
    with machine.held():
        async with trio.open_nursery() as nursery:

            async def install() -> None:
                with pytest.raises(DriverError, match="RAUC"):
                    await Rauc().install(bundle, told.append)
                told.append(Progress(-1))

            nursery.start_soon(install)
            with trio.fail_after(60):
                while not (told and told[-1].percent > 0):
                    await trio.sleep(0.05)
            await trio.to_thread.run_sync(machine.kill_service)
        with pytest.raises(DriverError, match="RAUC"):
            await Rauc().status()
    await trio.to_thread.run_sync(machine.start_service)
    status = await Rauc().status()
    assert (status.primary, status.installing) == ("A", False)
    await Rauc().install(bundle, told.append)
    assert (await Rauc().status()).primary == "B"


@pytest.mark.fault("updates: RAUC", "stalls", "returns")
async def test_a_service_that_does_not_answer_is_told_and_asked_again(
    machine: RaucMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.service is not None
    with monkeypatch.context() as patch:
        patch.setattr("drivers.system.rauc.CALL_S", 0.5)
        machine.service.send_signal(signal.SIGSTOP)
        with pytest.raises(DeviceTimeoutError, match=r"expected RAUC to answer within 0\.5 s"):
            await Rauc().status()
    machine.service.send_signal(signal.SIGCONT)
    assert (await Rauc().status()).primary == "A"
