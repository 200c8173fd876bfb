"""Images of other servers by InsertMedia: what they are called here, and how long operations are kept."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from api.redfish.removable import image_of, is_url, with_credentials, without_credentials
from api.redfish.task_list import KEPT_MAX, RUNNING_MAX, TaskList, TooManyTasksError
from drivers.errors import DeviceGoneError
from firmware.core.errors import ValidatorError


@pytest.mark.parametrize(
    ("url", "image"),
    [
        ("http://h/a/b.iso", "redfish/b.iso"),
        ("https://h/b%2Fc.iso?x=/d.iso#e", "redfish/c.iso"),
        ("http://h/", "redfish/image.img"),
        ("http://h", "redfish/image.img"),
        ("http://h/..", "redfish/image.img"),
        ("http://h/.hidden", "redfish/image.img"),
    ],
)
def test_what_an_image_of_a_url_is_called(url: str, image: str) -> None:
    assert is_url(url)
    assert image_of(url) == image


def test_credentials_in_urls() -> None:
    url = with_credentials("http://old:one@h:80/a?b", "me@home", "p/w:d")
    assert url == "http://me%40home:p%2Fw%3Ad@h:80/a?b"
    assert without_credentials(url) == "http://h:80/a?b"
    assert not is_url("dir/a.iso")
    assert not is_url(None)


def nobody_knows() -> None:
    return None


async def nothing() -> None:
    await trio.lowlevel.checkpoint()


async def test_operations_are_bounded(autojump_clock: MockClock) -> None:
    tasks = TaskList()
    with pytest.raises(TooManyTasksError):
        tasks.start("before it runs", nothing, progress=nobody_knows)
    async with trio.open_nursery() as nursery:
        await nursery.start(tasks.run)
        for _ in range(KEPT_MAX + 5):
            await tasks.start("short", nothing, progress=nobody_knows).ended.wait()
        assert len(tasks.tasks) == KEPT_MAX
        long = [tasks.start("long", trio.sleep_forever, progress=nobody_knows) for _ in range(RUNNING_MAX)]
        with pytest.raises(TooManyTasksError):
            tasks.start("one more", nothing, progress=nobody_knows)
        assert all(tasks.get(task.id) is task for task in long)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert {task.state for task in long} == {"Cancelled"}


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValidatorError("no such thing"), "ValidatorError"),
        (DeviceGoneError("no such thing"), "TaskFailedError"),
        (ZeroDivisionError("a bug of the test"), "TaskFailedError"),
    ],
)
async def test_what_fails_ends_nothing_else(error: Exception, name: str) -> None:
    async def fails() -> None:
        await trio.lowlevel.checkpoint()
        raise error

    tasks = TaskList()
    async with trio.open_nursery() as nursery:
        await nursery.start(tasks.run)
        other = tasks.start("other", trio.sleep_forever, progress=nobody_knows)
        task = tasks.start("failing", fails, progress=nobody_knows)
        await task.ended.wait()
        assert task.state == "Exception"
        assert task.error is not None
        assert task.error.contract_name == name
        assert "bug of the test" not in str(task.error)
        assert other.state == "Running"
        nursery.cancel_scope.cancel()
