"""From any tree to the one that shall be: what is changed, in which order, and what a failure leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.gadget.configfs import compose, remove
from drivers.gadget.plan import Operation, Verb, desired_tree, normalised, plan
from drivers.gadget.spec import (
    AudioFunction,
    EthernetFunction,
    GadgetSpec,
    Lun,
    MassStorageFunction,
    SerialFunction,
    keyboard,
    mouse,
)

UDC = "controller.0"
SPEC = GadgetSpec(
    functions=(
        keyboard("usb0"),
        mouse("usb1", absolute=True),
        mouse("usb2", absolute=False),
        MassStorageFunction("usb0", (Lun(), Lun(cdrom=False, ro=False))),
        SerialFunction("usb0"),
    )
)
DESIRED = desired_tree(SPEC, UDC)

functions = st.lists(
    st.one_of(
        st.booleans().map(lambda start: keyboard("usb0", start=start)),
        st.booleans().map(lambda wheel: mouse("usb1", absolute=True, horizontal_wheel=wheel)),
        st.booleans().map(lambda absolute: mouse("usb2", absolute=absolute)),
        st.lists(
            st.builds(Lun, cdrom=st.booleans(), ro=st.booleans(), removable=st.booleans()),
            min_size=1,
            max_size=3,
        ).map(lambda luns: MassStorageFunction("usb0", tuple(luns))),
        st.sampled_from([EthernetFunction("usb0", "ecm"), EthernetFunction("usb0", "ncm")]),
        st.booleans().map(lambda start: SerialFunction("usb0", start=start)),
    ),
    max_size=5,
    unique_by=lambda function: function.name,
).map(tuple)
specs = st.builds(
    GadgetSpec,
    functions=functions,
    serial=st.sampled_from([None, "CAFEBABE", "0001"]),
    configuration=st.sampled_from([None, "Main"]),
    product_id=st.sampled_from([0x0104, 0x0105]),
    remote_wakeup=st.booleans(),
    endpoint_budget=st.integers(0, 12),
)
desired_trees = st.builds(desired_tree, specs, st.sampled_from([UDC, "controller.1"]))

directories = st.sampled_from(
    [
        *("", "strings/0x409", "strings/0x407", "configs/c.1", "configs/c.2", "configs/c.1/strings/0x409"),
        *("functions/hid.usb0", "functions/hid.usb1", "functions/hid.other", "functions/acm.usb0"),
        *("functions/mass_storage.usb0", "functions/mass_storage.usb0/lun.1", "functions/ncm.usb0"),
        "functions/mass_storage.usb0/lun.5",
    ]
)
noise = st.lists(
    st.one_of(
        st.builds(Operation, st.just(Verb.MKDIR), directories),
        st.builds(
            Operation,
            st.just(Verb.WRITE),
            st.sampled_from(
                [
                    "idVendor",
                    "strings/0x409/serialnumber",
                    "configs/c.1/MaxPower",
                    "functions/hid.usb0/protocol",
                    "functions/mass_storage.usb0/stall",
                    "functions/mass_storage.usb0/lun.0/cdrom",
                    "functions/mass_storage.usb0/lun.0/ro",
                ]
            ),
            st.sampled_from([b"0", b"1", b"0x1"]),
        ),
        st.builds(
            lambda config, function: Operation(
                Verb.SYMLINK, f"configs/{config}/{function}", f"functions/{function}".encode()
            ),
            st.sampled_from(["c.1", "c.2"]),
            st.sampled_from(["hid.usb0", "hid.other", "mass_storage.usb0", "acm.usb0"]),
        ),
        st.just(Operation(Verb.SYMLINK, "os_desc/c.1", b"configs/c.1")),
        st.just(Operation(Verb.BIND, value=UDC.encode())),
        st.just(Operation(Verb.UNBIND)),
    ),
    max_size=25,
).map(lambda operations: [Operation(Verb.MKDIR), *operations])
starts = st.one_of(
    st.just([]),
    noise,
    # What an earlier start left when it was killed after some of its changes.
    st.builds(lambda tree, kept: list(plan(tree, plan_nothing())[:kept]), desired_trees, st.integers(0, 60)),
)
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def plan_nothing() -> Any:
    from drivers.gadget.plan import ActualTree

    return ActualTree()


def comparable(store: Any) -> Any:
    """What a host and a later start can tell apart; drives keep what their driver set."""
    return (
        store.exists,
        store.directories,
        {path: normalised(path, value) for path, value in store.files.items()},
        store.links,
        store.udc,
    )


@relaxed
@given(start=starts, desired=desired_trees)
def test_every_tree_becomes_the_desired_one_and_stays(
    make_configfs: Callable[[], Any], start: list[Operation], desired: Any
) -> None:
    store = make_configfs()
    store.replay(start)
    was_bound = bool(store.udc)
    compose(store, desired)
    assert store.exists
    assert store.directories == set(desired.directories)
    assert store.udc == desired.udc
    assert store.link_order == [link.path for link in desired.links] or not store.operations or was_bound
    for attribute in desired.attributes:
        if attribute.path in store.files and not (attribute.initial and was_bound):
            now = normalised(attribute.path, store.files[attribute.path])
            assert now == normalised(attribute.path, attribute.value), attribute.path
    for path in desired.empty:
        assert not store.files[path].strip()
    before = comparable(store)
    done = len(store.operations)
    assert compose(store, desired) == 0
    assert len(store.operations) == done
    assert comparable(store) == before


@relaxed
@given(start=starts, desired=desired_trees, fail_at=st.integers(0, 60))
def test_a_failure_leaves_what_was_or_nothing(
    make_configfs: Callable[[], Any], start: list[Operation], desired: Any, fail_at: int
) -> None:
    store = make_configfs()
    store.replay(start)
    before, bound = comparable(store), bool(store.udc)
    store.fails = lambda number, _operation: number == fail_at
    try:
        compose(store, desired)
    except DriverError as exc:
        assert str(exc)
        assert not store.exists or (bound and comparable(store) == before)
    else:
        assert store.udc == desired.udc
    store.fails = lambda _number, _operation: False
    compose(store, desired)
    assert store.udc == desired.udc
    assert store.directories == set(desired.directories)


@pytest.mark.fault("gadget HID", "EIO")
def test_every_operation_of_a_first_composition_can_fail(make_configfs: Callable[[], Any]) -> None:
    total = compose(make_configfs(), DESIRED)
    assert total > 30
    for fail_at in range(total):
        store = make_configfs()
        store.fails = lambda number, _operation, at=fail_at: number == at
        with pytest.raises(DriverError):
            compose(store, DESIRED)
        assert not store.exists, f"operation {fail_at} left something behind"


def test_a_kernel_that_refuses_everything_from_some_point_on_is_survived(
    make_configfs: Callable[[], Any],
) -> None:
    for fail_from in range(45):
        store = make_configfs()
        store.fails = lambda number, _operation, at=fail_from: number >= at
        with pytest.raises(DriverError):
            compose(store, DESIRED)
        store.fails = lambda _number, _operation: False
        compose(store, DESIRED)
        assert store.udc == UDC


@pytest.mark.parametrize("kept", range(0, 60, 1))
def test_a_start_that_was_killed_is_finished_by_the_next(make_configfs: Callable[[], Any], kept: int) -> None:
    store = make_configfs()
    store.replay(plan(DESIRED, plan_nothing())[:kept])
    compose(store, DESIRED)
    assert store.udc == UDC
    assert store.link_order == [link.path for link in DESIRED.links]


@relaxed
@given(start=starts)
def test_removal_leaves_nothing(make_configfs: Callable[[], Any], start: list[Operation]) -> None:
    store = make_configfs()
    store.replay(start)
    remove(store)
    assert not store.exists
    assert not store.directories
    assert remove(store) == 0


def test_a_restart_does_not_touch_anything(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    assert compose(store, DESIRED) == 0
    assert store.enumerations == 1


def test_the_usb_version_that_the_kernel_told_a_host_is_left(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    store.files["bcdUSB"] = b"0x0201\n"
    assert compose(store, DESIRED) == 0


def test_a_drive_that_a_host_uses_is_left_as_its_driver_set_it(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    lun = "functions/mass_storage.usb0/lun.0"
    store.files |= {f"{lun}/file": b"/images/disk.img\n", f"{lun}/cdrom": b"0\n", f"{lun}/ro": b"0\n"}
    assert compose(store, DESIRED) == 0
    # Even when the host has to look again because of something else.
    other = desired_tree(dataclasses.replace(SPEC, product_id=0x0105), UDC)
    assert compose(store, other) > 0
    assert store.files[f"{lun}/file"] == b"/images/disk.img\n"
    assert store.files[f"{lun}/cdrom"] == b"0\n"


def test_what_the_host_does_not_see_changes_while_it_is_connected(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    more = dataclasses.replace(SPEC, functions=(*SPEC.functions, EthernetFunction("usb0", start=False)))
    assert compose(store, desired_tree(more, UDC)) > 0
    assert store.enumerations == 1
    assert "functions/ecm.usb0" in store.directories
    assert compose(store, DESIRED) > 0
    assert store.enumerations == 1
    assert "functions/ecm.usb0" not in store.directories


def test_a_function_that_the_kernel_lacks_is_found_out_before_the_host_notices(
    make_configfs: Callable[[], Any],
) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    before = comparable(store)
    # The model, as this kernel may, has no sound.
    functions = (*SPEC.functions, AudioFunction("usb0"))
    more = dataclasses.replace(SPEC, functions=functions, endpoint_budget=99)
    with pytest.raises(DriverError):
        compose(store, desired_tree(more, UDC))
    assert store.enumerations == 1
    assert comparable(store) == before


def test_what_is_brought_back_has_its_order(make_configfs: Callable[[], Any]) -> None:
    drives = tuple(MassStorageFunction(f"usb{number}") for number in range(12))
    spec = dataclasses.replace(SPEC, functions=(*SPEC.functions[:3], *drives, SerialFunction("usb0")))
    store = make_configfs()
    compose(store, desired_tree(dataclasses.replace(spec, endpoint_budget=99), UDC))
    order = list(store.link_order)
    store.fails = lambda _number, operation: operation.path == "idProduct" and operation.value == b"0x0105"
    other = desired_tree(dataclasses.replace(spec, endpoint_budget=3, product_id=0x0105), UDC)
    with pytest.raises(DriverError):
        compose(store, other)
    assert store.enumerations == 2
    assert store.link_order == order


def test_what_the_host_sees_changes_by_connecting_anew_once(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    less = dataclasses.replace(SPEC, disabled=frozenset({"acm.usb0"}))
    compose(store, desired_tree(less, UDC))
    assert "configs/c.1/acm.usb0" not in store.links
    compose(store, DESIRED)
    assert store.link_order == [link.path for link in DESIRED.links]
    assert store.enumerations == 3


def test_a_controller_that_came_back_is_bound_again(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    store.stale = True
    compose(store, DESIRED)
    assert store.enumerations == 2
    assert not store.stale


def test_a_gadget_without_functions_is_not_bound(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    none = dataclasses.replace(SPEC, endpoint_budget=0)
    compose(store, desired_tree(none, UDC))
    assert store.udc == ""
    assert not store.links


def test_a_gadget_that_shall_not_be_bound_keeps_everything_else(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    links = list(store.links)
    assert compose(store, desired_tree(dataclasses.replace(SPEC, bound=False), UDC)) == 1
    assert store.udc == ""
    assert list(store.links) == links
    assert compose(store, DESIRED) == 1
    assert (store.udc, store.enumerations) == (UDC, 2)


def test_a_drive_that_no_host_sees_any_more_is_at_once_as_a_new_one(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    compose(store, DESIRED)
    lun = "functions/mass_storage.usb0/lun.0"
    store.files |= {f"{lun}/cdrom": b"0\n", f"{lun}/ro": b"0\n"}
    unplugged = desired_tree(dataclasses.replace(SPEC, bound=False), UDC)
    assert compose(store, unplugged) > 0
    assert store.files[f"{lun}/ro"] == b"1"
    assert compose(store, unplugged) == 0


def test_cdrom_is_written_before_ro() -> None:
    paths = [operation.path for operation in plan(DESIRED, plan_nothing())]
    for lun in ("lun.0", "lun.1"):
        at = f"functions/mass_storage.usb0/{lun}"
        assert paths.index(f"{at}/cdrom") < paths.index(f"{at}/ro")


def test_a_writable_flash_drive_stays_writable(make_configfs: Callable[[], Any]) -> None:
    store = make_configfs()
    store.replay([Operation(Verb.MKDIR), Operation(Verb.MKDIR, "functions/mass_storage.usb0")])
    store.files["functions/mass_storage.usb0/lun.0/cdrom"] = b"1\n"
    store.files["functions/mass_storage.usb0/lun.0/ro"] = b"1\n"
    spec = GadgetSpec(functions=(MassStorageFunction("usb0", (Lun(cdrom=False, ro=False),)),))
    compose(store, desired_tree(spec, UDC))
    assert store.files["functions/mass_storage.usb0/lun.0/ro"].strip() == b"0"
