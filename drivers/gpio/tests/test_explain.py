from __future__ import annotations

import errno
import os

import pytest

from drivers.errors import DeviceBusyError, DeviceGoneError, DriverError, NotSupportedError
from drivers.gpio import explain
from drivers.gpio.declarations import Bias, Drive, InputDeclaration, LineDeclaration, OutputDeclaration
from drivers.gpio.handle import os_errors_of_gpiod

LED = InputDeclaration(name="power LED", line=24, bias=Bias.UP, debounce_s=0.1)
SWITCH = OutputDeclaration(name="power switch", line=23, bias=Bias.DISABLED, drive=Drive.OPEN_DRAIN)
WHERE = "line 24 of expander at /dev/gpiochip3"


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "line", "error", "says"),
    [
        (
            errno.EBUSY,
            LED,
            DeviceBusyError,
            r"the line power LED \(line 24 of .*\) is held by 'somebody': end",
        ),
        (
            errno.ENODEV,
            LED,
            NotSupportedError,
            "input with edge events .its chip needs an interrupt., bias up, deb",
        ),
        (errno.ENXIO, LED, NotSupportedError, "debounced for 0.1 s"),
        (errno.EOPNOTSUPP, SWITCH, NotSupportedError, "declared to do: open-drain output, no bias"),
        (524, SWITCH, NotSupportedError, "open-drain output"),
        (errno.EIO, SWITCH, DriverError, r"the line power switch \(line 24 of .*\): Input/output error"),
    ],
)
def test_a_request_that_fails_is_explained(
    number: int, line: LineDeclaration, error: type[DriverError], says: str
) -> None:
    with pytest.raises(error, match=says):
        raise explain.cannot_request(os_error(number), line, WHERE, consumer="somebody")


def test_a_chip_that_went_meanwhile_is_gone_and_not_incapable() -> None:
    explained = explain.cannot_request(os_error(errno.ENODEV), LED, WHERE, consumer=None)
    assert isinstance(explained, DeviceGoneError)


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        (
            errno.EACCES,
            DriverError,
            "may not be opened: run as root, or as a member of the group that owns it",
        ),
        (errno.ENOENT, DeviceGoneError, "there is no GPIO chip /dev/gpiochip3: look at"),
        (errno.ENXIO, DeviceGoneError, "there is no GPIO chip /dev/gpiochip3: look at"),
        (errno.EMFILE, DriverError, "the GPIO chip /dev/gpiochip3: Too many open files"),
    ],
)
def test_a_chip_that_cannot_be_opened_is_explained(number: int, error: type[DriverError], says: str) -> None:
    with pytest.raises(error, match=says):
        raise explain.cannot_open(os_error(number), "/dev/gpiochip3")


def test_a_label_that_only_unreadable_chips_may_have_is_a_matter_of_permission() -> None:
    explained = explain.no_such_label("expander", ["other"], ["/dev/gpiochip3"])
    assert not isinstance(explained, DeviceGoneError)
    assert "'expander': the GPIO chip /dev/gpiochip3 may not be opened: run as root" in str(explained)


@pytest.mark.parametrize("kind", [ValueError, NotImplementedError])
def test_errors_that_libgpiod_dresses_up_are_oserrors_again(kind: type[Exception]) -> None:
    with pytest.raises(OSError, match="Invalid argument") as caught, os_errors_of_gpiod():
        raise kind(errno.EINVAL, os.strerror(errno.EINVAL))
    assert caught.value.errno == errno.EINVAL


def test_a_plain_valueerror_stays_a_bug() -> None:
    with pytest.raises(ValueError, match="a bug"), os_errors_of_gpiod():
        raise ValueError("a bug")
