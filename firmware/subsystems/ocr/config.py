"""Section `kvmd/ocr` (config.md 2, subsystems.md 7): languages of the text recognition."""

from __future__ import annotations

from firmware.core.config.kinds import NonEmptyText, TextList
from firmware.core.config.section import Section


class OcrConfig(Section, frozen=True):
    """`kvmd/ocr`."""

    langs: TextList = ("eng",)
    tessdata: NonEmptyText = "/usr/share/tessdata"
