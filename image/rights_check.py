"""What `just image-boot` expects of the rights of the appliance's user, tried out as that user over SSH."""

from __future__ import annotations

import time
from typing import Final

from image.machine import ImageError, Machine
from image.outside import BOOT_DEADLINE_S, Key, client, note, shell

AS_USER: Final = "setpriv --reuid=farhand --regid=farhand --init-groups"
RAUC: Final = "de.pengutronix.rauc"
CONFIRMED: Final = "is confirmed"
NET_BIND_SERVICE: Final = "0000000000000400"
IMAGE_BYTES: Final = 1 << 20
LUN: Final = "/sys/kernel/config/usb_gadget/farhand/functions/mass_storage.usb0/lun.0"
ALLOWED: Final = (
    "test -w /data/state",
    "test -r /data/rauc",
    "journalctl -q -n 1 _PID=1",
    f"busctl call {RAUC} / org.freedesktop.DBus.Properties GetAll s {RAUC}.Installer",
    "systemctl show --property=ActiveState ssh.service",
)
REFUSED: Final = (
    "touch /data/mine",
    "touch /data/system/mine",
    "cat /data/system/ssh/ssh_host_ed25519_key",
    "touch /run/farhand/confirmed",
    "ls /boot/firmware",
    "head -c 1 /dev/farhand/disk",
    "mkdir /sys/kernel/config/usb_gadget/mine",
    "sh -c 'echo x >/proc/sys/kernel/hostname'",
    f"busctl call {RAUC} / {RAUC}.Installer Mark ss bad other",
    "rauc status mark-bad other",
    "systemctl --no-ask-password reboot",
    "systemctl --no-ask-password restart ssh.service",
)


def rights(machine: Machine, key: Key, password: str) -> None:
    """Expect the appliance to run as its user with one capability, and that user to be kept from the rest."""
    about = shell(machine, key, "cat /proc/$(systemctl show --value -p MainPID farhand)/status").stdout
    fields = dict(line.split(":\t", 1) for line in about.splitlines() if ":\t" in line)
    found = {name: fields.get(name) for name in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
    wanted = {
        "Uid": "900\t900\t900\t900",
        "CapEff": NET_BIND_SERVICE,
        "CapBnd": NET_BIND_SERVICE,
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }
    if found != wanted:
        raise ImageError(f"expected the appliance's process with {wanted}, got {found}")
    commands = (*ALLOWED, *REFUSED)
    script = "; ".join(f"{AS_USER} {command} >/dev/null 2>&1; echo $?" for command in commands)
    statuses = shell(machine, key, script).stdout.split()
    for command, status in zip(commands, statuses, strict=True):
        if (status == "0") is not (command in ALLOWED):
            raise ImageError(f"the appliance's user, {command}: ended with {status}")
    with client(machine, password) as admin:
        log = admin.get("/api/log?seek=3600")
        log.raise_for_status()
        if not log.text.strip():
            raise ImageError("the appliance cannot read the journal")
        admin.get("/api/update").raise_for_status()
    note(machine, f"the appliance's user: {len(ALLOWED)} needed acts allowed, {len(REFUSED)} others refused")


def usb(machine: Machine, key: Key, password: str) -> None:
    """Give the machine a USB controller and itself as the host; expect a keyboard and a drive that work.

    Everything of it goes through the privileged process or was handed over by it, in the units' sandboxes.
    """
    loaded = shell(machine, key, "modprobe dummy_hcd")
    if loaded.returncode:
        raise ImageError(f"this kernel has no dummy_hcd: {loaded.stderr}")
    with client(machine, password) as admin:
        while True:
            hid = admin.get("/api/hid").json()["result"]
            # Of a mouse Linux asks for nothing while no program listens to it.
            if hid["keyboard"]["online"]:
                break
            if machine.age_s > BOOT_DEADLINE_S:
                log = shell(machine, key, "journalctl -q -u farhand-privileged -n 20").stdout
                raise ImageError(f"expected a keyboard at the USB host, got {hid}; {log}")
            time.sleep(2)
        admin.post("/api/msd/write?image=check.iso", content=bytes(IMAGE_BYTES)).raise_for_status()
        admin.post("/api/msd/set_params?image=check.iso&cdrom=1").raise_for_status()
        admin.post("/api/msd/set_connected?connected=1").raise_for_status()
        inside = shell(machine, key, f"cat {LUN}/file").stdout.strip()
        if not inside.endswith("/check.iso"):
            raise ImageError(f"expected the image in the drive, got {inside!r}")
        admin.post("/api/msd/set_connected?connected=0").raise_for_status()
        admin.post("/api/msd/remove?image=check.iso").raise_for_status()
    note(machine, "a USB host has keyboard and drive of the appliance, which is not root")


def restart(machine: Machine, key: Key, password: str) -> None:
    """Expect the API to restart the machine, which the appliance has to ask for."""
    before = shell(machine, key, "cat /proc/sys/kernel/random/boot_id").stdout
    seen = machine.console().count(CONFIRMED)
    with client(machine, password) as admin:
        admin.post("/api/update/restart").raise_for_status()
    machine.wait_for(CONFIRMED, BOOT_DEADLINE_S, times=seen + 1)
    if shell(machine, key, "cat /proc/sys/kernel/random/boot_id").stdout == before:
        raise ImageError("the machine did not restart")
    note(machine, "the API restarted the machine")
