"""What can be asked of the privileged process, and its answers: a closed list, each value within bounds.

Pure. A request is one JSON message. No value of it becomes a path but names of functions, which are letters,
digits and a dot; HID descriptors and the gadget's own directory are not in a request at all.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from drivers.gadget.lun_inquiry import InquiryString
from drivers.gadget.spec import (
    AudioFunction,
    EthernetDriver,
    EthernetFunction,
    Function,
    GadgetSpec,
    HidFunction,
    HidRole,
    Lun,
    MassStorageFunction,
    SerialFunction,
    keyboard,
    mouse,
)

MAX_BYTES: Final = 32 * 1024
"""A request with every function that there can be has some 5 KiB."""

type Text = Annotated[str, Meta(max_length=126, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
type Instance = Annotated[str, Meta(pattern=r"\Ausb[0-9]{1,3}\Z")]
type FunctionName = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,16}\.usb[0-9]{1,3}\Z")]
type Mac = Annotated[str, Meta(pattern=r"\A([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5})?\Z")]
type Word = Annotated[int, Meta(ge=0, le=0xFFFF)]
type Controller = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.:*?\[\]-]{0,64}\Z")]


class Hid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hid"):
    """A keyboard or mouse; its descriptor is made here, and not by who asks."""

    instance: Instance
    role: HidRole
    no_out_endpoint: bool
    horizontal_wheel: bool
    start: bool


class Drive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One drive before a medium was in."""

    cdrom: bool
    ro: bool
    removable: bool
    nofua: bool
    inquiry: tuple[str, str, str] | None


class MassStorage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="mass_storage"):
    """A mass-storage function."""

    instance: Instance
    drives: Annotated[tuple[Drive, ...], Meta(min_length=1, max_length=8)]
    stall: bool
    start: bool


class Ethernet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ethernet"):
    """A network link to the target."""

    instance: Instance
    driver: EthernetDriver
    host_mac: Mac
    kvm_mac: Mac
    start: bool


class Serial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="serial"):
    """A serial port at the target."""

    instance: Instance
    start: bool


class Audio(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="audio"):
    """A sound card at the target."""

    instance: Instance
    mic: bool
    speakers: bool
    start: bool


class Compose(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="compose"):
    """Compose the gadget, and hand over what is used of it."""

    functions: Annotated[tuple[Hid | MassStorage | Ethernet | Serial | Audio, ...], Meta(max_length=64)]
    vendor_id: Word
    product_id: Word
    manufacturer: Text
    product: Text
    serial: Text | None
    configuration: Text | None
    device_version: Word | None
    usb_version: Word
    max_power_ma: Annotated[int, Meta(ge=0, le=500)]
    remote_wakeup: bool
    udc: Controller
    endpoint_budget: Annotated[int, Meta(ge=0, le=256)]
    disabled: Annotated[tuple[FunctionName, ...], Meta(max_length=64)]
    enabled: Annotated[tuple[FunctionName, ...], Meta(max_length=64)]
    bound: bool


class Restart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="restart"):
    """Restart the machine in order."""


class Ping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ping"):
    """Say that you are there."""


type Request = Compose | Restart | Ping


class Ok(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ok"):
    """It is done."""


class GadgetComposed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="composed"):
    """The gadget is composed; see `drivers.gadget.composer.Composed`."""

    udc: str
    linked: tuple[str, ...]
    left_out: dict[str, str]


type Kind = Literal["refused", "gone", "busy", "timeout", "unsupported", "failed"]


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="failed"):
    """It is not done; *refused* means that it was not even tried."""

    kind: Kind
    text: str


type Reply = Ok | GadgetComposed | Failed

_requests: Final = msgspec.json.Decoder[Request](Compose | Restart | Ping)
_replies: Final = msgspec.json.Decoder[Reply](Ok | GadgetComposed | Failed)


class RefusedError(Exception):
    """A request is not one that is served; the message says why."""


def decode_request(data: bytes) -> Request:
    """Return the request in *data*. Raises RefusedError."""
    if len(data) > MAX_BYTES:
        raise RefusedError(f"expected at most {MAX_BYTES} bytes, got more")
    try:
        request: Request = _requests.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise RefusedError(str(exc)) from None
    return request


