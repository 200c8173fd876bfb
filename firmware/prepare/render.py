"""What the settings of the boot partition are for the system's services: small files, made at each start.

Pure. Paths are relative to the root; all lie in memory (/run, /var), so that nothing old stays behind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from firmware.prepare.document import Document, Network, Wifi

PUBLIC: Final = 0o644
PRIVATE: Final = 0o600

NETWORK_FILE: Final = PurePosixPath("run/systemd/network/10-farhand.network")
KEYS_FILE: Final = PurePosixPath("run/farhand/authorized_keys")
IWD_DIRECTORY: Final = PurePosixPath("var/lib/iwd")
IWD_SETTINGS: Final = PurePosixPath("run/farhand/iwd/main.conf")
ISSUE_FILE: Final = PurePosixPath("run/issue.d/farhand.issue")


@dataclass(frozen=True, slots=True)
class SystemFile:
    """A file to write; its representation does not show what may be secret."""

    text: str = field(repr=False)
    mode: int = PUBLIC


def render(document: Document, host_name: str) -> dict[PurePosixPath, SystemFile]:
    """Return the files for *document* on a machine named *host_name*."""
    files = {ISSUE_FILE: SystemFile(_issue(host_name))}
    if document.network is not None:
        files[NETWORK_FILE] = SystemFile(_network(document.network))
    if document.ssh_keys:
        files[KEYS_FILE] = SystemFile("".join(f"{key}\n" for key in document.ssh_keys), PRIVATE)
    if document.wifi is not None:
        files[IWD_DIRECTORY / f"{_iwd_name(document.wifi.name)}.psk"] = SystemFile(
            f"[Security]\nPassphrase={_iwd_value(document.wifi.password)}\n", PRIVATE
        )
        files[IWD_SETTINGS] = SystemFile(_iwd_settings(document.wifi))
    return files


def _network(network: Network) -> str:
    lines = ["[Match]", "Name=e*", "", "[Network]", f"Address={network.address}"]
    if network.gateway is not None:
        lines.append(f"Gateway={network.gateway}")
    lines += [f"DNS={server}" for server in network.dns]
    lines += ["MulticastDNS=yes", "IPv6AcceptRA=yes"]
    return "\n".join(lines) + "\n"


def _iwd_name(name: str) -> str:
    """Return the file name that iwd.network(5) wants for a network."""
    return name if re.fullmatch(r"[A-Za-z0-9 _-]+", name) else "=" + name.encode().hex()


def _iwd_value(text: str) -> str:
    """Return *text* as iwd's settings want it: a backslash starts an escape, a blank at the start is lost."""
    escaped = text.replace("\\", "\\\\")
    return "\\s" + escaped[1:] if escaped.startswith(" ") else escaped


def _iwd_settings(wifi: Wifi) -> str:
    return f"[General]\nCountry={wifi.country}\n[Network]\nNameResolvingService=systemd\n"


def _issue(host_name: str) -> str:
    # \4 is agetty's: the machine's IPv4 address at the time of the prompt.
    return f"\nFarhand\n  https://{host_name}.local/\n  https://\\4/\n\n"
