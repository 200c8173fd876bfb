"""The guest as a system: mounts, kernel switches, clock, random numbers, power; without a single fork."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
import time
from pathlib import Path

SITE_SERIAL = "site"
TREE_SERIAL = "tree"
SITE = "/opt/site"
TREE = "/tree"

_MS_RDONLY, _MS_NOSUID, _MS_NODEV = 1, 2, 4
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40
_RNDADDENTROPY, _RNDRESEEDCRNG = 0x40085203, 0x5207
_LINUX_REBOOT_CMD_POWER_OFF = 0x4321FEDC
_POLL_S = 0.01

_LIBC = ctypes.CDLL(None, use_errno=True)

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PYTHONPATH": f"{TREE}:{TREE}/hil:{SITE}",
    # All there is to compile has been compiled on the host, and the tree is thrown away with the machine.
    "PYTHONDONTWRITEBYTECODE": "1",
    # Computing its table of characters takes Hypothesis 6 s here: this place is filled before a machine
    # is saved.
    "HYPOTHESIS_STORAGE_DIRECTORY": "/var/tmp/hypothesis",
    "FARHAND_RIG": "1",
}


def start() -> None:
    """Make the bare kernel a system that programs can live in."""
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    devices = _MS_NOSUID
    _mount("devpts", "/dev/pts", "devpts", devices, "mode=0620,ptmxmode=0666")
    _mount("shm", "/dev/shm", "tmpfs", devices | _MS_NODEV, "mode=1777")
    _mount("run", "/run", "tmpfs", devices | _MS_NODEV, "mode=0755")
    _mount("tmp", "/tmp", "tmpfs", devices | _MS_NODEV, "mode=1777")
    _mount("cgroup", "/sys/fs/cgroup", "cgroup2", devices)
    Path("/run/lock").mkdir(mode=0o1777)
    # The keyboard that the tests emulate types on this machine's own console: Ctrl+Alt+Del and SysRq
    # must do nothing.
    Path("/proc/sys/kernel/ctrl-alt-del").write_text("0")
    Path("/proc/sys/kernel/sysrq").write_text("0")
    socket.sethostname("rig")
    _loopback_up()
    _mount(_disk(SITE_SERIAL), SITE, "erofs", _MS_RDONLY)


def settle(unix_s: float, entropy: bytes) -> None:
    """Take the host's time and randomness, which a restored machine lacks, and mount the tree once."""
    time.clock_settime(time.CLOCK_REALTIME, unix_s)
    with Path("/dev/urandom").open("wb") as device:
        fcntl.ioctl(device, _RNDADDENTROPY, struct.pack("ii", 8 * len(entropy), len(entropy)) + entropy)
        fcntl.ioctl(device, _RNDRESEEDCRNG)
    if os.path.ismount(TREE):
        return
    # Tests may write beside themselves; what they write is gone with the machine.
    _mount(_disk(TREE_SERIAL), "/run/tree/image", "erofs", _MS_RDONLY)
    _mount("tree", "/run/tree/write", "tmpfs")
    for name in ("upper", "work"):
        Path("/run/tree/write", name).mkdir()
    layers = "lowerdir=/run/tree/image,upperdir=/run/tree/write/upper,workdir=/run/tree/write/work"
    _mount("tree", TREE, "overlay", 0, layers)


def find_port(name: str, deadline_s: float) -> str:
    """The device of the virtio-serial port of that name."""
    end = time.monotonic() + deadline_s
    while True:
        for port in Path("/sys/class/virtio-ports").glob("*"):
            try:
                if (port / "name").read_text().strip() == name:
                    return f"/dev/{port.name}"
            except OSError:
                # It has no name yet.
                continue
        if time.monotonic() > end:
            raise TimeoutError(errno.ETIMEDOUT, f"expected a virtio port {name!r} within {deadline_s} s")
        time.sleep(_POLL_S)


def uptime_s() -> float:
    """Seconds since the kernel started."""
    return float(Path("/proc/uptime").read_text().split()[0])


def power_off() -> None:
    """End the machine at once; nothing in it is kept."""
    _LIBC.reboot(ctypes.c_int(_LINUX_REBOOT_CMD_POWER_OFF))


def complain(message: str) -> None:
    """Leave a line on the console, which the host shows when the machine dies."""
    print(f"rig agent: {message}", file=sys.stderr, flush=True)


def _disk(serial: str) -> str:
    for disk in Path("/sys/block").glob("vd*"):
        if (disk / "serial").read_text().strip() == serial:
            return f"/dev/{disk.name}"
    raise OSError(errno.ENODEV, f"expected a disk with the serial {serial!r}")


def _mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    Path(target).mkdir(parents=True, exist_ok=True)
    if _LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {source} on {target}: {os.strerror(number)}")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", _IFF_UP | _IFF_RUNNING)
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)
