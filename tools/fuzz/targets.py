"""What is fuzzed: one function for each parser, which raises only if the parser is wrong.

Wrong is every exception that the parser does not announce, and the break of a promise: that bytes in pieces
mean the same as at once, that what was written is read again, that an error is one line.
"""

from __future__ import annotations

import gzip
import struct
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from api.credentials import presented
from api.wire import tus
from api.ws.wire import binary_dialect, json_dialect, media
from api.ws.wire.input_events import BadMessageError
from drivers.errors import DriverError
from drivers.gadget.plan import desired_tree
from drivers.gadget.spec import EthernetFunction, GadgetSpec, MassStorageFunction, keyboard
from drivers.wire import (
    ch9329,
    content_disposition,
    edid,
    extron,
    ezcoo,
    hue,
    mcu_hid,
    power_tools,
    psf,
    pway,
    tesmart,
    xh_hk4401,
)
from drivers.wire.kvm_switch import PortDecoder
from drivers.wire.qmp import QmpDecoder
from drivers.wire.rfb import RfbClient
from drivers.wire.switch_frame import FrameDecoder, encode_frame
from drivers.wire.switch_protocol import Reply
from drivers.wire.usb_pcap import UsbPcapDecoder
from drivers.wire.volume import VolumeError
from drivers.wire.volume_label import read_file, read_volume
from firmware.core import validators
from firmware.core.config.errors import ConfigurationError
from firmware.core.errors import OperationError, ValidatorError
from firmware.privileged import requests
from firmware.settings.loading import load
from firmware.subsystems.auth.password_file import PasswordFile
from firmware.subsystems.backup.archive import Backup, Manifest, pack, unpack
from firmware.subsystems.backup.errors import BackupDamagedError, BackupNewerError
from tools.fuzz import logins

MAX_PICTURE_SIDE_PX = 64
"""A server may announce a picture of any size up to this, so that the fuzzer does not run out of memory."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parser: *run* takes any bytes, *seeds* are some that it likes."""

    run: Callable[[bytes], object]
    seeds: Sequence[bytes] = field(default=(b"",))


def _in_pieces(data: bytes) -> tuple[bytes, list[bytes]]:
    """Split *data* behind its first byte, which says into pieces of what length."""
    content, step = data[1:], (data[:1] or b"\x01")[0] or 1
    return content, [content[at : at + step] for at in range(0, len(content), step)]


def _all_of(feed: Callable[[bytes], Sequence[Any]], pieces: Sequence[bytes]) -> tuple[list[Any], bool]:
    """Return what *feed* says of the pieces, and whether it refused one."""
    found: list[Any] = []
    try:
        for piece in pieces:
            found += feed(piece)
    except DriverError:
        return found, True
    return found, False


def _same_in_pieces(
    make: Callable[[], Callable[[bytes], Sequence[Any]]],
) -> Callable[[bytes], None]:
    """Return the target of a decoder of a stream."""

    def run(data: bytes) -> None:
        whole, pieces = _in_pieces(data)
        at_once, refused_at_once = _all_of(make(), [whole])
        bit_by_bit, refused = _all_of(make(), pieces)
        assert refused == refused_at_once
        # What stood before the break of a protocol is not returned by the call that finds it.
        assert refused or bit_by_bit == at_once, f"expected {at_once}, got {bit_by_bit}"

    return run


def _binary_message(data: bytes) -> None:
    with suppress(BadMessageError):
        binary_dialect.decode(data)
    with suppress(BadMessageError):
        media.decode(data)


