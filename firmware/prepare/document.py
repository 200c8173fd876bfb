"""`farhand.toml` on the boot partition: what a person may set in it, and what is wrong with it.

Pure: bytes in, values and sentences out. A sentence names the field and never quotes a password, hash or key.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from firmware.subsystems.auth.hashing import UnsupportedHashError, parse_stored

NAME: Final = "farhand.toml"

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_COUNTRY = re.compile(r"[A-Z]{2}")
_KEY_TYPES: Final = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-ssh-ed25519@", "sk-ecdsa-sha2-")


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[network]`: a fixed address of the wired network; without it DHCP gives one."""

    address: str
    """With the length of its prefix: `192.168.1.5/24`."""
    gateway: str | None = None
    dns: tuple[str, ...] = ()


class Wifi(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[wifi]`: the network to join."""

    name: str
    password: str
    country: str
    """Two capital letters: which channels may be used is the law's."""

    def __repr__(self) -> str:
        """Return a text without the password."""
        return f"Wifi(name={self.name!r}, country={self.country!r})"


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says; everything is optional."""

    host_name: str | None = None
    password_hash: str | None = None
    """Of the user admin, in any scheme of a password file."""
    ssh_keys: tuple[str, ...] = ()
    """Public keys that may log in as root."""
    time_zone: str | None = None
    network: Network | None = None
    wifi: Wifi | None = None

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return (
            f"Document(host_name={self.host_name!r}, time_zone={self.time_zone!r}, network={self.network!r})"
        )


def parse(data: bytes, *, is_time_zone: Callable[[str], bool]) -> tuple[Document, list[str]]:
    """Return what *data* says and what is wrong with it; with any mistake, nothing of it is to be used."""
    try:
        # Editors of Windows put a byte order mark first.
        table = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Document(), ["the file is not UTF-8: save it as plain text (UTF-8)"]
    except tomllib.TOMLDecodeError as exc:
        return Document(), [f"the file cannot be read: {_plain_syntax(str(exc))}"]
    problems: list[str] = []
    for key, value in table.items():
        # One at a time: the decoder stops at its first mistake, a person wants to see all of them.
        try:
            msgspec.convert({key: value}, Document)
        except msgspec.ValidationError as exc:
            problems.append(_plain_shape(key, str(exc)))
    if problems:
        return Document(), problems
    document = msgspec.convert(table, Document)
    problems = list(_mistakes(document, is_time_zone))
    return (Document(), problems) if problems else (document, [])


def _plain_syntax(message: str) -> str:
    """Return *message* of the parser without the text that it quotes, which may be a password."""
    place = re.search(r"\(at (line \d+), column \d+\)|\(at (end of document)\)", message)
    where = next((part for part in place.groups() if part), "") if place else "some line"
    return f'the mistake is at {where}; values that are text need quotes, as in host_name = "rack7"'


def _plain_shape(key: str, message: str) -> str:
    unknown = re.search(r"unknown field `([^`]*)`", message)
    section = re.search(r"at `\$\.([^`]*)`", message)
    inside = section[1] if section else ""
    if unknown:
        where = f"{inside}.{unknown[1]}" if inside else unknown[1]
        allowed = {"network": Network, "wifi": Wifi}.get(inside, Document).__struct_fields__
        return f"{where}: there is no such setting; there are {', '.join(allowed)}"
    missing = re.search(r"required field `([^`]*)`", message)
    if missing:
        return f"{inside or key}.{missing[1]}: it is missing"
    found = re.search(r"Expected `([^`]*)`, got `([^`]*)`", message)
    kinds = {
        "str": "text in quotes",
        "array": "a list in brackets",
        "object": "a section",
        "str | null": "text in quotes",
    }
    if found:
        wanted = kinds.get(found[1].removesuffix(" | null"), found[1])
        return f"{inside or key}: expected {wanted}, got {kinds.get(found[2], found[2])}"
    return f"{inside or key}: it cannot be used"


def _mistakes(document: Document, is_time_zone: Callable[[str], bool]) -> Iterator[str]:
    if document.host_name is not None and not is_host_name(document.host_name):
        yield "host_name: expected 1 to 63 letters, digits and inner hyphens"
    if document.password_hash is not None:
        try:
            parse_stored(document.password_hash)
        except UnsupportedHashError as exc:
            yield f"password_hash: {exc}; make one with: farhand passwd, or: openssl passwd -6"
    for number, key in enumerate(document.ssh_keys, 1):
        if not is_public_key(key):
            yield f"ssh_keys: number {number} is no public key, the line of a .pub file"
    if document.time_zone is not None and not is_time_zone(document.time_zone):
        yield "time_zone: expected a name such as Europe/Berlin"
    if document.network is not None:
        yield from _network_mistakes(document.network)
    if document.wifi is not None:
        yield from _wifi_mistakes(document.wifi)


def _network_mistakes(network: Network) -> Iterator[str]:
    try:
        interface = ipaddress.ip_interface(network.address)
    except ValueError:
        yield "network.address: expected an address with its prefix, such as 192.168.1.5/24"
        return
    if "/" not in network.address:
        yield f"network.address: the length of the prefix is missing, such as {network.address}/24"
    for field, text in (("gateway", network.gateway), *(("dns", server) for server in network.dns)):
        if text is None:
            continue
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            yield f"network.{field}: expected an address such as 192.168.1.1"
            continue
        if field == "gateway" and (address.version != interface.version or address not in interface.network):
            yield f"network.gateway: it is not within the network {interface.network}"


def _wifi_mistakes(wifi: Wifi) -> Iterator[str]:
    if not 1 <= len(wifi.name.encode()) <= 32 or not wifi.name.isprintable():
        yield "wifi.name: expected 1 to 32 bytes of text"
    # IEEE 802.11: a passphrase has 8 to 63 printable ASCII characters.
    if not (8 <= len(wifi.password) <= 63 and wifi.password.isascii() and wifi.password.isprintable()):
        yield "wifi.password: expected 8 to 63 letters, digits and signs of ASCII"
    if not _COUNTRY.fullmatch(wifi.country):
        yield "wifi.country: expected two capital letters, such as DE"


def is_host_name(name: str) -> bool:
    """Return whether *name* is one label of a name (RFC 1123, 2.1)."""
    return _LABEL.fullmatch(name) is not None


def is_public_key(line: str) -> bool:
    """Return whether *line* is one of a .pub file: type, base64 of a blob that starts with the same type."""
    words = line.split(" ", 2)
    if len(words) < 2 or not line.isprintable() or not words[0].startswith(_KEY_TYPES):
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return False
    name = words[0].encode()
    return blob.startswith(len(name).to_bytes(4) + name)
