"""Reports through the real kernel: what the appliance writes is what the host's event devices say."""

from __future__ import annotations

import random
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio
from peers.usb_host import (
    ABS_X,
    ABS_Y,
    EV_ABS,
    EV_KEY,
    EV_MSC,
    EV_REL,
    EV_SYN,
    LED_CAPS,
    LED_NUM,
    LED_SCROLL,
    REL_HWHEEL,
    REL_WHEEL,
    REL_X,
    REL_Y,
    WAIT_DEADLINE_S,
    EventReader,
    InputEvent,
    UsbDevice,
    wait_for_device,
)

from drivers.emulated.hid_host import KeyboardDecoder, decode_pointer
from drivers.gadget.gadget import UsbGadget
from drivers.wire.hid_report import KeyboardReports, PointerReports
from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS

KEYBOARD, ABSOLUTE, RELATIVE = 0, 1, 2
BUTTON_LEFT = 0x110
REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES = 11, 12


class Pc:
    """A running gadget and the host's three event devices."""

    def __init__(self, gadget: UsbGadget, device: UsbDevice, readers: list[EventReader]) -> None:
        self.gadget = gadget
        self.device = device
        self.keyboard, self.absolute, self.relative = readers


@pytest.fixture(params=[True, False], ids=["no_out_endpoint", "out_endpoint"])
def no_out_endpoint(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
async def pc(dummy: str, spec: Any, running: Any, host: Any) -> Any:
    async with AsyncExitStack() as stack:
        wanted = spec(dummy)
        gadget = await stack.enter_async_context(running(UsbGadget(wanted)))
        device = await stack.enter_async_context(host(wanted))
        readers = [await stack.enter_async_context(device.events(number)) for number in range(3)]
        yield Pc(gadget, device, readers)


def keyboard_mice(gadget: UsbGadget) -> tuple[Any, Any, Any]:
    absolute, relative = gadget.mice
    return gadget.keyboard, absolute, relative


async def learn_codes(pc: Pc) -> dict[int, int]:
    """Press each key of the contract once, alone, and note which code the host gives it."""
    keyboard, *_ = keyboard_mice(pc.gadget)
    codes: dict[int, int] = {}
    for key in KEYS.values():
        reports = KeyboardReports()
        [down], [up] = reports.press(key), reports.release(key)
        await keyboard.write(down)
        frame = await pc.keyboard.frame()
        assert [(one.kind, one.value) for one in frame] == [(EV_KEY, 1)], (key, frame)
        codes[key.usage or 0xE0 + key.modifier_bit.bit_length() - 1] = frame[0].code
        await keyboard.write(up)
        assert await pc.keyboard.frame() == [InputEvent(EV_KEY, frame[0].code, 0)]
    return codes


async def expect(reader: EventReader, expected: list[list[InputEvent]]) -> None:
    """Expect the changes of each report in turn; in which order the host tells those of one report is its own
    affair, and a report with many changes is told in more than one frame.
    """
    for number, changes in enumerate(expected):
        got: list[InputEvent] = []
        with trio.fail_after(WAIT_DEADLINE_S):
            while len(got) < len(changes):
                event = await reader.event()
                if event.kind not in {EV_SYN, EV_MSC}:
                    got.append(event)
        assert set(got) == set(changes), f"change {number}: expected {changes}, got {got}"


def random_keyboard_reports(rng: random.Random, count: int) -> list[bytes]:
    reports = KeyboardReports()
    keys = list(KEYS.values())
    written: list[bytes] = []
    while len(written) < count:
        key = rng.choice(keys)
        written += reports.press(key) if rng.random() < 0.6 else reports.release(key)
    return [*written[: count - 1], KeyboardReports().report]


def random_pointer_reports(rng: random.Random, count: int, *, absolute: bool) -> list[bytes]:
    reports = PointerReports(absolute=absolute, horizontal_wheel=True)
    buttons = list(MOUSE_BUTTONS.values())
    written: list[bytes] = []
    while len(written) < count:
        match rng.randrange(4):
            case 0:
                written += reports.press(rng.choice(buttons))
            case 1:
                written += reports.release(rng.choice(buttons))
            case 2:
                written += reports.wheel(rng.randint(-127, 127), rng.randint(-127, 127))
            case _ if absolute:
                written += reports.move(rng.randint(-32768, 32767), rng.randint(-32768, 32767))
            case _:
                written += reports.relative(rng.randint(-127, 127), rng.randint(-127, 127))
    return [*written[: count - 1], reports.cleared_report]


def keyboard_frames(reports: list[bytes], codes: dict[int, int]) -> list[list[InputEvent]]:
    decoder = KeyboardDecoder()
    frames = []
    for report in reports:
        changes = decoder.feed(report)
        if changes:
            frames.append([InputEvent(EV_KEY, codes[one.usage], int(one.pressed)) for one in changes])
    return frames


def pointer_frames(reports: list[bytes], *, absolute: bool) -> list[list[InputEvent]]:
    frames: list[list[InputEvent]] = []
    buttons, x, y = 0, 0, 0
    for report in reports:
        now = decode_pointer(report, absolute=absolute)
        frame = [
            InputEvent(EV_KEY, BUTTON_LEFT + bit, now.buttons >> bit & 1)
            for bit in range(8)
            if (now.buttons ^ buttons) >> bit & 1
        ]
        if absolute:
            frame += [InputEvent(EV_ABS, ABS_X, now.x)] if now.x != x else []
            frame += [InputEvent(EV_ABS, ABS_Y, now.y)] if now.y != y else []
            x, y = now.x, now.y
        else:
            frame += [InputEvent(EV_REL, REL_X, now.x)] if now.x else []
            frame += [InputEvent(EV_REL, REL_Y, now.y)] if now.y else []
        for code, fine, value in (
            (REL_WHEEL, REL_WHEEL_HI_RES, now.wheel),
            (REL_HWHEEL, REL_HWHEEL_HI_RES, now.pan),
        ):
            if value:
                frame += [InputEvent(EV_REL, code, value), InputEvent(EV_REL, fine, 120 * value)]
        buttons = now.buttons
        if frame:
            frames.append(frame)
    return frames


async def run_random_reports(pc: Pc, count: int) -> None:
    rng = random.Random(20261121)
    keyboard, absolute, relative = keyboard_mice(pc.gadget)
    codes = await learn_codes(pc)
    keys = random_keyboard_reports(rng, count // 2)
    moves = random_pointer_reports(rng, count // 4, absolute=True)
    deltas = random_pointer_reports(rng, count - count // 2 - count // 4, absolute=False)

    async def write(port: Any, reports: list[bytes]) -> None:
        for report in reports:
            await port.write(report)

    start = time.monotonic()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, keyboard, keys)
        nursery.start_soon(write, absolute, moves)
        nursery.start_soon(write, relative, deltas)
        nursery.start_soon(expect, pc.keyboard, keyboard_frames(keys, codes))
        nursery.start_soon(expect, pc.absolute, pointer_frames(moves, absolute=True))
        nursery.start_soon(expect, pc.relative, pointer_frames(deltas, absolute=False))
    print(f"{count} reports, written and read: {count / (time.monotonic() - start):.0f}/s")
    for reader in (pc.keyboard, pc.absolute, pc.relative):
        assert reader.pending() == []
    assert {name: port["not_taken"] for name, port in pc.gadget.statistics().items()} == {
        "hid.usb0": 0,
        "hid.usb1": 0,
        "hid.usb2": 0,
    }


async def test_1000_random_reports_arrive_in_order(pc: Pc) -> None:
    await run_random_reports(pc, 1000)


@pytest.mark.slow
async def test_10000_random_reports_arrive_in_order(pc: Pc) -> None:
    await run_random_reports(pc, 10000)


async def test_ctrl_alt_del(pc: Pc) -> None:
    keyboard, *_ = keyboard_mice(pc.gadget)
    reports = KeyboardReports()
    for name in ("ControlLeft", "AltLeft", "Delete"):
        for report in reports.press(KEYS[name]):
            await keyboard.write(report)
    assert reports.report == bytes((0x05, 0, 0x4C, 0, 0, 0, 0, 0))
    frames = [await pc.keyboard.frame() for _ in range(3)]
    assert frames == [[InputEvent(EV_KEY, code, 1)] for code in (29, 56, 111)]
    await keyboard.write(reports.cleared_report)
    released = await pc.keyboard.frame()
    assert {(one.code, one.value) for one in released} == {(29, 0), (56, 0), (111, 0)}


async def test_leds(dummy: str, spec: Any, running: Any, host: Any, no_out_endpoint: bool) -> None:
    wanted = spec(dummy, no_out_endpoint=no_out_endpoint)
    async with running(UsbGadget(wanted)) as gadget, host(wanted) as device:
        keyboard, *_ = keyboard_mice(gadget)
        async with device.events(KEYBOARD) as reader, keyboard.leds() as leds:
            with trio.fail_after(20):
                # The host's driver says "none" first of all.
                assert await leds.receive() == 0
                for lit, expected in (
                    ((LED_NUM, True), 1),
                    ((LED_CAPS, True), 3),
                    ((LED_SCROLL, True), 7),
                    ((LED_NUM, False), 6),
                ):
                    reader.set_led(*lit)
                    # Some kernels' drivers say "none" more than once.
                    while (told := await leds.receive()) == 0:
                        pass
                    assert told == expected
            # Whoever comes later is told at once.
            async with keyboard.leds() as late:
                assert late.receive_nowait() == 6


async def test_get_report_is_answered_at_once_and_with_what_is_held(pc: Pc) -> None:
    keyboard, absolute, relative = keyboard_mice(pc.gadget)
    assert await pc.device.get_report(KEYBOARD, 8) == bytes(8)
    held = bytes((0x02, 0, 0x05, 0, 0, 0, 0, 0))
    await keyboard.write(held)
    await absolute.write(bytes((1, 0x34, 0x12, 0x78, 0x56, 1, 255)))
    await relative.write(bytes((4, 5, 6, 7, 8)))
    asked = trio.current_time()
    assert await pc.device.get_report(KEYBOARD, 8) == held
    assert await pc.device.get_report(ABSOLUTE, 7) == bytes((1, 0x34, 0x12, 0x78, 0x56, 0, 0))
    assert await pc.device.get_report(RELATIVE, 5) == bytes((4, 0, 0, 0, 0))
    # Unanswered, each of them takes the kernel's 2.5 s.
    assert trio.current_time() - asked < 2.5
    await keyboard.write(bytes(8))
    assert await pc.device.get_report(KEYBOARD, 8) == bytes(8)


async def test_a_report_of_another_length_is_a_bug(pc: Pc) -> None:
    keyboard, *_ = keyboard_mice(pc.gadget)
    with pytest.raises(ValueError, match="expected a report of 8 bytes, got 7"):
        await keyboard.write(bytes(7))


async def test_what_the_host_is_told_of_the_device(dummy: str, spec: Any, running: Any, host: Any) -> None:
    wanted = spec(dummy, configuration="Main", max_power_ma=250)
    async with running(UsbGadget(wanted)), host(wanted) as device:
        assert device.read("manufacturer") == "PiKVM"
        assert device.read("product") == "PiKVM Composite Device"
        assert device.read("serial") == "RIG0001"
        assert device.read("configuration") == "Main"
        assert device.read("bcdDevice") == "0100"
        assert device.read("version").strip() == "2.00"
        assert device.read("bmAttributes") == "a0"
        assert device.read("bMaxPower") == "250mA"
        assert device.read("bNumInterfaces").strip() == "3"
        protocols = [
            (device.interface(number) / "bInterfaceProtocol").read_text().strip() for number in range(3)
        ]
        subclasses = [
            (device.interface(number) / "bInterfaceSubClass").read_text().strip() for number in range(3)
        ]
        assert (protocols, subclasses) == (["01", "00", "02"], ["01", "00", "01"])
        endpoints = (device.interface(0) / "bNumEndpoints").read_text().strip()
        assert endpoints == "01"


async def test_null_serial(dummy: str, spec: Any, running: Any) -> None:
    wanted = spec(dummy, serial=None)
    async with running(UsbGadget(wanted)):
        device = await wait_for_device(vendor=wanted.vendor_id, product=wanted.product_id)
        assert device.read("serial") == ""
