"""The drivers of Hue lights and ANEL power strips against web servers that answer as the devices do."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
import trio
import trustme
from peers.anel_strip import AnelStrip
from peers.driver_runs import fault_of, running, until_phase
from peers.http_device import Answer, WebDevice, web_device
from peers.hue_bridge import HueBridge

from drivers.channels import anelpwr, http_device
from drivers.channels.anelpwr import AnelpwrDriver
from drivers.channels.hue import HueDriver
from drivers.channels.polled import PolledDriver
from drivers.errors import BadReplyError, DeviceGoneError, DeviceTimeoutError, DriverError, NotSupportedError
from drivers.ports import ChannelInput, ChannelOutput
from firmware.core.supervise import Backoff, Supervisor, TaskPhase

AMPLE_S = 10.0
SHORT_S = 0.3
TOKEN = "a-token/with?odd signs"
PASSWD = "a-passwd-of-ours"


def bridge(**lights: bool) -> HueBridge:
    return HueBridge(
        TOKEN, {name.removeprefix("l"): on for name, on in (lights or {"l1": True, "l2": False}).items()}
    )


def strip(habit: str = "toggles") -> AnelStrip:
    made = AnelStrip(habit=habit)  # type: ignore[arg-type] # any habit of its own
    made.passwd = PASSWD
    return made


def driver_of(
    device: WebDevice,
    outputs: Iterable[ChannelOutput] = (),
    *,
    timeout_s: float = AMPLE_S,
    poll_s: float = 0.1,
    verify: bool = True,
) -> PolledDriver:
    if isinstance(device, HueBridge):
        return HueDriver(
            [ChannelInput("1")],
            [*outputs],
            url=device.url,
            token=TOKEN,
            verify=verify,
            state_poll_s=poll_s,
            timeout_s=timeout_s,
        )
    return AnelpwrDriver(
        [*outputs],
        url=device.url + "/",
        user="admin",
        passwd=PASSWD,
        verify=verify,
        state_poll_s=poll_s,
        timeout_s=timeout_s,
    )


def level_of(device: WebDevice, *pins: str) -> tuple[bool, ...]:
    if isinstance(device, HueBridge):
        return tuple(device.lights[pin] for pin in pins)
    assert isinstance(device, AnelStrip)
    return tuple(device.levels[int(pin)] for pin in pins)


async def until_reads(driver: PolledDriver, pin: str, level: bool) -> None:
    with trio.fail_after(AMPLE_S):
        async with driver.changes() as changes:
            while await driver.read(pin) is not level:
                await changes.receive()


each_device = pytest.mark.parametrize("make", [bridge, strip], ids=["hue", "anelpwr"])


class TestHue:
    async def test_lights_are_read_and_switched(self) -> None:
        async with web_device(bridge()) as device:
            driver = driver_of(device)
            async with running(driver.run):
                assert await driver.read("1")
                assert not await driver.read("2")
                await driver.write("2", True)
                await driver.write("1", False)
                assert device.lights == {"1": False, "2": True}
                assert not await driver.read("1")
                assert await driver.read("2")

    async def test_somebody_elses_switch_and_a_light_without_power_are_seen(self) -> None:
        async with web_device(bridge()) as device:
            driver = driver_of(device)
            async with running(driver.run):
                device.lights["2"] = True
                await until_reads(driver, "2", level=True)
                device.unreachable.add("1")
                await until_reads(driver, "1", level=False)

    async def test_a_light_that_there_is_not(self, caplog: pytest.LogCaptureFixture) -> None:
        async with web_device(bridge()) as device:
            driver = driver_of(device, [ChannelOutput("7", initial=None)])
            async with running(driver.run):
                assert not await driver.read("7")
                with pytest.raises(NotSupportedError, match="has no light 7"):
                    await driver.write("7", True)
                await driver.write("2", True)
        assert caplog.text.count("has no light 7") == 1

    async def test_a_light_that_refuses(self) -> None:
        async with web_device(bridge()) as device:
            device.refused.add("2")
            driver = driver_of(device)
            async with running(driver.run):
                with pytest.raises(NotSupportedError, match=r"light 2: .*not modifiable.*\(error 201\)"):
                    await driver.write("2", True)
                await driver.write("1", False)

    async def test_an_id_cannot_reach_beyond_the_lights(self) -> None:
        async with web_device(bridge()) as device:
            driver = driver_of(device)
            async with running(driver.run):
                with pytest.raises(NotSupportedError):
                    await driver.write("../../config", True)
            assert "/lights/..%2F..%2Fconfig/state" in [request.target[-30:] for request in device.requests]

    async def test_a_token_that_the_bridge_does_not_know(self) -> None:
        async with web_device(HueBridge("another", {"1": True})) as device:
            with pytest.raises(DriverError, match="refuses our token") as error:
                await driver_of(device).run()
            assert TOKEN not in str(error.value)


class TestAnelpwr:
    @pytest.mark.parametrize("habit", ["toggles", "obeys", "toggles on T"])
    async def test_sockets_are_read_and_switched(self, habit: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(anelpwr, "SETTLE_S", 0.3)
        async with web_device(strip(habit)) as device:
            device.levels[7] = True
            driver = driver_of(device)
            async with running(driver.run):
                assert [pin for pin in range(8) if await driver.read(str(pin))] == [7]
                for pin, level in (
                    ("0", True),
                    ("0", True),
                    ("7", False),
                    ("7", False),
                    ("0", False),
                    ("3", True),
                ):
                    await driver.write(pin, level)
                    assert device.levels[int(pin)] is level
                    assert await driver.read(pin) is level
            # What is as it should be is left alone.
            assert device.switched == [0, 7, 0, 3]

    async def test_a_press_at_the_strip_is_seen(self) -> None:
        async with web_device(strip()) as device:
            driver = driver_of(device)
            async with running(driver.run):
                device.levels[5] = True
                await until_reads(driver, "5", level=True)

    async def test_a_socket_that_is_locked_or_stuck(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(anelpwr, "SETTLE_S", 0.1)
        async with web_device(strip()) as device:
            device.locked.add(2)
            device.stuck.add(3)
            driver = driver_of(device)
            async with running(driver.run):
                with pytest.raises(NotSupportedError, match="socket 2 is locked"):
                    await driver.write("2", True)
                with pytest.raises(NotSupportedError, match="did not switch socket 3 on"):
                    await driver.write("3", True)
                await driver.write("4", True)
            assert device.switched == [4]

    async def test_a_locked_socket_does_not_keep_the_others_from_starting(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with web_device(strip()) as device:
            device.locked.add(2)
            driver = driver_of(device, [ChannelOutput("2", initial=True), ChannelOutput("4", initial=True)])
            async with running(driver.run):
                assert not await driver.read("2")
                assert await driver.read("4")
        assert caplog.text.count("socket 2 is locked") == 1

    async def test_a_socket_that_will_switch_later_is_not_told_twice(self) -> None:
        async with web_device(strip()) as device:
            device.waiting.add(1)
            driver = driver_of(device)
            async with running(driver.run):
                await driver.write("1", True)
            assert [request.method for request in device.requests].count("POST") == 1

    async def test_a_wrong_password(self) -> None:
        async with web_device(strip()) as device:
            device.passwd = "another"
            with pytest.raises(DriverError, match=r"refuses our credentials \(status 401\)") as error:
                await driver_of(device).run()
            assert PASSWD not in str(error.value)

    async def test_nobody_is_no_user(self) -> None:
        async with web_device(strip()) as device:
            with pytest.raises(DriverError, match="refuses our credentials"):
                await AnelpwrDriver([], url=device.url).run()
            assert "authorization" not in device.requests[0].headers


class TestBoth:
    @each_device
    @pytest.mark.fault("channels: HTTP devices", "vanishes", "returns")
    async def test_initial_levels_are_set_once_and_not_by_a_return(
        self, make: Callable[[], WebDevice]
    ) -> None:
        supervisor = Supervisor(backoff=Backoff(first_s=0.01, longest_s=0.05))
        async with web_device(make()) as device, trio.open_nursery() as nursery:
            driver = driver_of(
                device,
                [
                    ChannelOutput("1", initial=False),
                    ChannelOutput("2", initial=True),
                    ChannelOutput("3", initial=None),
                ],
            )
            nursery.start_soon(supervisor.supervise, "device", driver.run)
            await until_phase(supervisor, TaskPhase.ONLINE)
            assert level_of(device, "1", "2") == (False, True)
            await driver.write("1", True)
            device.pull()
            await until_phase(supervisor, TaskPhase.BACKING_OFF)
            with pytest.raises(DeviceGoneError, match=r"127\.0\.0\.1"):
                await driver.read("1")
            with pytest.raises(DeviceGoneError, match=r"127\.0\.0\.1"):
                await driver.write("2", False)
            await device.plug()
            await until_phase(supervisor, TaskPhase.ONLINE)
            assert level_of(device, "1", "2") == (True, True)
            assert await driver.read("1")
            nursery.cancel_scope.cancel()

    @each_device
    async def test_writes_at_once_are_done_one_after_the_other(self, make: Callable[[], WebDevice]) -> None:
        async with web_device(make()) as device:
            driver = driver_of(device, poll_s=AMPLE_S)
            async with running(driver.run):
                before = len(device.requests)
                async with trio.open_nursery() as nursery:
                    for level in (True, False, True):
                        nursery.start_soon(driver.write, "2", level)
                    nursery.start_soon(driver.write, "1", True)
                methods = [request.method for request in device.requests[before:]]
            # Between two changes there is always a look.
            assert not any(a == b != "GET" for a, b in pairwise(methods))

    @each_device
    @pytest.mark.fault("channels: HTTP devices", "missing")
    async def test_nobody_listens(self, make: Callable[[], WebDevice]) -> None:
        async with web_device(make()) as device:
            driver = driver_of(device)
        with pytest.raises(DeviceGoneError, match=r"127\.0\.0\.1"):
            await driver.run()
        with pytest.raises(DeviceGoneError, match=r"127\.0\.0\.1"):
            await driver.write("1", True)

    @each_device
    @pytest.mark.parametrize(
        ("fault", "error", "text"),
        [
            ("hang", DeviceTimeoutError, "did not answer within"),
            ("garbage", BadReplyError, "expected HTTP of"),
            ("cut", BadReplyError, "expected HTTP of"),
            ("flood", BadReplyError, "bytes of .*, got more"),
            ("error", BadReplyError, "got status 500"),
        ],
    )
    @pytest.mark.fault("channels: HTTP devices", "stalls", "garbage")
    async def test_a_device_that_misbehaves(
        self, make: Callable[[], WebDevice], fault: str, error: type[DriverError], text: str
    ) -> None:
        async with web_device(make()) as device:
            driver = driver_of(device, timeout_s=SHORT_S if fault == "hang" else AMPLE_S, poll_s=0.05)
            ended = await fault_of(driver.run, lambda: setattr(device, "fault", fault))
            assert type(ended) is error
            assert re.search(text, str(ended))
            assert "127.0.0.1" in str(ended)
            with pytest.raises(DeviceGoneError):
                await driver.read("1")

    @each_device
    @pytest.mark.fault("channels: HTTP devices", "garbage")
    async def test_something_else_at_that_address(
        self, make: Callable[[], WebDevice], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for body in (b"", b"<html>Router</html>", b"[]", b'{"1": {}}', b"a;b;c", b"\xff" * 300):
            async with web_device(make()) as device:
                monkeypatch.setattr(device, "answer", lambda _, body=body: Answer(200, body))
                with pytest.raises(BadReplyError):
                    await driver_of(device).run()

    @each_device
    async def test_certificates_are_verified_unless_told_otherwise(
        self, make: Callable[[], WebDevice], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority = trustme.CA()
        served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(served)
        async with web_device(make(), served) as device:
            assert device.url.startswith("https:")
            with pytest.raises(DeviceGoneError, match=r"CERTIFICATE_VERIFY_FAILED.*set verify to false"):
                await driver_of(device).run()
            assert not device.requests
            driver = driver_of(device, verify=False)
            async with running(driver.run):
                await driver.write("2", True)
                assert await driver.read("2")

            def trusting() -> ssl.SSLContext:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                authority.configure_trust(context)
                return context

            monkeypatch.setattr(http_device.ssl, "create_default_context", trusting)  # type: ignore[attr-defined] # its import
            driver = driver_of(device)
            async with running(driver.run):
                assert await driver.read("2")

    @each_device
    async def test_no_secret_is_logged(
        self, make: Callable[[], WebDevice], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with web_device(make()) as device:
            driver = driver_of(device)
            with caplog.at_level(logging.INFO):
                async with running(driver.run):
                    await driver.write("2", True)
                device.pull()
                with pytest.raises(DriverError) as error:
                    await driver.run()
        for secret in (TOKEN, "a-token", PASSWD, "YWRtaW46"):
            assert secret not in caplog.text
            assert secret not in str(error.value)
