"""The real program where it answers, small stand-ins on the PATH where it fails."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import trio
from PIL import Image, ImageDraw

from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError
from drivers.ocr.tesseract import DEBIAN_DATA, Tesseract

NOWHERE = Path("/nonexistent/tessdata")


def picture(text: str) -> bytes:
    image = Image.new("L", (900, 120), 0)
    ImageDraw.Draw(image).text((20, 20), text, fill=255, font_size=40)
    output = io.BytesIO()
    image.save(output, "PPM")
    return output.getvalue()


def program(directory: Path, script: str) -> str:
    path = directory / "tesseract"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "tessdata"
    directory.mkdir()
    for name in ("osd", "eng", "chi_sim"):
        (directory / f"{name}.traineddata").touch()
    (directory / "configs").mkdir()
    (directory / "pdf.ttf").touch()
    return directory


async def test_text_is_recognised_and_given_verbatim() -> None:
    engine = Tesseract(NOWHERE)
    assert "eng" in await engine.languages()
    text = await engine.recognise(picture("Press F2 to enter SETUP"), ["eng"])
    assert text == "Press F2 to enter SETUP\n"
    assert "\f" not in await engine.recognise(picture(""), ["eng"])


async def test_the_configured_directory_comes_first_and_then_debians_newest(
    data: Path, tmp_path: Path
) -> None:
    debian = tmp_path / "debian"
    for version, language in (("4.00", "old"), ("5", "new"), ("misc", "none")):
        (debian / version / "tessdata").mkdir(parents=True)
        (debian / version / "tessdata" / f"{language}.traineddata").touch()
    assert await Tesseract(data, debian_data=debian).languages() == ("chi_sim", "eng", "osd")
    assert await Tesseract(NOWHERE, debian_data=debian).languages() == ("new",)


@pytest.mark.fault("text recognition", "missing")
async def test_without_program_or_directory_there_are_no_languages(data: Path, tmp_path: Path) -> None:
    assert await Tesseract(data, program="/nonexistent/tesseract").languages() == ()
    nothing = Tesseract(NOWHERE, debian_data=tmp_path / "nothing")
    assert await nothing.languages() == ()
    with pytest.raises(DeviceGoneError, match="nonexistent/tessdata"):
        await nothing.recognise(picture("x"), ["eng"])
    with pytest.raises(DeviceGoneError, match="nonexistent/tesseract"):
        await Tesseract(data, program="/nonexistent/tesseract").recognise(picture("x"), ["eng"])


async def test_what_a_failing_program_says_is_passed_on(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadReplyError, match=r"ended with 1: .*[Ii]nitialize"):
        # These languages are empty files, which the real program refuses.
        await Tesseract(data).recognise(picture("x"), ["eng"])
    silent = Tesseract(data, program=program(tmp_path, "exit 3"))
    with pytest.raises(BadReplyError, match="ended with 3: no reason given"):
        await silent.recognise(picture("x"), ["eng"])


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.fault("text recognition", "stalls")
async def test_a_program_that_hangs_is_killed(data: Path, tmp_path: Path) -> None:
    hanging = program(tmp_path, f"echo $$ >{tmp_path}/pid; exec sleep 1000")
    with pytest.raises(DeviceTimeoutError, match="within 2 s"):
        await Tesseract(data, program=hanging, deadline_s=2).recognise(picture("x"), ["eng"])
    assert not is_running(int((tmp_path / "pid").read_text()))


async def test_a_caller_that_goes_away_leaves_no_program_behind(data: Path, tmp_path: Path) -> None:
    hanging = program(tmp_path, f"echo $$ >{tmp_path}/pid; exec sleep 1000")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Tesseract(data, program=hanging).recognise, picture("x"), ["eng"])
        with trio.fail_after(20):
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_debian_has_it_where_we_look() -> None:
    assert list(DEBIAN_DATA.glob("*/tessdata/eng.traineddata"))


@pytest.mark.fault("text recognition", "killed", "returns")
async def test_a_program_that_is_killed_is_told_and_the_next_one_works(data: Path, tmp_path: Path) -> None:
    engine = Tesseract(data, program=program(tmp_path, "kill -9 $$"))
    with pytest.raises(BadReplyError, match="ended with -9"):
        await engine.recognise(picture("x"), ["eng"])
    program(tmp_path, "echo read")
    assert await engine.recognise(picture("x"), ["eng"]) == "read\n"
