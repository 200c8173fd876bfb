"""Loading a configuration directory: precedence, older forms, files, errors, and what a PiKVM user brings."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from firmware.core.config.schema import key_paths
from firmware.core.errors import SetupError
from firmware.settings import LoadedSettings, Settings, dump, load
from firmware.settings.sections import LISTEN_EXPECTED
from firmware.subsystems.auth.config import HtpasswdAuthConfig, NoAuthConfig, PamAuthConfig
from firmware.subsystems.gpio.config import GpioInputConfig, GpioOutputConfig, GpioPulseConfig
from firmware.subsystems.gpio.driver_config import LineDriverConfig, WolDriverConfig

USERS_OVERRIDE = """\
# What somebody who comes from a PiKVM might bring.
kvmd:
    auth:
        internal:
            force_users: [admin]
    hid:
        mouse_alt:
            device: /dev/kvmd-hid-mouse-alt
        jiggler:
            active: true
            interval: "90"
        ignore_keys: F12, Delete
    atx:
        type: disabled
    msd:
        remount_cmd: /usr/bin/helper, --mode, {mode}
    streamer:
        quality: 65
        desired_fps: 25
        max_fps: 60
        resolution:
            default: 1280x720
            available:
                - 1280x720
                - 1920x1080
        h264_bitrate:
            default: 5000
        cmd_append:
            - --slowdown
    gpio:
        drivers:
            relay:
                type: hidrelay
                device: /dev/hidraw0
            server:
                type: wol
                mac: 02:00:00:00:00:0A
        scheme:
            door:
                driver: relay
                pin: 0
                mode: output
                switch: false
                pulse:
                    delay: 0.5
                    max_delay: 2
            lamp:
                pin: 19
                mode: output
                initial: null
                pulse: false
            button:
                pin: 20
                mode: input
                inverted: yes
            server_on:
                driver: server
                pin: 0
                mode: output
                switch: no
        view:
            header:
                title: Desk
            table:
                - ["#Door", door|confirm|Open]
                - []
                - ["#Lamp", lamp]
                - ["#Button", button|red]
    snapshot:
        idle_interval: 120
        wakeup_key: ShiftLeft
otg:
    manufacturer: Workshop
    devices:
        serial:
            enabled: true
nginx:
    https:
        port: 8443
vnc:
    server:
        port: 5901
janus:
    stun:
        host: stun.example
