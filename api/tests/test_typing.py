"""Typing text over a real socket, read on the screen of the emulated PC (contract http.md 4.2)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

URL = "/api/hid/print"


async def shown(live: Any, text: str) -> None:
    """Wait until a line of the screen ends with *text*."""
    with trio.fail_after(30):
        while not any(line.endswith(text) for line in live.pc.observer.screen_text):
            await trio.sleep(0.02)


async def test_a_text_appears_on_the_screen(live: Any) -> None:
    await shown(live, "$")
    text = "echo Typed: ~[]{}|\\ #42\n"
    assert await live.result_of(await live.http.post(URL, content=text)) == {}
    await shown(live, "Typed: ~[]{}|\\ #42")
    assert live.pc.observer.held_keys == set()


async def test_what_cannot_be_typed_is_told_and_nothing_is_typed(live: Any) -> None:
    await shown(live, "$")
    before = live.pc.observer.keyboard_report_count
    body = "a\u0444\r\n\u4e2d".encode()
    answer = await live.result_of(await live.http.post(f"{URL}/check?keymap=de", content=body))
    assert answer == {
        "characters": 5,
        "left_out_count": 2,
        "left_out": [{"at": 1, "character": "\u0444"}, {"at": 4, "character": "\u4e2d"}],
    }
    answer = await live.result_of(await live.http.post(f"{URL}/check?keymap=fr", content="Zo\u00eb e\u0301"))
    assert answer["left_out_count"] == 0
    assert live.pc.observer.keyboard_report_count == before
    await live.refused(await live.http.post(f"{URL}/check?keymap=none", content="a"), 400, "ValidatorError")


async def test_the_legends_of_a_keymap(live: Any) -> None:
    answer = await live.result_of(await live.http.get("/api/hid/keymaps/legends?keymap=de"))
    assert answer["keymap"] == "de"
    assert answer["keys"]["KeyY"][:2] == ["z", "Z"]
    assert answer["keys"]["KeyE"][2] == "\N{EURO SIGN}"
    assert answer["keys"]["Equal"][0] == "dead_acute"
    answer = await live.result_of(await live.http.get("/api/hid/keymaps/legends"))
    assert (answer["keymap"], answer["keys"]["KeyY"][:2]) == ("en-us", ["y", "Y"])


async def test_limits_and_substitutions(live: Any) -> None:
    await shown(live, "$")
    assert await live.result_of(await live.http.post(f"{URL}?limit=7&slow=1", content="echo abcdef")) == {}
    await shown(live, "$ echo ab")
    body = "\r\N{LEFT DOUBLE QUOTATION MARK}c \N{EN DASH} d\N{EM DASH}é\x01\n".encode()
    assert await live.result_of(await live.http.post(f"{URL}?limit=0&delay=0", content=body)) == {}
    await shown(live, 'ab"c - d--')


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain; charset=iso-8859-1", "ä".encode("latin-1")),
        ("text/plain; charset=UTF-16", "ä".encode("utf-16")),
        ("application/octet-stream", "ä".encode()),
        ("", "ä".encode()),
    ],
)
async def test_the_charset_of_the_content_type_is_used(live: Any, content_type: str, body: bytes) -> None:
    await shown(live, "$")
    live.pc.observer.keyboard_reports.clear()
    answer = await live.http.post(
        f"{URL}?keymap=de", content=body, headers={"Content-Type": content_type} if content_type else {}
    )
    assert await live.result_of(answer) == {}
    # The Quote key of a US keyboard.
    await shown(live, "'")


@pytest.mark.parametrize(
    ("query", "content_type", "body"),
    [
        ("", "text/plain", b"\xff"),
        ("", "text/plain; charset=ascii", "ä".encode()),
        ("", "text/plain; charset=klingon", b"a"),
        ("", "text/plain; charset=rot13", b"a"),
        ("", "text/plain; charset=punycode", b"a"),
        ("", 'text/plain; charset="a\\0b"', b"a"),
        ("?keymap=", "text/plain", b"a"),
        ("?keymap=xx", "text/plain", b"a"),
        ("?keymap=../keymaps/de", "text/plain", b"a"),
        ("?limit=-1", "text/plain", b"a"),
        ("?limit=x", "text/plain", b"a"),
        ("?slow=maybe", "text/plain", b"a"),
        ("?delay=5.1", "text/plain", b"a"),
        ("?delay=nan", "text/plain", b"a"),
    ],
)
async def test_refusals(live: Any, query: str, content_type: str, body: bytes) -> None:
    live.pc.observer.keyboard_reports.clear()
    answer = await live.http.post(URL + query, content=body, headers={"Content-Type": content_type})
    await live.refused(answer, 400, "ValidatorError")
    assert not [report for report in live.pc.observer.keyboard_reports if any(report)]


async def test_a_text_above_a_mebibyte_is_too_large(live: Any) -> None:
    answer = await live.http.post(f"{URL}?limit=1", content=b"\r" * (1 << 20))
    assert await live.result_of(answer) == {}
    answer = await live.http.post(URL, content=b"\r" * ((1 << 20) + 1))
    assert answer.status_code == 413
    # Also without a length in front.
    with trio.fail_after(30):
        answer = await live.http.post(URL, content=pieces(b"\r" * ((1 << 20) + 1)))
    await live.refused(answer, 413, "BodyTooLargeError")


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_it_needs_credentials(live: Any) -> None:
    async with live.anonymous() as client:
        await live.refused(await client.post(URL, content="a"), 401, "UnauthorizedError")


async def test_a_client_that_leaves_stops_the_typing(live: Any) -> None:
    await shown(live, "$")
    with pytest.raises(httpx.ReadTimeout):
        await live.http.post(f"{URL}?delay=0.05", content="X" * 1000, timeout=0.5)
    typed = -1
    with trio.fail_after(30):
        # Nothing more comes, and nothing is held.
        while typed != live.appliance.typist.events_sent or live.pc.observer.held_keys:
            typed = live.appliance.typist.events_sent
            await trio.sleep(0.5)
    assert 0 < typed < 1000


async def test_keymaps_by_http_and_at_connecting(live: Any) -> None:
    result = await live.result_of(await live.http.get("/api/hid/keymaps"))
    assert result["keymaps"]["default"] == "en-us"
    assert len(result["keymaps"]["available"]) == 36
    assert result["keymaps"]["available"] == sorted(result["keymaps"]["available"])
    for query, name in (("?stream=0", "hid_keymaps"), ("?stream=0&legacy=1", "hid_keymaps_state")):
        async with live.websocket(query) as socket:
            with trio.fail_after(20):
                while (event := await next_event(socket))["event_type"] != name:
                    pass
        assert event["event"] == result


async def next_event(socket: Any) -> dict[str, Any]:
    event = json.loads(await socket.get_message())
    assert isinstance(event, dict)
    return event


async def test_the_configured_keymap_and_those_of_the_user(
    live_with: Callable[[str], Any], tmp_path: Path
) -> None:
    folder = tmp_path / "keymaps"
    folder.mkdir()
    (folder / "mine.toml").write_text('[keys]\nKeyE = ["ж"]\n')
    async with live_with(f"kvmd: {{hid: {{keymap: {folder}/mine}}}}") as live:
        keymaps = (await live.result_of(await live.http.get("/api/hid/keymaps")))["keymaps"]
        assert keymaps["default"] == "mine"
        assert len(keymaps["available"]) == 37
        await shown(live, "$")
        assert await live.result_of(await live.http.post(URL, content="жcho жж\n".encode())) == {}
        await shown(live, "ee")
