"""A Philips Hue bridge with some lights, as its CLIP API v1 is documented."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from peers.http_device import Answer, Request, WebDevice


class HueBridge(WebDevice):
    """Lights by id; those in *unreachable* have no power."""

    def __init__(self, token: str, lights: dict[str, bool]) -> None:
        super().__init__()
        self.token = token
        self.lights = lights
        self.unreachable: set[str] = set()
        self.refused: set[str] = set()
        """Lights that do not take changes."""

    def answer(self, request: Request) -> Answer:
        _, api, token, *path = (unquote(part) for part in request.target.split("/"))
        if api != "api" or token != self.token:
            return self._json([self._error(1, "/lights", "unauthorized user")])
        match request.method, path:
            case "GET", ["lights"]:
                return self._json({light: self._light(light, on) for light, on in self.lights.items()})
            case "PUT", ["lights", light, "state"]:
                return self._json([self._switch(light, json.loads(request.body))])
        return Answer(404, b"")

    def _switch(self, light: str, change: dict[str, Any]) -> dict[str, Any]:
        address = f"/lights/{light}/state/on"
        if light not in self.lights:
            return self._error(3, f"/lights/{light}/state", f"resource, /lights/{light}/state, not available")
        if light in self.refused:
            return self._error(201, address, "parameter, on, is not modifiable. Device is set to off.")
        self.lights[light] = change["on"]
        return {"success": {address: change["on"]}}

    def _light(self, light: str, on: bool) -> dict[str, Any]:
        state = {"on": on, "bri": 254, "alert": "none", "mode": "homeautomation"}
        return {
            "state": state | {"reachable": light not in self.unreachable},
            "type": "Dimmable light",
            "name": f"Light {light}",
            "modelid": "LWB010",
        }

    @staticmethod
    def _error(number: int, address: str, description: str) -> dict[str, Any]:
        return {"error": {"type": number, "address": address, "description": description}}

    @staticmethod
    def _json(document: object) -> Answer:
        return Answer(200, json.dumps(document).encode(), "application/json")
