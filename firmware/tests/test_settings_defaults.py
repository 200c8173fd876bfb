"""Every default of the contract's config.md, written down here a second time, against an empty directory."""

from pathlib import Path

import pytest

from firmware.core.config.convert import to_plain
from firmware.settings import load

# Key path: default as YAML would have it. `@` stands for the configuration directory.
AUTH = {
    "kvmd/auth/enabled": True,
    "kvmd/auth/expire": 0,
    "kvmd/auth/extend": False,
    "kvmd/auth/allow_redirects": ["/", "/kvm", "/kvm/"],
    "kvmd/auth/usc/users": [],
    "kvmd/auth/usc/groups": [],
    "kvmd/auth/usc/kvmd_users": ["root"],
    "kvmd/auth/usc/kvmd_groups": ["kvmd-selfauth"],
    "kvmd/auth/internal/type": "htpasswd",
    "kvmd/auth/internal/force_users": [],
    "kvmd/auth/internal/file": "@/htpasswd",
    "kvmd/auth/external/type": "",
    "kvmd/auth/totp/secret/file": "@/totp.secret",
}
MAIN = {
    "kvmd/server/unix": "/run/kvmd/kvmd.sock",
    "kvmd/server/unix_rm": True,
    "kvmd/server/unix_mode": 0o660,
    "kvmd/server/heartbeat": 15.0,
    "kvmd/server/access_log_format": "",
    "kvmd/info/meta": "@/meta.yaml",
    "kvmd/info/extras": "/usr/share/kvmd/extras",
    "kvmd/info/hw/platform": "/usr/lib/kvmd/platform",
    "kvmd/info/hw/vcgencmd_cmd": ["/usr/bin/vcgencmd"],
    "kvmd/info/hw/ignore_past": False,
    "kvmd/info/hw/state_poll": 5.0,
    "kvmd/info/fan/daemon": "kvmd-fan",
    "kvmd/info/fan/unix": "",
    "kvmd/info/fan/timeout": 5.0,
    "kvmd/info/fan/state_poll": 5.0,
    "kvmd/log_reader/enabled": True,
    "kvmd/prometheus/auth/enabled": True,
}
HID: dict[str, object] = {
    "kvmd/hid/type": "otg",  # required in the reference
    "kvmd/hid/device": "/dev/kvmd-hid",
    "kvmd/hid/speed": None,
    "kvmd/hid/read_timeout": None,
    "kvmd/hid/read_retries": 5,
    "kvmd/hid/common_retries": 5,
    "kvmd/hid/retries_delay": 0.5,
    "kvmd/hid/errors_threshold": 5,
    "kvmd/hid/gpio_device": "/dev/gpiochip0",
    "kvmd/hid/reset_pin": -1,
    "kvmd/hid/reset_inverted": False,
    "kvmd/hid/keymap": "/usr/share/kvmd/keymaps/en-us",
    "kvmd/hid/ignore_keys": [],
    "kvmd/hid/mouse_x_range/min": -32768,
    "kvmd/hid/mouse_x_range/max": 32767,
    "kvmd/hid/mouse_y_range/min": -32768,
    "kvmd/hid/mouse_y_range/max": 32767,
    "kvmd/hid/jiggler/enabled": True,
    "kvmd/hid/jiggler/active": False,
    "kvmd/hid/jiggler/interval": 60,
    "kvmd/hid/keyboard/device": "/dev/kvmd-hid-keyboard",
    "kvmd/hid/mouse/device": "/dev/kvmd-hid-mouse",
    "kvmd/hid/mouse_alt/device": "/dev/kvmd-hid-mouse-alt",
    **{
        f"kvmd/hid/{device}/{key}": value
        for device in ("keyboard", "mouse", "mouse_alt")
        for key, value in {"select_timeout": 0.1, "queue_timeout": 0.1, "write_retries": 150}.items()
    },
    "kvmd/hid/mouse/absolute": True,
    "kvmd/hid/mouse/absolute_win98_fix": False,
    "kvmd/hid/mouse/horizontal_wheel": True,
    "kvmd/hid/mouse_alt/horizontal_wheel": True,
    "kvmd/hid/noop": False,
}
ATX_MSD = {
    "kvmd/atx/type": "gpio",  # required in the reference
    "kvmd/atx/device": "/dev/gpiochip0",
    "kvmd/atx/power_led_pin": 24,
    "kvmd/atx/hdd_led_pin": 22,
    "kvmd/atx/power_switch_pin": 23,
    "kvmd/atx/reset_switch_pin": 27,
    "kvmd/atx/power_led_inverted": False,
    "kvmd/atx/hdd_led_inverted": False,
    "kvmd/atx/power_led_debounce": 0.1,
    "kvmd/atx/hdd_led_debounce": 0.1,
    "kvmd/atx/click_delay": 0.1,
    "kvmd/atx/long_click_delay": 5.5,
    "kvmd/msd/type": "otg",  # required in the reference
    "kvmd/msd/read_chunk_size": 65536,
    "kvmd/msd/write_chunk_size": 65536,
    "kvmd/msd/sync_chunk_size": 4194304,
    "kvmd/msd/remount_cmd": [
        "/usr/bin/sudo",
        "--non-interactive",
        "/usr/bin/kvmd-helper-otgmsd-remount",
        "{mode}",
    ],
}
STREAMER = {
    "kvmd/streamer/forever": False,
    "kvmd/streamer/reset_delay": 1.0,
    "kvmd/streamer/shutdown_delay": 10.0,
    "kvmd/streamer/state_poll": 1.0,
    "kvmd/streamer/quality": 80,
    "kvmd/streamer/resolution/default": "",
    "kvmd/streamer/resolution/available": [],
    "kvmd/streamer/desired_fps/default": 30,
    "kvmd/streamer/desired_fps/min": 0,
    "kvmd/streamer/desired_fps/max": 90,
    "kvmd/streamer/h264_bitrate/default": 0,
    "kvmd/streamer/h264_bitrate/min": 25,
    "kvmd/streamer/h264_bitrate/max": 20000,
    "kvmd/streamer/h264_gop/default": 0,
    "kvmd/streamer/h264_gop/min": 0,
    "kvmd/streamer/h264_gop/max": 60,
    "kvmd/streamer/h264_boost": False,
    "kvmd/streamer/slowdown": False,
    "kvmd/streamer/passthrough": False,
    "kvmd/streamer/unix": "/run/kvmd/ustreamer.sock",
    "kvmd/streamer/timeout": 2.0,
    "kvmd/streamer/snapshot_timeout": 5.0,
    "kvmd/streamer/process_name_prefix": "kvmd/streamer",
    **{f"kvmd/streamer/{name}": ["/bin/true"] for name in ("pre_start_cmd", "cmd", "post_stop_cmd")},
    **{
        f"kvmd/streamer/{name}_{change}": []
        for name in ("pre_start_cmd", "cmd", "post_stop_cmd")
        for change in ("remove", "append")
    },
    "kvmd/ocr/langs": ["eng"],
    "kvmd/ocr/tessdata": "/usr/share/tessdata",
    "kvmd/snapshot/idle_interval": 0.0,
    "kvmd/snapshot/live_interval": 0.0,
    "kvmd/snapshot/wakeup_key": "",
    "kvmd/snapshot/wakeup_move": 0,
    "kvmd/snapshot/online_delay": 5.0,
    "kvmd/snapshot/retries": 10,
    "kvmd/snapshot/retries_delay": 3.0,
}
GPIO_SWITCH = {
    "kvmd/gpio/state_poll": 0.1,
    "kvmd/gpio/drivers/__gpio__/type": "gpio",
    "kvmd/gpio/drivers/__gpio__/device": "/dev/gpiochip0",
    "kvmd/gpio/view/header/title": "GPIO",
    "kvmd/gpio/view/table": [],
    "kvmd/switch/device": "/dev/kvmd-switch",
    "kvmd/switch/default_edid": "@/switch-edid.hex",
    "kvmd/switch/ignore_hpd_on_top": False,
}
MEDIA = {
    "media/server/unix": "/run/kvmd/media.sock",
    "media/server/unix_rm": True,
    "media/server/unix_mode": 0o660,
    "media/server/heartbeat": 15.0,
    **{
        f"media/memsink/{name}/{key}": value
        for name in ("h264", "jpeg")
        for key, value in {
            "sink": "",
            "lock_timeout": 1.0,
            "wait_timeout": 1.0,
            "drop_same_frames": 0.0,
        }.items()
    },
}
OTG = {
    "otg/vendor_id": 0x1D6B,
    "otg/product_id": 0x0104,
    "otg/manufacturer": "PiKVM",
    "otg/product": "PiKVM Composite Device",
    "otg/serial": "CAFEBABE",
    "otg/config": None,
    "otg/device_version": -1,
    "otg/usb_version": 0x0200,
    "otg/max_power": 250,
    "otg/remote_wakeup": True,
    "otg/udc": "",
    "otg/endpoints": 9,
    "otg/init_delay": 3.0,
    "otg/user": "kvmd",
    "otg/meta": "/run/kvmd/otg",
    "otg/devices/hid/keyboard/start": True,
    "otg/devices/hid/mouse/start": True,
    "otg/devices/hid/mouse_alt/start": True,
    "otg/devices/msd/start": True,
    "otg/devices/msd/default/file": "",
    "otg/devices/msd/default/stall": False,
    "otg/devices/msd/default/cdrom": True,
    "otg/devices/msd/default/rw": False,
    "otg/devices/msd/default/removable": True,
    "otg/devices/msd/default/fua": True,
    "otg/devices/drives/enabled": False,
    "otg/devices/drives/start": True,
    "otg/devices/drives/count": 1,
    "otg/devices/drives/default/stall": False,
    "otg/devices/drives/default/cdrom": False,
    "otg/devices/drives/default/rw": True,
    "otg/devices/drives/default/removable": True,
    "otg/devices/drives/default/fua": True,
    **{
        f"otg/devices/{device}/default/inquiry_string/{sort}/{key}": value
        for device in ("msd", "drives")
        for sort, product in (("cdrom", "Optical Drive"), ("flash", "Flash Drive"))
        for key, value in {"vendor": "PiKVM", "product": product, "revision": "1.00"}.items()
    },
    "otg/devices/ethernet/enabled": False,
    "otg/devices/ethernet/start": True,
    "otg/devices/ethernet/driver": "ecm",
    "otg/devices/ethernet/host_mac": "",
    "otg/devices/ethernet/kvm_mac": "",
    "otg/devices/serial/enabled": False,
    "otg/devices/serial/start": True,
    "otg/devices/audio/enabled": False,
    "otg/devices/audio/start": True,
    "otg/devices/audio/speakers/enabled": False,
    "otg/devices/audio/mic/enabled": True,
    "otg/devices/camera/enabled": False,
    "otg/devices/camera/start": True,
}
OTHERS = {
    "pst/server/unix": "/run/kvmd/pst.sock",
    "pst/ro_retries_delay": 10.0,
    "pst/ro_cleanup_delay": 3.0,
    "pst/remount_cmd": ["/usr/bin/sudo", "--non-interactive", "/usr/bin/kvmd-helper-pst-remount", "{mode}"],
    "clients/kvmd/timeout": 5.0,
    "clients/nbd/timeout": 5.0,
    "clients/pst/timeout": 5.0,
    "clients/streamer/http/timeout": 5.0,
    "nginx/http/ipv4": "0.0.0.0",
    "nginx/http/ipv6": "::",
    "nginx/http/port": 80,
    "nginx/https/enabled": True,
    "nginx/https/ipv4": "0.0.0.0",
    "nginx/https/ipv6": "::",
    "nginx/https/port": 443,
}
OURS = {
    "farhand/board": None,
    "farhand/http": "127.0.0.1:8080",
    "farhand/https": "0.0.0.0:443",
    "farhand/boot/interval": 0.3,
    "farhand/boot/keys/bios_setup": [],
    "farhand/boot/keys/cd": [],
    "farhand/boot/keys/hdd": [],
    "farhand/boot/keys/pxe": [],
    "farhand/boot/keys/usb": [],
    "farhand/boot/menu_delay": 2.0,
    "farhand/boot/modes": ["uefi", "legacy"],
    "farhand/boot/window": 12.0,
    "farhand/rights": "@/rights.toml",
    "farhand/trusted_proxies": [],
    "farhand/origins": [],
    "farhand/tls/hsts": None,
    "farhand/audit/syslog": None,
    "farhand/fetch/hosts": [],
    "farhand/tls/acme_webroot": "",
    "farhand/tls/certificate": "",
    "farhand/tls/key": "",
    "farhand/video/device": "",
    "farhand/video/edid": "@/tc358743-edid.hex",
    "farhand/oidc/client_id": "",
    "farhand/oidc/client_secret_file": "",
    "farhand/oidc/expire": 43200,
    "farhand/oidc/groups": "groups",
    "farhand/oidc/issuer": "",
    "farhand/oidc/name": "Single sign-on",
    "farhand/oidc/scopes": ["openid", "profile"],
    "farhand/oidc/url": "",
    "farhand/oidc/user": "preferred_username",
    "farhand/watchdog/device": "",
    "farhand/watchdog/stall": 6.0,
    "farhand/emulated/hid_trace": "",
    "farhand/emulated/motion": False,
    "farhand/emulated/switch_units": 0,
    "farhand/emulated/slots": False,
    "farhand/emulated/time_stripe": False,
    "farhand/state": "/var/lib/farhand",
    "farhand/images": "",
}
DEFAULTS: dict[str, object] = {
    **AUTH,
    **MAIN,
    **HID,
    **ATX_MSD,
    **STREAMER,
    **GPIO_SWITCH,
    **MEDIA,
    **OTG,
    **OTHERS,
    **OURS,
}