def _json_message(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for decode in (json_dialect.decode, media.decode):
        with suppress(BadMessageError):
            decode(text)


def _edid(data: bytes) -> None:
    edid.parse_edid(data)
    edid.preferred_size(data)
    with suppress(ValueError):
        edid.read_edid_file(data)
    blocks = data[: len(data) // edid.BLOCK_BYTES * edid.BLOCK_BYTES]
    problem = edid.edid_problem(edid.with_checksums(blocks))
    assert problem is None or "checksum" not in problem, problem


def _privileged(data: bytes) -> None:
    with suppress(requests.RefusedError):
        request = requests.decode_request(data)
        if isinstance(request, requests.Compose):
            spec = requests.gadget_spec(request, "farhand")
            assert requests.compose_request(spec) == requests.compose_request(
                requests.gadget_spec(requests.compose_request(spec), "farhand")
            )
            for path in desired_tree(spec, "udc").directories:
                assert ".." not in path.split("/"), path
                assert not path.startswith("/"), path


def _privileged_requests() -> list[bytes]:
    functions = (keyboard("usb0"), MassStorageFunction("usb0"), EthernetFunction("usb0", "ncm"))
    asked = requests.compose_request(GadgetSpec(functions=functions))
    return [requests.encode(asked), requests.encode(requests.Restart())]


def _switch(data: bytes) -> None:
    _same_in_pieces(lambda: FrameDecoder().feed)(data)
    for message in FrameDecoder().feed(data):
        assert FrameDecoder().feed(encode_frame(message)) == [message]
    with suppress(ValueError):
        Reply.parse(data)


def _rfb(data: bytes) -> None:
    whole, pieces = _in_pieces(data)
    at_once = RfbClient(max_side_px=MAX_PICTURE_SIDE_PX)
    in_pieces = RfbClient(max_side_px=MAX_PICTURE_SIDE_PX)
    outcome = _all_of(at_once.receive, [whole])
    again = _all_of(in_pieces.receive, pieces)
    assert outcome[1] == again[1]
    if not outcome[1]:
        assert outcome[0] == again[0]
        assert at_once.framebuffer == in_pieces.framebuffer
        assert at_once.data_to_send() == in_pieces.data_to_send()


class _Headers(dict[str, str]):
    """Headers, one a line."""

    def __init__(self, data: bytes) -> None:
        lines = data.decode("latin-1").split("\n")
        super().__init__(line.partition(": ")[::2] for line in lines)


def _tus(data: bytes) -> None:
    headers = _Headers(data)
    for read in (tus.require_version, tus.creation, tus.append):
        with suppress(OperationError):
            read(headers)
    text = data.decode("latin-1")
    for parse in (tus.parse_metadata, tus.parse_checksum):
        with suppress(tus.TusHeaderError):
            parse(text)


def _credentials(data: bytes) -> None:
    headers = _Headers(data)
    for session_header in (False, True):
        presented(headers, headers.get("Cookie"), session_header=session_header)


# valid_choice and valid_clamped_int are within others; valid_list needs one of them.
_VALIDATORS = {
    name: getattr(validators, name)
    for name in validators.__all__
    if name.startswith("valid_") and name not in {"valid_choice", "valid_clamped_int", "valid_list"}
} | {"valid_login_redirect": partial(validators.valid_login_redirect, allowed=("https://kvm.example",))}


def _validators(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for name, validate in _VALIDATORS.items():
        try:
            validate(text)
        except ValidatorError as exc:
            message = str(exc)
            assert message.isprintable(), f"{name}: expected a line to print, got {message!r}"


@cache
def _config_directory() -> Path:
    """Make it at its first use, in the target's own process, below what is removed after it."""
    return Path(tempfile.mkdtemp())


def _configuration(data: bytes) -> None:
    root = _config_directory()
    (root / "override.yaml").write_bytes(data)
    with suppress(ConfigurationError):
        load(root)


def _password_file(data: bytes) -> None:
    parsed = PasswordFile.parse(data)
    assert PasswordFile.parse(parsed.render()).accounts.keys() == parsed.accounts.keys()


def _backup(data: bytes) -> None:
    # As it comes, and behind the checksum that keeps most of what is changed at random out.
    for archive in (data, gzip.compress(data)):
        with suppress(BackupDamagedError, BackupNewerError):
            opened = unpack(archive)
            assert unpack(pack(opened)) == opened


def _volume(data: bytes) -> None:
    def read_at(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    with suppress(VolumeError):
        volume = read_volume(read_at)
        for entry in volume.entries[:16]:
            with suppress(VolumeError):
                read_file(read_at, entry)


def _font(data: bytes) -> None:
    with suppress(psf.PsfError):
        psf.parse_psf(data).rows("A")


def _text_of_tools(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    name = content_disposition.file_name_of(data.decode("latin-1"))
    assert name is None or ("/" not in name and "\\" not in name and name.strip("."))
    power_tools.says_failed(text)
    with suppress(DriverError, ValueError):
        power_tools.power_level(text)
    for read in (hue.lights, hue.check_switched):
        with suppress(DriverError, ValueError):
            read(data)


def _serial_switches(data: bytes) -> None:
    decoders: tuple[Callable[[], PortDecoder], ...] = (
        *(extron.Decoder, ezcoo.Decoder, tesmart.Decoder),
        *(xh_hk4401.Decoder, pway.Decoder),
    )
    for decoder in decoders:
        _same_in_pieces(partial(_feed_of, decoder))(data)


def _feed_of(decoder: Callable[[], PortDecoder]) -> Callable[[bytes], Sequence[object]]:
    return decoder().feed


def _rfb_session() -> bytes:
    size, pixel_format, name = struct.pack(">HH", 2, 1), bytes(16), b"pc"
    init = size + pixel_format + struct.pack(">I", len(name)) + name
    rectangle = struct.pack(">HHHHi", 0, 0, 2, 1, 0) + bytes(8)
    return b"RFB 003.008\n" + b"\1\1" + bytes(4) + init + struct.pack(">BBH", 0, 0, 1) + rectangle


def _iso_image() -> bytes:
    return bytes(16 * 2048) + b"\1CD001\1".ljust(2048, b"\0") + b"\xffCD001\1".ljust(2048, b"\0")


def _backup_archive() -> bytes:
    manifest = Manifest(format=1, version="1", host_name="x", made_at="")
    return pack(Backup(manifest, {"config/a": b"b"}))


def targets() -> dict[str, Target]:
    """Return all targets by their names."""
    screen = edid.build_edid()
    stream = b"\xff"  # in one piece
    return {
        "binary-message": Target(_binary_message, [b"\1\1KeyA", b"\1\x81\0\x1e", b"\3\0\1\0\2", b"\5\1\1\2"]),
        "json-message": Target(
            _json_message,
            [
                b'{"event_type": "key", "event": {"key": "KeyA", "state": true}}',
                b'{"event_type": "start", "event": {"type": "video", "format": "h264"}}',
                b'{"event_type": "mouse_relative", "event": {"delta": [{"x": 1, "y": 2}]}}',
            ],
        ),
        "edid": Target(_edid, [screen, screen.hex().encode()]),
        "privileged-requests": Target(_privileged, _privileged_requests()),
        "switch-frames": Target(
            _switch, [stream + encode_frame(bytes((1, 2, 3, 0xF0, 0xF1))), bytes((1, 0, 0, 1, 2, 3, 4))]
        ),
        "rfb": Target(_rfb, [stream + _rfb_session(), b"\5" + _rfb_session()]),
        "qmp": Target(
            _same_in_pieces(lambda: QmpDecoder().receive),
            [
                stream + b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}}}}\r\n',
                stream + b'{"return": {}, "id": 1}\n{"event": "RESET", "data": {}}\n',
                stream + b'{"id": 1, "error": {"class": "GenericError", "desc": "no"}}\n',
            ],
        ),
        "usb-pcap": Target(
            _same_in_pieces(lambda: UsbPcapDecoder().receive),
            [stream + struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 220) + bytes(100)],
        ),
        "ch9329": Target(
            _same_in_pieces(lambda: ch9329.Decoder().feed),
            [stream + ch9329.encode(ch9329.Command.GET_INFO), stream + b"W\xab\0\x81\x08" + bytes(9)],
        ),
        "microcontroller": Target(
            _same_in_pieces(lambda: mcu_hid.Decoder().feed),
            [stream + mcu_hid.encode(mcu_hid.Command.PING), stream + b"\x34\x80\0\0\0\0\0\0"],
        ),
        "serial-switches": Target(_serial_switches, [stream + b"\xaa\xbb\3\x11\1\x16", stream + b"Chn1\r\n"]),
        "tus": Target(
            _tus,
            [
                b"Tus-Resumable: 1.0.0\nUpload-Length: 5\nUpload-Metadata: filename b3MuaXNv",
                b"Content-Type: application/offset+octet-stream\nUpload-Offset: 5",
                b"Upload-Offset: 5\nUpload-Checksum: sha1 AA==",
                b"filename b3MuaXNv,sha256 AA==",
            ],
        ),
        "credentials": Target(
            _credentials,
            [
                b"X-KVMD-User: admin\nX-KVMD-Passwd: admin",
                b"Authorization: Basic YWRtaW46YWRtaW4=",
                b"Cookie: 00",
            ],
        ),
        "passkeys": Target(logins.passkey, logins.passkey_answers()),
        "login-provider": Target(logins.provider, logins.PROVIDER_SEEDS),
        "validators": Target(
            _validators, [b"1", b"true", b"1920x1080", b"KeyA,KeyB", b"os/disk.img", b"FF0000:80:0"]
        ),
        "configuration": Target(
            _configuration,
            [b"kvmd:\n    auth: {enabled: false}\n", b"a: &x [1]\nb: *x\n", b"kvmd: !include x\n"],
        ),
        "password-file": Target(
            _password_file, [b"admin:$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA\n# none\n"]
        ),
        "backup": Target(_backup, [_backup_archive(), gzip.decompress(_backup_archive())]),
        "volume": Target(_volume, [_iso_image(), b"\xeb\x3c\x90MSDOS5.0".ljust(510, b"\0") + b"\x55\xaa"]),
        "console-font": Target(_font, [b"\x36\x04\0\x08" + bytes(2048)]),
        "tools": Target(
            _text_of_tools,
            [
                b"Chassis Power is on",
                b"attachment; filename*=utf-8''a.iso",
                b'{"1": {"state": {"on": true}}}',
            ],
        ),
    }
