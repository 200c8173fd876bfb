"""The rig's PC as a process of its own, for tests that use the whole appliance from outside the guest.

It says what it sees, one line each: `ready`, `powered 1`, `press 0.5` (seconds), `listens` (to its input
devices, after it was turned on), `key 4` (a HID usage went down), `pointer X Y BUTTONS`. It does what it
finds in files below `COMMANDS`: `leds` (HID LED byte) and `hdd_led` (0 or 1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import trio
from observers import of_rig

from peers import rig_pc
from peers.compose_gadget import default_spec
from peers.rig_pc import HDD_LED, RigPc

COMMANDS: Final = Path("/run/farhand-pc")
_LOOK_S: Final = 0.02


async def main() -> None:
    """Play until ended."""
    COMMANDS.mkdir(exist_ok=True)
    spec = default_spec()
    assert spec.serial is not None
    async with (
        rig_pc.powered_off() as pc,
        of_rig.watched(pc, vendor=spec.vendor_id, product=spec.product_id, serial=spec.serial) as view,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(_obey, pc, view)
        nursery.start_soon(_tell_listening, view)
        say("ready")
        await _tell(pc, view)


def say(line: str) -> None:
    """Say it at once."""
    print(line, flush=True)


async def _tell(pc: RigPc, view: of_rig.RigView) -> None:
    last: dict[str, str] = {"pointer": "", "powered": "0"}
    presses = keys = 0
    while True:
        now = {
            "pointer": " ".join(map(str, view.pointer)),
            "powered": str(int(pc.powered)),
        }
        for name, value in now.items():
            if value != last[name]:
                say(f"{name} {value}")
        last = now
        for seconds in pc.presses_s[presses:]:
            say(f"press {seconds:.2f}")
        for usage in view.pressed[keys:]:
            say(f"key {usage}")
        presses, keys = len(pc.presses_s), len(view.pressed)
        # Woken by what the input devices say, and by the panel's own pace.
        with trio.move_on_after(_LOOK_S):
            await view.changed.wait()


async def _tell_listening(view: of_rig.RigView) -> None:
    listened = False
    while True:
        if view.is_listening and not listened:
            say("listens")
        listened = view.is_listening
        await trio.sleep(_LOOK_S)


async def _obey(pc: RigPc, view: of_rig.RigView) -> None:
    while True:
        for name in ("leds", "hdd_led"):
            file = COMMANDS / name
            if file.exists():
                value = int(file.read_text())
                file.unlink()
                if name == "leds":
                    await view.set_leds(value)
                else:
                    pc.panel.line(HDD_LED).pull(bool(value))
        await trio.sleep(_LOOK_S)


if __name__ == "__main__":
    trio.run(main)
