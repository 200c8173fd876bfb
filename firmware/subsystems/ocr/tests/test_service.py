from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
import trio
from PIL import Image

from drivers.errors import DeviceTimeoutError, DriverError
from drivers.ocr.picture import CropBox
from firmware.core.errors import ValidatorError
from firmware.state.ocr import OcrLanguages, OcrState
from firmware.subsystems.ocr.config import OcrConfig
from firmware.subsystems.ocr.service import MOST_WAITING, OcrError, OcrService


def jpeg() -> bytes:
    output = io.BytesIO()
    Image.new("L", (40, 30)).save(output, "JPEG")
    return output.getvalue()


class Reader:
    """Says what it was asked to read; waits until the test lets it."""

    def __init__(self, *languages: str) -> None:
        self.installed: tuple[str, ...] = languages
        self.failure: DriverError | None = None
        self.allowed = trio.Event()
        self.allowed.set()
        self.at_once = 0
        self.most_at_once = 0
        self.read: list[tuple[bytes, tuple[str, ...]]] = []

    async def languages(self) -> tuple[str, ...]:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        return self.installed

    async def recognise(self, picture: bytes, languages: Sequence[str]) -> str:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.allowed.wait()
        finally:
            self.at_once -= 1
        if self.failure is not None:
            raise self.failure
        self.read.append((picture, tuple(languages)))
        return " as it is \n\n"


async def test_the_state_follows_what_is_installed(caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader()
    service = OcrService(OcrConfig(langs=("eng", "deu")), engine=reader)
    assert await service.refresh() == OcrState(enabled=False, langs=OcrLanguages())
    with pytest.raises(OcrError, match="not installed"):
        await service.recognise(jpeg())
    reader.installed = ("eng", "osd")
    expected = OcrState(True, OcrLanguages(("eng",), ("eng", "osd")))
    assert await service.refresh() == expected
    assert "kvmd/ocr/langs: expected languages that are installed (eng, osd), got eng, deu" in caplog.text
    version = service.state.version
    await service.refresh()
    assert service.state.version == version
    reader.failure = DriverError("the disk is gone")
    assert await service.refresh() == expected
    assert "the disk is gone" in caplog.text


async def test_languages_are_chosen_in_any_case_and_each_once() -> None:
    reader = Reader("Latin", "eng", "osd")
    service = OcrService(OcrConfig(), engine=reader)
    assert await service.recognise(jpeg()) == " as it is \n\n"
    await service.recognise(jpeg(), ["OSD", "latin", "osd"])
    assert [languages for _, languages in reader.read] == [("eng",), ("osd", "Latin")]
    with pytest.raises(
        ValidatorError, match="expected languages of Latin, eng, osd, got 'klingon' - at ocr_langs"
    ):
        await service.recognise(jpeg(), ["eng", "klingon"])
    assert service.statistics() == {"recognised": 2, "failed": 0, "refused": 0, "waiting": 0}


async def test_none_of_the_configured_languages_is_installed() -> None:
    service = OcrService(OcrConfig(langs=("deu",)), engine=Reader("eng"))
    with pytest.raises(OcrError, match=r"none of the configured languages is installed \(deu\)"):
        await service.recognise(jpeg())
    assert await service.recognise(jpeg(), ["eng"])


async def test_the_part_in_the_box_is_read_twice_as_large() -> None:
    reader = Reader("eng")
    service = OcrService(OcrConfig(), engine=reader)
    await service.recognise(jpeg())
    await service.recognise(jpeg(), box=CropBox(left=10, top=20))
    assert [picture.split(b"\n", 2)[1] for picture, _ in reader.read] == [b"80 60", b"60 20"]


async def test_a_failing_engine_is_an_error_of_ours() -> None:
    reader = Reader("eng")
    service = OcrService(OcrConfig(), engine=reader)
    await service.refresh()
    reader.allowed = trio.Event()

    async def recognise() -> None:
        with pytest.raises(OcrError, match="text recognition failed: too late"):
            await service.recognise(jpeg())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(recognise)
        while not reader.at_once:
            await trio.sleep(0.01)
        reader.failure = DeviceTimeoutError("too late")
        reader.allowed.set()
    assert service.statistics()["failed"] == 1
    reader.failure = None
    assert await service.recognise(jpeg())


async def test_one_at_a_time_a_few_wait_and_more_are_refused() -> None:
    reader = Reader("eng")
    reader.allowed = trio.Event()
    service = OcrService(OcrConfig(), engine=reader)
    texts: list[str] = []

    async def recognise() -> None:
        texts.append(await service.recognise(jpeg()))

    async with trio.open_nursery() as nursery:
        for _ in range(1 + MOST_WAITING):
            nursery.start_soon(recognise)
        with trio.fail_after(20):
            while not (reader.at_once and service.statistics()["waiting"] == MOST_WAITING):
                await trio.sleep(0.01)
        with pytest.raises(OcrError, match=f"busy: {MOST_WAITING} pictures are waiting"):
            await service.recognise(jpeg())
        reader.allowed.set()
    assert len(texts) == 1 + MOST_WAITING
    assert reader.most_at_once == 1
    assert service.statistics()["refused"] == 1


async def test_a_caller_that_goes_away_gives_its_turn_back() -> None:
    reader = Reader("eng")
    reader.allowed = trio.Event()
    service = OcrService(OcrConfig(), engine=reader)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.recognise, jpeg())
        with trio.fail_after(20):
            while not reader.at_once:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    reader.allowed.set()
    with trio.fail_after(20):
        assert await service.recognise(jpeg())
