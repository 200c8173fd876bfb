"""A session of the asynchronous client aiopikvm; runs in the clients' own environment.

Argument: the URL. Prints one JSON object of what the client saw. Its models of drives, channels and the
streamer describe other firmware than the contract does, so those calls are left out.
"""

from __future__ import annotations

import asyncio
import json
import sys

from aiopikvm import AuthError, PiKVM


async def main(url: str) -> None:
    saw: dict[str, object] = {}
    async with PiKVM(url, user="admin", passwd="admin", verify_ssl=False, timeout=30) as kvm:
        await kvm.auth.check()
        await kvm.atx.power_on(wait=True)
        async with asyncio.timeout(60):
            while not (await kvm.atx.get_state()).leds.power:
                await asyncio.sleep(0.1)
        saw["keymaps"] = (await kvm.hid.get_keymaps())["keymaps"]["default"]
        await kvm.hid.send_key("KeyA")
        await kvm.hid.send_shortcut("ControlLeft", "KeyC")
        await kvm.hid.type_text("true\n")
        await kvm.hid.send_mouse_move(0, 0)
        await kvm.hid.send_mouse_button("left")
        saw["ocr"] = (await kvm.streamer.get_ocr_info()).enabled
        saw["metrics"] = "pikvm_atx_power 1" in await kvm.prometheus.get_metrics()
        saw["system"] = (await kvm.redfish.get_system())["PowerState"]
        async with kvm.ws(stream=1) as socket:
            await socket.send_key("KeyB", state=True)
            await socket.send_key("KeyB", state=False)
            seen: list[str] = []
            async with asyncio.timeout(60):
                async for event in socket.events():
                    seen.append(event["event_type"])
                    wanted = {
                        "loop",
                        "hid",
                        "atx",
                        "msd",
                        "gpio",
                        "streamer",
                        "ocr",
                        "info",
                        "switch",
                        "clients",
                    }
                    if wanted <= set(seen):
                        break
            saw["first_event"] = seen[0]
        async with asyncio.timeout(60):
            saw["jpeg"] = (await kvm.streamer.snapshot(allow_offline=True))[:2].hex()
    try:
        async with PiKVM(url, user="admin", passwd="wrong", verify_ssl=False) as stranger:
            await stranger.atx.get_state()
    except AuthError:
        saw["stranger"] = "refused"
    print(json.dumps(saw))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