# Options of plug-ins: what must be given, and what the others are then.
AUTH_SERVICES: list[tuple[str, dict[str, object], dict[str, object]]] = [
    (
        "http",
        {},
        {
            "url": "http://localhost/auth",
            "verify": True,
            "secret": "",
            "user": "",
            "passwd": "",
            "timeout": 5.0,
        },
    ),
    (
        "ldap",
        {"url": "ldap://directory.example", "base": "dc=example", "group": "cn=kvm"},
        {"verify": True, "user_domain": "", "timeout": 5},
    ),
    ("pam", {}, {"service": "login", "allow_users": [], "deny_users": [], "allow_uids_at": 0}),
    (
        "onetime",
        {},
        {
            "user": "onetime",
            "passwd_len": 8,
            "file": "/run/kvmd/creds.json",
            "file_mode": 0o640,
            "change_after_login": False,
        },
    ),
    ("radius", {}, {"host": "localhost", "port": 1812, "secret": "", "timeout": 5}),
    ("forbidden", {}, {}),
]
SERIAL: dict[str, object] = {"device": "/dev/serial"}
GPIO_DRIVERS: list[tuple[str, dict[str, object], dict[str, object]]] = [
    ("gpio", {}, {"device": "/dev/gpiochip0"}),
    ("locator", {}, {"device": "/dev/gpiochip0"}),
    ("hidrelay", {"device": "/dev/relay"}, {"state_poll": 5.0}),
    ("noyito", {"device": "/dev/relay"}, {}),
    (
        "pwm",
        {},
        {"chip": 0, "period": 20000000, "duty_cycle_push": 1500000, "duty_cycle_release": 1000000},
    ),
    (
        "servo",
        {},
        {
            "chip": 0,
            "period": 20000000,
            "duty_cycle_min": 1000000,
            "duty_cycle_max": 2000000,
            "angle_min": 0.0,
            "angle_max": 180.0,
            "angle_push": 100.0,
            "angle_release": 120.0,
        },
    ),
    ("cmd", {"cmd": ["/bin/true"]}, {}),
    ("cmdret", {"cmd": ["/bin/true"]}, {}),
    ("wol", {}, {"ip": "255.255.255.255", "port": 9, "mac": ""}),
    ("noop", {}, {}),
    ("otgconf", {}, {"udc": "", "init_delay": 3.0}),
    (
        "ipmi",
        {"host": "bmc.example"},
        {
            "port": 623,
            "cipher": 17,
            "user": "",
            "passwd": "",
            "passwd_env": "IPMI_PASSWORD",
            "cmd": [],
            "state_poll": 1.0,
        },
    ),
    (
        "amt",
        {"host": "amt.example"},
        {"user": "", "passwd": "", "tls": True, "passwd_env": "AMT_PASSWORD", "cmd": [], "state_poll": 1.0},
    ),
    (
        "tesmart",
        {"host": "kvm.example"},
        {"port": 5000, "device": "", "speed": 9600, "timeout": 5.0, "switch_delay": 1.0, "state_poll": 10.0},
    ),
    ("ezcoo", SERIAL, {"speed": 115200, "read_timeout": 2.0, "protocol": 1}),
    ("xh_hk4401", SERIAL, {"speed": 19200, "read_timeout": 2.0, "protocol": 1}),
    ("pway", SERIAL, {"speed": 19200, "read_timeout": 2.0, "protocol": 1}),
    ("extron", SERIAL, {"speed": 9600, "read_timeout": 2.0, "protocol": 1}),
    (
        "hue",
        {"url": "http://hue.example/api", "token": "t"},
        {"verify": True, "state_poll": 5.0, "timeout": 5.0},
    ),
    (
        "anelpwr",
        {"url": "http://anel.example/"},
        {"user": "", "passwd": "", "verify": True, "state_poll": 5.0, "timeout": 5.0},
    ),
]
CHANNELS: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"mode": "input", "pin": "5"}, {"driver": "__gpio__", "inverted": False, "debounce": 0.1}),
    (
        {"mode": "output", "pin": "5"},
        {
            "driver": "__gpio__",
            "inverted": False,
            "switch": True,
            "initial": False,
            "busy_delay": 0.2,
            "pulse": {"delay": 0.1, "min_delay": 0.1, "max_delay": 0.1},
        },
    ),
]


