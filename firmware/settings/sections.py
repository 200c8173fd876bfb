"""The root of the configuration: all sections at the key paths of config.md, and those of no subsystem.

Everything here is values and their composition; reading is `loading`'s.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self, override

import msgspec

from firmware.core.config.kinds import (
    AbsolutePath,
    CommandKind,
    Interval,
    Kind,
    MismatchError,
    Mode,
    Nullable,
    OptionalPath,
    OptionalText,
    Pattern,
    Seconds,
    integer,
    is_empty,
    number,
    text_of,
)
from firmware.core.config.section import Notes, Section
from firmware.core.config.tree import Node
from firmware.settings.networks import Hosts, Networks, OptionalSyslogServer, WebOrigins
from firmware.settings.otg import OtgConfig
from firmware.subsystems.atx.config import AtxConfig
from firmware.subsystems.auth.config import AuthConfig
from firmware.subsystems.auth.oidc_config import OidcConfig
from firmware.subsystems.boot.config import BootConfig
from firmware.subsystems.gpio.config import GpioConfig
from firmware.subsystems.hid.config import HidConfig
from firmware.subsystems.info.config import InfoConfig
from firmware.subsystems.log.config import LogConfig
from firmware.subsystems.msd.config import MsdConfig
from firmware.subsystems.ocr.config import OcrConfig
from firmware.subsystems.snapshot.config import SnapshotConfig
from firmware.subsystems.streamer.config import StreamerConfig
from firmware.subsystems.switch.config import SwitchConfig

type Port = Annotated[int, integer(1, 65535)]


class ServerConfig(Section, frozen=True):
    """`kvmd/server`: the unix socket of the main daemon; `unix_mode` are permission bits."""

    unix: AbsolutePath = Path("/run/kvmd/kvmd.sock")
    unix_rm: bool = True
    unix_mode: Mode = 0o660
    heartbeat: Interval = 15.0
    """Seconds between WebSocket pings."""
    access_log_format: OptionalText = ""
    """Empty = our own format."""


class MediaServerConfig(Section, frozen=True):
    """`media/server`: the unix socket of the media daemon."""

    unix: AbsolutePath = Path("/run/kvmd/media.sock")
    unix_rm: bool = True
    unix_mode: Mode = 0o660
    heartbeat: Interval = 15.0
    """Seconds between WebSocket pings."""


class PrometheusAuthConfig(Section, frozen=True):
    """`kvmd/prometheus/auth`: whether metrics need a login."""

    enabled: bool = True


class PrometheusConfig(Section, frozen=True):
    """`kvmd/prometheus`."""

    auth: PrometheusAuthConfig = PrometheusAuthConfig()


class KvmdConfig(Section, frozen=True):
    """`kvmd`: the main daemon and its subsystems."""

    server: ServerConfig = ServerConfig()
    auth: AuthConfig = AuthConfig()
    info: InfoConfig = InfoConfig()
    log_reader: LogConfig = LogConfig()
    prometheus: PrometheusConfig = PrometheusConfig()
    hid: HidConfig = HidConfig()
    atx: AtxConfig = AtxConfig()
    msd: MsdConfig = MsdConfig()
    streamer: StreamerConfig = StreamerConfig()
    ocr: OcrConfig = OcrConfig()
    snapshot: SnapshotConfig = SnapshotConfig()
    gpio: GpioConfig = GpioConfig()
    switch: SwitchConfig = SwitchConfig()


class MemsinkConfig(Section, frozen=True):
    """One of `media/memsink/*`: a shared-memory picture source; `sink` "" = this format is not offered."""

    sink: OptionalText = ""
    lock_timeout: Interval = 1.0
    wait_timeout: Interval = 1.0
    drop_same_frames: Seconds = 0.0


class MemsinksConfig(Section, frozen=True):
    """`media/memsink`."""

    h264: MemsinkConfig = MemsinkConfig()
    jpeg: MemsinkConfig = MemsinkConfig()


class MediaConfig(Section, frozen=True):
    """`media`: the media socket."""

    server: MediaServerConfig = MediaServerConfig()
    memsink: MemsinksConfig = MemsinksConfig()


class PstServerConfig(Section, frozen=True):
    """`pst/server`."""

    unix: AbsolutePath = Path("/run/kvmd/pst.sock")


class PstConfig(Section, frozen=True):
    """`pst`: the persistent storage."""

    server: PstServerConfig = PstServerConfig()
    ro_retries_delay: Interval = 10.0
    ro_cleanup_delay: Interval = 3.0
    remount_cmd: Annotated[tuple[str, ...], CommandKind("{mode}")] = (
        "/usr/bin/sudo",
        "--non-interactive",
        "/usr/bin/kvmd-helper-pst-remount",
        "{mode}",
    )


class ClientConfig(Section, frozen=True):
    """One of `clients/*`: how long to wait for another process, in seconds."""

    timeout: Interval = 5.0


class StreamerClientConfig(Section, frozen=True):
    """`clients/streamer`."""

    http: ClientConfig = ClientConfig()


class ClientsConfig(Section, frozen=True):
    """`clients`."""

    kvmd: ClientConfig = ClientConfig()
    nbd: ClientConfig = ClientConfig()
    pst: ClientConfig = ClientConfig()
    streamer: StreamerClientConfig = StreamerClientConfig()


class NginxHttpConfig(Section, frozen=True):
    """`nginx/http`: where PiKVM's front proxy listens; ours is `farhand/http`."""

    ipv4: OptionalText = "0.0.0.0"  # noqa: S104 - config.md's default
    ipv6: OptionalText = "::"
    port: Port = 80


