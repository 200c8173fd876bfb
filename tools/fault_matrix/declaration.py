"""The one table of drivers and faults: each cell is to be tested, or says why it does not apply.

A driver names the modules that it consists of, so that a new module of `drivers/` has to find its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

FAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "it is not there at the start: no node, no chip, no program, nobody who listens",
        "vanishes": "it goes while it is in use: unplugged, unbound, taken away",
        "returns": "it comes back, and is used again without anybody's help",
        "EIO": "the kernel answers with an I/O error",
        "ENOSPC": "there is no room for what has to be kept",
        "stalls": "it does not answer, or does not take what it is given",
        "host leaves": "the USB host disconnects or stops listening in the middle of a report or a transfer",
        "no signal": "the target sends no picture",
        "mode change": "the target changes its mode in the middle of a picture",
        "garbage": "it says what its protocol does not allow",
        "killed": "the process that it consists of is killed",
    }
)
"""What can happen, and what is meant by it."""

NO_FILES = "keeps no files"
NO_HOST = "has no USB host"
NO_PICTURE = "carries no picture"
NO_PROCESS = "is no process"
NO_EIO = "is behind a socket, which knows no I/O errors: what breaks it is that it vanishes"
NO_PIPE_EIO = "is behind a pipe, which knows no I/O errors: what breaks it is that it is killed"
STARTED_EACH_TIME = "is started for each use: nothing runs that could go, and the next use is its return"


@dataclass(frozen=True, slots=True)
class Driver:
    """A row of the table."""

    modules: tuple[str, ...]
    """Files and directories below `drivers/`."""
    tested: tuple[str, ...]
    """The faults that at least one test is marked with."""
    exempt: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why a fault does not apply, in a phrase that goes on after "the driver"."""


def _without(*exempt: tuple[str, str]) -> dict[str, str]:
    return dict(exempt)


_NOT_USB = (("host leaves", NO_HOST), ("no signal", NO_PICTURE), ("mode change", NO_PICTURE))
_NOT_VIDEO = (("no signal", NO_PICTURE), ("mode change", NO_PICTURE))
_KERNELS_OWN = (("ENOSPC", NO_FILES), ("killed", NO_PROCESS))

