"""The SCSI INQUIRY strings of a USB drive: what the host shows as vendor, product and revision.

Responsible for the fixed layout that the kernel keeps them in. Must never guess: text that does not fit is
refused, since a cut name is not the one that was configured.
Sources: SPC-4 6.4.2 (standard INQUIRY data), the kernel's Documentation/ABI configfs-usb-gadget-mass-storage,
contract config.md 4 (`inquiry_string`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

VENDOR_BYTES: Final = 8
PRODUCT_BYTES: Final = 16
REVISION_BYTES: Final = 4
INQUIRY_BYTES: Final = VENDOR_BYTES + PRODUCT_BYTES + REVISION_BYTES


@dataclass(frozen=True, slots=True)
class InquiryString:
    """Vendor (at most 8), product (16) and revision (4): printable ASCII, without spaces at the end.

    Raises ValueError naming the part that is something else.
    """

    vendor: str
    product: str
    revision: str

    def __post_init__(self) -> None:
        _require("vendor", self.vendor, VENDOR_BYTES)
        _require("product", self.product, PRODUCT_BYTES)
        _require("revision", self.revision, REVISION_BYTES)

    def encode(self) -> bytes:
        """Return the 28 bytes for the LUN's `inquiry_string`, each part padded with spaces."""
        text = (
            self.vendor.ljust(VENDOR_BYTES)
            + self.product.ljust(PRODUCT_BYTES)
            + self.revision.ljust(REVISION_BYTES)
        )
        return text.encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> Self | None:
        """Read back what `inquiry_string` holds; None if it is empty and the kernel uses its own words.

        A byte that is no printable ASCII, which only somebody else can have written, reads as "?".
        """
        if not data.strip():
            return None
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in data.ljust(INQUIRY_BYTES))
        product_end = VENDOR_BYTES + PRODUCT_BYTES
        return cls(
            text[:VENDOR_BYTES].rstrip(),
            text[VENDOR_BYTES:product_end].rstrip(),
            text[product_end:INQUIRY_BYTES].rstrip(),
        )


@dataclass(frozen=True, slots=True)
class DriveInquiry:
    """How a drive names itself as a CD-ROM drive and as a flash drive.

    The kernel keeps one string for both, so it is written with each change of the kind.
    """

    cdrom: InquiryString
    flash: InquiryString

    def of(self, *, cdrom: bool) -> InquiryString:
        """Return the strings of that kind of drive."""
        return self.cdrom if cdrom else self.flash


def _require(part: str, text: str, limit: int) -> None:
    if len(text) > limit or not (text.isascii() and text.isprintable()) or text != text.rstrip():
        raise ValueError(
            f"expected at most {limit} printable ASCII characters with no space at the end, got {text!r}"
            f" - at the {part} of the inquiry string"
        )