"""


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def loaded(directory: Path, override: str = "", base: dict[str, Any] | None = None) -> LoadedSettings:
    write(directory, {"override.yaml": override} if override else {})
    return load(directory, base=base)


def settings(directory: Path, override: str = "", **files: str) -> Settings:
    write(directory, {f"{name}.yaml": text for name, text in files.items()})
    result = loaded(directory, override)
    assert result.warnings == ()
    return result.settings


def errors(directory: Path, override: str = "", base: dict[str, Any] | None = None) -> list[str]:
    if override:
        write(directory, {"override.yaml": override})
    with pytest.raises(SetupError) as caught:
        load(directory, base=base)
    return str(caught.value).splitlines()


def line_of(text: str) -> int:
    return [line.strip() for line in USERS_OVERRIDE.splitlines()].index(text) + 1


def test_a_realistic_override(tmp_path: Path) -> None:
    result = loaded(tmp_path, USERS_OVERRIDE)
    kvmd = result.settings.kvmd
    assert result.warnings == (
        f"override.yaml:{line_of('vnc:')}: vnc: belongs to a part of PiKVM that is not here, ignored",
        f"override.yaml:{line_of('janus:')}: janus: belongs to a part of PiKVM that is not here, ignored",
    )
    assert kvmd.auth.internal == HtpasswdAuthConfig(force_users=("admin",), file=tmp_path / "htpasswd")
    assert (kvmd.hid.jiggler.active, kvmd.hid.jiggler.interval) == (True, 90)
    assert kvmd.hid.ignore_keys == ("F12", "Delete")
    assert kvmd.atx.type == "disabled"
    assert kvmd.msd.remount_cmd == ("/usr/bin/helper", "--mode", "{mode}")
    streamer = kvmd.streamer
    assert streamer.quality == 65
    assert (streamer.desired_fps.default, streamer.desired_fps.min, streamer.desired_fps.max) == (25, 0, 60)
    assert streamer.resolution.default == "1280x720"
    assert streamer.resolution.available == ("1280x720", "1920x1080")
    assert streamer.h264_bitrate.default == 5000
    assert streamer.cmd_append == ("--slowdown",)
    gpio = kvmd.gpio
    assert gpio.drivers["__gpio__"] == LineDriverConfig()
    assert gpio.drivers["server"] == WolDriverConfig(mac="02:00:00:00:00:0a")
    assert gpio.scheme["door"] == GpioOutputConfig(
        driver="relay", pin="0", switch=False, pulse=GpioPulseConfig(delay=0.5, max_delay=2.0)
    )
    assert gpio.scheme["lamp"] == GpioOutputConfig(pin="19", initial=None, pulse=GpioPulseConfig(delay=0.0))
    assert gpio.scheme["button"] == GpioInputConfig(pin="20", inverted=True)
    assert list(gpio.scheme) == ["door", "lamp", "button", "server_on"]
    assert gpio.view.header.title == "Desk"
    assert gpio.view.table == (
        ("#Door", "door|confirm|Open"),
        (),
        ("#Lamp", "lamp"),
        ("#Button", "button|red"),
    )
    assert (kvmd.snapshot.idle_interval, kvmd.snapshot.wakeup_key) == (120.0, "ShiftLeft")
    assert result.settings.otg.devices.serial.enabled
    assert result.settings.otg.devices.msd.default.inquiry_string.cdrom.vendor == "Workshop"
    assert result.settings.nginx.https.port == 8443
    assert str(result.sources["kvmd/streamer/desired_fps/max"]) == f"override.yaml:{line_of('max_fps: 60')}"


def test_a_missing_directory_gives_the_defaults(tmp_path: Path) -> None:
    result = load(tmp_path / "nowhere")
    assert (result.warnings, result.files, dict(result.sources)) == ((), (), {})
    assert result.settings.kvmd.auth.internal == HtpasswdAuthConfig(file=tmp_path / "nowhere" / "htpasswd")
    assert isinstance(result.settings.kvmd.auth.external, NoAuthConfig)


def test_precedence_of_board_and_files(tmp_path: Path) -> None:
    names = ["board", "main.yaml", "auth.yaml", "override.d/10", "override.d/20.yaml", "override.yaml"]

    def section(rank: int) -> dict[str, Any]:
        return {"expire": rank, "usc": {"users": [f"u{rank}"]}}

    base = {"kvmd": {"auth": section(0)}}
    for last in range(len(names)):
        directory = tmp_path / str(last)
        directory.mkdir()
        for rank in range(1, last + 1):
            content: dict[str, Any] = section(rank)
            if names[rank] != "auth.yaml":
                content = {"kvmd": {"auth": content}}
            write(directory, {names[rank]: yaml.safe_dump(content)})
        result = load(directory, base=base)
        assert result.settings.kvmd.auth.expire == last
        assert result.settings.kvmd.auth.usc.users == (f"u{last}",)
        assert [str(path.relative_to(directory)) for path in result.files] == names[1 : last + 1]
        source = "the board's defaults" if last == 0 else names[last]
        assert result.sources["kvmd/auth/expire"].file == source


def test_files_complete_each_other(tmp_path: Path) -> None:
    write(tmp_path, {"override.d/10": "kvmd: {atx: {click_delay: 0.2, device: /dev/a}}\n"})
    atx = settings(tmp_path, "kvmd: {atx: {device: /dev/b}}\n").kvmd.atx
    assert (atx.click_delay, str(atx.device), atx.long_click_delay) == (0.2, "/dev/b", 5.5)


def test_override_d_takes_every_file_and_link_but_no_directory(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "override.d/b.bak": "kvmd: {hid: {jiggler: {interval: 2}}}\n",
            "override.d/a": "kvmd: {hid: {jiggler: {interval: 1}}}\n",
            "override.d/sub/z.yaml": "kvmd: {hid: {jiggler: {interval: 4}}}\n",
            "elsewhere": "kvmd: {hid: {jiggler: {interval: 3}}}\n",
        },
    )
    (tmp_path / "override.d" / "c").symlink_to(tmp_path / "elsewhere")
    result = load(tmp_path)
    assert result.settings.kvmd.hid.jiggler.interval == 3
    assert [path.name for path in result.files] == ["a", "b.bak", "c"]


def test_auth_yaml_is_the_auth_section(tmp_path: Path) -> None:
    auth = settings(tmp_path, auth="internal: {type: pam, allow_uids_at: 1000}\n").kvmd.auth
    assert auth.internal == PamAuthConfig(allow_uids_at=1000)


def test_an_old_main_yaml_that_includes_its_overrides(tmp_path: Path) -> None:
    write(tmp_path, {"override.d/10": "kvmd: {auth: {expire: 5}}\n", "auth.yaml": "extend: true\n"})
    main = (
        "override: !include [override.d, override.yaml]\nkvmd: {auth: !include auth.yaml, hid: {type: otg}}\n"
    )
    result = settings(tmp_path, "kvmd: {auth: {enabled: false}}\n", main=main)
    assert (result.kvmd.auth.expire, result.kvmd.auth.extend, result.kvmd.auth.enabled) == (5, True, False)


def test_includes_in_the_override(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "parts/door.yaml": "door: {pin: 5, mode: output}\n",
            "parts/led.yaml": "led: {pin: x, mode: input}\n",
        },
    )
    override = "kvmd:\n  gpio:\n    scheme: !include parts\n"
    assert errors(tmp_path, override) == [
        "parts/led.yaml:1: kvmd/gpio/scheme/led/pin: expected an integer >= 0, got 'x' (driver type gpio)"
    ]


# Legacy forms


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kvmd: {streamer: {desired_fps: 25}}", "kvmd: {streamer: {desired_fps: {default: 25}}}"),
        (
            "kvmd: {streamer: {desired_fps: 25, max_fps: 50}}",
            "kvmd: {streamer: {desired_fps: {default: 25, max: 50}}}",
        ),
        ("kvmd: {streamer: {resolution: 640x480}}", "kvmd: {streamer: {resolution: {default: 640x480}}}"),
        (
            "kvmd: {streamer: {resolution: 1x1, available_resolutions: [1x1, 2x2]}}",
            "kvmd: {streamer: {resolution: {default: 1x1, available: [1x1, 2x2]}}}",
        ),
        (
            "kvmd: {wol: {mac: '02:00:00:00:00:01', port: 7, ip: 192.0.2.255}}",
            """
