"""The USB traffic that QEMU records of one emulated device (its `pcap` property): bytes in, transfers out.

Responsible for the file header, the records and the few transfers that a USB keyboard or mouse needs to know
of: what the host took from the interrupt endpoint, and what it set up. It must never do I/O. Source: the pcap
file format with link type 220 (LINKTYPE_USB_LINUX_MMAPPED), the USB 2.0 specification chapter 9.4 and the HID
1.11 specification chapter 7.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from drivers.errors import BadReplyError

_FILE_HEADER = struct.Struct("<IHHiIII")
_RECORD_HEADER = struct.Struct("<IIII")
# id, type, transfer type, endpoint, device, bus, no set-up packet?, no data?, seconds, microseconds, status,
# length, captured length, set-up packet, interval, start frame, flags, descriptors
_USB_HEADER = struct.Struct("<QBBBBHBBqiiII8siiII")
_SETUP = struct.Struct("<BBHHH")

_MAGIC = 0xA1B2C3D4
_LINK_TYPE_USB_LINUX_MMAPPED = 220
# A HID device's longest transfer is its report descriptor, well below this; more is a broken stream.
_MAX_RECORD_BYTES = 1 << 20

_SUBMIT, _COMPLETE = ord("S"), ord("C")
_INTERRUPT = 1
_CONTROL = 2
_IN = 0x80

_SET_CONFIGURATION = (0x00, 0x09)
_SET_REPORT = (0x21, 0x09)
_OUTPUT_REPORT = 2


@dataclass(frozen=True, slots=True)
class ReportTaken:
    """The host fetched this report from the interrupt IN endpoint."""

    report: bytes


@dataclass(frozen=True, slots=True)
class Configured:
    """The host chose a configuration; 0 means none."""

    value: int


@dataclass(frozen=True, slots=True)
class OutputReport:
    """The host set an output report, such as a keyboard's LEDs."""

    report: bytes


type UsbTransfer = ReportTaken | Configured | OutputReport


class UsbPcapDecoder:
    """Cuts a recording into transfers; the stream may be split anywhere."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header_seen = False

    def receive(self, data: bytes) -> list[UsbTransfer]:
        """Take *data* and return the transfers that are complete now, others than ours left out.

        Raises BadReplyError if this is not such a recording.
        """
        self._buffer += data
        transfers: list[UsbTransfer] = []
        position = 0
        if not self._header_seen:
            if len(self._buffer) < _FILE_HEADER.size:
                return []
            magic, _, _, _, _, _, link_type = _FILE_HEADER.unpack_from(self._buffer)
            if magic != _MAGIC or link_type != _LINK_TYPE_USB_LINUX_MMAPPED:
                raise BadReplyError(
                    f"expected a little-endian pcap of link type {_LINK_TYPE_USB_LINUX_MMAPPED}, "
                    f"got magic {magic:#010x} and link type {link_type}"
                )
            self._header_seen = True
            position = _FILE_HEADER.size
        while len(self._buffer) - position >= _RECORD_HEADER.size:
            _, _, length, _ = _RECORD_HEADER.unpack_from(self._buffer, position)
            if not _USB_HEADER.size <= length <= _MAX_RECORD_BYTES:
                raise BadReplyError(
                    f"expected a pcap record of {_USB_HEADER.size} to {_MAX_RECORD_BYTES} bytes, got {length}"
                )
            end = position + _RECORD_HEADER.size + length
            if len(self._buffer) < end:
                break
            record = bytes(self._buffer[position + _RECORD_HEADER.size : end])
            position = end
            if (transfer := _transfer(record)) is not None:
                transfers.append(transfer)
        # The rest is shorter than one record, so that this never copies much.
        del self._buffer[:position]
        return transfers


def _transfer(record: bytes) -> UsbTransfer | None:
    _, kind, transfer_type, endpoint, _, _, no_setup, _, _, _, status, _, _, setup, *_ = (
        _USB_HEADER.unpack_from(record)
    )
    # QEMU counts the header into the captured length, usbmon does not; the record's own length is certain.
    data = record[_USB_HEADER.size :]
    if kind == _COMPLETE and transfer_type == _INTERRUPT and endpoint & _IN:
        return ReportTaken(data) if status == 0 and data else None
    if kind == _SUBMIT and transfer_type == _CONTROL and no_setup == 0:
        request_type, request, value, _, _ = _SETUP.unpack(setup)
        if (request_type, request) == _SET_CONFIGURATION:
            return Configured(value & 0xFF)
        if (request_type, request) == _SET_REPORT and value >> 8 == _OUTPUT_REPORT and data:
            return OutputReport(data)
    return None
