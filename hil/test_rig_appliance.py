"""The whole appliance inside the rig, used from outside over HTTPS, as a person or a script uses it.

The guest's kernel plays the board's hardware and the PC behind it; everything in between is the product.
"""

from __future__ import annotations

import io
import json
import queue
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import trio
from PIL import Image
from rig.guest.system import TREE
from rig.rig import Result, Rig, Running
from trio_websocket import open_websocket_url

pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.timeout(600)]
pytest_plugins = ["rig.fixtures"]

PORT = 8443
PASSWORD = "correct horse"
DEADLINE_S = 120
HOME = "/tmp/farhand"
FARHAND = ("python3", "-m", "firmware.cli")
TEXT = "farhand"
USAGE_OF_A = 4
GREEN = (0, 255, 0)
POWER_SWITCH = 23
RELAY, LAMP = 5, 6
CHANNELS = f"""
kvmd:
    gpio:
        drivers:
            usb: {{type: otgconf}}
        scheme:
            relay: {{pin: {RELAY}, mode: output}}
            lamp: {{pin: {LAMP}, mode: input}}
            mouse: {{driver: usb, pin: hid.usb2, mode: output, pulse: false}}
"""
LEDS_CAPS = 0b010


class Process:
    """A command in the guest; its lines can be waited for."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        rest = ""

        def take(text: str) -> None:
            nonlocal rest
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                self.lines.append(line)
                self._queue.put(line)

        try:
            self.running.wait(take)
        finally:
            self._queue.put(None)

    def wait_for(self, wanted: Callable[[str], bool], what: str) -> str:
        """Return the next line that is wanted."""
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"expected {what}, got:\n" + "\n".join(self.lines))
            if wanted(line):
                return line

    def wait_until_ended(self) -> None:
        end = time.monotonic() + DEADLINE_S
        while self._queue.get(timeout=max(0.0, end - time.monotonic())) is not None:
            pass


class Bench:
    """The rig with an appliance in it, and the means to use it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.appliance: Process | None = None
        self.pc: Process | None = None
        self.url = ""
        self.headers = {"X-KVMD-User": "admin", "X-KVMD-Passwd": PASSWORD}

    def sh(self, script: str) -> str:
        return self.rig.run(["sh", "-euc", script], directory=TREE, timeout_s=DEADLINE_S).check().output

    def start_appliance(self) -> None:
        command = [
            *FARHAND,
            *("run", "--board", "rig", "--http", "", "--https", f"0.0.0.0:{PORT}"),
            *("--config", f"{HOME}/config", "--state", f"{HOME}/state"),
        ]
        self.appliance = Process(self.rig.start_command(command, directory=TREE, timeout_s=3600))
        self.appliance.wait_for(lambda line: "is ready:" in line, "an appliance that serves")

    def start_pc(self) -> None:
        command = ["python3", "-u", "-m", "peers.pc_process"]
        self.pc = Process(self.rig.start_command(command, directory=TREE, timeout_s=3600))
        self.pc.wait_for(lambda line: line == "ready", "a PC")

    def command(self, name: str, value: int) -> None:
        """Tell the PC to do something (`peers.pc_process`)."""
        self.sh(f"cd /run/farhand-pc && echo {value} >.new && mv .new {name}")

    def doctor(self) -> Result:
        command = [*FARHAND, "doctor", "--board", "rig", "--config", f"{HOME}/config"]
        return self.rig.run(command, directory=TREE, timeout_s=DEADLINE_S)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers, verify=False, timeout=60)

    def result(self, method: str, path: str) -> Any:
        with self.client() as client:
            answer = client.request(method, path)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def tasks(self) -> dict[str, Any]:
        tasks: dict[str, Any] = self.result("GET", "/api/supervisor")["tasks"]
        return tasks

    def wait_tasks(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + DEADLINE_S
        while not condition(tasks := self.tasks()):
            told = "\n".join(f"{name}: {task['phase']}, {task['last_error']}" for name, task in tasks.items())
            assert time.monotonic() < end, told
            time.sleep(0.3)
        return tasks

    def websocket(self) -> Any:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        pairs = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        url = self.url.replace("https", "wss", 1) + "/api/ws?stream=1"
        return open_websocket_url(url, ssl_context=context, extra_headers=pairs)


@pytest.fixture(scope="module")
def bench(booted_rig: Rig) -> Iterator[Bench]:
    """An appliance whose board is not there yet."""
    bench = Bench(booted_rig)
    bench.sh(
        f"mkdir -p {HOME}/config {HOME}/state && cat > {HOME}/config/override.yaml <<'END'\n{CHANNELS}END\n"
        f"printf '%s\\n' '{PASSWORD}' | "
        f"{' '.join(FARHAND)} passwd --config {HOME}/config set admin --stdin"
    )
    bench.url = f"https://127.0.0.1:{booted_rig.forward(PORT)}"
    bench.start_appliance()
    yield bench
    for process in (bench.appliance, bench.pc):
        if process is not None:
            process.running.signal(15)
            process.wait_until_ended()


def online(tasks: dict[str, Any]) -> bool:
    return all(task["phase"] == "online" for name, task in tasks.items() if name.startswith("board."))


@pytest.mark.fault("gadget HID", "missing")
@pytest.mark.fault("GPIO lines, ATX", "missing")
@pytest.mark.fault("V4L2 capture", "missing")
def test_without_its_hardware_it_serves_and_says_what_is_missing(bench: Bench) -> None:
    tasks = bench.tasks()
    assert "controller" in tasks["board.gadget"]["last_error"]
    assert "farhand-rig" in tasks["board.power_led"]["last_error"]
    assert bench.result("GET", "/api/hid")["keyboard"]["online"] is False
    assert bench.result("GET", "/api/atx")["online"] is False
    doctor = bench.doctor()
    assert doctor.status == 1
    assert re.search(r"BAD +USB device controller.*\n +-> modprobe dummy_hcd", doctor.output)
    assert "BAD   GPIO chip" in doctor.output
    assert "BAD   video capture" in doctor.output


@pytest.mark.fault("gadget HID", "returns")
@pytest.mark.fault("GPIO lines, ATX", "returns")
@pytest.mark.fault("V4L2 capture", "returns")
def test_it_takes_up_the_hardware_when_it_comes(bench: Bench) -> None:
    bench.start_pc()
    bench.wait_tasks(online)
    assert bench.result("GET", "/api/atx")["leds"]["power"] is False
    doctor = bench.doctor()
    assert doctor.status == 0, doctor.output
    assert "Farhand" in doctor.output, "the EDID that it has written carries its name"


def test_the_power_button_turns_the_pc_on(bench: Bench) -> None:
    assert bench.pc is not None
    bench.result("POST", "/api/atx/power?action=on&wait=1")
    bench.pc.wait_for(lambda line: line == "powered 1", "a PC that is on")
    # How long presses are is measured by the kernel's own clock, in hil/kernel and `just bench-atx`.
    bench.pc.wait_for(lambda line: line.startswith("press"), "a press")
    end = time.monotonic() + DEADLINE_S
    while not bench.result("GET", "/api/atx")["leds"]["power"]:
        assert time.monotonic() < end


def test_text_typed_by_the_api_arrives_at_the_pc(bench: Bench) -> None:
    assert bench.pc is not None
    bench.pc.wait_for(lambda line: line == "listens", "a PC that listens to its keyboard")
    for letter in TEXT:
        bench.result("POST", f"/api/hid/events/send_key?key=Key{letter.upper()}")
    typed = ""
    while len(typed) < len(TEXT):
        line = bench.pc.wait_for(lambda line: line.startswith("key "), f"{TEXT!r} typed, after {typed!r}")
        typed += chr(ord("a") + int(line.split()[1]) - USAGE_OF_A)
    assert typed == TEXT


async def test_leds_and_lines_arrive_as_events(bench: Bench) -> None:
    async with bench.websocket() as socket:

        async def next_event(wanted: str, condition: Callable[[Any], bool]) -> None:
            with trio.fail_after(DEADLINE_S):
                while True:
                    message = await socket.get_message()
                    event = json.loads(message) if isinstance(message, str) else {}
                    if event.get("event_type") == wanted and condition(event["event"]):
                        return

        await next_event("atx", lambda atx: True)
        bench.command("leds", LEDS_CAPS)
        await next_event("hid", lambda hid: hid["keyboard"]["leds"]["caps"])
        bench.command("hdd_led", 1)
        await next_event("atx", lambda atx: atx["leds"]["hdd"])


def test_channels_switch_lines_and_parts_of_the_gadget(bench: Bench) -> None:
    line = "/sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio{}"
    bench.result("POST", "/api/gpio/switch?channel=relay&state=1&wait=1")
    assert bench.sh(f"cat {line.format(RELAY)}/value").strip() == "1"
    assert bench.result("GET", "/api/gpio")["state"]["outputs"]["relay"]["state"] is True
    bench.sh(f"for file in {line.format(LAMP)}/pull; do echo pull-up >$file; done")
    end = time.monotonic() + DEADLINE_S
    while not bench.result("GET", "/api/gpio")["state"]["inputs"]["lamp"]["state"]:
        assert time.monotonic() < end
    interfaces = (
        "grep -l CAFEBABE /sys/bus/usb/devices/*/serial | xargs dirname | xargs -I{} cat {}/bNumInterfaces"
    )
    before = int(bench.sh(interfaces))
    for level, seen in ((0, before - 1), (1, before)):
        bench.result("POST", f"/api/gpio/switch?channel=mouse&state={level}&wait=1")
        while bench.sh(f"{interfaces} || true").strip() != str(seen):
            assert time.monotonic() < end
    bench.wait_tasks(online)


async def test_the_snapshot_shows_the_pcs_picture(bench: Bench) -> None:
    # Somebody watches, so that the streamer runs.
    async with bench.websocket():
        with trio.fail_after(DEADLINE_S):
            while True:
                answer = await trio.to_thread.run_sync(lambda: _get(bench, "/api/streamer/snapshot"))
                if answer.status_code == 200 and answer.headers["X-UStreamer-Online"] == "true":
                    break
                await trio.sleep(0.5)
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size == (1280, 720)
    middle = picture.convert("RGB").getpixel((640, 360))
    assert isinstance(middle, tuple)
    # The emulated source puts out limited-range video.
    assert all(abs(seen - sent) <= 40 for seen, sent in zip(middle, GREEN, strict=True)), middle


def _get(bench: Bench, path: str) -> httpx.Response:
    with bench.client() as client:
        return client.get(path)


def test_killed_in_mid_press_nothing_sticks_and_the_host_sees_nothing(bench: Bench) -> None:
    assert bench.appliance is not None
    level = f"cat /sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio{POWER_SWITCH}/value"
    number = "grep -l CAFEBABE /sys/bus/usb/devices/*/serial | xargs dirname | xargs -I{} cat {}/devnum"
    before = bench.sh(number)
    bench.result("POST", "/api/atx/click?button=power_long")
    assert bench.sh(level).strip() == "1"
    bench.appliance.running.signal(9)
    bench.appliance.wait_until_ended()
    bench.start_appliance()
    bench.wait_tasks(online)
    assert bench.sh(level).strip() == "0"
    assert bench.sh(number) == before


@pytest.mark.fault("gadget HID", "vanishes", "returns")
@pytest.mark.fault("GPIO lines, ATX", "vanishes", "returns")
@pytest.mark.fault("V4L2 capture", "vanishes", "returns")
@pytest.mark.fault("EDID of the capture", "vanishes", "returns")
def test_all_hardware_that_goes_is_told_and_taken_up_when_it_returns(bench: Bench) -> None:
    assert bench.pc is not None
    # What plays the hardware takes it away as it ends.
    bench.pc.running.signal(2)
    bench.pc.wait_until_ended()
    tasks = bench.wait_tasks(
        lambda tasks: all(
            task["phase"] != "online" and task["last_error"]
            for name, task in tasks.items()
            # The drive is a part of the gadget, and there whether a controller carries that or not.
            if name.startswith("board.") and not name.startswith("board.mass_storage")
        )
    )
    assert {"board.gadget", "board.edid", "board.power_led"} <= tasks.keys()
    assert bench.result("GET", "/api/hid")["keyboard"]["online"] is False
    assert bench.result("GET", "/api/hid")["mouse"]["online"] is False
    assert bench.result("GET", "/api/atx")["online"] is False
    bench.start_pc()
    tasks = bench.wait_tasks(online)
    assert {name: task["bugs"] for name, task in tasks.items() if task["bugs"]} == {}
    end = time.monotonic() + DEADLINE_S
    while not bench.result("GET", "/api/atx")["online"]:
        assert time.monotonic() < end
        time.sleep(0.3)
    bench.result("POST", "/api/atx/power?action=on&wait=1")
    bench.pc.wait_for(lambda line: line == "powered 1", "a PC that is on again")
    bench.pc.wait_for(lambda line: line == "listens", "a PC that listens to its keyboard again")
    bench.result("POST", "/api/hid/events/send_key?key=KeyA")
    bench.pc.wait_for(lambda line: line == f"key {USAGE_OF_A}", "a key that arrives")


def test_it_ends_in_order(bench: Bench) -> None:
    assert bench.appliance is not None
    bench.appliance.running.signal(15)
    bench.appliance.wait_until_ended()
    assert "stopping on SIGTERM" in "\n".join(bench.appliance.lines)
    assert "Traceback" not in "\n".join(bench.appliance.lines)
    bench.start_appliance()
