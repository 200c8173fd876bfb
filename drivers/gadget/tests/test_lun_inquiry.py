"""The inquiry strings' layout."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.gadget.lun_inquiry import DriveInquiry, InquiryString

PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "


def part(limit: int) -> st.SearchStrategy[str]:
    return st.text(PRINTABLE, max_size=limit).map(str.rstrip)


def test_each_part_has_its_place() -> None:
    data = InquiryString("Farhand", "Optical Drive", "1.00").encode()
    assert data == b"Farhand Optical Drive   1.00"


@given(part(8), part(16), part(4))
def test_what_is_encoded_is_decoded(vendor: str, product: str, revision: str) -> None:
    names = InquiryString(vendor, product, revision)
    assert len(names.encode()) == 28
    empty = not (vendor + product + revision).strip()
    assert InquiryString.decode(names.encode()) == (None if empty else names)


@pytest.mark.parametrize("data", [b"", b" ", b" " * 28])
def test_an_empty_string_is_the_kernels_own(data: bytes) -> None:
    assert InquiryString.decode(data) is None


def test_what_another_program_wrote_can_be_read() -> None:
    assert InquiryString.decode(b"\xffA\n") == InquiryString("?A?", "", "")
    assert InquiryString.decode(b"A" * 40) == InquiryString("A" * 8, "A" * 16, "A" * 4)


@pytest.mark.parametrize(
    ("vendor", "product", "revision", "named"),
    [
        ("123456789", "", "", "vendor"),
        ("", "x" * 17, "", "product"),
        ("", "", "1.000", "revision"),
        ("grün", "", "", "vendor"),
        ("", "a\nb", "", "product"),
        ("", "", "1 ", "revision"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(vendor: str, product: str, revision: str, named: str) -> None:
    with pytest.raises(ValueError, match=f"at the {named} of the inquiry string"):
        InquiryString(vendor, product, revision)


def test_each_kind_of_drive_has_its_own() -> None:
    names = DriveInquiry(cdrom=InquiryString("a", "b", "c"), flash=InquiryString("d", "e", "f"))
    assert names.of(cdrom=True).vendor == "a"
    assert names.of(cdrom=False).vendor == "d"
