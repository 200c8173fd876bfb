"""Requests and answers: what is asked is what arrives, and nothing else is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.gadget.lun_inquiry import InquiryString
from drivers.gadget.spec import (
    AudioFunction,
    EthernetDriver,
    EthernetFunction,
    Function,
    GadgetSpec,
    Lun,
    MassStorageFunction,
    SerialFunction,
    keyboard,
    mouse,
)
from firmware.privileged.acts import GADGET
from firmware.privileged.requests import (
    MAX_BYTES,
    Compose,
    Failed,
    GadgetComposed,
    Ok,
    Ping,
    RefusedError,
    Restart,
    compose_request,
    decode_reply,
    decode_request,
    encode,
    gadget_spec,
)

BOOLS = st.booleans()
WORDS = st.integers(0, 0xFFFF)
TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=126)
MACS = st.just("") | st.from_regex(r"\A[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")
DRIVERS: st.SearchStrategy[EthernetDriver] = st.sampled_from(("ecm", "eem", "ncm", "rndis", "rndis5"))
NAMES = st.from_regex(r"\A[a-z_]{1,16}\.usb[0-9]{1,3}\Z")


def printable(limit: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=limit).map(str.rstrip)


INQUIRIES = st.none() | st.builds(InquiryString, printable(8), printable(16), printable(4))
LUNS = st.builds(Lun, BOOLS, BOOLS, BOOLS, BOOLS, INQUIRIES)


@st.composite
def functions(draw: st.DrawFn) -> tuple[Function, ...]:
    made: list[Function] = []
    for number in range(draw(st.integers(0, 6))):
        at = f"usb{number}"
        kind = draw(st.sampled_from(["keyboard", "mouse", "drive", "ethernet", "serial", "audio"]))
        if kind == "keyboard":
            made.append(keyboard(at, start=draw(BOOLS), no_out_endpoint=draw(BOOLS)))
        elif kind == "mouse":
            absolute, wheel = draw(BOOLS), draw(BOOLS)
            made.append(mouse(at, absolute=absolute, horizontal_wheel=wheel, start=draw(BOOLS)))
        elif kind == "drive":
            luns = tuple(draw(st.lists(LUNS, min_size=1, max_size=8)))
            made.append(MassStorageFunction(at, luns, draw(BOOLS), draw(BOOLS)))
        elif kind == "ethernet":
            driver = draw(DRIVERS)
            made.append(EthernetFunction(at, driver, draw(MACS), draw(MACS), draw(BOOLS)))
        elif kind == "serial":
            made.append(SerialFunction(at, draw(BOOLS)))
        else:
            made.append(AudioFunction(at, draw(BOOLS), draw(BOOLS), draw(BOOLS)))
    return tuple(made)


SPECS = st.builds(
    GadgetSpec,
    functions=functions(),
    name=st.just(GADGET),
    vendor_id=WORDS,
    product_id=WORDS,
    manufacturer=TEXTS,
    product=TEXTS,
    serial=st.none() | TEXTS,
    configuration=st.none() | TEXTS,
    device_version=st.none() | WORDS,
    usb_version=WORDS,
    max_power_ma=st.integers(0, 500),
    remote_wakeup=BOOLS,
    udc=st.sampled_from(["", "fe980000.usb", "*.usb", "musb-hdrc.1.auto", "dummy_udc.[0-9]"]),
    endpoint_budget=st.integers(0, 256),
    disabled=st.frozensets(NAMES, max_size=8),
    enabled=st.frozensets(NAMES, max_size=8),
    bound=BOOLS,
)


@given(SPECS)
def test_every_gadget_arrives_as_it_was_asked_for(spec: GadgetSpec) -> None:
    message = encode(compose_request(spec))
    assert len(message) <= MAX_BYTES
    request = decode_request(message)
    assert isinstance(request, Compose)
    assert gadget_spec(request, GADGET) == spec


def test_nodes_that_the_service_opens_are_not_asked_for() -> None:
    spec = GadgetSpec(functions=(keyboard("usb0", device=Path("/dev/kvmd-hid-keyboard")),))
    request = decode_request(encode(compose_request(spec)))
    assert isinstance(request, Compose)
    (function,) = gadget_spec(request, GADGET).functions
    assert function == keyboard("usb0")


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["type", "functions", "instance", "udc", "x"]) , inner, max_size=5
    ),
    max_leaves=20,
).map(msgspec.json.encode))  # fmt: skip
def test_what_is_no_request_is_refused_and_nothing_else(data: bytes) -> None:
    try:
        request = decode_request(data)
    except RefusedError as exc:
        assert str(exc)
    else:
        assert isinstance(request, Ping | Restart | Compose)


def changed(**changes: Any) -> bytes:
    """A good request with other values in it; those of a function change the first one."""
    drives = MassStorageFunction("usb0", (Lun(inquiry=InquiryString("V", "P", "1")),))
    spec = GadgetSpec(functions=(keyboard("usb0"), drives))
    table = msgspec.json.decode(encode(compose_request(spec)))
    function = table["functions"][0]
    for key, value in changes.items():
        (function if key in {*function, "device", "descriptor"} else table)[key] = value
    return msgspec.json.encode(table)


def test_the_request_that_the_next_ones_change_is_good() -> None:
    assert isinstance(decode_request(changed()), Compose)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"instance": "../../x"}, "instance"),
        ({"instance": "usb0/../../etc"}, "instance"),
        ({"instance": "usb0\n"}, "instance"),
        ({"instance": ""}, "instance"),
        ({"role": "joystick"}, "role"),
        ({"descriptor": "AAAA"}, "descriptor"),
        ({"type": "file"}, "type"),
        ({"device": "/dev/sda"}, "device"),
        ({"name": "other"}, "name"),
        ({"udc": "/sys/class/udc/x"}, "udc"),
        ({"udc": "a" * 65}, "udc"),
        ({"manufacturer": "a\nb"}, "manufacturer"),
        ({"product": "a" * 127}, "product"),
        ({"vendor_id": 65536}, "vendor_id"),
        ({"vendor_id": -1}, "vendor_id"),
        ({"vendor_id": 1.5}, "vendor_id"),
        ({"max_power_ma": 501}, "max_power_ma"),
        ({"disabled": ["hid/usb0"]}, "disabled"),
        ({"enabled": ["hid.usb0"] * 65}, "enabled"),
        ({"bound": 1}, "bound"),
        ({"functions": [{"type": "serial", "instance": "usb1", "start": True}] * 65}, "functions"),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(RefusedError, match=named):
        decode_request(changed(**changes))


def test_names_that_are_taken_twice_and_long_inquiries_are_refused() -> None:
    request = decode_request(changed())
    assert isinstance(request, Compose)
    twice = msgspec.structs.replace(request, functions=(request.functions[0], request.functions[0]))
    with pytest.raises(RefusedError, match="once"):
        gadget_spec(twice, GADGET)
    table = msgspec.json.decode(changed())
    table["functions"][1]["drives"][0]["inquiry"] = ["more than eight", "", ""]
    long = decode_request(msgspec.json.encode(table))
    assert isinstance(long, Compose)
    with pytest.raises(RefusedError, match="vendor"):
        gadget_spec(long, GADGET)


def test_a_request_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(RefusedError, match="at most"):
        decode_request(b" " * MAX_BYTES + encode(Ping()))


@pytest.mark.parametrize(
    "reply", [Ok(), Failed("busy", "x"), GadgetComposed("u", ("hid.usb0",), {"acm.usb0": "no room"})]
)
def test_answers_arrive(reply: Ok | Failed | GadgetComposed) -> None:
    assert decode_reply(encode(reply)) == reply