def flattened(value: object, prefix: str = "") -> dict[str, object]:
    """Return every value by its key path; empty sections vanish."""
    if not isinstance(value, dict):
        return {prefix: value}
    result: dict[str, object] = {}
    for key, child in value.items():
        result |= flattened(child, f"{prefix}/{key}" if prefix else key)
    return result


def effective(directory: Path, base: dict[str, object] | None = None) -> dict[str, object]:
    return flattened(to_plain(load(directory, base=base).settings))


@pytest.fixture(scope="module")
def of_empty_directory(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    directory = tmp_path_factory.mktemp("empty")
    return {
        key_path: value.replace(str(directory), "@") if isinstance(value, str) else value
        for key_path, value in effective(directory).items()
    }


@pytest.mark.parametrize("key_path", DEFAULTS)
def test_default(of_empty_directory: dict[str, object], key_path: str) -> None:
    value = of_empty_directory[key_path]
    assert value == DEFAULTS[key_path]
    assert isinstance(value, type(DEFAULTS[key_path]))


def test_there_are_no_keys_but_those(of_empty_directory: dict[str, object]) -> None:
    assert set(of_empty_directory) == set(DEFAULTS)


@pytest.mark.parametrize(("plug_in", "given", "others"), AUTH_SERVICES, ids=lambda value: str(value)[:10])
@pytest.mark.parametrize("place", ["internal", "external"])
def test_options_of_login_services(
    tmp_path: Path, place: str, plug_in: str, given: dict[str, object], others: dict[str, object]
) -> None:
    base: dict[str, object] = {"kvmd": {"auth": {place: {"type": plug_in, **given}}}}
    expected = {"type": plug_in, "force_users": [], **given, **others}
    for key_path, value in flattened(expected, f"kvmd/auth/{place}").items():
        assert effective(tmp_path, base)[key_path] == value


@pytest.mark.parametrize(("driver", "given", "others"), GPIO_DRIVERS, ids=lambda value: str(value)[:10])
def test_options_of_gpio_drivers(
    tmp_path: Path, driver: str, given: dict[str, object], others: dict[str, object]
) -> None:
    base: dict[str, object] = {"kvmd": {"gpio": {"drivers": {"it": {"type": driver, **given}}}}}
    expected = {"type": driver, **given, **others}
    settings = to_plain(load(tmp_path, base=base).settings)
    assert flattened(settings)["kvmd/gpio/drivers/__gpio__/type"] == "gpio"
    drivers = load(tmp_path, base=base).settings.kvmd.gpio.drivers
    assert to_plain(drivers["it"]) == expected


@pytest.mark.parametrize(("given", "others"), CHANNELS)
def test_options_of_gpio_channels(
    tmp_path: Path, given: dict[str, object], others: dict[str, object]
) -> None:
    base: dict[str, object] = {"kvmd": {"gpio": {"scheme": {"it": given}}}}
    scheme = load(tmp_path, base=base).settings.kvmd.gpio.scheme
    assert to_plain(scheme["it"]) == {**given, **others}
