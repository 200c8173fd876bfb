"""What is done to an appliance until it is killed, and what it says when it is back."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import trio

from drivers.wire.edid import build_edid, parse_edid
from tools.bench_appliance import CREDENTIALS
from tools.crash.ledger import Ledger

type Key = tuple[str, str]

INCOMPLETE = "incomplete"
MOST_IMAGE_BYTES = 3 << 20
PORTS = 4
READY_DEADLINE_S = 60
REFUSED = frozenset({400, 409, 503})
"""Busy or not ready, said before anything is done."""


def monitor(rng: random.Random) -> tuple[str, str]:
    """Return another monitor each time: what tells it from others, and its EDID as hexadecimal digits."""
    serial = rng.randrange(1, 1 << 32)
    return str(serial), build_edid(serial=serial).hex().upper()


def serial_of(data: str) -> str:
    """Return the serial number in an EDID of `monitor`."""
    identity = parse_edid(bytes.fromhex(data))
    return "no EDID" if identity is None else str(identity.serial)


class Client:
    """Changes things at random and notes in *ledger* what it was told."""

    def __init__(self, url: str, rng: random.Random, ledger: Ledger[Key]) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=CREDENTIALS, timeout=READY_DEADLINE_S)
        self._rng = rng
        self._ledger = ledger
        self.acknowledged = 0

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def run(self) -> None:
        """Change things until the appliance is gone."""
        async with trio.open_nursery() as nursery:
            for act in (self._image, self._switch_edid, self._port_name, self._screen, self._token):
                nursery.start_soon(self._until_it_is_gone, act)

    async def _until_it_is_gone(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            while True:
                await act()
        except httpx.TransportError:
            pass

    async def _change(
        self, key: Key, values: tuple[str | None, ...], path: str, content: bytes = b"", **query: str | int
    ) -> None:
        before = self._ledger.value(key)
        self._ledger.asked(key, *values)
        answer = await self._http.post(path, params=query, content=content)
        if answer.status_code == 200:
            self._ledger.acknowledged(key, values[-1])
            self.acknowledged += 1
        elif answer.status_code in REFUSED:
            self._ledger.refused(key, before)
            await trio.sleep(0.05)
        else:
            raise AssertionError(f"{path}: {answer.status_code} {answer.text}")

    async def _image(self) -> None:
        name = f"{self._rng.randrange(6)}.img"
        key = ("image", name)
        if self._ledger.value(key) is not None:
            await self._change(key, (INCOMPLETE, None), "/api/msd/remove", image=name)
            return
        content = self._rng.randbytes(self._rng.randrange(1, MOST_IMAGE_BYTES))
        digest = hashlib.sha256(content).hexdigest()
        await self._change(key, (INCOMPLETE, digest), "/api/msd/write", content, image=name)

    async def _switch_edid(self) -> None:
        key = ("edid", f"monitor {self._rng.randrange(6)}")
        known = {
            one["name"]: identifier
            for identifier, one in (await self._state("/api/switch"))["edids"]["all"].items()
        }
        identifier = known.get(key[1])
        serial, data = monitor(self._rng)
        if identifier is None:
            await self._change(key, (serial,), "/api/switch/edids/create", name=key[1], data=data)
        elif self._rng.randrange(2):
            await self._change(key, (None,), "/api/switch/edids/remove", id=identifier)
        else:
            await self._change(key, (serial,), "/api/switch/edids/change", id=identifier, data=data)

    async def _port_name(self) -> None:
        port = self._rng.randrange(PORTS)
        name = f"server {self._rng.randrange(1 << 16)}"
        await self._change(("port", str(port)), (name,), "/api/switch/set_port_params", port=port, name=name)

    async def _screen(self) -> None:
        serial, data = monitor(self._rng)
        await self._change(("screen", ""), (serial,), "/api/streamer/edid", data=data)
        await trio.sleep(self._rng.uniform(0, 0.2))

    async def _token(self) -> None:
        key = ("token", f"program {self._rng.randrange(6)}")
        token_id = {token["name"]: token["id"] for token in await self._tokens()}.get(key[1])
        if token_id is not None:
            await self._change(key, (None,), "/api/auth/tokens/revoke", id=token_id)
        else:
            may = self._rng.choice(("view", "gpio,view", "power"))
            await self._change(key, (may,), "/api/auth/tokens", name=key[1], capabilities=may, expire="never")
        await trio.sleep(self._rng.uniform(0, 0.2))

    async def _tokens(self) -> list[dict[str, Any]]:
        answer = (await self._http.get("/api/auth/tokens")).raise_for_status()
        return list(answer.json()["result"]["tokens"])

    async def _state(self, path: str) -> Mapping[str, Mapping[str, dict[str, dict[str, str]]]]:
        answer = (await self._http.get(path)).raise_for_status()
        result: Mapping[str, Mapping[str, dict[str, dict[str, str]]]] = answer.json()["result"]
        return result

    async def found(self) -> dict[Key, str | None]:
        """Return what the appliance says that there is, as soon as it knows."""
        with trio.fail_after(READY_DEADLINE_S):
            while True:
                msd = (await self._http.get("/api/msd")).json()["result"]
                switch = (await self._http.get("/api/switch")).json()["result"]
                screen = (await self._http.get("/api/streamer/edid")).json()["result"]["edid"]
                if msd["online"] and not msd["busy"] and switch["model"]["ports"] and screen is not None:
                    break
                await trio.sleep(0.02)
        return {
            **{
                ("image", name): image["sha256"] if image["complete"] else INCOMPLETE
                for name, image in msd["storage"]["images"].items()
            },
            **{
                ("edid", edid["name"]): serial_of(edid["data"])
                for identifier, edid in switch["edids"]["all"].items()
                if identifier != "default"
            },
            **{
                ("port", str(number)): switch["model"]["ports"][number]["name"] or None
                for number in range(PORTS)
            },
            **{("token", token["name"]): ",".join(token["capabilities"]) for token in await self._tokens()},
            ("screen", ""): serial_of(screen["data"]) if screen["source"] == "api" else None,
        }
