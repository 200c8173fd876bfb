"""The event names of old firmware, for `/api/ws?legacy=1` (contract websocket.md 1.9, seed documents).

States are sent whole each time, `info` as one event per old category with the bare value, and an empty
`loop` ends the first batch. The hub's sources stay what they are; only the words differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from api.ws.wire.state_diff import State

_PLAIN = {
    "hid": "hid_state",
    "hid_keymaps": "hid_keymaps_state",
    "atx": "atx_state",
    "streamer": "streamer_state",
    "msd": "msd_state",
    "switch": "switch_state",
}
_INFO_PREFIX = "info."


def legacy_events(key: str, state: State, states: Mapping[str, State]) -> Iterator[tuple[str, object]]:
    """Yield the old events that tell of *state* of the source *key*; *states* has all the others."""
    if key in _PLAIN:
        yield _PLAIN[key], state
    elif key == "ocr":
        yield "streamer_ocr_state", {"ocr": state}
    elif key == "gpio":
        yield "gpio_model_state", state["model"]
        yield "gpio_state", state["state"]
    elif key in ("info.health", "info.system"):
        system = states.get("info.system", {}).get("system")
        health = states.get("info.health", {}).get("health")
        if isinstance(system, Mapping):
            yield "info_hw_state", {"platform": system.get("platform"), "health": health}
            if key == "info.system":
                yield (
                    "info_system_state",
                    {name: value for name, value in system.items() if name != "platform"},
                )
    elif key.startswith(_INFO_PREFIX):
        category = key.removeprefix(_INFO_PREFIX)
        yield f"info_{category}_state", state[category]