def decode_reply(data: bytes) -> Reply:
    """Return the reply in *data*. Raises ValueError."""
    reply: Reply = _replies.decode(data)
    return reply


def encode(message: Request | Reply) -> bytes:
    """Return the message that says *message*."""
    return msgspec.json.encode(message)


def compose_request(spec: GadgetSpec) -> Compose:
    """Return the request for *spec*. Its name and its nodes are not asked for: they are not the client's."""
    return Compose(
        functions=tuple(_asked(function) for function in spec.functions),
        vendor_id=spec.vendor_id,
        product_id=spec.product_id,
        manufacturer=spec.manufacturer,
        product=spec.product,
        serial=spec.serial,
        configuration=spec.configuration,
        device_version=spec.device_version,
        usb_version=spec.usb_version,
        max_power_ma=spec.max_power_ma,
        remote_wakeup=spec.remote_wakeup,
        udc=spec.udc,
        endpoint_budget=spec.endpoint_budget,
        disabled=tuple(sorted(spec.disabled)),
        enabled=tuple(sorted(spec.enabled)),
        bound=spec.bound,
    )


def gadget_spec(request: Compose, name: str) -> GadgetSpec:
    """Return what *request* asks for, for the gadget *name*. Raises RefusedError."""
    try:
        return GadgetSpec(
            functions=tuple(_function(one) for one in request.functions),
            name=name,
            vendor_id=request.vendor_id,
            product_id=request.product_id,
            manufacturer=request.manufacturer,
            product=request.product,
            serial=request.serial,
            configuration=request.configuration,
            device_version=request.device_version,
            usb_version=request.usb_version,
            max_power_ma=request.max_power_ma,
            remote_wakeup=request.remote_wakeup,
            udc=request.udc,
            endpoint_budget=request.endpoint_budget,
            disabled=frozenset(request.disabled),
            enabled=frozenset(request.enabled),
            bound=request.bound,
        )
    except ValueError as exc:
        raise RefusedError(str(exc)) from None


def _asked(function: Function) -> Hid | MassStorage | Ethernet | Serial | Audio:
    match function:
        case HidFunction():
            return Hid(
                function.instance,
                function.role,
                function.no_out_endpoint,
                function.horizontal_wheel,
                function.start,
            )
        case MassStorageFunction():
            drives = tuple(_asked_drive(lun) for lun in function.luns)
            return MassStorage(function.instance, drives, function.stall, function.start)
        case EthernetFunction():
            return Ethernet(
                function.instance, function.driver, function.host_mac, function.kvm_mac, function.start
            )
        case SerialFunction():
            return Serial(function.instance, function.start)
        case AudioFunction():
            return Audio(function.instance, function.mic, function.speakers, function.start)


def _asked_drive(lun: Lun) -> Drive:
    words = lun.inquiry
    inquiry = None if words is None else (words.vendor, words.product, words.revision)
    return Drive(lun.cdrom, lun.ro, lun.removable, lun.nofua, inquiry)


def _function(asked: Hid | MassStorage | Ethernet | Serial | Audio) -> Function:
    """Return the function. Raises ValueError."""
    match asked:
        case Hid(role=HidRole.KEYBOARD):
            return keyboard(asked.instance, start=asked.start, no_out_endpoint=asked.no_out_endpoint)
        case Hid():
            # A mouse has no reports from the host.
            return mouse(
                asked.instance,
                absolute=asked.role is HidRole.ABSOLUTE_MOUSE,
                horizontal_wheel=asked.horizontal_wheel,
                start=asked.start,
            )
        case MassStorage():
            luns = tuple(_lun(drive) for drive in asked.drives)
            return MassStorageFunction(asked.instance, luns, stall=asked.stall, start=asked.start)
        case Ethernet():
            return EthernetFunction(
                asked.instance, asked.driver, asked.host_mac, asked.kvm_mac, start=asked.start
            )
        case Serial():
            return SerialFunction(asked.instance, start=asked.start)
        case Audio():
            return AudioFunction(asked.instance, mic=asked.mic, speakers=asked.speakers, start=asked.start)


def _lun(drive: Drive) -> Lun:
    inquiry = None if drive.inquiry is None else InquiryString(*drive.inquiry)
    return Lun(drive.cdrom, drive.ro, drive.removable, drive.nofua, inquiry)
