"""Composing in the kernel's configfs: idempotent, mended after a crash, never half-done, errors by name."""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from peers import modules
from peers.usb_host import EV_KEY, InputEvent, wait_for_device, wait_for_no_device, write

from drivers.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DriverError,
    HostNotReadyError,
    NotSupportedError,
)
from drivers.gadget.configfs import GadgetDirectory, compose, remove
from drivers.gadget.gadget import UsbGadget
from drivers.gadget.plan import DesiredTree, Operation, desired_tree, plan
from drivers.gadget.spec import (
    AudioFunction,
    GadgetSpec,
    Lun,
    MassStorageFunction,
    SerialFunction,
    keyboard,
)
from drivers.ports import LinkCondition

DEADLINE_S = 60


@pytest.fixture
def full(spec: Any) -> Any:
    """As much as the dummy controller and the guest's modules give."""

    def make(udc: str, **changes: Any) -> GadgetSpec:
        wanted: GadgetSpec = spec(udc, **changes)
        drives = MassStorageFunction("usb0", (Lun(), Lun(cdrom=False, ro=False)))
        return dataclasses.replace(
            wanted, functions=(*wanted.functions, drives, SerialFunction("usb0", False))
        )

    return make


def tree_of(spec: GadgetSpec) -> DesiredTree:
    return desired_tree(spec, spec.udc)


def is_composed() -> bool:
    """Whether anything of ours is in configfs."""
    return Path("/sys/kernel/config/usb_gadget/farhand").exists()


class StopsAfter:
    """The kernel's configfs for a composition that is killed after some operations."""

    def __init__(self, directory: GadgetDirectory, operations: int) -> None:
        self._directory = directory
        self._left = operations

    def run(self, desired: DesiredTree) -> int:
        done = 0
        for operation in plan(desired, self._directory.read())[: self._left]:
            self._directory.apply(operation)
            done += 1
        return done


