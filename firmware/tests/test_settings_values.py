"""Values of the configuration against each other, GPIO channels and drivers, and our own section."""

from pathlib import Path

import pytest

from firmware.core.errors import SetupError
from firmware.settings import ListenAddress, LoadedSettings, Settings, load, parse_listen
from firmware.subsystems.gpio.driver_config import LineDriverConfig


def loaded(directory: Path, override: str) -> LoadedSettings:
    (directory / "override.yaml").write_text(override, encoding="utf-8")
    return load(directory)


def settings(directory: Path, override: str) -> Settings:
    result = loaded(directory, override)
    assert result.warnings == ()
    return result.settings


def errors(directory: Path, override: str) -> list[str]:
    with pytest.raises(SetupError) as caught:
        loaded(directory, override)
    return str(caught.value).splitlines()


# Values against each other


@pytest.mark.parametrize(
    ("written", "default", "warning"),
    [
        (
            "desired_fps: {default: 100}",
            90,
            "kvmd/streamer/desired_fps/default: 100 is outside 0..90, using 90",
        ),
        ("desired_fps: {max: 20}", 20, None),
        ("desired_fps: {min: 40}", 40, None),
        (
            "h264_bitrate: {default: 5000, max: 1000}",
            1000,
            "kvmd/streamer/h264_bitrate/default: 5000 is outside 25..1000, using 1000",
        ),
        ("h264_bitrate: {min: 100}", 0, None),
        (
            "h264_gop: {default: 5, min: 10}",
            10,
            "kvmd/streamer/h264_gop/default: 5 is outside 10..60, using 10",
        ),
    ],
)
def test_streamer_defaults_are_clamped(
    tmp_path: Path, written: str, default: int, warning: str | None
) -> None:
    result = loaded(tmp_path, f"kvmd: {{streamer: {{{written}}}}}\n")
    section = getattr(result.settings.kvmd.streamer, written.partition(":")[0])
    assert section.default == default
    assert result.warnings == ((f"override.yaml:1: {warning}",) if warning else ())


@pytest.mark.parametrize(
    ("scheme", "error"),
    [
        ("a: {pin: -1, mode: output}", "a/pin: expected an integer >= 0, got '-1' (driver type gpio)"),
        (
            "a: {pin: 8, driver: relay, mode: output}",
            "a/pin: expected an integer in 0..7, got '8' (driver type hidrelay)",
        ),
        (
            "a: {pin: 1, driver: relay, mode: input}",
            "a/mode: expected output (driver type hidrelay), got input",
        ),
        (
            "a: {pin: 1, driver: nobody, mode: input}",
            "a/driver: expected one of the drivers __gpio__, bmc, relay, got 'nobody'",
        ),
        (
            "a: {pin: 2, driver: bmc, mode: input}",
            "a/pin: expected one of 0, status, got '2' (driver type ipmi)",
        ),
        ("a: {mode: input}", "a/pin: expected text, got nothing; it is required"),
        ("a: {pin: 5}", "a/mode: expected one of input, output, got nothing; it is required"),
        ("a: {pin: 5, mode: inout}", "a/mode: expected one of input, output, got 'inout'"),
        (
            "1a: {pin: 5, mode: input}",
            "1a: expected a channel name (letters, digits and _.-), got '1a' as the key",
        ),
        ("a: {pin: 5, mode: output, busy_delay: 0}", "a/busy_delay: expected a number >= 0.1, got 0"),
        ("a: {pin: 5, mode: output, pulse: 1}", "a/pulse: expected a section, got 1"),
    ],
)
def test_wrong_channels(tmp_path: Path, scheme: str, error: str) -> None:
    drivers = "{relay: {type: hidrelay, device: /dev/r}, bmc: {type: ipmi, host: bmc.example}}"
    override = f"kvmd:\n  gpio:\n    drivers: {drivers}\n    scheme:\n      {scheme}\n"
    assert errors(tmp_path, override) == [f"override.yaml:5: kvmd/gpio/scheme/{error}"]