class NginxHttpsConfig(Section, frozen=True):
    """`nginx/https`: where PiKVM's front proxy listens; ours is `farhand/https`."""

    enabled: bool = True
    ipv4: OptionalText = "0.0.0.0"  # noqa: S104 - config.md's default
    ipv6: OptionalText = "::"
    port: Port = 443


class NginxConfig(Section, frozen=True):
    """`nginx`."""

    http: NginxHttpConfig = NginxHttpConfig()
    https: NginxHttpsConfig = NginxHttpsConfig()


class ListenAddress(msgspec.Struct, frozen=True):
    """Where to listen: an address or host name, and a port (0 = any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


_LISTEN = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)):(?P<port>[0-9]{1,5})", re.ASCII
)
LISTEN_EXPECTED = "ADDRESS:PORT such as 127.0.0.1:8080 or [::]:443"


def parse_listen(text: str) -> ListenAddress:
    """Return "ADDRESS:PORT" or "[IPv6]:PORT" in parts. Raises ValueError saying what is expected."""
    match = _LISTEN.fullmatch(text.strip())
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"expected {LISTEN_EXPECTED}, got {text!r}")
    if match["v6"] is not None:
        try:
            ipaddress.IPv6Address(match["v6"])
        except ValueError:
            raise ValueError(f"expected {LISTEN_EXPECTED}, got {text!r}") from None
    return ListenAddress(match["v6"] or match["host"], int(match["port"]))


@dataclass(frozen=True, slots=True)
class _Listen(Kind):
    """A place to listen, or nothing for None."""

    @override
    def parse(self, node: Node) -> ListenAddress | None:
        if is_empty(node):
            return None
        try:
            return parse_listen(text_of(node) or "")
        except ValueError:
            raise MismatchError(f"{LISTEN_EXPECTED}, or empty", node) from None

    @override
    def plain(self, value: ListenAddress | None) -> object:
        return "" if value is None else str(value)


type OptionalListen = Annotated[ListenAddress | None, _Listen()]


class TlsConfig(Section, frozen=True):
    """`farhand/tls`: PEM files; None = a self-signed certificate made at first start.

    They are read again when they are replaced.
    """

    certificate: OptionalPath = None
    key: OptionalPath = None
    acme_webroot: OptionalPath = None
    """Where an ACME client puts its challenges; the plain HTTP port shows them. None = it shows nothing."""
    hsts: Annotated[int | None, Nullable(integer(0, 63_072_000))] = None
    """For how many seconds browsers are told to use nothing but HTTPS (RFC 6797), 0 = they are not.

    None = half a year with a certificate of one's own, else 0.
    """

    @property
    def hsts_s(self) -> int:
        """`hsts` with its default."""
        if self.hsts is not None:
            return self.hsts
        return 0 if self.certificate is None else 15_552_000

    @override
    def settle(self, notes: Notes) -> Self:
        if (self.certificate is None) != (self.key is None):
            given, missing = ("key", "certificate") if self.certificate is None else ("certificate", "key")
            notes.error(given, f"expected {missing} beside it, got only {given}")
        return self


class AuditConfig(Section, frozen=True):
    """`farhand/audit`."""

    syslog: OptionalSyslogServer = None
    """The server that the audit trail is sent to as it is written; None = to nobody."""


class FetchConfig(Section, frozen=True):
    """`farhand/fetch`: files that the appliance is asked to get from other servers."""

    hosts: Hosts = ()
    """From which hosts; none = from any."""


class VideoConfig(Section, frozen=True):
    """`farhand/video`: the capture, which PiKVM gives to its streamer as command-line arguments."""

    device: OptionalPath = None
    """The video node; None = found by the board's data."""
    edid: OptionalPath = Path("/etc/kvmd/tc358743-edid.hex")
    """The EDID shown to the target, as hex text or binary; None or no such file = our own."""


