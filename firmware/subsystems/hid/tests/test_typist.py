from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from observers.xkb import HostKeyboard, Xkb
from trio.testing import MockClock

from drivers.wire.hid_report import KeyboardReports
from drivers.wire.hid_usages import KEYS
from firmware.core.supervise import Supervisor
from firmware.subsystems.hid.config import HidConfig
from firmware.subsystems.hid.keymap_files import Keymaps
from firmware.subsystems.hid.service import HidService
from firmware.subsystems.hid.typist import HidTypingInterruptedError, Typist

CLEAR = bytes(8)
SHIFT_BIT = 0x02


@asynccontextmanager
async def typing(ports: Any) -> AsyncIterator[tuple[Typist, HidService]]:
    hid = HidService(
        HidConfig(),
        keyboard=ports.keyboard,
        mouse=ports.mouse,
        mouse_alt=ports.mouse_alt,
        supervisor=Supervisor(),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(hid.run)
        await trio.sleep(0.02)
        ports.keyboard.reports.clear()
        yield Typist(hid, Keymaps(Path("/nowhere/en-us"))), hid
        nursery.cancel_scope.cancel()


def expected_reports(*events: str) -> list[bytes]:
    model, reports = KeyboardReports(), []
    for event in events:
        change = model.press if event[0] == "+" else model.release
        reports += change(KEYS[event[1:]])
    return reports


def text_of(reports: list[bytes]) -> str:
    """What a host with a US keyboard reads out of reports."""
    host, down = HostKeyboard(Xkb().layout("us")), set[int]()
    by_usage = {key.usage: key.linux_code for key in KEYS.values()}
    for report in reports:
        now = {by_usage[usage] for usage in report[2:] if usage}
        now |= {key.linux_code for key in KEYS.values() if key.modifier_bit & report[0]}
        for code in down - now:
            host.release(code)
        # A host takes the modifiers of a report before its other keys.
        for code in sorted(now - down, key=lambda code: code not in (42, 100)):
            host.press(code)
        down = now
    return host.text


async def test_a_text_becomes_the_reports_of_its_events(autojump_clock: MockClock, ports: Any) -> None:
    async with typing(ports) as (typist, hid):
        await typist.type_text("Hi!", "en-us")
        await trio.sleep(1)
        assert ports.keyboard.reports == expected_reports(
            "+ShiftLeft", "+KeyH", "-KeyH", "-ShiftLeft", "+KeyI", "-KeyI",
            "+ShiftLeft", "+Digit1", "-Digit1", "-ShiftLeft",
        )  # fmt: skip
        assert typist.statistics() == {"texts": 1, "events": 10}
        assert hid.inactivity_s() < 2


async def test_a_delay_comes_before_every_event_of_modifiers_too(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with typing(ports) as (typist, _):
        started = trio.current_time()
        await typist.type_text("Hi!", "en-us", delay_s=0.5)
        assert trio.current_time() - started == pytest.approx(10 * 0.5)


async def test_long_texts_wait_for_the_device_and_lose_nothing(autojump_clock: MockClock, ports: Any) -> None:
    text = "The quick brown fox jumps over the lazy dog.\n" * 60
    ports.keyboard.write_s = 0.008
    async with typing(ports) as (typist, hid):
        await typist.type_text(text, "en-us")
        assert 0 < hid.statistics()["hid.keyboard"]["waiting"] <= 1024
        await trio.sleep(20)
        assert hid.statistics()["hid.keyboard"]["dropped"] == 0
    assert text_of(ports.keyboard.reports).replace("\r", "\n") == text


async def test_a_long_text_that_no_key_types_does_not_hold_up_others(ports: Any) -> None:
    turns = 0
    async with typing(ports) as (typist, _), trio.open_nursery() as nursery:

        async def count() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        nursery.start_soon(count)
        await typist.type_text("\r" * 1024 * 200, "en-us")
        nursery.cancel_scope.cancel()
    assert turns >= 200
    assert ports.keyboard.reports == []


async def test_two_texts_are_typed_one_after_the_other(autojump_clock: MockClock, ports: Any) -> None:
    async with typing(ports) as (typist, _):
        async with trio.open_nursery() as nursery:
            for text in ("First ", "Second ", "Third"):
                nursery.start_soon(partial(typist.type_text, text, "en-us", delay_s=0.1))
                await trio.sleep(0.05)
        await trio.sleep(1)
    assert text_of(ports.keyboard.reports) == "First Second Third"


async def test_what_a_person_presses_meanwhile_is_not_held_back(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with typing(ports) as (typist, hid), trio.open_nursery() as nursery:
        nursery.start_soon(lambda: typist.type_text("aaaa", "en-us", delay_s=1))
        await trio.sleep(2.5)
        await hid.send_key("F1", True)
        await trio.sleep(0.1)
        assert ports.keyboard.reports[-1][2] == KEYS["F1"].usage


async def test_who_goes_away_stops_the_typing_and_leaves_nothing_held(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with typing(ports) as (typist, hid):
        # In the middle of a key's press, with Shift down.
        with trio.move_on_after(2.5):
            await typist.type_text("ABC", "en-us", delay_s=1)
        assert hid.holds("ShiftLeft") is False
        assert hid.holds("KeyA") is False
        await trio.sleep(1)
        assert ports.keyboard.reports == expected_reports("+ShiftLeft", "+KeyA", "-KeyA", "-ShiftLeft")
        # The next one has its turn.
        await typist.type_text("x", "en-us")
        await trio.sleep(1)
        assert ports.keyboard.reports[-2:] == expected_reports("+KeyX", "-KeyX")


async def test_a_release_all_between_two_keys_costs_no_capitals(
    autojump_clock: MockClock, ports: Any
) -> None:
    async with typing(ports) as (typist, hid), trio.open_nursery() as nursery:
        nursery.start_soon(lambda: typist.type_text("ABCD", "en-us", delay_s=1))
        await trio.sleep(3.5)
        hid.release_all()
        await trio.sleep(20)
    assert text_of(ports.keyboard.reports) == "ABCD"
    assert ports.keyboard.reports[-1] == CLEAR


async def test_a_release_all_that_drops_a_part_of_the_text_ends_it(
    autojump_clock: MockClock, ports: Any
) -> None:
    """Nothing with a hole in it is typed: what was dropped and what comes after it stay away."""
    ports.keyboard.write_s = 0.01
    failures: list[Exception] = []
    text = "Z".join(f"{number:03}" for number in range(900))
    async with typing(ports) as (typist, hid), trio.open_nursery() as nursery:

        async def type_it() -> None:
            try:
                await typist.type_text(text, "en-us")
            except HidTypingInterruptedError as exc:
                failures.append(exc)

        nursery.start_soon(type_it)
        await trio.sleep(3)
        hid.release_all()
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    (failure,) = failures
    assert isinstance(failure, HidTypingInterruptedError)
    assert (failure.status, failure.contract_name) == (409, "HidTypingInterruptedError")
    typed = text_of(ports.keyboard.reports)
    assert 10 < len(typed) < len(text)
    assert text.startswith(typed)
    assert ports.keyboard.reports[-1] == CLEAR


async def test_the_vectors_pass_through_the_device(autojump_clock: MockClock, ports: Any) -> None:
    vectors = Path(__file__).parents[3] / "core/tests/data/vectors.json"
    (hello, *_) = json.loads(vectors.read_text())["print"]["cases"]
    async with typing(ports) as (typist, _):
        await typist.type_text(hello["text"], hello["keymap"])
        await trio.sleep(1)
    assert ports.keyboard.reports == expected_reports(*hello["events"])
    assert not any(report[0] & ~SHIFT_BIT for report in ports.keyboard.reports)
