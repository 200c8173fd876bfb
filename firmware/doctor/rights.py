"""Looks at what the appliance may do: root everything, its user what was given to it; and at the helper."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.errors import DriverError
from firmware.doctor.findings import Finding, bad, note, ok
from firmware.privileged.client import SOCKET, PrivilegedHelper

SERVICE_USER: Final = "farhand"
GROUPS: Final = {
    "video": "the capture",
    "dialout": "serial ports",
    "systemd-journal": "the log of the system",
}
NODES: Final = ("gpiochip*", "video*", "media*", "v4l-subdev*", "hidg*", "ttyACM*", "ttyUSB*", "kvmd-*")
"""What the appliance opens, as far as it is there."""
_HELPER_HINT: Final = "see: systemctl status farhand-privileged.socket farhand-privileged.service"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and the groups that it is in."""

    name: str
    user: int
    groups: frozenset[int]

    def may_use(self, status: os.stat_result) -> bool:
        """Return whether it may read and write what has *status*, by its mode."""
        if self.user == 0:
            return True
        if status.st_uid == self.user:
            wanted = stat.S_IRUSR | stat.S_IWUSR
        elif status.st_gid in self.groups:
            wanted = stat.S_IRGRP | stat.S_IWGRP
        else:
            wanted = stat.S_IROTH | stat.S_IWOTH
        return status.st_mode & wanted == wanted


def service_identity(name: str = SERVICE_USER) -> Identity | None:
    """Return who runs the appliance: this process, but for root the service's user where there is one."""
    if os.geteuid() != 0:
        return Identity(f"user {os.geteuid()}", os.geteuid(), frozenset({os.getegid(), *os.getgroups()}))
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Identity(name, entry.pw_uid, frozenset(os.getgrouplist(name, entry.pw_gid)))


def look_at_rights(
    identity: Identity | None,
    *,
    helper: PrivilegedHelper | None = None,
    dev: Path = Path("/dev"),
    groups: Collection[tuple[str, int]] = (),
) -> Iterator[Finding]:
    """Yield what there is to say of *identity*, None = root itself; *groups* are the machine's, by number."""
    if identity is None:
        yield ok("rights", "root, and there is no user of the appliance's own")
        return
    yield from _of_groups(identity, groups)
    yield from _of_nodes(identity, dev)
    yield from _of_helper(PrivilegedHelper() if helper is None else helper)


def _of_groups(identity: Identity, groups: Collection[tuple[str, int]]) -> Iterator[Finding]:
    missing = [name for name, number in groups if name in GROUPS and number not in identity.groups]
    for name in missing:
        yield note(
            "rights",
            f"{identity.name} is not in the group {name}, the group of {GROUPS[name]}",
            f"usermod --append --groups {name} USER",
        )
    if not missing:
        yield ok("rights", f"{identity.name}, in the groups that it needs")


def _of_nodes(identity: Identity, dev: Path) -> Iterator[Finding]:
    there = sorted({path for pattern in NODES for path in dev.glob(pattern)})
    closed = []
    for path in there:
        try:
            if not identity.may_use(path.stat()):
                closed.append(path.name)
        except OSError:
            continue  # It was unplugged while we looked.
    if closed:
        yield bad(
            "devices",
            f"{identity.name} may not open {', '.join(closed)}",
            "give them a group that it is in, by a rule of udev (the image's: 70-farhand.rules)",
        )
    elif there:
        yield ok("devices", f"{identity.name} may open {', '.join(path.name for path in there)}")


def _of_helper(helper: PrivilegedHelper) -> Iterator[Finding]:
    try:
        helper.ping()
    except DriverError as exc:
        yield bad("privileged helper", str(exc), _HELPER_HINT)
    else:
        yield ok("privileged helper", f"answers at {SOCKET}")
