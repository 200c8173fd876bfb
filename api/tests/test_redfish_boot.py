"""What the target starts from, over Redfish, up to the emulated PC's firmware that is told so by its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

SYSTEM = "/redfish/v1/Systems/0"
DISABLED = {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": None}


def boot(target: str | None = None, enabled: str | None = None, mode: str | None = None) -> dict[str, Any]:
    given = {
        "BootSourceOverrideTarget": target,
        "BootSourceOverrideEnabled": enabled,
        "BootSourceOverrideMode": mode,
    }
    return {"Boot": {name: value for name, value in given.items() if value is not None}}


async def shown(live: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await live.http.get(SYSTEM)).json()["Boot"]
    return found


async def test_the_firmware_is_told_at_the_next_start_alone(live: Any) -> None:
    before = await shown(live)
    assert DISABLED.items() <= before.items()
    assert before["BootSourceOverrideTarget@Redfish.AllowableValues"] == [
        "None",
        "Pxe",
        "Hdd",
        "Cd",
        "Usb",
        "BiosSetup",
    ]
    assert before["BootSourceOverrideMode@Redfish.AllowableValues"] == ["UEFI", "Legacy"]
    answer = await live.http.patch(SYSTEM, json=boot("BiosSetup", "Once", "Legacy"))
    assert (answer.status_code, answer.content) == (204, b"")
    wanted = {
        "BootSourceOverrideEnabled": "Once",
        "BootSourceOverrideTarget": "BiosSetup",
        "BootSourceOverrideMode": "Legacy",
    }
    assert wanted.items() <= (await shown(live)).items()
    answer = await live.http.post(
        f"{SYSTEM}/Actions/ComputerSystem.Reset", json={"ResetType": "ForceRestart"}
    )
    assert answer.status_code == 204
    with trio.fail_after(60):
        await live.pc.observer.wait_until(lambda: live.pc.observer.phase == "setup")
        while not DISABLED.items() <= (await shown(live)).items():
            await trio.sleep(0.05)


@pytest.mark.parametrize(
    ("changes", "target", "enabled"),
    [
        ([boot("Pxe")], "Pxe", "Once"),
        ([boot("Pxe", "Continuous")], "Pxe", "Continuous"),
        ([boot("Pxe", "Continuous"), boot("Cd")], "Cd", "Continuous"),
        ([boot("Pxe", "Continuous"), boot(enabled="Once")], "Pxe", "Once"),
        ([boot("Usb", "Once"), boot(enabled="Disabled")], None, "Disabled"),
        ([boot("Usb", "Once"), boot("None")], None, "Disabled"),
        ([boot("Usb", "Once"), boot("Hdd", "Disabled")], None, "Disabled"),
        ([boot("Usb", "Once"), {"Boot": {}}, {}, {"Boot": None}], "Usb", "Once"),
    ],
)
async def test_changes(live: Any, changes: list[dict[str, Any]], target: str | None, enabled: str) -> None:
    for body in changes:
        assert (await live.http.patch(SYSTEM, json=body)).status_code == 204
    found = await shown(live)
    assert (found["BootSourceOverrideTarget"], found["BootSourceOverrideEnabled"]) == (target, enabled)


@pytest.mark.parametrize(
    ("body", "message", "about"),
    [
        (boot("Floppy", "Once"), "PropertyValueNotInList", "BootSourceOverrideTarget"),
        (boot("pxe"), "PropertyValueNotInList", "BootSourceOverrideTarget"),
        (boot("Pxe", mode="BIOS"), "PropertyValueNotInList", "BootSourceOverrideMode"),
        (boot(enabled="Once"), "PropertyValueNotInList", "BootSourceOverrideTarget"),
        (boot("Pxe", "Twice"), "PropertyValueError", "Boot"),
        ({"Boot": "Pxe"}, "PropertyValueError", "Boot"),
        ({"Boot": {"BootSourceOverrideTarget": 1}}, "PropertyValueError", "Boot"),
    ],
)
async def test_what_makes_no_sense(live: Any, body: dict[str, Any], message: str, about: str) -> None:
    answer = await live.http.patch(SYSTEM, json=body)
    assert answer.status_code == 400
    assert answer.json()["result"]["error"] == "HttpError"
    info = answer.json()["error"]["@Message.ExtendedInfo"][0]
    assert info["MessageId"] == f"Base.1.18.{message}"
    assert info["RelatedProperties"][0].endswith(about)
    assert DISABLED.items() <= (await shown(live)).items()


async def test_a_firmware_whose_keys_are_not_known(live_with: Callable[[str], Any]) -> None:
    keys = "{pxe: [], hdd: [], bios_setup: [F1]}"
    async with live_with(f"farhand: {{boot: {{modes: [uefi], keys: {keys}}}}}") as live:
        allowed = (await shown(live))["BootSourceOverrideTarget@Redfish.AllowableValues"]
        assert allowed == ["None", "Cd", "Usb", "BiosSetup"]
        for body, name in ((boot("Pxe", "Once"), "Target"), (boot("Cd", "Once", "Legacy"), "Mode")):
            answer = await live.http.patch(SYSTEM, json=body)
            assert answer.status_code == 400
            info = answer.json()["error"]["@Message.ExtendedInfo"][0]
            assert info["RelatedProperties"] == [f"#/Boot/BootSourceOverride{name}"]
        # What is not there cannot be overridden, and such a change is accepted all the same (gotcha 66).
        answer = await live.http.patch("/redfish/v1/Systems/SwitchPort0", json=boot("Pxe", "Once"))
        assert answer.status_code == 204
