from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from drivers.errors import DeviceGoneError
from drivers.fanout import Fanout
from drivers.ports import ChannelInput, ChannelOutput
from firmware.core.supervise import Backoff, Supervisor, TaskPhase
from firmware.state.gpio import GpioInputState, GpioOutputState, GpioPulseScheme
from firmware.subsystems.gpio.channels import ChannelPins, make_scheme, pins_by_driver, pulse_seconds
from firmware.subsystems.gpio.config import (
    GpioChannelConfig,
    GpioConfig,
    GpioInputConfig,
    GpioOutputConfig,
    GpioPulseConfig,
)
from firmware.subsystems.gpio.driver_config import LineDriverConfig, NoopDriverConfig
from firmware.subsystems.gpio.service import (
    READ_DEADLINE_S,
    RELEASE_DEADLINE_S,
    WRITE_DEADLINE_S,
    GpioChannelIsBusyError,
    GpioChannelNotFoundError,
    GpioDriverOfflineError,
    GpioPulseNotSupported,
    GpioService,
    GpioSwitchNotSupported,
)

NO_PULSE = GpioPulseConfig(delay=0.0)
LONG = GpioPulseConfig(delay=2.0, min_delay=0.5, max_delay=5.0)


class Device:
    """A driver in memory; `log` has every write with its time."""

    def __init__(self, pins: ChannelPins) -> None:
        self.levels = {one.pin: False for one in pins.inputs}
        self.levels |= {one.pin: bool(one.initial) for one in pins.outputs}
        self.log: list[tuple[float, str, bool]] = []
        self.reads: list[str] = []
        self.held = False
        self.hangs = False
        self.bug: Exception | None = None
        self._unplugged = trio.Event()
        self.missing = False
        self._changes = Fanout[None](1)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await trio.lowlevel.checkpoint()
        if self.missing:
            raise DeviceGoneError("no relay board")
        self.held = True
        try:
            task_status.started()
            await self._unplugged.wait()
            raise DeviceGoneError("the relay board went")
        finally:
            self.held = False
            self._unplugged = trio.Event()

    async def read(self, pin: str) -> bool:
        await self._use()
        self.reads.append(pin)
        return self.levels[pin]

    async def write(self, pin: str, level: bool) -> None:
        await self._use()
        if self.bug is not None:
            raise self.bug
        self.levels[pin] = level
        self.log.append((trio.current_time(), pin, level))

    def changes(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[None]]:
        return self._changes.listen()

    def set(self, pin: str, level: bool) -> None:
        self.levels[pin] = level
        self._changes.publish(None)

    def unplug(self) -> None:
        self.missing = True
        self._unplugged.set()

    async def _use(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.hangs:
            await trio.sleep_forever()
        if not self.held:
            raise DeviceGoneError("not held")


class Bench:
    """A service on devices in memory."""

    def __init__(self, channels: dict[str, GpioChannelConfig]) -> None:
        config = GpioConfig(
            drivers=MappingProxyType(
                {"__gpio__": LineDriverConfig(), "other": NoopDriverConfig(), "unused": NoopDriverConfig()}
            ),
            scheme=MappingProxyType(channels),
        )
        self.pins = pins_by_driver(config)
        self.devices = {name: Device(pins) for name, pins in self.pins.items()}
        self.supervisor = Supervisor(backoff=Backoff(first_s=1, longest_s=1, jitter=0))
        self.gpio = GpioService(config, drivers=self.devices, supervisor=self.supervisor)
        self.scope = trio.CancelScope()

    @property
    def device(self) -> Device:
        return self.devices["__gpio__"]

    def input(self, channel: str) -> GpioInputState:
        return self.gpio.state.value.state.inputs[channel]

    def output(self, channel: str) -> GpioOutputState:
        return self.gpio.state.value.state.outputs[channel]


@asynccontextmanager
async def running(**channels: GpioChannelConfig) -> AsyncIterator[Bench]:
    bench = Bench(channels)
    async with trio.open_nursery() as nursery:
        bench.scope = nursery.cancel_scope
        await nursery.start(bench.gpio.run)
        await wait_all_tasks_blocked()
        yield bench
        nursery.cancel_scope.cancel()


def relay(**changes: object) -> GpioOutputConfig:
    return GpioOutputConfig(pin="1", **changes)  # type: ignore[arg-type] # options by name


# -- values ------------------------------------------------------------------------------------------------


def test_what_drivers_are_made_with() -> None:
    bench = Bench(
        {
            "lamp": GpioInputConfig(pin="3", debounce=0.5, inverted=True),
            "on": relay(initial=True),
            "low": GpioOutputConfig(pin="2", initial=True, inverted=True),
            "alone": GpioOutputConfig(pin="4", initial=None, inverted=True),
            "else": GpioInputConfig(pin="any", driver="other"),
        }
    )
    assert bench.pins == {
        "__gpio__": ChannelPins(
            (ChannelInput("3", 0.5),),
            (ChannelOutput("1", True), ChannelOutput("2", False), ChannelOutput("4", None)),
        ),
        "other": ChannelPins((ChannelInput("any", 0.1),)),
    }


def test_the_scheme_tells_pulses_and_hides_constants() -> None:
    scheme = make_scheme(
        GpioConfig(
            scheme=MappingProxyType(
                {
                    "button": relay(pulse=LONG),
                    "switch": relay(pulse=NO_PULSE),
                    "constant": relay(switch=False, pulse=NO_PULSE),
                }
            )
        )
    )
    assert scheme.outputs["button"].pulse == GpioPulseScheme(2.0, 0.5, 5.0)
    assert scheme.outputs["switch"].pulse == GpioPulseScheme(0.0, 0.0, 0.0)
    assert scheme.outputs.keys() == {"button", "switch"}


@given(
    wanted=st.floats(0, 1e9),
    pulse=st.builds(
        GpioPulseConfig,
        delay=st.floats(0.01, 100),
        min_delay=st.floats(0.1, 10),
        max_delay=st.floats(10, 100),
    ),
)
def test_pulses_stay_within_their_limits(wanted: float, pulse: GpioPulseConfig) -> None:
    seconds = pulse_seconds(relay(pulse=pulse), wanted)
    assert pulse.min_delay <= seconds <= pulse.max_delay
    if pulse.min_delay <= (wanted or pulse.delay) <= pulse.max_delay:
        assert seconds == (wanted or pulse.delay)


# -- reading -----------------------------------------------------------------------------------------------


async def test_inputs_follow_their_driver_and_are_inverted(autojump_clock: MockClock) -> None:
    async with running(plain=GpioInputConfig(pin="1"), low=GpioInputConfig(pin="2", inverted=True)) as bench:
        assert bench.input("plain") == GpioInputState(online=True, state=False)
        assert bench.input("low") == GpioInputState(online=True, state=True)
        bench.device.set("1", True)
        bench.device.set("2", True)
        await wait_all_tasks_blocked()
        assert bench.input("plain") == GpioInputState(online=True, state=True)
        assert bench.input("low") == GpioInputState(online=True, state=False)


async def test_a_driver_that_fails_is_offline_alone_and_comes_back(autojump_clock: MockClock) -> None:
    async with running(
        lamp=GpioInputConfig(pin="1", inverted=True), other=GpioInputConfig(pin="1", driver="other")
    ) as bench:
        bench.device.unplug()
        await trio.sleep(0.5)
        assert bench.input("lamp") == GpioInputState(online=False, state=False)
        assert bench.input("other") == GpioInputState(online=True, state=False)
        assert bench.supervisor.tasks.value["gpio.__gpio__"].phase is TaskPhase.BACKING_OFF
        assert "gpio.unused" not in bench.supervisor.tasks.value
        bench.device.missing = False
        await trio.sleep(2)
        assert bench.input("lamp") == GpioInputState(online=True, state=True)


async def test_a_driver_that_hangs_when_read_is_offline(autojump_clock: MockClock) -> None:
    async with running(lamp=GpioInputConfig(pin="1")) as bench:
        bench.device.hangs = True
        bench.device.set("1", True)
        await trio.sleep(READ_DEADLINE_S + 1)
        assert bench.input("lamp") == GpioInputState(online=False, state=False)


# -- actions -----------------------------------------------------------------------------------------------


async def test_a_switch_is_busy_for_its_delay_and_reads_false_meanwhile(autojump_clock: MockClock) -> None:
    async with running(relay=relay(busy_delay=3.0)) as bench:
        await bench.gpio.switch("relay", True)
        assert bench.output("relay") == GpioOutputState(online=True, state=False, busy=True)
        reads = len(bench.device.reads)
        await trio.sleep(2)
        bench.device.set("1", True)
        await trio.sleep(0.5)
        assert bench.device.log == [(0.0, "1", True)]
        assert bench.output("relay") == GpioOutputState(online=True, state=False, busy=True)
        assert len(bench.device.reads) == reads
        await trio.sleep(1)
        assert bench.output("relay") == GpioOutputState(online=True, state=True, busy=False)


async def test_a_switch_that_is_waited_for_shows_its_state_when_it_is_done(autojump_clock: MockClock) -> None:
    async with running(relay=relay(inverted=True, initial=False)) as bench:
        assert bench.device.levels == {"1": True}
        await bench.gpio.switch("relay", True, wait=True)
        assert trio.current_time() == pytest.approx(0.2)
        assert bench.device.levels == {"1": False}
        assert bench.output("relay") == GpioOutputState(online=True, state=True, busy=False)


@pytest.mark.parametrize(("delay_s", "seconds"), [(0, 2.0), (0.1, 0.5), (3, 3.0), (1e9, 5.0)])
async def test_a_pulse(autojump_clock: MockClock, delay_s: float, seconds: float) -> None:
    async with running(door=relay(pulse=LONG)) as bench:
        await bench.gpio.pulse("door", delay_s, wait=True)
        assert [(pin, level) for _, pin, level in bench.device.log] == [("1", True), ("1", False)]
        assert bench.device.log[1][0] - bench.device.log[0][0] == pytest.approx(seconds)
        assert trio.current_time() == pytest.approx(seconds + 0.2)


async def test_one_action_per_channel(autojump_clock: MockClock) -> None:
    channels = {"a": relay(), "b": GpioOutputConfig(pin="2")}
    async with running(**channels) as bench:
        await bench.gpio.switch("a", True)
        for again in (bench.gpio.switch("a", False), bench.gpio.pulse("a")):
            with pytest.raises(GpioChannelIsBusyError) as refusal:
                await again
            assert refusal.value.status == 409
        await bench.gpio.pulse("b", wait=True)
        await trio.sleep(1)
        await bench.gpio.switch("a", False, wait=True)
        assert bench.gpio.statistics() == {"switches": 2, "pulses": 1, "failures": 0}


async def test_what_a_channel_cannot_do(autojump_clock: MockClock) -> None:
    async with running(
        button=relay(switch=False, pulse=LONG),
        switch=GpioOutputConfig(pin="2", pulse=NO_PULSE),
        constant=GpioOutputConfig(pin="3", switch=False, pulse=NO_PULSE, initial=True),
        lamp=GpioInputConfig(pin="4"),
    ) as bench:
        with pytest.raises(GpioSwitchNotSupported):
            await bench.gpio.switch("button", True)
        with pytest.raises(GpioPulseNotSupported):
            await bench.gpio.pulse("switch")
        with pytest.raises(GpioSwitchNotSupported):
            await bench.gpio.switch("constant", False)
        for channel in ("lamp", "nothing"):
            with pytest.raises(GpioChannelNotFoundError):
                await bench.gpio.switch(channel, True)
            with pytest.raises(GpioChannelNotFoundError):
                await bench.gpio.pulse(channel)
        assert bench.gpio.state.value.state.outputs.keys() == {"button", "switch"}
        assert bench.device.levels["3"] is True
        assert bench.device.log == []


async def test_an_action_goes_on_when_nobody_waits_any_more(autojump_clock: MockClock) -> None:
    async with running(door=relay(pulse=LONG)) as bench:
        with trio.move_on_after(1):
            await bench.gpio.pulse("door", wait=True)
        await trio.sleep(1.5)
        assert [level for _, _, level in bench.device.log] == [True, False]


@pytest.mark.parametrize("pulse", [True, False])
async def test_the_end_of_the_service_releases_a_pulse(autojump_clock: MockClock, pulse: bool) -> None:
    async with running(door=relay(pulse=LONG)) as bench:
        action: Callable[[], object] = (
            (lambda: bench.gpio.pulse("door")) if pulse else (lambda: bench.gpio.switch("door", True))
        )
        await action()  # type: ignore[misc] # either is awaitable
        await trio.sleep(0.1)
        assert bench.device.levels == {"1": True}
        bench.scope.cancel()
    assert bench.device.levels == {"1": not pulse}
    assert not bench.device.held
    assert bench.output("door") == GpioOutputState(online=False, state=False, busy=False)


async def test_a_device_that_hangs_at_the_end_does_not_keep_the_appliance(autojump_clock: MockClock) -> None:
    async with running(door=relay(pulse=LONG)) as bench:
        await bench.gpio.pulse("door")
        await trio.sleep(0.1)
        bench.device.hangs = True
        bench.scope.cancel()
    assert trio.current_time() <= RELEASE_DEADLINE_S + 1


@pytest.mark.parametrize("kind", ["missing", "hangs", "bug"])
async def test_failures_are_told_to_those_who_wait(autojump_clock: MockClock, kind: str) -> None:
    async with running(door=relay(pulse=LONG), other=GpioOutputConfig(pin="1", driver="other")) as bench:
        await bench.gpio.pulse("other", 0)
        if kind == "missing":
            bench.device.unplug()
            await trio.sleep(0.05)
        elif kind == "hangs":
            bench.device.hangs = True
        else:
            bench.device.bug = RuntimeError("a bug")
        with pytest.raises(GpioDriverOfflineError, match="__gpio__ of door"):
            await bench.gpio.switch("door", True, wait=True)
        assert trio.current_time() <= WRITE_DEADLINE_S + READ_DEADLINE_S + 1
        assert bench.output("door") == GpioOutputState(online=kind == "bug", state=False, busy=False)
        # The others go on, and without waiting it is a matter of the log.
        await bench.gpio.pulse("door", 3)
        await trio.sleep(WRITE_DEADLINE_S + RELEASE_DEADLINE_S + READ_DEADLINE_S + 1)
        assert [level for _, _, level in bench.devices["other"].log] == [True, False]
        assert bench.gpio.statistics()["failures"] == 2


async def test_a_pulse_whose_device_goes_is_told(autojump_clock: MockClock) -> None:
    async with running(door=relay(pulse=LONG)) as bench:
        await bench.gpio.pulse("door")
        await trio.sleep(1)
        bench.device.unplug()
        await trio.sleep(0.1)
        assert bench.output("door") == GpioOutputState(online=False, state=False, busy=True)
        await trio.sleep(2)
        assert bench.output("door").busy is False
        assert bench.gpio.statistics()["failures"] == 1


async def test_without_channels_nothing_runs(autojump_clock: MockClock) -> None:
    async with running() as bench:
        assert bench.devices == {}
        assert bench.supervisor.tasks.value == {}