class WatchdogConfig(Section, frozen=True):
    """`farhand/watchdog`: what is done about an appliance that hangs; nothing is needed for systemd's."""

    stall: Annotated[float, number(0, 600)] = 6.0
    """After how many seconds in which nothing goes on at all the stacks of all threads are logged, and the
    process ends if a service manager watches it; 0 = never."""

    device: OptionalPath = None
    """The node of a hardware watchdog that nobody else feeds, such as /dev/watchdog0; None = none of ours."""


class EmulatedConfig(Section, frozen=True):
    """`farhand/emulated`: what the emulated board has plugged in, and its screen for measurements."""

    switch_units: Annotated[int, integer(0, 5)] = 0
    """How many units its KVM switch has; 0 = there is none."""
    time_stripe: bool = False
    """Whether each picture tells in its top left corner when it was drawn."""
    motion: bool = False
    """Whether the whole picture moves all the time."""
    slots: bool = False
    """Whether it can be updated, as a card with two slots can be."""
    hid_trace: OptionalPath = None
    """A file for every HID report that the PC takes, with its time; None = none is written."""


BOARD_NAME = Pattern(re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*"), "a board's name")


class FarhandConfig(Section, frozen=True):
    """`farhand`: what PiKVM has no key for."""

    board: Annotated[str | None, Nullable(BOARD_NAME)] = None
    """The board; None = found by the device tree, never an emulation."""
    http: OptionalListen = ListenAddress("127.0.0.1", 8080)
    https: OptionalListen = ListenAddress("0.0.0.0", 443)  # noqa: S104 - the appliance serves its network
    tls: TlsConfig = TlsConfig()
    trusted_proxies: Networks = ()
    """Reverse proxies whose `X-Forwarded-For`, `-Proto` and `-Host` say who asks, and for what."""
    origins: WebOrigins = ()
    """Whose pages may use a user's login besides our own, as `https://name[:port]`."""
    audit: AuditConfig = AuditConfig()
    fetch: FetchConfig = FetchConfig()
    rights: OptionalPath = Path("/etc/kvmd/rights.toml")
    """Who may do what; None or no such file = everybody with an account everything."""
    video: VideoConfig = VideoConfig()
    watchdog: WatchdogConfig = WatchdogConfig()
    boot: BootConfig = BootConfig()
    oidc: OidcConfig = OidcConfig()
    emulated: EmulatedConfig = EmulatedConfig()
    state: AbsolutePath = Path("/var/lib/farhand")
    images: OptionalPath = None
    """Where the images of mass storage live; None = where /etc/fstab says, else in the state directory."""


class Settings(Section, frozen=True):
    """Everything; attribute paths are the key paths of config.md."""

    kvmd: KvmdConfig = KvmdConfig()
    media: MediaConfig = MediaConfig()
    otg: OtgConfig = OtgConfig()
    pst: PstConfig = PstConfig()
    clients: ClientsConfig = ClientsConfig()
    nginx: NginxConfig = NginxConfig()
    farhand: FarhandConfig = FarhandConfig()