kvmd:
  gpio:
    drivers: {__wol__: {type: wol, mac: '02:00:00:00:00:01', port: 7, ip: 192.0.2.255}}
    scheme: {__wol__: {driver: __wol__, pin: 0, mode: output, switch: false}}
""",
        ),
        ("kvmd: {wol: {mac: '', port: 7}}", "{}"),
        ("kvmd: {wol: }", "{}"),
        (
            "kvmd: {gpio: {scheme: {a: {pin: 1, mode: output, pulse: false}}}}",
            "kvmd: {gpio: {scheme: {a: {pin: 1, mode: output, pulse: {delay: 0}}}}}",
        ),
        ("otg: {msd: {start: false}}", "otg: {devices: {msd: {start: false}}}"),
        ("otg: {acm: {enabled: true}}", "otg: {devices: {serial: {enabled: true}}}"),
        ("otg: {drives: {enabled: true, count: 2}}", "otg: {devices: {drives: {enabled: true, count: 2}}}"),
    ],
)
def test_older_forms_mean_the_same(tmp_path: Path, old: str, new: str) -> None:
    write(tmp_path, {"old/override.yaml": old, "new/override.yaml": new})
    (tmp_path / "common").symlink_to(tmp_path / "old")
    was = settings(tmp_path / "common")
    (tmp_path / "common").unlink()
    (tmp_path / "common").symlink_to(tmp_path / "new")
    assert was == settings(tmp_path / "common")


def test_an_older_form_in_one_file_leaves_the_rest_of_another(tmp_path: Path) -> None:
    base = {"kvmd": {"streamer": {"desired_fps": {"max": 50, "min": 5}}}}
    fps = loaded(tmp_path, "kvmd: {streamer: {desired_fps: 25}}\n", base).settings.kvmd.streamer.desired_fps
    assert (fps.default, fps.min, fps.max) == (25, 5, 50)


def test_wake_on_lan_spread_over_two_files(tmp_path: Path) -> None:
    write(tmp_path, {"override.d/1": "kvmd: {wol: {port: 7}}\n"})
    gpio = settings(tmp_path, "kvmd: {wol: {mac: '02:00:00:00:00:01'}}\n").kvmd.gpio
    assert gpio.drivers["__wol__"] == WolDriverConfig(port=7, mac="02:00:00:00:00:01")
    channel = gpio.scheme["__wol__"]
    assert isinstance(channel, GpioOutputConfig)
    assert (channel.driver, channel.switch, channel.pulse.delay) == ("__wol__", False, 0.1)


def test_an_error_in_an_older_form_names_the_line_that_was_written(tmp_path: Path) -> None:
    first, second = errors(tmp_path, "kvmd:\n  streamer:\n    max_fps: 500\n  wol:\n    mac: nonsense\n")
    assert first == "override.yaml:3: kvmd/streamer/desired_fps/max: expected an integer in 0..120, got 500"
    assert second.startswith(
        "override.yaml:5: kvmd/gpio/drivers/__wol__/mac: expected a hardware address such as"
    )


# Errors


def test_the_message_of_an_error(tmp_path: Path) -> None:
    override = "\n" * 9 + "kvmd:\n  atx:\n    click_delay: 0.01\n"
    assert errors(tmp_path, override) == [
        "override.yaml:12: kvmd/atx/click_delay: expected a number >= 0.1, got 0.01"
    ]


def test_errors_of_all_files_and_sections_come_together(tmp_path: Path) -> None:
    write(tmp_path, {"main.yaml": "kvmd: {hid: {type: ps2}}\n", "auth.yaml": "expire: -1\n"})
    write(
        tmp_path,
        {"override.d/x": "media: {memsink: {h264: {lock_timeout: 0}}}\nkvmd: {info: {meta: m.yaml}}\n"},
    )
    assert errors(tmp_path, "otg: {vendor_id: 0x10000}\nfarhand: {https: '8'}\n") == [
        "auth.yaml:1: kvmd/auth/expire: expected an integer >= 0, got -1",
        "main.yaml:1: kvmd/hid/type: expected one of otg, serial, spi, ch9329, bt, got 'ps2'",
        "override.d/x:1: media/memsink/h264/lock_timeout: expected a number >= 0.1, got 0",
        "override.d/x:2: kvmd/info/meta: expected an absolute path, got 'm.yaml'",
        "override.yaml:1: otg/vendor_id: expected an integer in 0..65535, got 0x10000",
        f"override.yaml:2: farhand/https: expected {LISTEN_EXPECTED}, or empty, got '8'",
    ]


def test_an_error_overridden_by_a_later_file_is_none(tmp_path: Path) -> None:
    write(tmp_path, {"override.d/1": "kvmd: {atx: {click_delay: never}}\n"})
    assert settings(tmp_path, "kvmd: {atx: {click_delay: 0.3}}\n").kvmd.atx.click_delay == 0.3


def test_an_error_of_the_board_names_the_board(tmp_path: Path) -> None:
    assert errors(tmp_path, base={"kvmd": {"atx": {"power_led_pin": "x"}}}) == [
        "the board's defaults: kvmd/atx/power_led_pin: expected an integer >= 0, got 'x'"
    ]


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"main.yaml": "a: [\n", "override.d/20": "- 1\n- 2\n", "auth.yaml": "text\n"})
    (tmp_path / "override.d" / "10").symlink_to("missing")
    (tmp_path / "override.yaml").mkdir()
    assert errors(tmp_path) == [
        "main.yaml:2: invalid YAML: expected the node content, but found '<stream end>'",
        "auth.yaml:1: expected a section (key: value) as the whole file, got something else",
        "override.d/10: cannot be read: No such file or directory",
        "override.d/20:1: expected a section (key: value) as the whole file, got something else",
        "override.yaml: cannot be read: Is a directory",
    ]


def test_a_dangling_override_is_an_error_not_a_default(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").symlink_to("missing")
    assert errors(tmp_path) == ["override.yaml: cannot be read: No such file or directory"]


def test_files_in_the_place_of_directories(tmp_path: Path) -> None:
    write(tmp_path, {"file": "", "dir/override.d": ""})
    assert errors(tmp_path / "file") == [f"{tmp_path}/file: expected a directory, got something else"]
    assert errors(tmp_path / "dir") == ["override.d: cannot be read: Not a directory"]


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "auth.yaml").symlink_to("auth.yaml")
    assert errors(tmp_path) == ["auth.yaml: cannot be read: Too many levels of symbolic links"]


def test_suggestions_for_unknown_keys(tmp_path: Path) -> None:
    override = "kvmd:\n  hid:\n    keyborad: {}\natx: {}\nmedia: {memsink: {h265: {}}}\nxyzzy: 1\n"
    assert loaded(tmp_path, override).warnings == (
        "override.yaml:3: kvmd/hid/keyborad: unknown key, ignored; did you mean kvmd/hid/keyboard?",
        "override.yaml:4: atx: unknown key, ignored; did you mean kvmd/atx?",
        "override.yaml:5: media/memsink/h265: unknown key, ignored; did you mean media/memsink/h264?",
        "override.yaml:6: xyzzy: unknown key, ignored",
    )


# Paths


def test_files_of_the_configuration_are_in_its_directory(tmp_path: Path) -> None:
    kvmd = settings(tmp_path).kvmd
    assert isinstance(kvmd.auth.internal, HtpasswdAuthConfig)
    assert kvmd.auth.internal.file == tmp_path / "htpasswd"
    assert kvmd.auth.totp.secret.file == tmp_path / "totp.secret"
    assert kvmd.info.meta == tmp_path / "meta.yaml"
    assert kvmd.switch.default_edid == tmp_path / "switch-edid.hex"


def test_paths_that_somebody_set_stay(tmp_path: Path) -> None:
    override = "kvmd: {auth: {totp: {secret: {file: /etc/kvmd/my.secret}}}, info: {meta: /srv/meta.yaml}}\n"
    kvmd = settings(tmp_path, override).kvmd
    assert kvmd.auth.totp.secret.file == Path("/etc/kvmd/my.secret")
    assert kvmd.info.meta == Path("/srv/meta.yaml")


def test_a_copied_configuration_finds_the_files_that_were_copied_with_it(tmp_path: Path) -> None:
    write(tmp_path, {"sub/users": ""})
    result = loaded(tmp_path, "kvmd:\n  auth:\n    internal:\n      file: /etc/kvmd/sub/users\n")
    assert isinstance(result.settings.kvmd.auth.internal, HtpasswdAuthConfig)
    assert result.settings.kvmd.auth.internal.file == tmp_path / "sub" / "users"
    message = f"/etc/kvmd/sub/users does not exist, using {tmp_path}/sub/users"
    assert result.warnings == (f"override.yaml:4: kvmd/auth/internal/file: {message}",)


def test_no_second_factor(tmp_path: Path) -> None:
    assert (
        settings(tmp_path, "kvmd: {auth: {totp: {secret: {file: ''}}}}\n").kvmd.auth.totp.secret.file is None
    )


def test_looking_up_values_by_key_path(tmp_path: Path) -> None:
    result = loaded(tmp_path, "vnc: {server: {port: 5901}}\nkvmd: {atx: {click_delay: 0.3}}\n")
    assert result.lookup("vnc/server/port") == 5901
    assert result.lookup("kvmd/atx/click_delay") == 0.3
    assert result.lookup("nginx/https/port") == 443
    assert result.lookup("ipmi/server/port") is None


def test_loading_twice_gives_equal_settings(tmp_path: Path) -> None:
    assert settings(tmp_path, "kvmd: {gpio: {scheme: {a: {pin: 1, mode: input}}}}\n") == settings(tmp_path)


# Anything at all

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["/a", "gpio", "otg", "noop", "output", "__gpio__", "1x1", "0660", "http", "", "30"]),
)
NAMES = sorted(
    {name for path in key_paths(Settings) for name in path.split("/")}
    | {"wol", "max_fps", "pin", "mode", "x"}
)
KEYS = st.sampled_from(NAMES)
PATHS = st.sampled_from(
    [*key_paths(Settings), "kvmd/wol/mac", "kvmd/wol", "kvmd/gpio/scheme/x/pulse", "otg/acm", "override"]
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def at(key_path: str, value: object) -> dict[str, object]:
    tree = value
    for key in reversed(key_path.split("/")):
        tree = {key: tree}
    assert isinstance(tree, dict)
    return tree


@hypothesis_settings(deadline=None)  # files and a busy machine
@given(
    st.lists(st.tuples(PATHS, ANYTHING), max_size=6),
    st.sampled_from(["main.yaml", "auth.yaml", "override.d/x"]),
)
def test_any_values_are_taken_or_refused_with_a_line_each(
    values: list[tuple[str, object]], other: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for index, (key_path, value) in enumerate(values):
            write(directory, {f"override.d/{index}": yaml.safe_dump(at(key_path, value))})
        if values:
            write(directory, {other: yaml.safe_dump(values[0][1])})
        try:
            result = load(directory)
        except SetupError as exc:
            refusal = str(exc)
        else:
            assert all(line.isprintable() for line in result.warnings)
            write(directory / "again", {"override.yaml": dump(result.settings)})
            load(directory / "again")
            return
    assert refusal
    assert all(": " in line and line.isprintable() for line in refusal.splitlines())


@hypothesis_settings(deadline=None)  # files and a busy machine
@given(st.text(max_size=200))
def test_any_text_is_taken_or_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "override.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            result = load(Path(name))
        except SetupError as exc:
            refusal = str(exc)
        else:
            assert result.settings.kvmd.hid.type == "otg"
            return
    assert refusal.startswith("override.yaml")