DRIVERS: Final[Mapping[str, Driver]] = MappingProxyType(
    {
        "gadget HID": Driver(
            (
                "gadget/composer.py",
                "gadget/configfs.py",
                "gadget/gadget.py",
                "gadget/hand_over.py",
                "gadget/hid.py",
                "gadget/plan.py",
                "gadget/spec.py",
                "gadget/udc.py",
            ),
            ("missing", "vanishes", "returns", "EIO", "stalls", "host leaves"),
            _without(
                *_NOT_VIDEO,
                *_KERNELS_OWN,
                ("garbage", "hears one byte of lamps from the host, and any value of it is valid"),
            ),
        ),
        "mass storage gadget": Driver(
            (
                "gadget/lun.py",
                "gadget/lun_change.py",
                "gadget/lun_directory.py",
                "gadget/lun_image.py",
                "gadget/lun_inquiry.py",
            ),
            ("missing", "vanishes", "returns", "EIO", "ENOSPC", "stalls", "host leaves", "garbage"),
            _without(*_NOT_VIDEO, ("killed", NO_PROCESS)),
        ),
        "GPIO lines, ATX": Driver(
            ("gpio",),
            ("missing", "vanishes", "returns", "EIO", "stalls", "garbage"),
            _without(*_NOT_USB, *_KERNELS_OWN),
        ),
        "V4L2 capture": Driver(
            ("video/v4l2",),
            ("missing", "vanishes", "returns", "EIO", "stalls", "no signal", "mode change", "garbage"),
            _without(("host leaves", NO_HOST), *_KERNELS_OWN),
        ),
        "EDID of the capture": Driver(
            ("video/v4l2/edid.py",),
            ("missing", "vanishes", "returns", "EIO", "ENOSPC", "stalls", "no signal", "garbage"),
            _without(
                ("host leaves", NO_HOST),
                ("mode change", "is the cause of mode changes, and reads no pictures"),
                ("killed", NO_PROCESS),
            ),
        ),
        "CH9329": Driver(
            ("serial/ch9329.py", "serial/host_view.py", "serial/port.py", "serial/tty.py", "serial/turns.py"),
            ("missing", "vanishes", "returns", "EIO", "stalls", "host leaves", "garbage"),
            _without(*_NOT_VIDEO, *_KERNELS_OWN),
        ),
        "HID microcontroller": Driver(
            ("serial/mcu_hid.py", "serial/mcu_ports.py"),
            ("missing", "vanishes", "returns", "EIO", "stalls", "host leaves", "garbage"),
            _without(*_NOT_VIDEO, *_KERNELS_OWN),
        ),
        "KVM switch": Driver(
            ("switch",),
            ("missing", "vanishes", "returns", "EIO", "ENOSPC", "stalls", "garbage"),
            _without(*_NOT_USB, ("killed", NO_PROCESS)),
        ),
        "channels: GPIO": Driver(
            ("channels/lines.py", "channels/locator.py"),
            ("missing", "vanishes", "returns", "EIO", "stalls"),
            _without(*_NOT_USB, *_KERNELS_OWN, ("garbage", "reads debounced levels, and both are valid")),
        ),
        "channels: PWM": Driver(
            ("channels/pwm.py", "channels/servo.py"),
            ("missing", "vanishes", "returns", "EIO", "stalls", "garbage"),
            _without(*_NOT_USB, *_KERNELS_OWN),
        ),
        "channels: USB relays": Driver(
            ("channels/hid_relay.py", "channels/hidrelay.py", "channels/noyito.py", "hidraw.py"),
            ("missing", "vanishes", "returns", "EIO", "stalls", "garbage"),
            _without(*_NOT_USB, *_KERNELS_OWN),
        ),
        "channels: KVM switches": Driver(
            (
                "channels/connections.py",
                "channels/extron.py",
                "channels/ezcoo.py",
                "channels/kvm_switch.py",
                "channels/pway.py",
                "channels/tesmart.py",
                "channels/xh_hk4401.py",
            ),
            ("missing", "vanishes", "returns", "EIO", "stalls", "garbage"),
            _without(*_NOT_USB, *_KERNELS_OWN),
        ),
        "channels: HTTP devices": Driver(
            ("channels/anelpwr.py", "channels/http_device.py", "channels/hue.py"),
            ("missing", "vanishes", "returns", "stalls", "garbage"),
            _without(*_NOT_USB, *_KERNELS_OWN, ("EIO", NO_EIO)),
        ),
        "channels: BMC tools": Driver(
            ("channels/amt.py", "channels/ipmi.py", "channels/power.py", "channels/tool.py"),
            ("missing", "vanishes", "returns", "stalls", "garbage", "killed"),
            _without(*_NOT_USB, ("ENOSPC", NO_FILES), ("EIO", NO_PIPE_EIO)),
        ),
        "channels: programs": Driver(
            ("channels/cmd.py", "channels/cmdret.py", "channels/commands.py", "system/command.py"),
            ("missing", "returns", "stalls", "killed"),
            _without(
                *_NOT_USB,
                ("vanishes", STARTED_EACH_TIME),
                ("ENOSPC", NO_FILES),
                ("EIO", NO_PIPE_EIO),
                ("garbage", "reads an exit status, and any value of it is valid"),
            ),
        ),
        "channels: Wake-on-LAN": Driver(
            ("channels/wol.py",),
            ("missing",),
            _without(
                *_NOT_USB,
                *_KERNELS_OWN,
                ("vanishes", "sends one datagram for each use, which nobody answers"),
                ("returns", "sends one datagram for each use, which nobody answers"),
                ("EIO", NO_EIO),
                ("stalls", "sends one datagram for each use, which nobody answers"),
                ("garbage", "sends one datagram for each use, which nobody answers"),
            ),
        ),
        "channels: parts of the gadget": Driver(
            ("channels/otgconf.py",),
            ("missing", "vanishes", "returns"),
            _without(
                *_NOT_VIDEO,
                *_KERNELS_OWN,
                ("EIO", "has the gadget's own driver do it, whose row is the first"),
                ("stalls", "has the gadget's own driver do it, whose row is the first"),
                ("host leaves", "has the gadget's own driver do it, whose row is the first"),
                ("garbage", "has the gadget's own driver do it, whose row is the first"),
            ),
        ),
        "emulated PC": Driver(
            ("emulated",),
            (
                "missing",
                "vanishes",
                "returns",
                "stalls",
                "host leaves",
                "no signal",
                "mode change",
                "garbage",
            ),
            _without(
                ("EIO", "is a part of our own process: its fault script knows no errors of a kernel"),
                ("ENOSPC", NO_FILES),
                ("killed", "is a part of our own process"),
            ),
        ),
        "QEMU": Driver(
            ("qemu",),
            (
                *("missing", "vanishes", "returns", "stalls", "host leaves", "no signal", "mode change"),
                *("garbage", "killed"),
            ),
            _without(("EIO", NO_EIO), ("ENOSPC", NO_FILES)),
        ),
        "H.264 encoder": Driver(
            ("video/h264",),
            ("missing", "returns", "stalls", "mode change", "garbage", "killed"),
            _without(
                ("vanishes", "is a process of ours: it goes by being killed"),
                ("EIO", NO_PIPE_EIO),
                ("ENOSPC", NO_FILES),
                ("host leaves", NO_HOST),
                ("no signal", "is given a picture that says so"),
            ),
        ),
        "text recognition": Driver(
            ("ocr",),
            ("missing", "returns", "stalls", "garbage", "killed"),
            _without(
                *_NOT_USB,
                ("vanishes", STARTED_EACH_TIME),
                ("EIO", NO_PIPE_EIO),
                ("ENOSPC", NO_FILES),
            ),
        ),
        "fan chip": Driver(
            ("system/hwmon.py",),
            ("missing", "vanishes", "returns", "EIO", "stalls", "garbage"),
            _without(*_NOT_USB, *_KERNELS_OWN),
        ),
        "fan daemon": Driver(
            ("system/fan.py",),
            ("missing", "vanishes", "returns", "stalls", "garbage"),
            _without(
                *_NOT_USB,
                ("EIO", NO_EIO),
                ("ENOSPC", NO_FILES),
                ("killed", "is a process of somebody else's: killed, its socket vanishes"),
            ),
        ),
        "sensors": Driver(
            (
                *("system/blocking.py", "system/device_tree.py", "system/disk.py", "system/health.py"),
                *("system/host_name.py", "system/network.py", "system/platform.py", "system/thermal.py"),
                *("system/units.py", "system/uptime.py"),
            ),
            ("missing", "vanishes", "returns", "EIO", "ENOSPC", "stalls", "garbage"),
            _without(*_NOT_USB, ("killed", NO_PROCESS)),
        ),
        "hardware watchdog": Driver(
            ("system/hardware_watchdog.py",),
            ("missing", "vanishes", "returns", "EIO", "stalls", "garbage"),
            _without(*_NOT_USB, *_KERNELS_OWN),
        ),
        "service manager": Driver(
            ("system/sd_notify.py",),
            ("missing", "vanishes", "returns", "stalls"),
            _without(
                *_NOT_USB,
                ("EIO", NO_EIO),
                ("ENOSPC", NO_FILES),
                ("garbage", "is told things and says nothing"),
                ("killed", "is process 1"),
            ),
        ),
        "journal": Driver(
            ("system/journal.py", "system/journal_lines.py"),
            ("missing", "returns", "stalls", "garbage", "killed"),
            _without(
                *_NOT_USB,
                ("vanishes", STARTED_EACH_TIME),
                ("EIO", NO_PIPE_EIO),
                ("ENOSPC", NO_FILES),
            ),
        ),
        "updates: RAUC": Driver(
            ("system/rauc.py", "system/restart.py"),
            ("missing", "vanishes", "returns", "ENOSPC", "stalls", "garbage", "killed"),
            _without(*_NOT_USB, ("EIO", NO_EIO)),
        ),
        "files of other servers": Driver(
            ("network/allowed_hosts.py", "network/large_reads.py", "network/remote_file.py"),
            ("missing", "vanishes", "returns", "stalls", "garbage"),
            _without(*_NOT_USB, *_KERNELS_OWN, ("EIO", NO_EIO)),
        ),
        "login providers": Driver(
            ("network/provider_http.py",),
            ("missing", "vanishes", "returns", "stalls", "garbage"),
            _without(*_NOT_USB, *_KERNELS_OWN, ("EIO", NO_EIO)),
        ),
        "images' disk": Driver(
            ("system/inotify.py",),
            ("missing", "vanishes", "returns", "EIO", "ENOSPC", "stalls"),
            _without(
                *_NOT_USB,
                ("garbage", "is a file system: names of any bytes are listed or left out"),
                ("killed", NO_PROCESS),
            ),
        ),
    }
)
"""The rows, in the order of the table."""

NO_DEVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "absent.py": "stands for what a board lacks",
        "errors.py": "errors",
        "fanout.py": "channels within the process",
        "ports.py": "protocols",
        "readiness.py": "a way to wait, used by drivers of rows",
        "channels/noop.py": "does nothing",
        "channels/polled.py": "what channel drivers share",
        "system/age.py": "computes on bytes in memory for backups",
        "system/age_process.py": "computes on bytes in memory for backups",
        "video/frame.py": "pictures in memory",
        "video/glyph_reader.py": "pictures in memory",
        "video/i420.py": "pictures in memory",
        "video/jpeg.py": "pictures in memory",
        "video/mjpeg.py": "pictures in memory",
        "video/pillow_jpeg.py": "pictures in memory",
        "video/preview.py": "pictures in memory",
        "video/python_mjpeg.py": "pictures in memory",
        "video/python_scan.py": "pictures in memory",
        "video/text.py": "pictures in memory",
        "video/time_stripe.py": "pictures in memory",
        "wire": "codecs without I/O",
    }
)
"""What of `drivers/` drives nothing that could fail by itself, and why."""
