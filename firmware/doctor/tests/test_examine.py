"""The whole look, on the machine that the tests run on, which is no board."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from drivers.ports import Health
from firmware.doctor.command import command_doctor
from firmware.doctor.examine import Patient
from firmware.doctor.findings import Verdict
from firmware.doctor.machine import look_at_machine


def run(patient: Patient, *, as_json: bool = False) -> tuple[int, str]:
    out = io.StringIO()
    return command_doctor(patient, out, json=as_json), out.getvalue()


def test_a_board_without_hardware_is_well(tmp_path: Path) -> None:
    status, text = run(Patient("emulated", tmp_path, tmp_path))
    assert status == 0
    assert text.endswith("all is well\n")


H264 = "kvmd: {streamer: {h264_bitrate: {default: 5000}}}"


def h264_line(directory: Path) -> tuple[int, str]:
    status, text = run(Patient("emulated", directory, directory))
    return status, next(line for line in text.splitlines() if " H.264: " in line)


def test_h264_encodes_a_picture_if_it_is_wanted(tmp_path: Path) -> None:
    assert h264_line(tmp_path)[1].startswith("ok    H.264: off")
    (tmp_path / "override.yaml").write_text(H264)
    status, line = h264_line(tmp_path)
    assert status == 0
    # Machines that run tests may have an encoder of their own.
    assert re.match(r"note  H\.264: libx264, on the processor|ok    H\.264: h264_v4l2m2m", line)


def test_h264_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "override.yaml").write_text(H264)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "av.py").write_text("raise ImportError('libavcodec: no such file')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    assert h264_line(tmp_path) == (
        1,
        "BAD   H.264: there is no H.264 here: PyAV cannot be loaded: libavcodec: no such file",
    )
    monkeypatch.setattr("firmware.doctor.encoders.missing_package", lambda: "PyAV")
    assert h264_line(tmp_path) == (1, "BAD   H.264: PyAV is not installed")


def test_a_board_that_this_machine_is_not(tmp_path: Path) -> None:
    status, text = run(Patient("rpi4-csi", tmp_path, tmp_path))
    assert status == 1
    assert "BAD   GPIO chip" in text
    assert "BAD   video capture" in text
    assert "-> add dtoverlay=tc358743" in text
    assert "to mend" in text.splitlines()[-1]


def test_for_programs(tmp_path: Path) -> None:
    status, text = run(Patient("rpi4-usb", tmp_path, tmp_path), as_json=True)
    findings = json.loads(text)["findings"]
    assert status == 1
    assert {"verdict", "about", "text", "mend"} == set(findings[0])
    assert "uvcvideo" in next(one["text"] for one in findings if one["about"] == "video capture")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("kvmd: {atx: {click_delay: soon}}", "kvmd/atx/click_delay"),
        ("kvmd: {hid: {type: spi}}", "kvmd/hid/type"),
        ("otg: {devices: {msd: {default: {inquiry_string: {cdrom: {vendor: 'Ä'}}}}}}", "inquiry_string"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, override: str, told: str) -> None:
    (tmp_path / "override.yaml").write_text(override)
    status, text = run(Patient("rpi4-usb", tmp_path, tmp_path))
    assert status == 1
    assert told in text


def test_a_serial_chip_that_is_not_plugged_in(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").write_text("kvmd: {hid: {type: ch9329, device: /dev/nosuchtty}}")
    _, text = run(Patient("generic", tmp_path, tmp_path))
    assert "BAD   HID (ch9329): /dev/nosuchtty" in text


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ("/dev/nosuchtty", "note  KVM switch: none is plugged in: there is no /dev/nosuchtty"),
        ("/dev/null", "ok    KVM switch: /dev/null -> /dev/null"),
        ("{here}/override.yaml", "BAD   KVM switch: {here}/override.yaml is no serial port"),
        ("{here}/override.yaml/tty", "BAD   KVM switch: {here}/override.yaml/tty: Not a directory"),
    ],
)
def test_a_switch_may_be_there(tmp_path: Path, device: str, told: str) -> None:
    (tmp_path / "override.yaml").write_text(f"kvmd: {{switch: {{device: {device.format(here=tmp_path)}}}}}")
    _, text = run(Patient("generic", tmp_path, tmp_path))
    assert told.format(here=tmp_path) in text


def test_no_board_is_said_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "override.yaml").write_text("farhand: {board: nosuch}")
    status, text = run(Patient(None, tmp_path, tmp_path))
    assert status == 1
    assert "nosuch" in text


class Sensors:
    """Sensors that say what they are told to say."""

    def __init__(self, temperature_c: float | None, flags: int | None) -> None:
        self._health = Health(temperature_c, 1, 1.0, 1, 1, flags)

    async def read(self) -> Health:
        return self._health


@pytest.mark.parametrize(
    ("temperature_c", "flags", "about", "verdict"),
    [
        (45.0, 0, "temperature", Verdict.OK),
        (85.0, 0, "temperature", Verdict.BAD),
        (None, 0, "temperature", Verdict.NOTE),
        (45.0, 0, "power supply", Verdict.OK),
        (45.0, 0x50000, "power supply", Verdict.NOTE),
        (45.0, 0x50005, "power supply", Verdict.BAD),
    ],
)
async def test_heat_and_power(
    tmp_path: Path, temperature_c: float | None, flags: int | None, about: str, verdict: Verdict
) -> None:
    found = {one.about: one.verdict async for one in look_at_machine(Sensors(temperature_c, flags), tmp_path)}
    assert found[about] is verdict
