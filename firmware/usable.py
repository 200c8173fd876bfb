"""Whether this version can do what a configuration asks for; the same answer for `run` and `config --check`.

A value may be right by itself and still name something that is not there yet, or not on this machine.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from drivers.video.h264.settings import missing_package
from firmware.boards.data import board_names
from firmware.core.config.errors import ConfigurationError, Problem
from firmware.core.config.tree import Position
from firmware.settings import LoadedSettings
from firmware.settings.loading import BOARD
from firmware.subsystems.auth.config import HtpasswdAuthConfig
from firmware.subsystems.auth.oidc_config import read_client_secret
from firmware.subsystems.auth.rights import Rights
from firmware.subsystems.gpio.driver_config import LineDriverConfig, LocatorDriverConfig
from firmware.subsystems.hid.keymap_files import US, is_available, our_names

_DEFAULT = Position("the defaults")

_NOT_READ_YET = (
    "kvmd/auth/internal/force_users",
    "kvmd/auth/usc",
    "kvmd/hid/noop",
    "kvmd/server/unix",
    "media/server/unix",
    "media/server/unix_mode",
    "media/server/unix_rm",
    "nginx",
    "otg/devices/camera",
    "otg/init_delay",
    "otg/meta",
    "pst",
)

_NO_PROCESS = "has no effect: the streamer is a part of this program and no process of its own"
_WITHOUT_EFFECT = {
    **{
        f"kvmd/streamer/{command}{suffix}": _NO_PROCESS
        for command in ("pre_start_cmd", "cmd", "post_stop_cmd")
        for suffix in ("", "_remove", "_append")
    },
    **{
        f"kvmd/streamer/{key}": _NO_PROCESS
        for key in ("unix", "timeout", "process_name_prefix", "h264_boost", "slowdown", "passthrough")
    },
    "media/memsink": "has no effect: the media socket offers every format that there is an encoder for",
}
"""Keys of the reference that have nothing to say here, and why; nobody waits for them."""


SECRET: Final = 0o027
"""What others may not do with a secret, and the group not write."""
OWN: Final = 0o022
"""What nobody else may do with a file that says who may do what."""


def check(loaded: LoadedSettings) -> list[str]:
    """Return lines about what is asked for in vain. Raises ConfigurationError for what cannot be served.

    A keyboard on a device that is not driven would type nowhere, and an account service that is not asked
    would let nobody in: those are errors. The rest would only be missed.
    """
    errors = [_problem(loaded, path, message) for path, message in _errors(loaded)]
    if errors:
        raise ConfigurationError(errors)
    return [
        *(str(_problem(loaded, path, message)) for path, message in _replaced(loaded)),
        *(str(_problem(loaded, path, message)) for path, message in _unknown_roles(loaded)),
        *(str(_problem(loaded, path, message)) for path, message in _shared_lines(loaded)),
        *(str(_problem(loaded, path, message)) for path, message in _unserved(loaded)),
    ]


def _problem(loaded: LoadedSettings, path: str, message: str) -> Problem:
    return Problem(loaded.sources.get(path, _DEFAULT), path, message)


def _errors(loaded: LoadedSettings) -> Iterator[tuple[str, str]]:
    kvmd, farhand = loaded.settings.kvmd, loaded.settings.farhand
    if farhand.board is not None and farhand.board not in board_names():
        yield "farhand/board", f"expected one of {', '.join(board_names())}, got {farhand.board!r}"
    if kvmd.hid.type not in ("otg", "serial", "ch9329"):
        yield "kvmd/hid/type", f"expected otg, serial or ch9329, which are driven, got {kvmd.hid.type!r}"
    if not isinstance(kvmd.auth.internal, HtpasswdAuthConfig):
        yield (
            "kvmd/auth/internal/type",
            f"expected htpasswd, the only one yet, got {kvmd.auth.internal.type!r}",
        )
    if kvmd.auth.external.type:
        yield (
            "kvmd/auth/external/type",
            f"expected none, as there is none yet, got {kvmd.auth.external.type!r}",
        )
    yield from _open_secrets(loaded)
    for name, path in (("certificate", farhand.tls.certificate), ("key", farhand.tls.key)):
        if path is not None:
            try:
                path.read_bytes()
            except OSError as exc:
                yield f"farhand/tls/{name}", f"cannot be read: {path}: {exc.strerror}"
    if farhand.oidc.issuer and farhand.oidc.client_secret_file is not None:
        try:
            read_client_secret(farhand.oidc.client_secret_file)
        except ValueError as exc:
            yield "farhand/oidc/client_secret_file", str(exc)
    if farhand.rights is not None and farhand.rights.exists():
        try:
            Rights.parse(farhand.rights.read_bytes())
        except OSError as exc:
            yield "farhand/rights", f"cannot be read: {farhand.rights}: {exc.strerror}"
        except ValueError as exc:
            yield "farhand/rights", f"{exc} - at {farhand.rights}"


def _open_secrets(loaded: LoadedSettings) -> Iterator[tuple[str, str]]:
    """Yield files that others may read, or write, who should not."""
    kvmd, farhand = loaded.settings.kvmd, loaded.settings.farhand
    passwords = kvmd.auth.internal
    for key, path, forbidden in (
        (
            "kvmd/auth/internal/file",
            passwords.file if isinstance(passwords, HtpasswdAuthConfig) else None,
            SECRET,
        ),
        ("kvmd/auth/totp/secret/file", kvmd.auth.totp.secret.file, SECRET),
        ("farhand/tls/key", farhand.tls.key, SECRET),
        ("farhand/rights", farhand.rights, OWN),
    ):
        try:
            mode = 0 if path is None else stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue  # whoever reads it says so
        if mode & forbidden:
            yield (
                key,
                f"its mode {mode:o} lets others read or change it: `chmod {mode & ~forbidden:o} {path}`",
            )


def _replaced(loaded: LoadedSettings) -> Iterator[tuple[str, str]]:
    """Yield what is not there and has something else take its place."""
    keymap = loaded.settings.kvmd.hid.keymap
    if not is_available(keymap):
        known = ", ".join(our_names())
        yield "kvmd/hid/keymap", f"expected one of {known}, got {keymap.name!r}: {US} is used"
    package = missing_package()
    if loaded.settings.kvmd.streamer.h264_bitrate.default and package is not None:
        yield (
            "kvmd/streamer/h264_bitrate/default",
            f"is set, but {package} is not installed: H.264 stays off - install farhand[h264]",
        )


def _unknown_roles(loaded: LoadedSettings) -> Iterator[tuple[str, str]]:
    """Yield roles for groups of a login provider that there are not, which allow nothing."""
    farhand = loaded.settings.farhand
    roles = Rights().roles
    if farhand.rights is not None and farhand.rights.exists():
        roles = Rights.parse(farhand.rights.read_bytes()).roles
    for group, role in farhand.oidc.roles.items():
        if role not in roles:
            known = ", ".join(sorted(roles))
            yield (
                f"farhand/oidc/roles/{group}",
                f"expected one of the roles {known}, got {role!r}: allows nothing",
            )


def _shared_lines(loaded: LoadedSettings) -> Iterator[tuple[str, str]]:
    """Yield the channels whose line somebody else holds, which will be offline."""
    kvmd = loaded.settings.kvmd
    holders: dict[tuple[Path, str], tuple[str, str]] = {}
    if kvmd.atx.type != "disabled":
        for name in ("power_led_pin", "hdd_led_pin", "power_switch_pin", "reset_switch_pin"):
            line = (kvmd.atx.device, str(getattr(kvmd.atx, name)))
            holders[line] = ("kvmd/atx", f"kvmd/atx/{name}")
    for name, channel in kvmd.gpio.scheme.items():
        driver = kvmd.gpio.drivers[channel.driver]
        if isinstance(driver, LineDriverConfig | LocatorDriverConfig):
            # Channels of one driver may share a line: as an output that is read back.
            path = f"kvmd/gpio/scheme/{name}/pin"
            holder, held_as = holders.setdefault((driver.device, channel.pin), (channel.driver, path))
            if holder != channel.driver:
                yield path, f"is line {channel.pin}, which {held_as} holds; one of them will be offline"


def _unserved(loaded: LoadedSettings) -> Iterator[tuple[str, str]]:
    """Yield what somebody set and nothing reads: the first key below each such section, and why."""
    not_yet = dict.fromkeys(_NOT_READ_YET, "is set, which this version does not do yet")
    for section, message in {**not_yet, **_WITHOUT_EFFECT}.items():
        below = (path for path in loaded.sources if path == section or path.startswith(f"{section}/"))
        first = next(below, None)
        if first is not None and loaded.sources[first] != BOARD:
            yield first, message
