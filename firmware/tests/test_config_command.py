"""`farhand config --check` and `--dump` as a user sees them."""

import io
from pathlib import Path

import pytest
import yaml

from firmware import usable
from firmware.config_command import command_check, command_dump
from firmware.settings import load

SECRETS = """
kvmd:
  auth:
    internal: {type: http, user: caller, passwd: hidden1, secret: hidden2, url: "https://me:hidden3@auth.example/"}
    totp: {secret: {file: /keys/totp}}
  gpio:
    drivers:
      lights: {type: hue, url: "http://hue.example/", token: hidden4}
"""


def check(directory: Path) -> tuple[int, str]:
    out = io.StringIO()
    return command_check(directory, out), out.getvalue()


def dump(directory: Path) -> tuple[int, str]:
    out = io.StringIO()
    return command_dump(directory, out), out.getvalue()


def test_check_tells_of_a_keymap_that_is_not_there(tmp_path: Path) -> None:
    override = tmp_path / "override.yaml"
    override.write_text(f"kvmd: {{hid: {{keymap: {tmp_path}/klingon}}}}\n")
    status, text = check(tmp_path)
    assert status == 0
    assert "override.yaml:1: kvmd/hid/keymap: expected one of ar, bepo" in text
    assert "got 'klingon': en-us is used" in text
    (tmp_path / "klingon.toml").write_text("[keys]\n")
    assert "0 warnings" in check(tmp_path)[1]


def test_check_of_a_good_directory(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").write_text("kvmd:\n  atx:\n    click_delay: 0.2\n    delay: 1\n")
    status, text = check(tmp_path)
    assert status == 0
    assert text.splitlines() == [
        "warning: override.yaml:4: kvmd/atx/delay: unknown key, ignored; did you mean kvmd/atx/click_delay?",
        f"{tmp_path}: 1 file read, 1 warning, can be used",
    ]


def test_check_of_nothing(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert check(nowhere) == (0, f"{nowhere}: 0 files read, 0 warnings, can be used\n")


def test_check_of_rights_that_would_be_no_start(tmp_path: Path) -> None:
    (tmp_path / "rights.toml").write_text('users.bob = "owner"')
    status, text = check(tmp_path)
    assert status == 2
    assert "farhand/rights: expected one of the roles admin, nobody, operator, viewer, got 'owner'" in text
    (tmp_path / "rights.toml").write_text('users.bob = "viewer"')
    assert check(tmp_path)[0] == 0


def test_check_prints_every_error_and_warning(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").write_text(
        "kvmd:\n  atx:\n    click_delay: 0.01\n    type: usb\n  hidd: {}\nmedia:\n  server: no\n"
    )
    status, text = check(tmp_path)
    assert status == 2
    assert text.splitlines() == [
        "warning: override.yaml:5: kvmd/hidd: unknown key, ignored; did you mean kvmd/hid?",
        "error: override.yaml:3: kvmd/atx/click_delay: expected a number >= 0.1, got 0.01",
        "error: override.yaml:4: kvmd/atx/type: expected one of gpio, disabled, got 'usb'",
        "error: override.yaml:7: media/server: expected a section, got 'no'",
        f"{tmp_path}: 3 errors, 1 warning",
    ]


def test_check_of_bad_yaml(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").write_text("kvmd: [\n")
    status, text = check(tmp_path)
    assert status == 2
    assert text.startswith("error: override.yaml:2: invalid YAML: ")
    assert text.endswith(": 1 error, 0 warnings\n")


def test_dump_of_errors(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").write_text("otg: {max_power: 5000}\n")
    assert dump(tmp_path) == (
        2,
        "error: override.yaml:1: otg/max_power: expected an integer in 50..500, got 5000\n",
    )


def test_dump_masks_secrets_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").write_text(SECRETS)
    status, text = dump(tmp_path)
    assert status == 0
    assert "hidden" not in text
    tree = yaml.safe_load(text)["kvmd"]
    assert tree["auth"]["internal"] == {
        "type": "http",
        "force_users": [],
        "url": "https://me:***@auth.example/",
        "verify": True,
        "secret": "***",
        "user": "caller",
        "passwd": "***",
        "timeout": 5.0,
    }
    assert tree["auth"]["totp"] == {"secret": {"file": "/keys/totp"}}
    assert tree["gpio"]["drivers"]["lights"]["token"] == "***"


def test_a_dump_is_a_configuration_with_the_same_meaning(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for directory in (before, after):
        directory.mkdir()
    (before / "override.yaml").write_text(
        "kvmd:\n"
        "  server: {unix_mode: 0600}\n"
        "  gpio:\n"
        "    scheme:\n"
        "      a: {pin: 5, mode: output, initial: null, pulse: false}\n"
        "      b: {pin: 6, mode: input}\n"
        "    view: {header: {title: [a, '#on']}, table: [[a, '#no'], [], [b|red]]}\n"
        "otg: {vendor_id: 0x1234, serial: null, product: '0123'}\n"
        "farhand: {http: '[::1]:80', https: ''}\n"
    )
    (after / "override.yaml").write_text(dump(before)[1])
    assert "unix_mode: 0600" in dump(before)[1]
    assert "vendor_id: 0x1234" in dump(before)[1]
    again = load(after)
    assert again.warnings == ()
    assert again.settings == load(before).settings


def test_a_dump_says_which_files_it_comes_from(tmp_path: Path) -> None:
    assert dump(tmp_path)[1].startswith(
        f"# The effective configuration of {tmp_path} (no files, defaults only); secrets are masked.\nkvmd:\n"
    )
    (tmp_path / "override.d").mkdir()
    (tmp_path / "override.d" / "10-x").write_text("")
    (tmp_path / "override.yaml").write_text("")
    assert "(override.d/10-x, override.yaml)" in dump(tmp_path)[1].splitlines()[0]


def test_what_has_no_effect_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usable, "missing_package", lambda: "PyAV")
    (tmp_path / "override.yaml").write_text(
        "kvmd:\n"
        "  streamer:\n"
        "    h264_bitrate: {default: 5000}\n"
        "    cmd_append: [--slowdown]\n"
        "    resolution: {default: 1280x720}\n"
        "  ocr: {langs: [eng]}\n"
        "  snapshot: {idle_interval: 60}\n"
        "media:\n"
        "  memsink: {jpeg: {sink: kvmd::ustreamer::jpeg}}\n"
        "  server: {heartbeat: 5, unix: /run/media.sock}\n"
    )
    status, text = check(tmp_path)
    assert status == 0
    said = dict(line.split(": ", 3)[2:] for line in text.splitlines()[:-1])
    assert said == {
        "kvmd/streamer/h264_bitrate/default": (
            "is set, but PyAV is not installed: H.264 stays off - install farhand[h264]"
        ),
        "media/server/unix": "is set, which this version does not do yet",
        "kvmd/streamer/cmd_append": (
            "has no effect: the streamer is a part of this program and no process of its own"
        ),
        "media/memsink/jpeg/sink": (
            "has no effect: the media socket offers every format that there is an encoder for"
        ),
    }


@pytest.mark.parametrize(("bitrate", "missing"), [(0, "PyAV"), (5000, None)])
def test_a_feature_that_is_off_or_there_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bitrate: int, missing: str | None
) -> None:
    monkeypatch.setattr(usable, "missing_package", lambda: missing)
    (tmp_path / "override.yaml").write_text(
        f"kvmd: {{streamer: {{h264_bitrate: {{default: {bitrate}}}, h264_gop: {{default: 30}}}}}}"
    )
    status, text = check(tmp_path)
    assert status == 0
    assert text.endswith("0 warnings, can be used\n")
