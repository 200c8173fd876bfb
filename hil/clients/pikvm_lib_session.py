"""A session of the library pikvm-lib, as its documentation shows it; runs in the clients' own environment.

Arguments: ADDRESS:PORT, a directory. Prints one JSON object of what the library saw.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pikvm_lib.pikvm import PiKVM

DEADLINE_S = 60


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"expected {what} within {DEADLINE_S} s")
        time.sleep(0.1)


def main(address: str, directory: Path) -> None:
    kvm = PiKVM(hostname=address, username="admin", password="admin", schema="https", cert_trusted=False)
    saw: dict[str, object] = {"authenticated": kvm.isauth(), "info": sorted(kvm.systeminfo)}
    kvm.get_system_log()

    kvm.set_atx_power(action="on")
    wait_until(lambda: kvm.get_atx_state()["leds"]["power"], "the power LED")
    saw["atx"] = kvm.get_atx_state()

    image = directory / "library.img"
    image.write_bytes(bytes(1024) * 1024)
    kvm.upload_msd_image(str(image))
    saw["images"] = kvm.get_msd_state()["storage"]["images"]
    kvm.set_msd_parameters("library.img", cdrom=False, flash=True)
    kvm.connect_msd()
    saw["drive"] = kvm.get_msd_state()["drive"]
    kvm.disconnect_msd()
    kvm.remove_msd_image("library.img")
    saw["images_after"] = kvm.get_msd_state()["storage"]["images"]

    kvm.switch_gpio_channel("lamp", state=1)
    saw["gpio"] = kvm.get_gpio_state()["state"]["outputs"]
    kvm.pulse_gpio_channel("bell", delay=0.1)

    saw["size"] = kvm.get_streamer_image().size
    kvm.send_mouse_move_event(100, 100)
    kvm.send_mouse_event("left", "true")
    kvm.send_mouse_event("left", "false")
    time.sleep(float(sys.argv[3]))
    kvm.ws_client.send_input("echo Hello<Enter>")
    saw["snapshot"] = kvm.get_streamer_snapshot(snapshot_path=str(directory), filename="snapshot.jpeg")
    kvm.ws_client.close()
    print(json.dumps(saw))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
