"""OpenStack's sushy, as Ironic uses it: power, boot device and virtual media; prints what it saw as JSON.

Runs in the clients' environment: `python openstack_sushy.py URL CERTIFICATE USER PASSWORD IMAGE IMAGE_URL`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import sushy
from sushy import auth

# The power button needs 0.1 s or 5.5 s, and the emulated PC a shutdown of some seconds.
POWER_DEADLINE_S = 60.0


def wait_for_power(system: Any, state: Any) -> str:
    """Wait until the system is in that power state; return the state it has in the end."""
    deadline = time.monotonic() + POWER_DEADLINE_S
    while time.monotonic() < deadline:
        system.refresh(force=True)
        if system.power_state == state:
            break
        time.sleep(0.1)
    return str(system.power_state.value)


def main(url: str, certificate: str, user: str, password: str, *images: str) -> None:
    image, url_of_image = images
    root = sushy.Sushy(
        url.rstrip("/"), verify=certificate, auth=auth.SessionAuth(username=user, password=password)
    )
    system = root.get_system_collection().get_members()[0]
    seen: dict[str, Any] = {
        "identity": system.identity,
        "power": [wait_for_power(system, sushy.PowerState.ON)],
    }
    system.set_system_boot_options(sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE)
    system.refresh(force=True)
    seen["boot"] = [system.boot.target.value, system.boot.enabled.value]
    seen["boot_allowed"] = sorted(one.value for one in system.get_allowed_system_boot_source_values())
    manager = root.get_manager_collection().get_members()[0]
    seen["manager"] = [manager.identity, manager.manager_type.value]
    drive = manager.virtual_media.get_members()[0]
    drive.insert_media(image, write_protected=False)
    drive.refresh(force=True)
    seen["drive"] = [drive.image, drive.inserted, drive.write_protected]
    system.set_system_boot_options(sushy.BootSource.CD, enabled=sushy.BootSourceOverrideEnabled.ONCE)
    system.reset_system(sushy.ResetType.GRACEFUL_SHUTDOWN)
    seen["power"].append(wait_for_power(system, sushy.PowerState.OFF))
    system.reset_system(sushy.ResetType.ON)
    seen["power"].append(wait_for_power(system, sushy.PowerState.ON))
    drive.eject_media()
    drive.refresh(force=True)
    seen["ejected"] = [drive.image, drive.inserted]
    drive.insert_media(url_of_image, transfer_protocol="HTTP", transfer_method="Stream")
    drive.refresh(force=True)
    seen["remote"] = [drive.image, drive.connected_via.value, drive.inserted]
    drive.eject_media()
    try:
        drive.insert_media("missing.iso")
    except sushy.exceptions.BadRequestError as exc:
        seen["refusal"] = str(exc.detail)
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