@pytest.mark.parametrize(
    ("driver", "error"),
    [
        ("x: {type: teleport}", "x/type: expected one of gpio, locator, hidrelay, "),
        ("x: {}", "x/type: expected one of gpio, locator, hidrelay, "),
        ("a.b: {type: noop}", "a.b: expected a driver name (letters, digits and _-), got 'a.b' as the key"),
        ("x: {type: hidrelay}", "x/device: expected an absolute path, got nothing; it is required"),
        ("x: {type: ezcoo, device: /d, protocol: 3}", "x/protocol: expected an integer in 1..2, got 3"),
        ("x: {type: extron, device: /d, speed: 5}", "x/speed: expected one of 1200, 2400,"),
        (
            "x: {type: wol, ip: 192.0.2.999}",
            "x/ip: expected an IPv4 address such as 192.0.2.1, got '192.0.2.999'",
        ),
        (
            "x: {type: cmd, cmd: [reboot]}",
            "x/cmd: expected a command, a list whose first item is an absolute path",
        ),
        ("x: {type: tesmart}", "x/host: expected a host, or a device, got neither"),
    ],
)
def test_wrong_drivers(tmp_path: Path, driver: str, error: str) -> None:
    (line,) = errors(tmp_path, f"kvmd:\n  gpio:\n    drivers:\n      {driver}\n")
    assert line.startswith(f"override.yaml:4: kvmd/gpio/drivers/{error}")


def test_options_of_the_built_in_driver_need_no_type(tmp_path: Path) -> None:
    gpio = settings(tmp_path, "kvmd: {gpio: {drivers: {__gpio__: {device: /dev/gpiochip4}}}}\n").kvmd.gpio
    assert gpio.drivers["__gpio__"] == LineDriverConfig(device=Path("/dev/gpiochip4"))


@pytest.mark.parametrize(
    ("written", "title"),
    [("Text", "Text"), ("['#a', led]", ("#a", "led")), ("5", "5"), ("''", ""), ("[]", ())],
)
def test_titles_of_the_gpio_menu(tmp_path: Path, written: str, title: object) -> None:
    override = f"kvmd: {{gpio: {{view: {{header: {{title: {written}}}}}}}}}\n"
    assert settings(tmp_path, override).kvmd.gpio.view.header.title == title


def test_rows_of_the_gpio_menu(tmp_path: Path) -> None:
    table = "kvmd:\n  gpio:\n    view:\n      table:\n        - [a, 5, '']\n        -\n        - []\n"
    assert settings(tmp_path, table).kvmd.gpio.view.table == (("a", "5", ""), (), ())
    assert errors(tmp_path, table + "        - text\n        - [[a]]\n") == [
        "override.yaml:8: kvmd/gpio/view/table/3: expected a row, which is a list of text, got 'text'",
        "override.yaml:9: kvmd/gpio/view/table/4: expected text, got a list",
    ]


# Our own section


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.8.9.1:0", "127.8.9.1", 0, True),
        ("0.0.0.0:443", "0.0.0.0", 443, False),
        ("[::1]:80", "::1", 80, True),
        ("[::]:443", "::", 443, False),
        ("localhost:80", "localhost", 80, True),
        ("kvm.example:65535", "kvm.example", 65535, False),
    ],
)
def test_listen_addresses(text: str, host: str, port: int, loopback: bool) -> None:
    address = parse_listen(text)
    assert address == ListenAddress(host, port)
    assert str(address) == text
    assert address.is_loopback is loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        ":8080",
        "::1:80",
        "[::1]",
        "[nonsense]:80",
        "host:",
        "host:65536",
        "host:-1",
        "a b:80",
        "h:٣",
    ],
)
def test_wrong_listen_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="expected ADDRESS:PORT"):
        parse_listen(text)


def test_our_section(tmp_path: Path) -> None:
    override = (
        "farhand: {board: qemu, http: '', https: '[::]:443', state: /data, tls: {certificate: /c, key: /k}}\n"
    )
    ours = settings(tmp_path, override).farhand
    assert (ours.board, ours.http, ours.https) == ("qemu", None, ListenAddress("::", 443))
    assert (ours.tls.certificate, ours.tls.key, ours.state) == (Path("/c"), Path("/k"), Path("/data"))


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    assert errors(tmp_path, "farhand:\n  tls:\n    certificate: /c\n") == [
        "override.yaml:3: farhand/tls/certificate: expected key beside it, got only certificate"
    ]
