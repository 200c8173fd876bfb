"""Virtual media over Redfish, up to the emulated PC that sees what is in its drive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

MSD = "/redfish/v1/Managers/BMC/VirtualMedia/MSD"
INSERT = f"{MSD}/Actions/VirtualMedia.InsertMedia"
EJECT = f"{MSD}/Actions/VirtualMedia.EjectMedia"
SYSTEM = "/redfish/v1/Systems/0"


async def upload(live: Any, *names: str) -> None:
    with trio.fail_after(30):
        while not (await live.result_of(await live.http.get("/api/msd")))["online"]:
            await trio.sleep(0.05)
    for name in names:
        answer = await live.http.post(f"/api/msd/write?image={name}", content=name.encode() * 1000)
        await live.result_of(answer)


async def shown(live: Any, path: str = MSD) -> dict[str, Any]:
    answer = await live.http.get(path)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def post(live: Any, path: str, body: Any = None) -> None:
    answer = await live.http.post(path, json=body)
    assert (answer.status_code, answer.content) == (204, b""), answer.text


def refused(answer: Any, status: int, error: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["result"]["error"] == error
    assert answer.json()["error"]["@Message.ExtendedInfo"]


async def test_the_documents(live: Any) -> None:
    await upload(live)
    manager = await shown(live, "/redfish/v1/Managers/BMC")
    collection = await shown(live, manager["VirtualMedia"]["@odata.id"])
    assert collection["@odata.type"] == "#VirtualMediaCollection.VirtualMediaCollection"
    assert collection["Members"] == [{"@odata.id": MSD}]
    drive = await shown(live)
    assert {
        "@odata.id": MSD,
        "@odata.type": "#VirtualMedia.v1_4_0.VirtualMedia",
        "Id": "MSD",
        "MediaTypes": ["USBStick", "CD", "DVD"],
        "Image": None,
        "ImageName": None,
        "ConnectedVia": "NotConnected",
        "Inserted": False,
        "WriteProtected": True,
    }.items() <= drive.items()
    assert drive["Oem"]["PiKVM"] == {
        "@odata.context": "/redfish/v1/$metadata#PiKVMVirtualMedia.PiKVMVirtualMedia",
        "@odata.type": "#PiKVMVirtualMedia.v1_0_0.PiKVMVirtualMedia",
        "MsdEnabled": True,
        "MsdOnline": True,
        "MsdBusy": False,
        "DriveOptical": True,
    }
    assert drive["Actions"] == {
        "#VirtualMedia.InsertMedia": {"target": INSERT, "Image@Redfish.AllowableValues": ["URI"]},
        "#VirtualMedia.EjectMedia": {"target": EJECT},
    }


@pytest.mark.parametrize(
    ("name", "body", "optical", "writable"),
    [
        ("dir/a.img", {}, False, False),
        ("a.iso", {}, True, False),
        ("A.ISO", {"WriteProtected": False}, True, False),
        ("a.iso.img", {"WriteProtected": "no", "Inserted": 1}, False, True),
    ],
)
async def test_inserted_as_the_name_and_the_request_say(
    live: Any, name: str, body: dict[str, Any], optical: bool, writable: bool
) -> None:
    await upload(live, name)
    await post(live, INSERT, {"Image": name, **body})
    drive = await shown(live)
    assert (drive["Image"], drive["ImageName"]) == (name, name.rpartition("/")[2])
    assert (drive["ConnectedVia"], drive["Inserted"]) == ("Oem", True)
    assert drive["WriteProtected"] is not writable
    assert drive["Oem"]["PiKVM"]["DriveOptical"] is optical
    medium = live.pc.observer.medium
    assert (medium.path.name, medium.cdrom, medium.rw) == (name.rpartition("/")[2], optical, writable)
    await post(live, EJECT)
    drive = await shown(live)
    assert (drive["Image"], drive["ConnectedVia"], drive["Inserted"]) == (None, "NotConnected", False)
    assert live.pc.observer.medium is None
    refused(await live.http.post(EJECT, json={}), 400, "MsdDisconnectedError")


async def test_another_image_takes_the_place_of_the_one_before(live: Any) -> None:
    await upload(live, "a.img", "b.iso")
    await post(live, INSERT, {"Image": "a.img"})
    await post(live, INSERT, {"Image": "b.iso", "Inserted": False})
    drive = await shown(live)
    assert (drive["Image"], drive["ConnectedVia"], drive["Inserted"]) == ("b.iso", "Oem", False)
    await post(live, INSERT, {"Image": "b.iso"})
    assert live.pc.observer.medium.path.name == "b.iso"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"Image=a.img", "HttpError"),
        (b"{}", "ValidatorError"),
        (b'{"Image": ""}', "ValidatorError"),
        (b'{"Image": "a.img", "Inserted": "maybe"}', "ValidatorError"),
        (b'{"Image": "a.img", "WriteProtected": null}', "ValidatorError"),
        (b'{"Image": "missing.iso"}', "MsdUnknownImageError"),
        (b'{"Image": "nfs://host/a.iso"}', "MsdUnknownImageError"),
    ],
)
async def test_what_cannot_be_inserted_takes_nothing_out(live: Any, content: bytes, error: str) -> None:
    await upload(live, "a.img")
    await post(live, INSERT, {"Image": "a.img"})
    refused(await live.http.post(INSERT, content=content), 400, error)
    assert live.pc.observer.medium.path.name == "a.img"


async def test_without_a_drive(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {msd: {type: disabled}}") as live:
        drive = await shown(live)
        for name in ("Image", "ImageName", "ConnectedVia", "Inserted", "WriteProtected"):
            assert drive[name] is None
        assert drive["Oem"]["PiKVM"]["DriveOptical"] is None
        assert drive["Oem"]["PiKVM"]["MsdEnabled"] is False
        refused(await live.http.post(INSERT, json={"Image": "a.img"}), 400, "MsdDisabledError")
        refused(await live.http.post(EJECT), 400, "MsdDisabledError")


async def test_a_machine_is_started_from_the_drive(live: Any) -> None:
    await upload(live, "installer.iso")
    await post(live, INSERT, {"Image": "installer.iso", "Inserted": False})
    change = {"Boot": {"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Once"}}
    assert (await live.http.patch(SYSTEM, json=change)).status_code == 204
    assert live.pc.observer.medium is None
    with trio.fail_after(20):
        while not live.appliance.atx.state.value.leds.power:
            await trio.sleep(0.05)
    await post(live, f"{SYSTEM}/Actions/ComputerSystem.Reset", {"ResetType": "ForceRestart"})
    # Before the machine looks for it.
    medium: Any = live.pc.observer.medium
    assert medium.path.name == "installer.iso"
    with trio.fail_after(60):
        await live.pc.observer.wait_until(lambda: live.pc.observer.boot_source == "usb")


async def test_systems_behind_a_switch(live_with: Callable[[str], Any]) -> None:
    async with live_with("farhand: {emulated: {switch_units: 1}}") as live:
        with trio.fail_after(60):
            while (await shown(live, "/redfish/v1/Systems"))["Members@odata.count"] < 5:
                await trio.sleep(0.05)
        named = {"port": "2", "name": "Build server #7"}
        answer = await live.http.post("/api/switch/set_port_params", params=named)
        await live.result_of(answer)
        with trio.fail_after(20):
            while (await shown(live, "/redfish/v1/Systems/SwitchPort2"))["HostName"] == "SwitchPort2":
                await trio.sleep(0.05)
        system = await shown(live, "/redfish/v1/Systems/SwitchPort2")
        assert system["HostName"] == "Build_server__7"
        assert (await shown(live, "/redfish/v1/Systems/SwitchPort3"))["HostName"] == "SwitchPort3"
        assert system["Boot"] == {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": None}
        refused(await live.http.get("/redfish/v1/Systems/SwitchPort4"), 400, "HttpError")
        uri = system["@odata.id"]
        change = {"Boot": {"BootSourceOverrideTarget": "Cd", "BootSourceOverrideEnabled": "Once"}}
        refused(await live.http.patch(uri, json=change), 400, "HttpError")
        change = {"Boot": {"BootSourceOverrideTarget": "None", "BootSourceOverrideEnabled": "Disabled"}}
        assert (await live.http.patch(uri, json=change)).status_code == 204
        before = system["PowerState"]
        await post(live, f"{uri}/Actions/ComputerSystem.Reset", {"ResetType": "PushPowerButton"})
        with trio.fail_after(60):
            while (await shown(live, uri))["PowerState"] == before:
                await trio.sleep(0.05)
        case = await shown(live, "/redfish/v1/Chassis/SwitchPort2")
        assert case["PowerState"] != before