class FailsAt(GadgetDirectory):
    """The kernel's configfs with one operation that fails."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name)
        self._number = number

    def apply(self, operation: Operation) -> None:
        self._number -= 1
        if self._number == -1:
            raise OSError(5, "injected")
        super().apply(operation)


async def test_a_restart_is_not_seen_by_the_host(dummy: str, full: Any, running: Any, host: Any) -> None:
    wanted = full(dummy)
    async with running(UsbGadget(wanted)), host(wanted) as device:
        number = device.number
        path = await device.event_path(0)
    assert device.number == number
    async with device.events(0) as reader:
        async with running(UsbGadget(wanted)) as gadget:
            await gadget.keyboard.write(bytes((0, 0, 4, 0, 0, 0, 0, 0)))
            assert await reader.frame() == [InputEvent(EV_KEY, 30, 1)]
            await gadget.keyboard.write(bytes(8))
        assert (device.number, await device.event_path(0)) == (number, path)
    assert compose(GadgetDirectory(wanted.name), tree_of(wanted)) == 0


@pytest.mark.slow
def test_every_interrupted_composition_is_finished(dummy: str, full: Any) -> None:
    wanted = tree_of(full(dummy))
    directory = GadgetDirectory("farhand")
    total = compose(directory, wanted)
    assert remove(directory) > 0
    assert not directory.path.exists()
    for kept in range(total + 1):
        StopsAfter(directory, kept).run(wanted)
        compose(directory, wanted)
        assert directory.bound_to() == dummy, f"after {kept} of {total}"
        assert compose(directory, wanted) == 0
        remove(directory)
        assert not directory.path.exists()


def test_every_failure_leaves_nothing_behind(dummy: str, full: Any) -> None:
    wanted = tree_of(full(dummy))
    directory = GadgetDirectory("farhand")
    total = compose(directory, wanted)
    remove(directory)
    for number in range(total):
        with pytest.raises(DriverError, match="injected"):
            compose(FailsAt("farhand", number), wanted)
        assert not directory.path.exists(), f"operation {number} of {total}"


@pytest.mark.slow
def test_a_change_that_fails_leaves_what_was(dummy: str, full: Any) -> None:
    before = full(dummy)
    after = dataclasses.replace(
        before,
        serial=None,
        configuration="Other",
        product_id=0x0105,
        enabled=frozenset({"acm.usb0"}),
        functions=before.functions[1:],
    )
    directory = GadgetDirectory("farhand")
    compose(directory, tree_of(before))
    old = directory.read()
    total = len(plan(tree_of(after), old))
    assert total > 10
    for number in range(total):
        with pytest.raises(DriverError, match="injected"):
            compose(FailsAt("farhand", number), tree_of(after))
        assert directory.read() == old, f"operation {number} of {total}"
        assert compose(directory, tree_of(before)) == 0
    compose(directory, tree_of(after))
    assert compose(directory, tree_of(after)) == 0


@pytest.mark.slow
def test_composers_that_are_killed(dummy: str, full: Any, tmp_path: Path) -> None:
    wanted = full(dummy)
    script = tmp_path / "compose.py"
    script.write_text(
        "import pickle, sys\n"
        "from drivers.gadget.configfs import GadgetDirectory, compose\n"
        "tree = pickle.load(sys.stdin.buffer)\n"
        "print('go', flush=True)\n"
        "compose(GadgetDirectory('farhand'), tree)\n"
    )
    directory = GadgetDirectory("farhand")
    for delay_ms in range(0, 40, 4):
        process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(tree_of(wanted)))
        process.stdin.close()
        assert process.stdout.readline() == b"go\n"
        # Not a wait for something: where it is hit is meant to be anywhere.
        try:
            process.wait(delay_ms / 1000)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        compose(directory, tree_of(wanted))
        assert directory.bound_to() == dummy
        remove(directory)


async def test_a_foreign_gadget_is_named_and_left_alone(dummy: str, spec: Any, running: Any) -> None:
    foreign = spec(dummy, name="somebody-else", functions=(keyboard("other"),))
    directory = GadgetDirectory("somebody-else")
    compose(directory, tree_of(foreign))
    try:
        with pytest.raises(DeviceBusyError, match=r"somebody-else - stop the service"):
            await UsbGadget(spec(dummy)).run()
        # The same if it comes between our look and our binding.
        with pytest.raises(DeviceBusyError, match=r"somebody-else"):
            compose(GadgetDirectory("farhand"), tree_of(spec(dummy)))
        assert not is_composed()
        assert directory.bound_to() == dummy
    finally:
        remove(directory)
    async with running(UsbGadget(spec(dummy))):
        pass


@pytest.mark.fault("gadget HID", "missing")
async def test_no_controller(dummy: str, spec: Any) -> None:
    with pytest.raises(DeviceGoneError, match=r"dwc2.9 in .*got dummy_udc.0 - .*dtoverlay=dwc2"):
        await UsbGadget(spec("dwc2.9")).run()
    modules.unload("dummy_hcd")
    with pytest.raises(DeviceGoneError, match=r"got none - .*dtoverlay=dwc2"):
        await UsbGadget(spec("")).run()
    assert not is_composed()


async def test_the_first_controller_is_found(dummy: str, spec: Any, running: Any) -> None:
    async with running(UsbGadget(spec(""))):
        assert GadgetDirectory("farhand").bound_to() == dummy
    async with running(UsbGadget(spec(""))):
        assert GadgetDirectory("farhand").bound_to() == dummy


async def test_libcomposite_is_loaded_if_it_is_missing(dummy: str, spec: Any, running: Any) -> None:
    for name in ("usb_f_hid", "usb_f_mass_storage", "usb_f_acm", "libcomposite"):
        modules.unload(name)
    assert not modules.is_loaded("libcomposite")
    async with running(UsbGadget(spec(dummy))) as gadget:
        assert gadget.left_out == {}


async def test_no_configfs(dummy: str, spec: Any, tmp_path: Path) -> None:
    with pytest.raises(NotSupportedError, match=r"mount -t configfs"):
        await UsbGadget(spec(dummy), configfs_root=tmp_path / "nothing").run()
    with pytest.raises(NotSupportedError, match=r"CONFIG_USB_CONFIGFS"):
        await UsbGadget(spec(dummy), configfs_root=tmp_path).run()


async def test_a_function_that_the_kernel_lacks_is_left_out(dummy: str, spec: Any, running: Any) -> None:
    wanted = spec(dummy)
    wanted = dataclasses.replace(wanted, functions=(*wanted.functions, AudioFunction("usb0")))
    async with running(UsbGadget(wanted)) as gadget:
        assert list(gadget.left_out) == ["uac2.usb0"]
        assert "usb_f_uac2" in gadget.left_out["uac2.usb0"]


async def test_endpoints_that_the_controller_does_not_have(dummy: str, spec: Any) -> None:
    many = tuple(MassStorageFunction(f"usb{number}") for number in range(12))
    with pytest.raises(DriverError, match=r"cannot offer .* together: .*otg/endpoints"):
        await UsbGadget(spec(dummy, functions=many, endpoint_budget=99)).run()
    assert not is_composed()


async def test_more_hid_devices_than_the_kernel_makes(dummy: str, spec: Any) -> None:
    many = tuple(keyboard(f"usb{number}") for number in range(5))
    with pytest.raises(DeviceBusyError, match="makes no more hid functions"):
        await UsbGadget(spec(dummy, functions=many)).run()
    assert not is_composed()


def test_no_permission(dummy: str, tmp_path: Path) -> None:
    script = tmp_path / "compose.py"
    script.write_text(
        "import trio\n"
        "from drivers.gadget.gadget import UsbGadget\n"
        "from drivers.gadget.spec import GadgetSpec, keyboard\n"
        "trio.run(UsbGadget(GadgetSpec(functions=(keyboard('usb0'),))).run)\n"
    )
    tmp_path.chmod(0o755)
    script.chmod(0o644)
    code = (
        f"import os, runpy; os.setgroups([]); os.setgid(65534); os.setuid(65534); "
        f"runpy.run_path({str(script)!r})"
    )
    Path(tmp_path.parent).chmod(0o755)
    Path(tmp_path.parent.parent).chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode != 0
    assert "permission denied - run as root" in done.stderr, done.stderr
    assert not is_composed()


@pytest.mark.fault("gadget HID", "vanishes", "returns")
async def test_somebody_takes_the_gadget_away_under_us(dummy: str, spec: Any, running: Any) -> None:
    wanted = spec(dummy)
    gadget = UsbGadget(wanted)

    async def lose() -> None:
        async with running(gadget), gadget.link.conditions() as conditions:
            async for condition in conditions:
                if condition is LinkCondition.CONFIGURED:
                    break
            remove(GadgetDirectory("farhand"))
            with pytest.raises(DeviceGoneError, match="unbound"):
                await gadget.keyboard.write(bytes(8))  # type: ignore[union-attr]  # it has one
            with trio.fail_after(DEADLINE_S):
                await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await lose()
    assert caught.group_contains(DeviceGoneError, match="bound|does not answer")
    with pytest.raises(DeviceGoneError):
        await gadget.keyboard.write(bytes(8))  # type: ignore[union-attr]  # it has one
    # The host forgets it a moment later; what its supervisor does then mends it.
    await wait_for_no_device(vendor=wanted.vendor_id, product=wanted.product_id)
    async with running(gadget):
        device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        async with device.events(0) as reader:
            assert gadget.keyboard is not None
            await write(gadget.keyboard, bytes((1, 0, 0, 0, 0, 0, 0, 0)))
            assert await reader.frame() == [InputEvent(EV_KEY, 29, 1)]
            await write(gadget.keyboard, bytes(8))


@pytest.mark.fault("gadget HID", "vanishes", "returns")
async def test_the_controller_leaves_and_comes_back(dummy: str, spec: Any, running: Any) -> None:
    gadget = UsbGadget(spec(dummy))

    async def lose() -> None:
        async with running(gadget):
            modules.unload("dummy_hcd")
            with trio.fail_after(DEADLINE_S):
                await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await lose()
    assert caught.group_contains(DeviceGoneError)
    modules.load("dummy_hcd")
    async with running(gadget), gadget.link.conditions() as conditions:
        with trio.fail_after(DEADLINE_S):
            async for condition in conditions:
                if condition is LinkCondition.CONFIGURED:
                    break


async def test_linking_and_unlinking_while_it_runs(dummy: str, full: Any, running: Any) -> None:
    wanted = full(dummy)
    async with running(UsbGadget(wanted)) as gadget:
        with pytest.raises(KeyError):
            await gadget.set_linked("hid.usb9", True)
        device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        assert device.read("bNumInterfaces").strip() == "4"
        await gadget.set_linked("mass_storage.usb0", False)
        assert list(gadget.left_out) == ["mass_storage.usb0", "acm.usb0"]
        device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        assert device.read("bNumInterfaces").strip() == "3"
        await gadget.set_linked("hid.usb2", False)
        with pytest.raises(HostNotReadyError, match="not linked"):
            await gadget.mice[1].write(bytes(5))
        await gadget.set_linked("hid.usb2", True)
        await gadget.set_linked("mass_storage.usb0", True)
        with trio.fail_after(DEADLINE_S):
            while True:
                try:
                    await gadget.mice[1].write(bytes(5))
                except HostNotReadyError:
                    await trio.sleep(0.05)
                else:
                    break
        spec_without_room = dataclasses.replace(wanted, endpoint_budget=5)
    async with running(UsbGadget(spec_without_room)) as gadget:
        with pytest.raises(DeviceBusyError, match="3 endpoints, and 0 of 5"):
            await gadget.set_linked("acm.usb0", True)
        with pytest.raises(DeviceBusyError, match="stop it first"):
            await gadget.remove()
    with pytest.raises(DeviceGoneError):
        await gadget.set_linked("acm.usb0", True)


async def test_removing(dummy: str, full: Any, running: Any, host: Any) -> None:
    wanted = full(dummy)
    gadget = UsbGadget(wanted)
    async with running(gadget), host(wanted):
        lun, other = gadget.lun_directories("mass_storage.usb0")
        assert (lun / "cdrom").read_text().strip() == "1"
        assert (other / "cdrom").read_text().strip() == "0"
        assert (other / "ro").read_text().strip() == "0"
        with pytest.raises(KeyError):
            gadget.lun_directories("mass_storage.usb7")
    await gadget.remove()
    await wait_for_no_device(vendor=wanted.vendor_id, product=wanted.product_id)
    assert not is_composed()
    await gadget.remove()


def test_cdrom_and_ro_of_a_writable_flash_drive(dummy: str) -> None:
    directory = GadgetDirectory("farhand")
    spec = GadgetSpec(functions=(MassStorageFunction("usb0", (Lun(cdrom=True, ro=True),)),), udc=dummy)
    compose(directory, tree_of(spec))
    lun = directory.path / "functions/mass_storage.usb0/lun.0"
    assert (lun / "ro").read_text().strip() == "1"
    remove(directory)
    spec = GadgetSpec(functions=(MassStorageFunction("usb0", (Lun(cdrom=False, ro=False),)),), udc=dummy)
    compose(directory, tree_of(spec))
    assert ((lun / "cdrom").read_text().strip(), (lun / "ro").read_text().strip()) == ("0", "0")
